"""Errands: what a reader asked for on a page and confirms by a click in a mail."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, Row, delete, select, update

from digest.readers import addresses
from digest.readers.errands import Errand
from digest.store.among import chosen_once
from digest.store.schema import errands
from digest.store.upsert import insert_into


def put(
    connection: Connection, subscriber_id: int, subscription_id: int, kind: str, address: str, now: datetime
) -> None:
    """Ask for an errand, and owe its mail; it takes the place of one of the same kind."""
    values = {
        "subscription_id": subscription_id,
        "address": address,
        "address_key": addresses.key(address),
        "asked_at": now,
        "mail_due_at": now,
    }
    query = insert_into(connection, errands).values(subscriber_id=subscriber_id, kind=kind, **values)
    connection.execute(query.on_conflict_do_update(index_elements=["subscriber_id", "kind"], set_=values))


def get(connection: Connection, errand_id: int) -> Errand | None:
    row = connection.execute(select(errands).where(errands.c.id == errand_id)).one_or_none()
    return _errand(row) if row else None


def of_kind(connection: Connection, subscriber_id: int, kind: str) -> Errand | None:
    """The one errand of this kind that a reader may have."""
    mine = (errands.c.subscriber_id == subscriber_id, errands.c.kind == kind)
    row = connection.execute(select(errands).where(*mine)).one_or_none()
    return _errand(row) if row else None


def remove(connection: Connection, errand: Errand) -> bool:
    """Take an errand off the list; false if somebody else was first, or another has taken its place."""
    same = (errands.c.id == errand.id, errands.c.asked_at == errand.asked_at)
    return connection.execute(delete(errands).where(*same)).rowcount == 1


def remove_asked_before(connection: Connection, moment: datetime) -> None:
    connection.execute(delete(errands).where(errands.c.asked_at < moment))


def claim_mails(connection: Connection, now: datetime, until: datetime, limit: int) -> list[Errand]:
    """Take the mails owed at ``now``: nobody else is given them before ``until``, when they are owed again."""
    owed = errands.c.mail_due_at <= now
    due = select(errands.c.id).where(owed).order_by(errands.c.mail_due_at).limit(limit)
    due = due.with_for_update(skip_locked=True)  # what somebody holds is not waited for: no deadlock
    query = update(errands).where(errands.c.id.in_(chosen_once(due)), owed).values(mail_due_at=until).returning(errands)
    return sorted((_errand(row) for row in connection.execute(query)), key=lambda errand: errand.id)


def settle_mails(connection: Connection, ids: Collection[int], claimed_until: datetime) -> None:
    """No mail is owed any more for those of ``ids`` that are still claimed as we claimed them."""
    claimed = errands.c.mail_due_at == claimed_until
    connection.execute(update(errands).where(errands.c.id.in_(ids), claimed).values(mail_due_at=None))


def _errand(row: Row[tuple[object, ...]]) -> Errand:
    return Errand(row.id, row.subscriber_id, row.subscription_id, row.kind, row.address, row.asked_at)
