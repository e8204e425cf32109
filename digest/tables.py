"""Tables as people send them: CSV and JSON Lines, read row by row with line numbers. A bad line never costs the
others, and every line that holds anything comes out as a ``Row`` or as a ``Rejected`` with its text."""

from __future__ import annotations

import csv
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from digest.errors import InputError
from digest.values import Rejected

_MOST_LINES = 200  # of one quoted record; beyond, a quote was opened by mistake
_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Row:
    """One record. ``line`` is where it begins (1 is the file's first line); ``raw`` its text without the line end."""

    line: int
    values: Mapping[str, Any]
    raw: str

    def rejected(self, reason: str) -> Rejected:
        return Rejected(f"line {self.line}", reason, self.raw)


def decoded(chunks: Iterable[bytes], encoding: str = "utf-8") -> Iterator[str]:
    """The lines of a file opened in binary mode, ends kept, a byte order mark dropped.

    Raises ``InputError`` naming the first line that is not in ``encoding``, or when there is no such encoding.
    """
    number = 0
    for chunk in chunks:
        if number == 0 and chunk.startswith(_WIDE_BOMS):
            raise InputError("the file is UTF-16", "save it as CSV UTF-8 (in Excel: “CSV UTF-8 (Comma delimited)”)")
        for line in chunk.removeprefix(b"\xef\xbb\xbf" if number == 0 else b"").splitlines(keepends=True):
            number += 1
            yield _decode(line, encoding, number)


def read_csv(lines: Iterable[str], required: Sequence[str] = ()) -> Iterator[Row | Rejected]:
    """The records under a header line. Columns are named in lower case with ``_`` for blanks, values are stripped,
    missing ones at a line's end are ``""``; comma, semicolon or tab separate, whichever the header uses.

    A quote that is never closed costs its own line only. Raises ``InputError`` at once when there is no header, a
    column stands twice, or one of ``required`` is not there (``"address|email"``: one of the two).
    """
    source = _Lines(lines)
    header = source.next_filled()
    if header is None:
        raise InputError("the file is empty", "its first line must name the columns")
    separator = _separator(header)
    columns = [_column(cell) for cell in _cells([header], separator) or ()]
    _check_columns(columns, required)
    return _records(source, separator, columns)


def read_json_lines(lines: Iterable[str]) -> Iterator[Row | Rejected]:
    """The objects of a JSON Lines file; blank lines don't count."""
    for number, line in enumerate(lines, start=1):
        raw = line.rstrip("\r\n")
        if not raw.strip():
            continue
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError) as error:
            yield Rejected(f"line {number}", f"not JSON: {error}", raw)
            continue
        if isinstance(value, dict):
            yield Row(number, value, raw)
        else:
            yield Rejected(f"line {number}", "not a JSON object", raw)


class _Lines:
    """Lines that can be put back, with the number of the one last taken."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._source = iter(lines)
        self._back: deque[str] = deque()
        self.number = 0

    def next(self) -> str | None:
        line = self._back.popleft() if self._back else next(self._source, None)
        self.number += line is not None
        return line

    def next_filled(self) -> str | None:
        while (line := self.next()) is not None and not line.strip():
            pass
        return line

    def put_back(self, lines: Sequence[str]) -> None:
        self._back.extendleft(reversed(lines))
        self.number -= len(lines)


def _records(source: _Lines, separator: str, columns: Sequence[str]) -> Iterator[Row | Rejected]:
    while (line := source.next_filled()) is not None:
        number = source.number
        taken = [line]
        try:
            cells = _cells(taken, separator)
            while cells is None and len(taken) < _MOST_LINES and (more := source.next()) is not None:
                taken.append(more)
                cells = _cells(taken, separator)
            reason = "a quote is opened and not closed" if cells is None else ""
        except csv.Error as error:
            cells, reason = None, f"not CSV: {error}"
        if cells is None:
            source.put_back(taken[1:])
            yield Rejected(f"line {number}", reason, line.rstrip("\r\n"))
            continue
        raw = "".join(taken).rstrip("\r\n")
        if len(cells) > len(columns):
            yield Rejected(f"line {number}", f"has {len(cells)} values for {len(columns)} columns", raw)
            continue
        cells += [""] * (len(columns) - len(cells))
        yield Row(number, dict(zip(columns, map(str.strip, cells), strict=True)), raw)


def _cells(lines: Sequence[str], separator: str) -> list[str] | None:
    """The values of one record, or ``None`` if it goes on in the next line. Raises ``csv.Error``."""
    closed = [line if line.endswith(("\r", "\n")) else line + "\n" for line in lines]
    try:
        return next(csv.reader(closed, delimiter=separator, strict=True), None)
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            return None
        raise


def _separator(header: str) -> str:
    return max(",;\t", key=header.count)


def _column(cell: str) -> str:
    return "_".join(cell.strip().lower().split())


def _check_columns(columns: Sequence[str], required: Sequence[str]) -> None:
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise InputError(f"the header names a column twice ({', '.join(twice)})", "rename one")
    missing = [names for names in required if not set(names.split("|")) & set(columns)]
    if missing:
        wanted = ", ".join(names.replace("|", " or ") for names in missing)
        raise InputError(f"the header lacks {wanted}", f"its columns are {', '.join(columns)}")


def _decode(line: bytes, encoding: str, number: int) -> str:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        hint = "save the file as UTF-8, or say what it is, such as latin-1"
        raise InputError(f"line {number} is not {encoding}", hint) from None
    except LookupError:
        raise InputError(f"there is no encoding {encoding!r}", "utf-8, latin-1 and cp1252 are usual") from None
