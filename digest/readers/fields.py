"""Fields of their own that a publisher keeps about readers: declared by name and type, so that what a file says is
checked once and compared as what it is."""

from __future__ import annotations

import re
from datetime import date

from digest.errors import InputError
from digest.language.text import one_line
from digest.settings import FieldType

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_LONGEST = 500
_YES, _NO = {"yes", "true", "1", "y"}, {"no", "false", "0", "n"}


Value = str | float | bool


def read(kind: FieldType, word: str) -> Value:
    """The value that ``word`` stands for, as JSON keeps it: a date as YYYY-MM-DD. Raises ``InputError``."""
    word = word.strip()
    if kind is FieldType.NUMBER:
        return _number(word)
    if kind is FieldType.DATE:
        return _date(word)
    if kind is FieldType.YES_NO:
        if word.lower() not in _YES | _NO:
            raise InputError(f"{word[:40]!r} is neither yes nor no")
        return word.lower() in _YES
    return one_line(word)[:_LONGEST].rstrip()


def written(value: Value) -> str:
    """The word that ``read`` makes this value of."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _number(word: str) -> float:
    if not re.fullmatch(r"[+-]?\d{1,15}(\.\d{1,15})?", word, re.ASCII):
        raise InputError(f"{word[:40]!r} is not a valid number", "write it like 12 or -3.5")
    return float(word) if "." in word else int(word)


def _date(word: str) -> str:
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", word, re.ASCII):
            raise ValueError
        return date.fromisoformat(word).isoformat()
    except ValueError:
        raise InputError(f"{word[:40]!r} is not a valid date", "write it like 2026-12-01") from None
