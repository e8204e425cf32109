"""From a compiled issue to one reader's mail: join the blocks of what he gets, fill in what is his.

``assemble`` is done once per variant and may be kept by the caller; ``message`` costs two tokens and a join.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from digest import message as mime
from digest import tokens, wrap
from digest.values import Block, CompiledIssue, CompiledPart, Envelope, Reader, Variant

_NAME_MOST = 60
_PERSONAL = {"token": 40, "name": 40, "address": 60}  # bytes a filled slot is counted with in the budget


@dataclass(frozen=True, slots=True)
class Assembled:
    """A mail that lacks only what is personal: ``parts`` are its bytes in order, with an empty place for each slot;
    ``places`` names those."""

    parts: tuple[bytes, ...]
    places: tuple[tuple[int, str], ...]
    slots: frozenset[str]


def assemble(compiled: CompiledIssue, variant: Variant, size_budget: int) -> Assembled:
    """The mail of everybody who gets ``variant``. Stories end where the HTML would pass ``size_budget`` bytes; then
    comes the link to the rest on the web. A variant without stories makes no mail: ``ValueError``."""
    if not variant.shown:
        raise ValueError("nothing in this issue is new to this reader: no mail to make")
    shown, whole = _within(compiled, variant, size_budget)
    first = shown[0][1][0]
    mail = _Joiner()
    mail.block(compiled.headers, {"subject": compiled.subjects[first]})
    mail.text("\r\n")
    mail.text(f"--{compiled.boundary}\r\n{mime.part_header('plain', 'quoted-printable')}")
    for block, values in _blocks(compiled.text, shown, whole, {}):
        mail.block(block, values, "text:")
    mail.text(f"\r\n--{compiled.boundary}\r\n{mime.part_header('html', '7bit')}")
    for block, values in _blocks(compiled.html, shown, whole, {"preheader": preheader(compiled, variant)}):
        mail.block(block, values, "html:")
    mail.text(f"\r\n--{compiled.boundary}--\r\n")
    return mail.assembled()


def fill(assembled: Assembled, values: Mapping[str, bytes]) -> bytes:
    """The mail with ``values`` in its places. A missing value raises ``KeyError``."""
    parts = list(assembled.parts)
    for index, name in assembled.places:
        parts[index] = values[name]
    return b"".join(parts)


def message(
    assembled: Assembled, reader: Reader, keys: tokens.Keys, bounce_domain: str, date: datetime | str
) -> Envelope:
    """``reader``'s own message with its VERP return path. Message-ID and tokens are the same on every try; ``date`` is
    a time or, made once for many, its RFC 5322 form.

    Raises ``InputError`` when the reader's address can't stand in a header.
    """
    recipient = mime.wire_address(reader.address)
    return_path = tokens.return_path(keys, reader.issue_id, reader.subscription_id)
    values = {
        "to": mime.address(reader.name, recipient).encode(),
        "date": (date if isinstance(date, str) else format_datetime(date)).encode(),
        "return_path": return_path.encode(),
        "token": tokens.reader(keys, reader.issue_id, reader.subscription_id).encode(),
    }
    for slot in assembled.slots & _WRITTEN.keys():
        encoded, of = _WRITTEN[slot]
        values[slot] = encoded(of(reader))
    return Envelope(f"b+{return_path}@{bounce_domain}", recipient, fill(assembled, values))


def web_page(compiled: CompiledIssue, variant: Variant, token: str, name: str = "", address: str = "") -> str:
    """The HTML of ``variant`` in full, for the web version. The address is shown only so far as its owner knows it:
    links get forwarded."""
    values = {
        "token": token.encode(),
        "html:name": _html(mime.clip(mime.clean(name), _NAME_MOST)),
        "html:address": _html(masked(address)),
    }
    page = _Joiner()
    for block, own in _blocks(compiled.html, variant.shown, True, {"preheader": ""}):
        page.block(block, own, "html:")
    return fill(page.assembled(), values).decode("ascii")


def masked(address: str) -> str:
    """``r…@example.org``."""
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}…{at}{domain}"


def preheader(compiled: CompiledIssue, variant: Variant) -> str:
    """What a mail list shows behind the subject, which has the first headline already: the next two, or else what the
    only story is about."""
    first, *others = (story_id for _, stories in variant.shown for story_id in stories)
    if others:
        return " &#183;\r\n".join(compiled.preheaders[story_id] for story_id in others[:2])
    return wrap.html_text(mime.clip(compiled.content.items[first].standfirst, _NAME_MOST * 2))


def _html(text: str) -> bytes:
    return html.escape(text).encode("ascii", "xmlcharrefreplace")


def _text(text: str) -> bytes:
    return mime.quoted_printable(text).encode()


def _name(reader: Reader) -> str:
    return mime.clip(mime.clean(reader.name), _NAME_MOST)


def _address(reader: Reader) -> str:
    return reader.address


_WRITTEN: Mapping[str, tuple[Callable[[str], bytes], Callable[[Reader], str]]] = {
    "html:name": (_html, _name),
    "text:name": (_text, _name),
    "html:address": (_html, _address),
    "text:address": (_text, _address),
}


Shown = tuple[tuple[int, tuple[int, ...]], ...]


def _within(compiled: CompiledIssue, variant: Variant, budget: int) -> tuple[Shown, bool]:
    """As much of ``variant`` as fits ``budget`` bytes of HTML, at least its first story, and whether that is all."""
    part, shown = compiled.html, list[tuple[int, tuple[int, ...]]]()
    room = budget - sum(map(_size, (part.head, part.more, part.tail))) - len(preheader(compiled, variant))
    for index, stories in variant.shown:
        room -= _size(part.opening[index]) + _size(part.closing[index])
        fitting = 0
        for story_id in stories:
            room -= _size(part.stories[index][story_id])
            if room < 0 and (shown or fitting):
                break
            fitting += 1
        if fitting:
            shown.append((index, stories[:fitting]))
        if fitting < len(stories):
            return tuple(shown), False
    return tuple(shown), True


def _size(block: Block) -> int:
    if not block.slots:
        return len(block.literals[0])
    return sum(map(len, block.literals)) + sum(_PERSONAL.get(name, 0) for name in block.slots)


def _blocks(
    part: CompiledPart, shown: Shown, whole: bool, head: Mapping[str, str]
) -> Iterator[tuple[Block, Mapping[str, str]]]:
    """The blocks of a mail in order, each with the values known by now."""
    yield part.head, head
    for index, stories in shown:
        yield part.opening[index], {}
        for rank, story_id in enumerate(stories, 1):
            yield part.stories[index][story_id], {"rank": str(rank)}
        yield part.closing[index], {}
    if not whole:
        yield part.more, {}
    yield part.tail, {}


class _Joiner:
    """Joins texts into as few parts as the places for personal values allow."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._places: list[tuple[int, str]] = []
        self._open: list[str] = []

    def text(self, text: str) -> None:
        self._open.append(text)

    def block(self, block: Block, values: Mapping[str, str], kind: str = "") -> None:
        """Add ``block`` with ``values`` filled in; its other slots become places, those whose value is written
        differently in HTML and text with ``kind`` before their name."""
        self._open.append(block.literals[0])
        for name, literal in zip(block.slots, block.literals[1:], strict=True):
            if name in values:
                self._open.append(values[name])
            else:
                self._place(kind + name if name in {"name", "address"} else name)
            self._open.append(literal)

    def _place(self, name: str) -> None:
        self._close()
        self._places.append((len(self._parts), name))
        self._parts.append(b"")

    def _close(self) -> None:
        self._parts.append("".join(self._open).encode("utf-8"))
        self._open.clear()

    def assembled(self) -> Assembled:
        self._close()
        return Assembled(tuple(self._parts), tuple(self._places), frozenset(name for _, name in self._places))
