"""Forgetting a person: every table that may tell of him is gone through here."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime
from itertools import islice

from sqlalchemy import Connection, delete, select, tuple_, update

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
from digest.store.suppressions import suppress_erased

_CHUNK = 500


def erase(connection: Connection, key: bytes, spellings: Collection[str], now: datetime) -> bool:
    """Delete the person with this address key and all consent; the ledger keeps numbers, and the suppressions the key.
    ``spellings`` are the ways in lower case in which the address may stand in rejected rows. False if unknown."""
    theirs = select(subscriptions.c.id).join(subscribers).where(subscribers.c.address_key == key)
    ids = list(connection.execute(theirs).scalars())
    _strip_history(connection, ids)
    _forget_rejects(connection, spellings)
    known = False
    for table in reversed(metadata.sorted_tables):
        if "address_key" in table.c and table is not suppressions:
            known |= connection.execute(delete(table).where(table.c.address_key == key)).rowcount > 0
    suppress_erased(connection, key, now)
    return known


def _strip_history(connection: Connection, ids: Collection[int]) -> None:
    """What servers said and what was followed is the reader's; that something was sent, and when, is the ledger's."""
    theirs = select(issues.c.id).join(subscriptions, subscriptions.c.edition_id == issues.c.edition_id)
    theirs = theirs.where(subscriptions.c.id.in_(ids))  # along the ledger's key, which begins with the issue
    mine = deliveries.c.issue_id.in_(theirs), deliveries.c.subscription_id.in_(ids)
    connection.execute(update(deliveries).where(*mine).values(reason=None))
    connection.execute(update(feedback_events).where(feedback_events.c.subscription_id.in_(ids)).values(detail=""))
    connection.execute(delete(clicks).where(clicks.c.subscription_id.in_(ids)))


def _forget_rejects(connection: Connection, spellings: Collection[str]) -> None:
    address = re.compile(rf"(?<![\w.+-])({'|'.join(map(re.escape, spellings))})(?![\w-])")
    query = select(import_rejects.c.import_id, import_rejects.c.line, import_rejects.c.reason, import_rejects.c.row)
    rows = connection.execute(query.execution_options(yield_per=1000))
    found = [(row.import_id, row.line) for row in rows if address.search(f"{row.reason} {row.row}".casefold())]
    named, left = tuple_(import_rejects.c.import_id, import_rejects.c.line), iter(found)
    while some := list(islice(left, _CHUNK)):
        connection.execute(delete(import_rejects).where(named.in_(some)))
