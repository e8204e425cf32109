"""What stands before a subscription: sign-up forms nobody has looked at yet, and domains that can't be signed up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from digest.store.among import chosen_once
from digest.store.schema import blocked_domains, editions, sign_up_requests
from digest.store.upsert import insert_into

# ---------------------------------------------------------------------------------------------- requests


def keep(connection: Connection, edition_id: int, key: bytes, wish: Any, now: datetime) -> None:
    """Keep a form as it came in."""
    row = {"edition_id": edition_id, "address_key": key, "wish": wish, "at": now}
    connection.execute(insert(sign_up_requests).values(row))


def take(connection: Connection) -> tuple[str, Any, datetime] | None:
    """Take the oldest form out of the box, as (edition, wish, when it came in); ``None``: it is empty."""
    table = sign_up_requests.c
    oldest = select(table.id).order_by(table.id).limit(1).with_for_update(skip_locked=True)
    taken = delete(sign_up_requests).where(table.id.in_(chosen_once(oldest)))
    row = connection.execute(taken.returning(table.edition_id, table.wish, table.at)).one_or_none()
    if row is None:
        return None
    name = connection.execute(select(editions.c.name).where(editions.c.id == row.edition_id)).scalar_one()
    return name, row.wish, row.at


# ----------------------------------------------------------------------------------------------- domains


@dataclass(frozen=True, slots=True)
class BlockedDomain:
    """A domain whose addresses, and those of domains below it, can't be signed up."""

    domain: str
    note: str
    at: datetime


def block(connection: Connection, domains: Iterable[str], now: datetime, note: str = "") -> int:
    """Block domains. Returns how many were not blocked before."""
    rows = [{"domain": domain, "note": note, "at": now} for domain in sorted(set(domains))]
    if not rows:
        return 0
    query = insert_into(connection, blocked_domains).on_conflict_do_nothing().returning(blocked_domains.c.domain)
    return len(connection.execute(query, rows).all())


def unblock(connection: Connection, domain: str) -> bool:
    """Let the domain's addresses be signed up again. False if it was not blocked itself."""
    return connection.execute(delete(blocked_domains).where(blocked_domains.c.domain == domain)).rowcount == 1


def blocked(connection: Connection, domain: str) -> bool:
    """Whether ``domain`` or one above it is blocked."""
    labels = domain.split(".")
    above = [".".join(labels[start:]) for start in range(len(labels))]
    return (
        connection.execute(select(blocked_domains.c.domain).where(blocked_domains.c.domain.in_(above))).first()
        is not None
    )


def listing(connection: Connection, after: str = "", limit: int = 1000) -> list[BlockedDomain]:
    """A page of blocked domains, beginning behind ``after``."""
    query = select(blocked_domains).where(blocked_domains.c.domain > after).order_by(blocked_domains.c.domain)
    return [BlockedDomain(row.domain, row.note, row.at) for row in connection.execute(query.limit(limit))]
