"""What makes a newer version of a story news again, so that whoever was told it is told once more, as an update.

Desks change articles all day: a comma, a better verb, a longer standfirst. Readers were told; they want to hear again
only that something more has happened. That shows in the words: a headline that is mostly new, with a name or number
that was not there before, or a headline whose number has leapt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain

from digest.editorial import words
from digest.values import ArticleDraft

SETTLE = timedelta(hours=3)  # a piece is polished this long after it came out; that is no update
NEW_HEADLINE = 0.5  # share of the headline's words that must be new
NEW_TEXT = 0.34  # share of the words of headline and standfirst that must be new
LEAP = 1.5  # times as many dead, votes or millions in the headline as before
_YEAR = re.compile(r"(19|20)\d\d")
COUNTED = 10  # smaller numbers are rather days, places and ages


@dataclass(frozen=True, slots=True)
class Change:
    """What is new in a text: the share of its headline's words and of all its words, and new names and numbers."""

    headline: float
    text: float
    facts: frozenset[str]


def change(before: ArticleDraft, after: ArticleDraft) -> Change:
    """What ``after`` says that ``before`` did not."""
    old = {*_words(before.title), *_words(before.standfirst)}
    headline, standfirst = _words(after.title), _words(after.standfirst)
    facts = _facts(after.title, after.standfirst) - old
    return Change(_share_new(headline, old), _share_new(headline | standfirst, old), facts)


def is_news(before: ArticleDraft, after: ArticleDraft, since: timedelta) -> bool:
    """Whether a reader who was told ``before`` wants to hear ``after``, which came ``since`` later."""
    found = change(before, after)
    retold = bool(found.facts) and found.headline >= NEW_HEADLINE and found.text >= NEW_TEXT
    return since >= SETTLE and (retold or _leapt(before.title, after.title))


def _leapt(before: str, after: str) -> bool:
    """Whether the greatest number of a headline has grown by half."""
    old, new = _greatest(before), _greatest(after)
    return old >= COUNTED and new >= LEAP * old


def _greatest(headline: str) -> int:
    plain = re.sub(r"(?<=\d)[.,\s](?=\d{3}\b)", "", headline)  # 1,800
    return max((int(n) for n in re.findall(r"\d{1,12}", plain) if not _YEAR.fullmatch(n)), default=0)


def _words(text: str) -> set[str]:
    return set(words.comparable(words.raw_words(text)))


def _share_new(of: set[str], known: set[str]) -> float:
    return len(of - known) / len(of) if of else 0.0


def _facts(title: str, standfirst: str) -> frozenset[str]:
    """Names, and numbers that are neither small nor a year. A headline in which every word has a capital doesn't say
    which are names; then the standfirst must."""
    texts = [words.raw_words(title), words.raw_words(standfirst)]
    numbers = {
        word for raw in texts for word in raw if word.isdecimal() and len(word) > 1 and not _YEAR.fullmatch(word)
    }
    capital, small = zip(*(words.cases(raw) for raw in texts), strict=True)
    return words.names(chain(*capital), chain(*small)) | numbers
