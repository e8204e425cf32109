"""Reads received mails back: who got which issue, with which sections and stories. Knows nothing of the database."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import Message
from email.utils import parseaddr
from functools import partial
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

from lxml import html

from digest.readers import tokens

_UNDERLINE = re.compile(r"-+")


@dataclass(frozen=True, slots=True)
class Mail:
    """One received mail. ``issue`` is the number its signed return path names; ``sections`` are the titles in it,
    ``stories`` what its links tell (one name for all tellings of a story), ``faults`` what a parser found wrong."""

    path: Path
    recipient: str
    issue: int
    sections: tuple[str, ...]
    stories: tuple[str, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What the reading needs from outside the mails: the keys of their signatures, the titles an edition's sections
    have, and which story stands behind an address."""

    keys: tokens.Keys
    titles: frozenset[str]
    stories: Mapping[str, str]


def read_all(maildir: Path, known: Known) -> list[Mail]:
    """Every mail in ``maildir``, read by as many processes as the machine has use for."""
    paths = sorted((maildir / "new").iterdir())
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        return list(pool.map(partial(read, known=known), paths, chunksize=100))


def read(path: Path, known: Known) -> Mail:
    """What the mail in ``path`` says to whom."""
    message = parse(path)
    text, markup = body(message, "plain"), body(message, "html")
    faults = list(_defects(message))
    if not (text and markup):
        faults.append("one of the two parts is missing")
    sections, links = _read_text(text, known)
    if (sections, links) != _read_html(markup, known):
        faults.append("the HTML part and the text part differ")
    recipient, issue = str(message["Delivered-To"]), _issue(str(message["Return-Path"]), known.keys)
    if parseaddr(str(message["To"]))[1] != recipient:
        faults.append("it is addressed to somebody else")
    if not issue:
        faults.append("its return path is not ours")
    return Mail(path, recipient, issue, sections, tuple(known.stories[link] for link in links), tuple(faults))


def parse(path: Path) -> Message:
    """The mail in the file ``path``."""
    return message_from_bytes(path.read_bytes())


def body(message: Message, kind: str) -> str:
    """The text of the alternative ``text/kind``, "" if there is none."""
    for part in message.walk():
        if part.get_content_type() == f"text/{kind}":
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            return payload.decode(part.get_content_charset("ascii"))
    return ""


def one_click(path: Path) -> str:
    """The address to POST to that a mail's headers give (RFC 8058 3.1)."""
    message = parse(path)
    if message["List-Unsubscribe-Post"] != "List-Unsubscribe=One-Click":
        raise ValueError(f"{path} has no one-click unsubscribe")
    return str(message["List-Unsubscribe"]).split(">")[0].removeprefix("<")


def links(path: Path, base_url: str) -> dict[str, str]:
    """The reader's own links in the text part, by the letter of their purpose: ``v``, ``p``, ``u``."""
    text = body(parse(path), "plain")
    return {letter: url for url, letter in re.findall(rf"({re.escape(base_url)}/([vpu])/\S+)", text)}


def _defects(message: Message) -> Iterator[str]:
    """What Python's parser minds in the parts and, by its stricter registry, in the headers of the mail."""
    for part in message.walk():
        yield from (f"{type(defect).__name__} in a part" for defect in part.defects)
        for name, value in part.items():
            yield from (
                f"{type(defect).__name__} in {name}"
                for defect in policy.default.header_fetch_parse(name, value).defects
            )


def _issue(return_path: str, keys: tokens.Keys) -> int:
    named = tokens.read_return_path(keys, return_path.strip("<>").partition("@")[0].removeprefix("b+"))
    return named.issue_id if named else 0


def _read_text(text: str, known: Known) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Titles of sections, which stand above a line of hyphens, and addresses of stories."""
    lines = [line.removeprefix(" ") for line in text.splitlines()]  # stuffed where needed (RFC 3676 4.4)
    headed = (one for one, two in pairwise(lines) if _UNDERLINE.fullmatch(two))
    return tuple(line for line in headed if line in known.titles), tuple(
        line for line in lines if line in known.stories
    )


def _read_html(markup: str, known: Known) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The same from headings and links; picture and headline of a story link to one address in a row."""
    if not markup:
        return (), ()
    page = html.document_fromstring(markup)
    titles = tuple(
        title for heading in page.iter("h2") if (title := "".join(map(str, heading.itertext())).strip()) in known.titles
    )
    linked = [link.get("href") or "" for heading in page.iter("h3", "td", "b") for link in heading.findall("a")]
    return titles, tuple(_once(link for link in linked if link in known.stories))


def _once(links: Iterable[str]) -> Iterator[str]:
    previous = ""
    for link in links:
        if link != previous:
            yield link
        previous = link
