"""Tables as people send them: CSV and JSON Lines, read row by row with line numbers. A bad line never costs the
others, and every line that holds anything comes out as a ``Row`` or as a ``Rejected`` with its text."""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import chain
from types import MappingProxyType
from typing import Any

from digest.errors import InputError
from digest.values import Rejected

_MOST_LINES = 200  # of one quoted record; beyond, a quote was opened by mistake
_LONGEST_LINE = 1_000_000  # characters
_LOOKED_AT = 1000  # bytes that tell UTF-16 without a mark
_NOT_WINDOWS = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")  # no characters of cp1252
_SEPARATOR_LINE = re.compile(r'"?sep=([,;\t|])"?\s*', re.IGNORECASE)  # how Excel is told, before the header
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
    """The lines of a file read in binary, in pieces of any size; line ends (LF, CR LF or CR) are kept. A byte order
    mark is dropped; one of UTF-16 tells that the file is UTF-16.

    Raises ``InputError`` naming the first line that is not in ``encoding``, or when there is no such encoding.
    """
    number, rest, decoder = 0, "", None
    for chunk in chain(chunks, [b""]):
        decoder = decoder or _decoder(chunk, encoding)
        try:
            text = rest + decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            before = rest + error.object[: error.start].decode(encoding, "ignore")
            raise _not_in(encoding, number + len(list(StringIO(before + "x", newline="")))) from None
        lines = list(StringIO(text, newline=""))
        rest = lines.pop() if chunk and lines and not lines[-1].endswith("\n") else ""
        if len(rest) > _LONGEST_LINE:
            raise InputError(
                f"line {number + len(lines) + 1} does not end", "check that the file is a table, and give its encoding"
            )
        number += len(lines)
        yield from lines


