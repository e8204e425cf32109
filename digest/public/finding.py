"""Finding words in headlines, in any script and the same on every database: letters without their accents, beginnings
of words, nothing that a query could break.

A text becomes its words in a searchable form, each behind a space; a term is found where its own words stand one
behind the other, the last one perhaps going on. In scripts that put no spaces between words, every character counts
as a word.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import groupby

from digest.editorial.words import raw_words

_MOST_TERMS = 8
_MOST_CHARACTERS = 200
_TERM = re.compile(r'"([^"]*)"|(\S+)')
_LAST_OWN_MARK = 9  # combining class of the virama: what comes after are accents and points, which people leave out
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])"
)  # Thai, Lao, Burmese, Khmer, Chinese, Japanese
_IGNORED = "\u0640"  # the stroke that only widens Arabic words


def searchable(text: str) -> str:
    """The words of ``text``, each behind a space, as they are stored to be found."""
    return "".join(f" {word}" for raw in raw_words(text) for word in _words(raw))


def terms(query: str) -> list[str]:
    """What ``query`` asks for: each word, and each "row of words" in quotation marks, in searchable form. Whatever a
    person or program may write, there is nothing in it but words."""
    found = _TERM.findall(query[:_MOST_CHARACTERS])
    wanted = (searchable(quoted or word) for quoted, word in found)
    return list(dict.fromkeys(filter(None, wanted)))[:_MOST_TERMS]


def marked(text: str, wanted: list[str]) -> list[tuple[str, bool]]:
    """``text`` in pieces, each with whether it is a word that ``wanted`` asks for."""
    beginnings = tuple(word for term in wanted for word in term.split())
    pieces: list[tuple[str, bool]] = []
    for piece in _pieces(text):
        hit = any(word.startswith(beginnings) for word in _words(piece)) if beginnings else False
        if pieces and pieces[-1][1] == hit:
            pieces[-1] = (pieces[-1][0] + piece, hit)
        else:
            pieces.append((piece, hit))
    return pieces


def _pieces(text: str) -> list[str]:
    """``text`` in words and what stands between them."""
    runs = ("".join(run) for _, run in groupby(text, _in_word))
    return [piece for run in runs for piece in _UNSPACED.split(run) if piece]


def _in_word(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN"


@lru_cache(1 << 14)
def _words(raw: str) -> tuple[str, ...]:
    """The searchable form of one word, or of each character where words are not told apart."""
    apart = unicodedata.normalize("NFKD", raw.replace(_IGNORED, "")).casefold()
    bare = "".join(c for c in apart if unicodedata.combining(c) <= _LAST_OWN_MARK)
    return tuple(_UNSPACED.sub(r" \1 ", unicodedata.normalize("NFC", bare)).split())
