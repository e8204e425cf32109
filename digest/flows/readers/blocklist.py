"""The domains that can't be signed up: throw-away mailboxes, and whatever else the operator does not want."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from digest.errors import InputError
from digest.readers import addresses
from digest.store.database import Database
from digest.store.readers import sign_ups
from digest.store.readers.sign_ups import BlockedDomain

_CHUNK = 500


def block(
    database: Database, named: Iterable[tuple[str, str]], now: datetime, note: str = ""
) -> tuple[int, int, list[str]]:
    """block: domains, each with where it stands. Returns how many were read, how many were not blocked before, and what
    is wrong with those that are no domains."""
    domains, faults, read = [], [], 0
    for where, text in named:
        read += 1
        try:
            domains.append(domain(text))
        except InputError as error:
            faults.append(f"{where}: {error}")
    new = 0
    for start in range(0, len(domains), _CHUNK):
        with database.write() as connection:
            new += sign_ups.block(connection, domains[start : start + _CHUNK], now, note)
    return read, new, faults


def unblock(database: Database, text: str) -> bool:
    """unblock: let a domain be signed up again. False if it was not blocked itself."""
    with database.write() as connection:
        return sign_ups.unblock(connection, domain(text))


def is_blocked(database: Database, address: str) -> bool:
    """Whether a normalised address can't be signed up for its domain's sake."""
    with database.read() as connection:
        return sign_ups.blocked(connection, address.rpartition("@")[2])


def listing(database: Database, after: str = "", limit: int = 1000) -> list[BlockedDomain]:
    """A page of blocked domains, beginning behind ``after``."""
    with database.read() as connection:
        return sign_ups.listing(connection, after, limit)


def domain(text: str) -> str:
    """A domain as addresses are stored with it: lower case, its A-label. Raises ``InputError``."""
    try:
        return addresses.normalise(f"x@{text.strip().lstrip('@')}").partition("@")[2]
    except InputError:
        raise InputError(f"{text.strip()[:60]!r} is not a valid domain", "write it as example.org") from None
