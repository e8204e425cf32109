"""erase : address | every table | every file of ours | what the database's own log still holds."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from digest.readers import addresses
from digest.store.database import Database
from digest.store.readers import erasure

_HELD = ("mail", "preview")  # folders of ours whose files are made for a reader
_SOFT_BREAKS = (b"=\r\n", b"=\n")  # within a quoted-printable line (RFC 2045 6.7)


@dataclass(frozen=True, slots=True)
class Erased:
    """What erasing came to. ``known``: there was something to forget in the database; ``files``: kept mails and
    previews that were deleted; ``log_is_clean``: SQLite's write-ahead log holds nothing any more."""

    known: bool
    files: int
    log_is_clean: bool


def erase(database: Database, state_dir: Path, address: str, now: datetime) -> Erased:
    """Forget a person for good. The hashed address stays suppressed, so that no import brings them back; an unknown one
    is suppressed all the same. Saying it twice does no harm. Raises ``InputError`` for what is no address."""
    address = addresses.normalise(address)
    spellings = addresses.spellings(address)
    key = addresses.key(address)
    with database.read() as connection:
        told = erasure.told_of(connection, key)
    for delivery in told:  # each in a transaction of its own: a worker holds these in another order than the person's
        with database.write() as connection:
            erasure.forget_words(connection, *delivery)
    known = database.persist(lambda connection: erasure.erase(connection, key, spellings, now))
    files = sum(1 for _ in _deleted(state_dir, [spelling.encode() for spelling in spellings]))
    return Erased(known, files, database.forget_deleted())


def _deleted(state_dir: Path, spellings: Collection[bytes]) -> Iterator[Path]:
    for name in _HELD:
        for path in (state_dir / name).rglob("*"):
            if path.is_file() and _holds(path, spellings):
                path.unlink(missing_ok=True)
                yield path


def _holds(path: Path, spellings: Collection[bytes]) -> bool:
    try:
        text = path.read_bytes().lower()
    except OSError:
        return False  # gone in the meantime
    for soft_break in _SOFT_BREAKS:
        text = text.replace(soft_break, b"")
    return any(spelling in text for spelling in spellings)
