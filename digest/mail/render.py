"""From an issue's content to its compiled mail: everything that is the same for all readers is done here, once.

One Jinja render makes the HTML of all sections and candidates, one more the text part; premailer inlines once. The
templates set cuts (``{{ cut("story", 2, 41) }}``) where blocks begin and slots (``{{ slot("token") }}``) where
personal values will stand. Both are written with the issue's nonce, so that no feed can write one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from digest.errors import InputError
from digest.language import dates, wording
from digest.language.text import many_lines, one_line, shorten
from digest.mail import message, themes, wrap
from digest.mail.vocabulary import CUTS, FOLDS, NAMES, SLOTS
from digest.values import (
    Block,
    CompiledIssue,
    CompiledPart,
    IssueContent,
    Item,
    Kind,
    Rule,
    Section,
)

_URL_MOST = 900  # bytes; a longer one could not stand on a mail's line
_ALT_MOST = 100
_ENDS = {"more": Markup("<!--more-->"), "tail": Markup("<!--tail-->")}  # of a page: what lies between is for mails


@dataclass(frozen=True, slots=True)
class Page:
    """What stands around an issue in the public archive: its own address, that of the archive and what the link there
    says, and markup for the page's head and foot."""

    url: str
    home: str
    home_title: str
    head: Markup
    foot: Markup


def compile_issue(
    content: IssueContent,
    environment: Environment,
    base_url: str,
    nonce: str,
    list_domain: str,
    leave_address: str = "",
) -> CompiledIssue:
    """Render, inline and encode ``content`` once for all readers. ``nonce`` is random letters and digits made for this
    issue; ``base_url`` begins every link of ours; ``list_domain`` is the right side of List-Id and Message-ID;
    ``leave_address`` takes mails that unsubscribe ("": none does).

    Raises ``InputError`` for a template that can't work, ``ValueError`` for a nonce that occurs in the content.
    """
    # here: premailer and lxml are 15 MB, and most processes only read what it made
    from digest.mail.inline import inlined

    if not (nonce.isascii() and nonce.isalnum()) or nonce in repr(content):
        raise ValueError("the nonce must be letters and digits that the content does not hold")
    texts: Any = environment.globals["texts"]
    words = texts(content.edition.locale)
    content = replace(content, items={key: _fit(item, words["update"]) for key, item in content.items.items()})
    context = _context(content, base_url, nonce)
    html, text = (_rendered(environment, kind, context) for kind in ("html", "txt"))
    boundary, locale = f"=_{nonce}", content.edition.locale
    return CompiledIssue(
        content=content,
        boundary=boundary,
        headers=_headers(content, base_url, nonce, list_domain, boundary, leave_address),
        html=_part(inlined(html), content, nonce, wrap.html_block, {"rank": "story", "preheader": "head"}),
        text=_part(text, content, nonce, wrap.text_block, {"rank": "story", "preheader": "no text part"}),
        date=dates.date(content.slot, locale, content.edition.time_zone),
        more=_lines(words["and_more"]),
        numerals=dates.numerals("0123456789", content.edition.locale),
    )


def _fit(item: Item, update: str) -> Item:
    """``item`` with every text on one line and no URL that a line of mail can't hold (its headline then stands without
    a link, or without its picture). The headline of an update says so, in the words ``update``: wherever it stands.
    What fits already stays as it is: editors change what was compiled."""
    image = item.image
    if image and not _linkable(image.url):
        image = None
    if image:
        alt = shorten(one_line(image.alt or item.title), _ALT_MOST)
        image = replace(image, alt=alt, credit=one_line(image.credit))
    return replace(
        item,
        title=one_line(_marked(item.title, update) if item.told else item.title),
        standfirst=one_line(item.standfirst),
        byline=one_line(item.byline),
        place=one_line(item.place),
        agency=one_line(item.agency),
        region=one_line(item.region),
        url=item.url if _linkable(item.url) else "",
        image=image,
    )


def _marked(headline: str, update: str) -> str:
    before, _, behind = update.partition("{headline}")
    marked = headline.startswith(before) and headline.endswith(behind)
    return headline if marked else f"{before}{headline}{behind}"


def _lines(text: wording.Text) -> wording.Text:
    """``text`` with each of its forms on one line."""
    if isinstance(text, str):
        return one_line(text)
    return replace(text, forms={category: one_line(said) for category, said in text.forms.items()})


