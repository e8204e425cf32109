"""Many readers at once on PostgreSQL: however wrong it is about its tables' sizes, a row costs what a row costs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Connection, text

from digest.readers import addresses
from digest.store.content import editions
from digest.store.database import Database
from digest.store.readers import bulk
from digest.store.readers.bulk import SAYS, Incoming, Verdict
from tests.conftest import NOW
from tests.support.morning import EDITION

ROWS = 600
_TABLES = ("consent_events", "subscriptions", "subscribers", "suppressions")


def _rows(state: str = "active", hour: int | None = None, name: str = "") -> list[Incoming]:
    says = (SAYS["hour"] if hour is not None else 0) | (SAYS["name"] if name else 0)
    return [
        Incoming(
            number=number,
            address_key=addresses.key(address),
            address=address,
            state=state,
            name=name,
            locale="",
            time_zone="",
            cadence="daily",
            sections=None,
            hour=hour,
            days=127,
            fields="{}",
            proof="",
            ip="",
            says=says,
        )
        for number, address in enumerate(f"r{n}@x.example" for n in range(ROWS))
    ]


def _read(connection: Connection) -> int:
    """How many rows of our tables this transaction has read."""
    query = "SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_xact_user_tables WHERE relname = ANY(:names)"
    return int(connection.execute(text(query), {"names": list(_TABLES)}).scalar_one() or 0)


def _apply(database: Database, rows: list[Incoming]) -> tuple[dict[Verdict, int], int]:
    """What became of the rows, and how many rows of our tables were read for them."""
    with database.write() as connection:
        before = _read(connection)
        done = bulk.apply(connection, 1, rows, NOW, "import x", "agreed")
        return dict(done.counts), _read(connection) - before


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_row_is_found_by_index_whatever_the_statistics_say(database: Database) -> None:
    with database.write() as connection:
        for name in ("morning", "evening"):
            editions.save(connection, replace(EDITION, name=name), NOW)
    assert _apply(database, _rows())[0] == {Verdict.NEW: ROWS}
    for sql in (*(f"DELETE FROM {name}" for name in _TABLES), *(f"ANALYZE {name}" for name in _TABLES)):
        with database.write() as connection:  # from now on it takes them for empty
            connection.execute(text(sql))
    for rows, verdict in (
        (_rows(), Verdict.NEW),
        (_rows(), Verdict.SAME),
        (_rows(hour=7, name="Ann"), Verdict.CHANGED),
        (_rows("unsubscribed"), Verdict.CHANGED),
        (_rows("blocked"), Verdict.BARRED),
        (_rows("blocked"), Verdict.SAME),
        (_rows(), Verdict.SUPPRESSED),
    ):
        counts, read = _apply(database, rows)
        assert counts == {verdict: ROWS}
        assert read <= 12 * ROWS, (verdict, read)
