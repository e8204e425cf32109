"""Addresses that are never mailed. Only the key counts; the address beside it is for the operator's eyes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from sqlalchemy import Connection, delete, select, update

from digest.readers import addresses
from digest.store.schema import suppressions
from digest.store.upsert import insert_into

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Suppression:
    """Why an address is not mailed: bounce, complaint, operator or erased. ``address`` is ``None`` once erased."""

    key: bytes
    address: str | None
    reason: str
    note: str
    at: datetime


def suppress(connection: Connection, address: str, reason: str, now: datetime, note: str = "") -> bool:
    """Never mail the normalised ``address`` again. False if it was suppressed before; the first reason stays."""
    return _put(connection, addresses.key(address), address, reason, now, note)


def suppress_erased(connection: Connection, key: bytes, now: datetime) -> None:
    """Keep the key alone, forgetting the address where it stands."""
    if not _put(connection, key, None, "erased", now, ""):
        query = update(suppressions).where(suppressions.c.address_key == key)
        connection.execute(query.values(address=None, note=""))


def unsuppress(connection: Connection, key: bytes) -> bool:
    """Let the address be mailed again. False if it was not suppressed."""
    return connection.execute(delete(suppressions).where(suppressions.c.address_key == key)).rowcount == 1


def find(connection: Connection, key: bytes) -> Suppression | None:
    row = connection.execute(select(suppressions).where(suppressions.c.address_key == key)).one_or_none()
    return Suppression(row.address_key, row.address, row.reason, row.note, row.at) if row else None


def is_suppressed(connection: Connection, key: bytes) -> bool:
    return key in among(connection, [key])


def among(connection: Connection, keys: Collection[bytes]) -> set[bytes]:
    """Those of ``keys`` that are suppressed."""
    query = select(suppressions.c.address_key).where(suppressions.c.address_key.in_(keys))
    return set(connection.execute(query).scalars())


def erased_among(connection: Connection, keys: Collection[bytes]) -> set[bytes]:
    """Those of ``keys`` whose owners were erased."""
    found, left = set[bytes](), iter(keys)
    while some := list(islice(left, _CHUNK)):
        query = select(suppressions.c.address_key).where(suppressions.c.address_key.in_(some))
        found.update(connection.execute(query.where(suppressions.c.address.is_(None))).scalars())
    return found


def listing(connection: Connection, after: bytes = b"", limit: int = 1000) -> list[Suppression]:
    """A page of suppressions by key, beginning behind ``after``."""
    query = select(suppressions).where(suppressions.c.address_key > after)
    rows = connection.execute(query.order_by(suppressions.c.address_key).limit(limit))
    return [Suppression(row.address_key, row.address, row.reason, row.note, row.at) for row in rows]


def _put(connection: Connection, key: bytes, address: str | None, reason: str, now: datetime, note: str) -> bool:
    query = insert_into(connection, suppressions).on_conflict_do_nothing().returning(suppressions.c.address_key)
    values = {"address_key": key, "address": address, "reason": reason, "note": note, "at": now}
    return connection.execute(query, values).first() is not None