def _linkable(url: str) -> bool:
    size = sum(1 if char.isascii() else 3 * len(char.encode("utf-8", "replace")) for char in url)
    return size <= _URL_MOST and url.startswith(("http://", "https://")) and not re.search(r"[\s\x00-\x20<>\"]", url)


def _context(content: IssueContent, base_url: str, nonce: str) -> dict[str, Any]:
    """What the templates see when they make a mail."""

    def slot(name: str) -> Markup:
        _check("slot", name, SLOTS)
        return Markup(f"@@{nonce}:{name}@@")  # noqa: S704 - our own text

    def cut(kind: str, *numbers: int) -> Markup:
        _check("cut", kind, CUTS)
        return Markup(f"<!--{nonce}:{':'.join(map(str, (kind, *numbers)))}-->")  # noqa: S704

    token = slot("token")

    def linked(item: Item) -> Item:
        if not (content.edition.track_clicks and item.url):
            return item
        return replace(item, url=Markup.escape(base_url) + "/l/" + token + f"/{item.story_id}")

    items = {story_id: linked(item) for story_id, item in content.items.items()}
    return shown(replace(content, items=items), base_url, slot, cut) | {
        "web_url": Markup.escape(base_url) + "/v/" + token,
        "unsubscribe_url": Markup.escape(base_url) + "/u/" + token,
        "preferences_url": Markup.escape(base_url) + "/p/" + token,
    }


def public_page(content: IssueContent, environment: Environment, base_url: str, page: Page) -> str:
    """The HTML of all of ``content`` for anybody, by the same templates as the mail. There is nothing personal to fill
    in: slots stay empty, and what would lead to a reader's own pages leads to the sign-up form."""
    rank = 0

    def slot(name: str) -> str:
        _check("slot", name, SLOTS)
        return dates.numerals(str(rank), content.edition.locale) if name == "rank" else ""

    def cut(kind: str, *_numbers: int) -> Markup:
        nonlocal rank
        _check("cut", kind, CUTS)
        rank = {"opening": 0, "story": rank + 1}.get(kind, rank)
        return _ENDS.get(kind, Markup())

    context = shown(content, base_url, slot, cut)
    links = dict.fromkeys(("unsubscribe_url", "preferences_url"), context["signup_url"])
    context |= {"page": page, "web_url": page.url, **links}
    whole, ending, rest = _rendered(environment, "html", context).partition(_ENDS["more"])
    return whole + rest.partition(_ENDS["tail"])[2] if ending else whole


def _rendered(environment: Environment, kind: str, context: dict[str, Any]) -> str:
    given = {name: context[name] for name in NAMES}
    return many_lines(themes.rendered(environment, f"issue.{kind}.j2", given))


