"""From a compiled issue to one reader's mail: join the blocks of what they get, fill in what is theirs.

A ``Press`` is made once per issue and process. Everything that does not depend on the reader is done then: bytes,
sizes, the canonical headers that DKIM signs. A mail then costs two tokens and one join, whatever its reader chose: what
is kept are sections, not variants, of which there may be as many as readers.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from digest.editions import subjects
from digest.language.text import shorten
from digest.mail import dkim, wrap
from digest.mail import message as mime
from digest.mail.vocabulary import FOLDS
from digest.outcomes import Envelope
from digest.readers import tokens
from digest.values import Block, CompiledIssue, CompiledPart, Reader, Variant

_NAME_MOST = 60
_SECTIONS_KEPT = 512  # some 3 KB each
_HEADS_KEPT = 4096  # subjects and preheaders: by first stories and their number, so readers have most in common
_PERSONAL = {"token": 40, "name": 40, "address": 60}  # bytes a filled slot is counted with in the budget
_WRITTEN_TWICE = {"name", "address"}  # slots whose value is written differently in HTML and text

Values = Mapping[str, bytes]
Ids = tuple[int, ...]
Shown = Sequence[tuple[int, Ids]]


class Press:
    """Writes the mails of one issue: at most ``size_budget`` bytes of HTML each, return paths under ``bounce_domain``,
    signed by ``signers``."""

    def __init__(
        self,
        compiled: CompiledIssue,
        keys: tokens.Keys,
        bounce_domain: str,
        size_budget: int,
        signers: Sequence[dkim.Signer] = (),
    ) -> None:
        boundary = compiled.boundary
        self._compiled = compiled
        self._written = subjects.template(compiled.content)
        self._subject = lru_cache(maxsize=_HEADS_KEPT)(self._made_subject)
        self._preheader = lru_cache(maxsize=_HEADS_KEPT)(self._made_preheader)
        self._headers = _type([compiled.headers])
        self._text = _Form(compiled.text, "text:", compiled.numerals)
        self._html = _Form(compiled.html, "html:", compiled.numerals)
        self._before_text = f"--{boundary}\r\n{mime.part_header('plain', 'quoted-printable')}".encode()
        self._before_html = f"\r\n--{boundary}\r\n{mime.part_header('html', '7bit')}".encode()
        self._end = f"\r\n--{boundary}--\r\n".encode()
        self._own = [(slot, *_WRITTEN[slot]) for slot in sorted(self._text.own | self._html.own)]
        self._budget = size_budget
        self._mint = tokens.Mint(keys)
        self._bounces = f"@{bounce_domain}"
        blocks = [*_blocks(compiled.text), *_blocks(compiled.html)]
        self._dotless = all(map(wrap.dotless, blocks))
        self._seal = _Seal(compiled.headers, signers, all(map(wrap.settled, blocks))) if signers else None

    def message(self, variant: Variant, reader: Reader, now: datetime) -> Envelope:
        """``reader``'s own message with their ``variant`` and its VERP return path. Where the HTML would pass the size
        budget, stories are told shorter, the last sections first; if that is not enough they end, with a link to the
        rest on the web. Message-ID and tokens are the same on every try.

        Raises ``InputError`` when the reader's address can't stand in a header, ``ValueError`` for a variant without
        stories: that makes no mail.
        """
        if not variant.shown:
            raise ValueError("nothing in this issue is new to this reader: no mail to make")
        recipient = mime.wire_address(reader.address)
        written = reader.subject or self._written
        ids = tuple(chain.from_iterable(ids for _, ids in variant.shown))
        token, return_path = self._mint.pair(reader.issue_id, reader.subscription_id)
        values = {
            "to": mime.mailbox(reader.name, recipient).encode(),
            "subject": self._subject(written, ids[0], len(ids) - 1),
            "date": _date(now.replace(microsecond=0)),
            "return_path": return_path,
            "token": token,
            "preheader": self._preheader(written, ids[: subjects.LEADING]),
        }
        for slot, encoded, of in self._own:
            values[slot] = encoded(of(reader))
        message = self._filled(variant.shown, values, now)
        return Envelope(f"b+{return_path.decode()}{self._bounces}", recipient, message, self._dotless)

    def _made_subject(self, written: str, first: int, others: int) -> bytes:
        subject = subjects.subject(written, self._compiled, self._compiled.content.items[first], others)
        return mime.header_text(subject).encode()

    def _made_preheader(self, written: str, leading: Sequence[int]) -> bytes:
        content = self._compiled.content
        items = [content.items[story_id] for story_id in leading]
        parts = subjects.preheader(written, content, items)
        return "\r\n&#183; ".join(map(wrap.html_text, parts)).encode()

    def _filled(self, shown: Shown, values: dict[str, bytes], now: datetime) -> bytes:
        fitting = self._html.within(shown, self._budget - len(values["preheader"]))
        head: list[bytes] = []
        _set(head, self._headers, values)
        head.append(b"\r\n")
        body = [self._before_text]
        self._text.fill(body, fitting, values)
        body.append(self._before_html)
        self._html.fill(body, fitting, values)
        body.append(self._end)
        if not self._seal:
            return b"".join(head + body)
        joined = b"".join(body)
        return b"".join((self._seal.signatures(joined, values, now), *head, joined))


def web_page(compiled: CompiledIssue, variant: Variant, token: str, name: str = "", address: str = "") -> str:
    """The HTML of ``variant`` in full, for the web version. The address is shown only so far as its owner knows it:
    links get forwarded."""
    values = {
        "token": token.encode(),
        "preheader": b"",
        "html:name": _html(shorten(mime.clean(name), _NAME_MOST)),
        "html:address": _html(masked(address)),
    }
    page: list[bytes] = []
    _Form(compiled.html, "html:", compiled.numerals).fill(page, _Cut(variant.shown), values)
    return b"".join(page).decode("ascii")


def masked(address: str) -> str:
    """``r…@example.org``."""
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}…{at}{domain}"


# --------------------------------------------------------------------------------------- what is personal


@lru_cache(maxsize=4)
def _date(now: datetime) -> bytes:
    """Made once for the mails of a second."""
    return format_datetime(now).encode()


def _html(text: str) -> bytes:
    return wrap.undotted(html.escape(text)).encode("ascii", "xmlcharrefreplace")


def _text(text: str) -> bytes:
    return mime.quoted_printable(text).encode()


def _name(reader: Reader) -> str:
    return shorten(mime.clean(reader.name), _NAME_MOST)


def _address(reader: Reader) -> str:
    return reader.address


_ENCODED: Mapping[str, Callable[[str], str]]
_ENCODED = {"html:": lambda text: text.encode("ascii", "xmlcharrefreplace").decode(), "text:": mime.quoted_printable}
_WRITTEN: Mapping[str, tuple[Callable[[str], bytes], Callable[[Reader], str]]] = {
    "html:name": (_html, _name),
    "text:name": (_text, _name),
    "html:address": (_html, _address),
    "text:address": (_text, _address),
}


# ------------------------------------------------------------------------------------------ blocks in bytes


@dataclass(frozen=True, slots=True)
class _Type:
    """Text set in bytes: what stands before its first slot, then each slot with what follows it. ``size``: its bytes,
    with slots counted as ``_PERSONAL`` says."""

    start: bytes
    rest: tuple[tuple[str, bytes], ...]
    size: int


def _type(blocks: Sequence[Block], kind: str = "") -> _Type:
    """``blocks`` set one behind the other, slots that are written twice with ``kind`` before their name."""
    literals, names = [""], list[str]()
    for block in blocks:
        first, *others = block.literals
        literals[-1] += first
        literals += others
        names += (kind + name if kind and name in _WRITTEN_TWICE else name for name in block.slots)
    start, *rest = (literal.encode() for literal in literals)
    return _Type(start, tuple(zip(names, rest, strict=True)), sum(map(_size, blocks)))


def _set(out: list[bytes], type_: _Type, values: Values) -> None:
    """Add ``type_``, filled in. A missing value raises ``KeyError``."""
    out.append(type_.start)
    for name, literal in type_.rest:
        out.append(values[name])
        out.append(literal)


class _Cut(NamedTuple):
    """What a mail shows of a variant: ``shown`` in full, then ``short`` in short form (the very first story of a mail
    is always in full); ``more``: and there is more."""

    shown: Shown
    short: Shown = ()
    more: bool = False


class _Form:
    """A MIME part in bytes, ready to be filled. A section's stories are set together when they are first wanted so:
    readers with different choices have most of their sections in common."""

    def __init__(self, part: CompiledPart, kind: str, numerals: str) -> None:
        self._part, self._kind = part, kind
        self._digits = {ord("0") + digit: _ENCODED[kind](numeral) for digit, numeral in enumerate(numerals)}
        self._head, self._more, self._tail = (_type([block], kind) for block in (part.head, part.more, part.tail))
        self._frame = self._head.size + self._more.size + self._tail.size
        self._section = lru_cache(maxsize=_SECTIONS_KEPT)(self._set_section)
        self._brief = lru_cache(maxsize=_SECTIONS_KEPT)(self._set_brief)
        self.own = {kind + slot for block in _blocks(part) for slot in block.slots if slot in _WRITTEN_TWICE}

    def within(self, shown: Shown, budget: int) -> _Cut:
        """What of ``shown`` fits ``budget`` bytes, at least its first story."""
        room = budget - self._frame
        if sum(self._section(index, ids).size for index, ids in shown) <= room:
            return _Cut(shown)
        return self._shortened(shown, room)

    def _shortened(self, shown: Shown, room: int) -> _Cut:
        """Sections in short form from the last one up, as far as needed; if all are, and too long still, they end
        early."""
        size = sum(self._section(index, ids).size for index, ids in shown)
        for place in range(len(shown) - 1, -1, -1):
            size += self._brief(*shown[place], not place).size - self._section(*shown[place]).size
            if size <= room:
                return _Cut(shown[:place], shown[place:])
        return _Cut((), self._ended(shown, room), more=True)

    def _ended(self, shown: Shown, room: int) -> Shown:
        kept: list[tuple[int, Ids]] = []
        for index, ids in shown:
            sizes = (self._brief(index, ids[:n], not kept).size for n in range(len(ids), 0, -1))
            fitting = next((len(ids) - n for n, size in enumerate(sizes) if size <= room), 0) or int(not kept)
            if fitting:
                kept.append((index, ids[:fitting]))
                room -= self._brief(index, ids[:fitting], len(kept) == 1).size
            if fitting < len(ids):
                break
        return kept

    def fill(self, out: list[bytes], cut: _Cut, values: Values) -> None:
        """Add the part to ``out``, with ``values`` in its slots."""
        _set(out, self._head, values)
        for index, ids in cut.shown:
            _set(out, self._section(index, ids), values)
        for place, (index, ids) in enumerate(cut.short, len(cut.shown)):
            _set(out, self._brief(index, ids, not place), values)
        if cut.more:
            _set(out, self._more, values)
        _set(out, self._tail, values)

    def _set_section(self, index: int, ids: Ids) -> _Type:
        return self._set_stories(index, ids, len(ids))

    def _set_brief(self, index: int, ids: Ids, leads: bool) -> _Type:
        """A section in short form, but for its first story if that ``leads`` the mail."""
        return self._set_stories(index, ids, int(leads))

    def _set_stories(self, index: int, ids: Ids, in_full: int) -> _Type:
        part = self._part
        stories = (
            _formed(part.stories[index][story_id], str(rank).translate(self._digits), rank <= in_full)
            for rank, story_id in enumerate(ids, 1)
        )
        return _type([part.opening[index], *stories, part.closing[index]], self._kind)


def _formed(block: Block, rank: str, in_full: bool) -> Block:
    """``block`` with its place in the section filled in and, unless ``in_full``, without what is between folds."""
    literals, slots, folded = [block.literals[0]], list[str](), False
    for name, literal in zip(block.slots, block.literals[1:], strict=True):
        if name in FOLDS:
            folded = name == "fold" and not in_full
        if folded:
            continue
        if name == "rank" or name in FOLDS:
            literals[-1] += rank * (name == "rank") + literal
        else:
            slots.append(name)
            literals.append(literal)
    return Block(tuple(literals), tuple(slots))


def _size(block: Block) -> int:
    return sum(map(len, block.literals)) + sum(_PERSONAL.get(name, 0) for name in block.slots)


def _blocks(part: CompiledPart) -> Iterator[Block]:
    """All blocks of ``part``, stories in both forms."""
    stories = [block for blocks in part.stories for block in blocks.values()]
    forms = (_formed(block, "0", in_full) for block in stories for in_full in (True, False))
    return chain((part.head, part.more, part.tail), part.opening, part.closing, forms)


# ----------------------------------------------------------------------------------------------- signing


class _Seal:
    """Signs the mails of an issue: the canonical headers are made once, as a block with the headers' own slots."""

    def __init__(self, headers: Block, signers: Sequence[dkim.Signer], settled: bool) -> None:
        marks = (f"\0{name}\0" for name in (*headers.slots, ""))
        marked = "".join(chain.from_iterable(zip(headers.literals, marks, strict=True))).removesuffix("\0\0")
        self._names, covered = dkim.covered(marked.encode())
        pieces = covered.decode().split("\0")
        self._covered = _type([Block(tuple(pieces[::2]), tuple(pieces[1::2]))])
        self._signers = signers
        self._settled = settled

    def signatures(self, body: bytes, values: Values, now: datetime) -> bytes:
        """The signature headers of the message of ``body`` whose header slots have ``values``."""
        covered: list[bytes] = []
        unfolded = {"to": dkim.relaxed(values["to"]), "subject": dkim.relaxed(values["subject"])}
        _set(covered, self._covered, {**values, **unfolded})
        digest = dkim.body_hash(body, self._settled)
        return dkim.signatures(self._signers, self._names, b"".join(covered), digest, now)