def encoding_of(chunks: Iterable[bytes]) -> str:
    """The encoding of a file read in binary, for ``decoded``: UTF-8 or UTF-16 where it is one of them, else what
    Windows or Unix writes in western Europe. A UTF-8 file with a few wrong bytes stays one: ``decoded`` names them.

    Raises ``InputError`` for a file that is no text but a spreadsheet or an archive.
    """
    decoder, good, bad, unused, first = codecs.getincrementaldecoder("utf-8")("replace"), 0, 0, False, True
    for chunk in chain(chunks, [b""]):
        if first and chunk.startswith(b"PK\x03\x04"):
            raise InputError("this is a spreadsheet or a ZIP archive", "unpack the archive, or save the sheet as CSV")
        if first and b"\0" in chunk[:_LOOKED_AT] and not chunk.startswith(_WIDE_BOMS):
            even, odd = (chunk[start:_LOOKED_AT:2].count(b"\0") for start in (0, 1))
            return "utf-16-be" if even > odd else "utf-16-le"
        if first and chunk.startswith(_WIDE_BOMS):
            return "utf-16"
        first = False
        text = decoder.decode(chunk, final=not chunk)
        if text.isascii():
            continue
        wrong = text.count("\ufffd")
        good, bad = good + sum(not char.isascii() for char in text) - wrong, bad + wrong
        unused = unused or bool(_NOT_WINDOWS.search(chunk))
    return "utf-8" if good >= bad else "latin-1" if unused else "cp1252"


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV file that is being read: its first line as it stands, what separates values, the columns' names, and the
    records under them, which can be taken once."""

    header: str
    separator: str
    columns: tuple[str, ...]
    records: Iterator[Row | Rejected]


def read_csv(
    lines: Iterable[str], required: Sequence[str] = (), names: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Row | Rejected]:
    """The records of ``open_csv``."""
    return open_csv(lines, required, names).records


def open_csv(
    lines: Iterable[str],
    required: Sequence[str] = (),
    names: Mapping[str, str] = MappingProxyType({}),
    advice: str = "",
) -> Table:
    """Read the header line and make ready for the records under it. Columns are named in lower case with ``_`` for
    blanks, or as ``names`` has it (the file's name: ours); values are stripped, missing ones at a line's end are
    ``""``; comma, semicolon or tab separate, whichever the header uses or a line ``sep=;`` before it says.

    A quote that is never closed costs its own line only. Raises ``InputError`` at once when there is no header, a
    column stands twice or is named and not there, or one of ``required`` is missing (``"address|email"``: one of both);
    ``advice`` is what helps then.
    """
    source = _Lines(lines)
    header = source.next_filled()
    if header is None:
        raise InputError("the file is empty", "its first line must name the columns")
    separator = ""
    if told := _SEPARATOR_LINE.fullmatch(header):
        separator = told[1]
        header = source.next_filled() or header
    separator = separator or _separator(header)
    columns = [_column(cell) for cell in _cells([header], separator) or ()]
    columns = _renamed(columns, {_column(theirs): _column(ours) for theirs, ours in names.items()})
    _check_columns(columns, required, advice)
    return Table(header.rstrip("\r\n"), separator, tuple(columns), _records(source, separator, columns))


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


_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def guarded(cell: str) -> str:
    """``cell`` as a spreadsheet shows it instead of reckoning it out: what could begin a formula gets an apostrophe in
    front, and so does what looks guarded already."""
    return f"'{cell}" if _FORMULA.match(cell) and cell != "-" else cell


def unguarded(cell: str) -> str:
    """What ``guarded`` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


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
        if '"' not in line:  # nothing to take apart but the separators
            yield _row(number, line.rstrip("\r\n").split(separator), columns, line)
            continue
        taken = [line]
        try:
            cells = _cells(taken, separator)
            while cells is None and len(taken) < _MOST_LINES and (more := source.next()) is not None:
                taken.append(more)
                cells = _cells(taken, separator)
            reason = "a quote is not closed" if cells is None else ""
        except csv.Error as error:
            cells, reason = None, f"not CSV: {error}"
        if cells is None:
            source.put_back(taken[1:])
            yield Rejected(f"line {number}", reason, line.rstrip("\r\n"))
            continue
        yield _row(number, cells, columns, "".join(taken))


def _row(number: int, cells: list[str], columns: Sequence[str], text: str) -> Row | Rejected:
    raw = text.rstrip("\r\n")
    if len(cells) > len(columns):
        return Rejected(f"line {number}", f"has {len(cells)} values for {len(columns)} columns", raw)
    cells += [""] * (len(columns) - len(cells))
    return Row(number, dict(zip(columns, map(str.strip, cells), strict=True)), raw)


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


def _check_columns(columns: Sequence[str], required: Sequence[str], advice: str) -> None:
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise InputError(f"the header has a column twice ({', '.join(twice)})", "rename one")
    missing = [names for names in required if not set(names.split("|")) & set(columns)]
    if missing:
        wanted = ", ".join(names.replace("|", " or ") for names in missing)
        hint = f"its columns are {', '.join(columns)}"
        raise InputError(f"the header lacks {wanted}", f"{hint}; {advice}" if advice else hint)


def _renamed(columns: Sequence[str], names: Mapping[str, str]) -> list[str]:
    lost = [name for name in names if name not in columns]
    if lost:
        raise InputError(f"the header has no column {', '.join(lost)}", f"its columns are {', '.join(columns)}")
    return [names.get(name, name) for name in columns]


def _decoder(start: bytes, encoding: str) -> codecs.IncrementalDecoder:
    wide, utf8 = start.startswith(_WIDE_BOMS), encoding.lower() in {"utf-8", "utf8"}
    try:
        return codecs.getincrementaldecoder("utf-16" if wide else "utf-8-sig" if utf8 else encoding)()
    except LookupError:
        raise InputError(f"there is no encoding {encoding!r}", "utf-8, latin-1 and cp1252 are usual") from None


def _not_in(encoding: str, number: int) -> InputError:
    return InputError(
        f"line {number} is not {encoding}", "save the file as UTF-8, or give its encoding, such as cp1252"
    )