def _check(what: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise InputError(f"a template uses the {what} {name!r}", f"there are: {', '.join(known)}")


def shown(content: IssueContent, base_url: str, slot: Callable[[str], str], cut: Callable[..., str]) -> dict[str, Any]:
    """What the templates see of an issue, whoever reads it: all they ask for but the links that are a reader's own
    (``web_url``, ``unsubscribe_url``, ``preferences_url``). ``slot`` gives a personal value, ``cut`` marks a block."""
    # here: CommonMark, which most processes only read the result of
    from digest.mail import intro

    return {
        "page": None,
        "edition": content.edition,
        "cadence": content.cadence,
        "issue_date": content.slot,
        "intro_html": Markup(intro.as_html(content.intro)),  # noqa: S704 - sanitised
        "intro_text": intro.as_text(content.intro),
        "sections": [
            {
                "index": index,
                "section": section,
                "layout": layout(section),
                "items": [content.items[story_id] for story_id, place in places.items() if place == index],
            }
            for index, (section, places) in enumerate(zip(content.edition.sections, _places(content), strict=True))
        ],
        "slot": slot,
        "cut": cut,
        "signup_url": f"{base_url}/s/{content.edition.name}",
    }


def _places(content: IssueContent) -> list[dict[int, int]]:
    """Per section and candidate the index of the section in which that story is written: the first one of the same
    layout that can show it. The others take it from there, or the cost would grow with sections times stories."""
    written: dict[str, dict[int, int]] = {}
    places = []
    for index, (section, ids) in enumerate(zip(content.edition.sections, content.candidates, strict=True)):
        known = written.setdefault(layout(section), {})
        places.append({story_id: known.setdefault(story_id, index) for story_id in ids})
    return places


def layout(section: Section) -> str:
    """How a section's stories look: big picture, numbered, labelled opinion, compact shorts, timed list or rows."""
    if section.rule is Rule.KIND:
        return "shorts" if set(section.match) == {Kind.SHORT.value} else "opinion"
    return {Rule.LEAD: "lead", Rule.TRENDING: "trending", Rule.LATEST: "latest"}.get(section.rule, "rows")


def _part(
    markup: str, content: IssueContent, nonce: str, encode: Callable[[str, str], Block], only_in: Mapping[str, str]
) -> CompiledPart:
    """Cut ``markup`` at its marks and ``encode`` the blocks; ``only_in`` says where a slot may stand alone. Raises
    ``InputError`` unless every block an issue needs is there once."""
    markup = re.sub(rf"<!--{nonce}:({'|'.join(FOLDS)})-->", rf"\n@@{nonce}:\1@@", markup)
    pieces = re.split(rf"<!--{nonce}:([a-z]+(?::\d+)*)-->\n?", markup)
    blocks = {"head": encode(pieces[0], nonce)}
    for key, chunk in zip(pieces[1::2], pieces[2::2], strict=True):
        if key in blocks:
            raise InputError(f"a template cuts {key!r} twice")
        blocks[key] = encode(chunk, nonce)
    for key, block in blocks.items():
        _check_slots(key, block, only_in)
    try:
        return CompiledPart(
            head=blocks["head"],
            tail=blocks["tail"],
            more=blocks["more"],
            opening=tuple(blocks[f"opening:{i}"] for i in range(len(content.candidates))),
            closing=tuple(blocks[f"closing:{i}"] for i in range(len(content.candidates))),
            stories=tuple(
                {story_id: blocks[f"story:{place}:{story_id}"] for story_id, place in places.items()}
                for places in _places(content)
            ),
        )
    except KeyError as missing:
        raise InputError(f"a template lacks the cut {missing}", "compare it with the one it overrides") from None


def _check_slots(key: str, block: Block, only_in: Mapping[str, str]) -> None:
    for name, place in only_in.items():
        if name in block.slots and not key.startswith(place):
            raise InputError(f"a template uses the slot {name!r} in {key!r}", f"it can only stand in {place!r}")


def _headers(
    content: IssueContent, base_url: str, nonce: str, list_domain: str, boundary: str, leave_address: str
) -> Block:
    """The header block, in which the recipient, Subject, Date and tokens are slots of their own."""
    edition = content.edition

    def slot(name: str) -> str:
        return f"@@{nonce}:{name}@@"

    sender = edition.reply_to or edition.sender
    for _, addr in (edition.sender, sender):
        if message.needs_smtputf8(addr):
            raise InputError(f"{edition.name}: {addr} can't send", "use an address with a plain ASCII local part")
    mailto = f",\r\n <mailto:{leave_address}?subject=leave%20{slot('token')}>" if leave_address else ""
    stamp = content.slot.strftime("%Y%m%dT%H%M")
    feedback_id = (stamp, edition.name, content.cadence, list_domain.partition(".")[0])
    headers = [
        ("From", message.address(*edition.sender, "From")),
        ("To", slot("to")),
        *([("Reply-To", message.address(*edition.reply_to, "Reply-To"))] if edition.reply_to else []),
        ("Subject", slot("subject")),
        ("Date", slot("date")),
        ("Message-ID", f"<{slot('return_path')}@{list_domain}>"),
        ("List-Id", message.list_id(edition, list_domain)),
        ("List-Unsubscribe", f"<{base_url}/u/{slot('token')}>{mailto}"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("List-Subscribe", f"<{base_url}/s/{edition.name}>"),
        *([("List-Archive", f"<{base_url}/a/{edition.name}>")] if edition.public else []),
        ("List-Owner", f"<mailto:{message.wire_address(sender[1])}>"),
        ("Precedence", "bulk"),
        ("Auto-Submitted", "auto-generated"),
        ("Feedback-ID", ":".join(re.sub(r"[^A-Za-z0-9._-]", "-", part) for part in feedback_id)),
        ("MIME-Version", "1.0"),
        ("Content-Type", f'multipart/alternative; boundary="{boundary}"'),
    ]
    return wrap.block(message.header_block(headers), nonce)
