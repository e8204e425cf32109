"""Tables given to commands: opened, their encoding found, and told what their columns and values mean."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, BinaryIO

import typer

from digest.cli.common import warn
from digest.errors import InputError, NotFoundError
from digest.tables import decoded, encoding_of

_BLOCK = 1 << 18  # bytes read at once

TableFile = Annotated[Path, typer.Argument(metavar="FILE.csv|-")]  # typer's own check takes - for a missing file
Encoding = Annotated[
    str,
    typer.Option(
        "--encoding", help="The file's encoding, such as cp1252. By default UTF-8, UTF-16 and Latin-1 are detected."
    ),
]
Map = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="THEIRS=OURS", help="What a column is called here; - ignores it. Repeatable."),
]


def mapped(pairs: Iterable[str]) -> Mapping[str, str]:
    """What ``--map`` says, ours by theirs. Raises ``InputError``."""
    names = {}
    for pair in pairs:
        theirs, separator, ours = pair.rpartition("=")
        if not separator or not theirs.strip() or not ours.strip():
            raise InputError(f"--map {pair} is not a valid pair of columns", "write --map 'E-mail=address'")
        names[theirs.strip()] = ours.strip()
    return names


@contextmanager
def opened(file: Path) -> Iterator[BinaryIO]:
    """The file, or stdin (-), so that it can be read more than once: what can't be is copied first, to a file that
    nobody else can open and that is gone with the command. Raises ``NotFoundError`` and ``InputError``."""
    if str(file) != "-" and not file.exists():
        raise NotFoundError(f"no file {file}", "- reads what is piped in")
    if file.is_dir():
        raise InputError(f"{file} is a folder", "name one file")
    if str(file) != "-" and file.is_file():
        with file.open("rb") as source:
            yield source
        return
    with TemporaryFile() as copy:
        if str(file) == "-":
            shutil.copyfileobj(sys.stdin.buffer, copy)
        else:
            with file.open("rb") as source:
                shutil.copyfileobj(source, copy)
        copy.seek(0)
        yield copy


def checked_encoding(source: BinaryIO, encoding: str) -> str:
    """The file's encoding, "" to be found out; all of the file is in it. Raises ``InputError`` naming the first line
    that is not. The file is at its beginning again."""
    found = encoding or encoding_of(blocks(source))
    source.seek(0)
    for _ in decoded(blocks(source), found):
        pass
    source.seek(0)
    if not encoding and found in {"cp1252", "latin-1"}:
        warn(f"the file is not UTF-8, so it is read as {found}; if that is wrong, give --encoding")
    return found


def blocks(source: BinaryIO, advance: Callable[[int], object] = int) -> Iterator[bytes]:
    """The rest of the file in pieces; ``advance`` is told the bytes of each."""
    for block in iter(partial(source.read, _BLOCK), b""):
        advance(len(block))
        yield block


def name_of(file: Path) -> str:
    """How a file is called in records and messages."""
    return "stdin" if str(file) == "-" else file.name
