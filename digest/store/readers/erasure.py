"""Forgetting a person: every table that may tell of them is gone through here."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime
from itertools import islice

from sqlalchemy import Connection, and_, delete, select, tuple_, update

from digest.store.readers import forgetting
from digest.store.readers.suppressions import suppress_erased
from digest.store.schema import (
    clicks,
    deliveries,
    feedback_events,
    import_rejects,
    issues,
    metadata,
    subscribers,
    subscriptions,
    suppressions,
)

_CHUNK = 500


def told_of(connection: Connection, key: bytes) -> list[tuple[int, int]]:
    """The deliveries to the person with this address key whose account has words in it, as (issue, subscription)."""
    here, theirs = (deliveries.c.issue_id, deliveries.c.subscription_id), subscriptions.c.id
    query = (  # along the ledger's key, which begins with the issue
        select(*here)
        .select_from(subscribers.join(subscriptions, subscriptions.c.subscriber_id == subscribers.c.id))
        .join(issues, issues.c.edition_id == subscriptions.c.edition_id)
        .join(deliveries, and_(here[0] == issues.c.id, here[1] == theirs))
        .where(subscribers.c.address_key == key, deliveries.c.reason.is_not(None))
    )
    return [(row.issue_id, row.subscription_id) for row in connection.execute(query)]


def forget_words(connection: Connection, issue_id: int, subscription_id: int) -> None:
    """What servers said of a delivery is the reader's; that something was sent, and when, is the ledger's."""
    mine = deliveries.c.issue_id == issue_id, deliveries.c.subscription_id == subscription_id
    connection.execute(update(deliveries).where(*mine).values(reason=None))


def erase(connection: Connection, key: bytes, spellings: Collection[str], now: datetime) -> bool:
    """Delete the person with this address key and all consent; the ledger keeps numbers, and the suppressions the key.
    ``spellings`` are the ways in lower case in which the address may stand in rejected rows. False if unknown."""
    forgetting.begin(connection)
    ids = _held(connection, key)
    connection.execute(update(feedback_events).where(feedback_events.c.subscription_id.in_(ids)).values(detail=""))
    connection.execute(delete(clicks).where(clicks.c.subscription_id.in_(ids)))
    _forget_rejects(connection, spellings)
    known = False
    for table in reversed(metadata.sorted_tables):
        if "address_key" in table.c and table is not suppressions:
            known |= connection.execute(delete(table).where(table.c.address_key == key)).rowcount > 0
    suppress_erased(connection, key, now)
    return known


def _held(connection: Connection, key: bytes) -> list[int]:
    """The person's subscriptions, locked with them in the order that everybody keeps to."""
    person = select(subscribers.c.id).where(subscribers.c.address_key == key).with_for_update()
    owner = connection.execute(person).scalar()
    theirs = select(subscriptions.c.id).where(subscriptions.c.subscriber_id == owner).order_by(subscriptions.c.id)
    return list(connection.execute(theirs.with_for_update()).scalars())


def _forget_rejects(connection: Connection, spellings: Collection[str]) -> None:
    address = re.compile(rf"(?<![\w.+-])({'|'.join(map(re.escape, spellings))})(?![\w-])")
    query = select(import_rejects.c.import_id, import_rejects.c.line, import_rejects.c.reason, import_rejects.c.row)
    rows = connection.execute(query.execution_options(yield_per=1000))
    found = [(row.import_id, row.line) for row in rows if address.search(f"{row.reason} {row.row}".casefold())]
    named, left = tuple_(import_rejects.c.import_id, import_rejects.c.line), iter(found)
    while some := list(islice(left, _CHUNK)):
        connection.execute(delete(import_rejects).where(named.in_(some)))
