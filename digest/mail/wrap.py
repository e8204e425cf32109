"""From rendered text to blocks that are ready for the wire: ASCII, CRLF, short lines, split at the slots.

A line of mail has at most 998 bytes (RFC 5322 2.1.1). Markup is broken where that changes nothing: at white space,
between attributes and, where a script writes without spaces, inside an empty comment.

So that nobody has to look at the bytes of a mail again, ``settled`` says what is true of every block made here: no
line begins with a dot, and blanks stand alone and never at a line's end.
"""

from __future__ import annotations

import html
import re
import textwrap
from functools import lru_cache
from itertools import chain

from digest.errors import InputError
from digest.mail.message import quoted_printable
from digest.mail.vocabulary import FOLDS
from digest.values import Block

LINE = 998
_AIM = 900  # where wrapping starts
_WORD = 400  # the longest unbroken run of text
_WIDTH = {"token": 64, "rank": 4, "name": 540, "address": 940, "preheader": 440}  # the most a filled slot can take
_WIDTH |= dict.fromkeys(FOLDS, 0)  # slots that are never filled
_MAY_BE_EMPTY = {"name", "preheader", *FOLDS}
_TOKEN = re.compile(r"<!--.*?-->|<[^>]*>|[^<]+", re.DOTALL)
_IN_TAG = re.compile(r'"[^"]*"|\s+')
_LOOSE = ("\t", "  ", " \r\n")
_HELD = "\x01"  # a space that must stay on its line


def block(text: str, nonce: str) -> Block:
    """``text`` split at its slots."""
    pieces = re.split(rf"@@{nonce}:([a-z_]+)@@", text)
    return Block(tuple(pieces[::2]), tuple(pieces[1::2]))


def undotted(value: str) -> str:
    """HTML text whose lines never begin with a dot."""
    return re.sub(r"(?m)^\.", "&#46;", value)


def dotless(made: Block) -> bool:
    """Whether no line of ``made`` begins with a dot, so that SMTP has nothing to stuff (RFC 5321 4.5.2), as long as no
    line of a slot's value does."""
    return "\n." not in _barest(made)


def settled(made: Block) -> bool:
    """Whether ``made`` is its own canonical form for DKIM (RFC 6376 3.4.4), as long as the values of its slots are:
    whole lines without tabs, blanks in a row or blanks at a line's end."""
    text = _barest(made)
    return text.endswith("\n") and not any(loose in text for loose in _LOOSE)


def _barest(made: Block) -> str:
    """Lines of ``made`` where neighbours meet around each slot whose value can be empty: the worst case."""
    values = ("" if name in _MAY_BE_EMPTY else "x" for name in (*made.slots, "name"))
    return "\n" + "".join(chain.from_iterable(zip(made.literals, values, strict=True)))


def html_text(text: str) -> str:
    """Plain ``text`` for the inside of an element: escaped, ASCII, in lines of about 200 bytes, at most ``_WORD``."""
    words = _breakable(_ascii(html.escape(text)))
    return _crlf(undotted(textwrap.fill(words, 200, break_long_words=False, break_on_hyphens=False)))


def html_block(markup: str, nonce: str) -> Block:
    """A block of HTML: non-ASCII as numeric references, no line over 998 bytes whatever stands in its slots, ending
    with a line end. White space means what it means in HTML outside ``pre``. What can be left out is whole lines."""
    prepared = "".join(_prepared(token) for token in _TOKEN.findall(_ascii(markup)))
    lines = (line.strip(" ") for line in prepared.split("\n"))
    wrapped = "".join(part + "\n" for line in lines if line for part in _wrapped(line, nonce))
    blank_before_dots = re.sub(rf"(?m)^(?=(?:@@{nonce}:[a-z_]+@@)*\.)", " ", wrapped)
    return block(_crlf(blank_before_dots.replace(_HELD, " ")), nonce)


def text_block(text: str, nonce: str) -> Block:
    """A block of the text part in quoted-printable. Each slot stands between soft line breaks, so that its value, in
    quoted-printable itself, never lengthens a line."""
    pieces = re.split(rf"@@{nonce}:([a-z_]+)@@", text)
    literals = []
    for index, piece in enumerate(pieces[::2]):
        before = "=\r\n" if index and not piece.startswith("\n") else ""
        after = "=\r\n" if 2 * index < len(pieces) - 1 and piece and not piece.endswith("\n") else ""
        literals.append(before + quoted_printable(piece) + after)
    return Block(tuple(literals), tuple(pieces[1::2]))


def _ascii(text: str) -> str:
    return text.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _crlf(text: str) -> str:
    return text.replace("\n", "\r\n")


def _prepared(token: str) -> str:
    """One tag, comment or run of text with white space that may break as blank or LF, other as ``_HELD``."""
    if token.startswith("<!--"):
        return re.sub(r"[^\S\n]+", " ", re.sub(r"\s*\n\s*", "\n", token))
    if not token.startswith("<"):
        return _breakable(re.sub(r"[^\S\n]+", " ", token))
    return _tag(token)


@lru_cache(maxsize=256)
def _tag(tag: str) -> str:
    """Most of an issue's tags stand in each of its stories."""
    return _IN_TAG.sub(lambda found: re.sub(r"\s+", _HELD, found[0]) if found[0].startswith('"') else " ", tag)


def _breakable(text: str) -> str:
    """Break words that are longer than a line may be inside an empty comment, which no reader can see."""
    return re.sub(rf"\S{{{_WORD},}}", lambda word: _broken(word[0]), text)


def _broken(word: str) -> str:
    out, size = [], 0
    for atom in re.findall(r"&#?\w+;|@@\w+:\w+@@|.", word):
        if size + len(atom) > _WORD:
            out.append("<!--\n-->")
            size = 0
        out.append(atom)
        size += len(atom)
    return "".join(out)


def _wrapped(line: str, nonce: str) -> list[str]:
    if _width(line, nonce) <= _AIM:
        return [line]
    lines, used = [""], 0
    for word in line.split(" "):
        size = _width(word, nonce)
        if size >= LINE:
            raise InputError(f"a template makes a line of {size} bytes ({word[:60]}…)", "shorten that attribute")
        if used and used + 1 + size > _AIM:
            lines.append("")
            used = 0
        lines[-1] += (" " if used else "") + word
        used += size + 1
    return lines


def _width(text: str, nonce: str) -> int:
    """The most bytes ``text`` can take once its slots are filled."""
    slots = re.findall(rf"@@{nonce}:([a-z_]+)@@", text) if "@@" in text else ()
    return len(text) + sum(_WIDTH[name] for name in slots)
