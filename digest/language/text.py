"""Text of people and of strangers, whatever it is for: cut to a length, and rid of what does not belong where it goes.

What scrubs differs by where the text goes: ``one_line`` into the store and onto pages, ``header_line`` into a mail's
header, ``many_lines`` into a document or a record, ``on_terminal`` to your screen. ``is_line`` refuses instead, and
``quoted`` shows what was typed as it was typed.
"""

from __future__ import annotations

import re
from unicodedata import category

_BREAKS = re.compile("[\t\n\r\v\f\x85\u2028\u2029]")
_CONTROLS = "\x00-\x1f\x7f-\x9f\ud800-\udfff"  # and lone surrogates, which UTF-8 has no bytes for
_MISCHIEF = re.compile(f"[{_CONTROLS}\u200b\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ufffe\uffff]")
_DIRECTION_MARKS = re.compile("[\u061c\u200e\u200f]")
_UNKEPT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_JOINERS = "\u200c\u200d"
_QUOTED = 60  # characters


def shorten(text: str, most: int) -> str:
    """``text`` cut to at most ``most`` characters, an ellipsis included: at a space where one is near."""
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    at_word = cut.rpartition(" ")[0]
    return (at_word if len(at_word) > most // 2 else cut).rstrip(" ,;:–—-") + "…"


def one_line(text: str) -> str:
    """``text`` on one line, to be stored and shown among other text: runs of white space folded to a space; control
    characters, lone surrogates, bidirectional overrides and zero-width spaces removed. Joiners stay: emoji and many
    scripts need them. So do the direction marks of right-to-left text, which reach no further than their own place."""
    if not text.isprintable():  # else none of these is in it
        text = _MISCHIEF.sub("", _BREAKS.sub(" ", text))
    return " ".join(text.split())


def header_line(text: str) -> str:
    """``text`` as ``one_line`` makes it, without direction marks too: in a header it stands beside addresses, which
    a mark could show in another order."""
    return one_line(text if text.isprintable() else _DIRECTION_MARKS.sub("", text))


def many_lines(text: str, mark: str = "") -> str:
    """``text`` with its lines and the directions it sets, for a document of ours or a record: ``mark`` in place of each
    character that HTML, UTF-8 or PostgreSQL does not take (control characters, lone surrogates, noncharacters)."""
    return _UNKEPT.sub(mark, text)


def on_terminal(text: str) -> str:
    """``text`` with its lines, for your screen: without control and format characters, since a headline or a server's
    reply must not steer the terminal, and without lone surrogates, which it can't print. Joiners stay."""
    return "".join(map(_on_terminal, text))


def _on_terminal(character: str) -> str:
    if character.isprintable() or character in "\n\t" or character in _JOINERS:
        return character
    kind = category(character)
    return " " if kind in {"Zl", "Zp"} else "" if kind in {"Cc", "Cf", "Cs"} else character


def is_line(text: str) -> bool:
    """Whether ``text`` is one line without control characters: asked of what you wrote in a file, where a fault is told
    and not mended."""
    return text.isprintable() or not any(category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in text)


def quoted(text: str) -> str:
    """The begin of ``text`` in quotation marks, for a line that says what is wrong with it: what can't be seen is
    written as an escape, since it may be the very fault."""
    return f"‘{text[:_QUOTED]}’" if text.isprintable() else ascii(text[:_QUOTED])
