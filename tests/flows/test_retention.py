"""Retention of what is large: an issue's deliveries go in bounded steps, and a sweep that was cut short goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, func, insert, select

from digest.flows import retention
from digest.settings import RetentionSettings
from digest.states import DeliveryState, IssueEvent, IssueState
from digest.store import schema
from digest.store.database import Database
from digest.store.ledger import issues
from tests.conftest import NOW

RULES = RetentionSettings(issues_days=60)
OLD, RECENT = NOW - timedelta(days=61), NOW - timedelta(days=59)


class CutShort(Database):
    """Loses its machine at the ``last``-th transaction."""

    def __init__(self, url: str, last: int) -> None:
        super().__init__(url)
        self.left = last

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with super().write() as connection:
            yield connection
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt


def put_issue(connection: Connection, number: int, ended_at: datetime, deliveries: int) -> None:
    issue = {"id": number, "edition_id": 1, "cadence": "daily", "slot": ended_at, "state": IssueState.SENT}
    connection.execute(insert(schema.issues).values(**issue, created_at=ended_at, ended_at=ended_at))
    connection.execute(insert(schema.batches).values(issue_id=number, number=0))
    rows = [
        {"issue_id": number, "subscription_id": reader, "batch": 0, "state": DeliveryState.ACCEPTED, "at": ended_at}
        for reader in range(1, deliveries + 1)
    ]
    connection.execute(insert(schema.deliveries), rows)


def left(database: Database) -> dict[int, int]:
    """How many deliveries each issue has that is there."""
    counted = (
        select(schema.issues.c.id, func.count(schema.deliveries.c.issue_id))
        .outerjoin(schema.deliveries, schema.deliveries.c.issue_id == schema.issues.c.id)
        .group_by(schema.issues.c.id)
    )
    with database.read() as connection:
        return {row[0]: row[1] for row in connection.execute(counted)}


@pytest.fixture
def ledger(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Two issues past their retention and one that is not, with more deliveries than one step deletes."""
    monkeypatch.setattr(retention, "_DELIVERIES", 10)
    with database.write() as connection:
        connection.execute(insert(schema.editions).values(id=1, name="tide", spec={}, applied_at=OLD))
        put_issue(connection, 1, OLD, 25)
        put_issue(connection, 2, OLD - timedelta(days=1), 10)
        put_issue(connection, 3, RECENT, 15)
    return database


def test_old_issues_go_with_all_their_deliveries_and_others_stay(ledger: Database) -> None:
    assert retention.sweep(ledger, RULES, NOW)["issues"] == 2
    assert left(ledger) == {3: 15}
    with ledger.read() as connection:
        assert connection.execute(select(schema.deliveries.c.issue_id).distinct()).scalars().all() == [3]
        assert connection.execute(select(schema.batches.c.issue_id)).scalars().all() == [3]
    assert retention.sweep(ledger, RULES, NOW)["issues"] == 0


def test_a_sweep_that_is_cut_short_keeps_its_steps_and_the_next_one_goes_on(ledger: Database) -> None:
    before = 8  # transactions of other tables
    broken = CutShort(ledger.url.render_as_string(hide_password=False), before + 3)
    with pytest.raises(KeyboardInterrupt):
        retention.sweep(broken, RULES, NOW)
    broken.dispose()
    assert left(ledger) == {1: 5, 2: 10, 3: 15}, "two steps of ten are done, the third is undone"
    assert retention.sweep(ledger, RULES, NOW)["issues"] == 2
    assert left(ledger) == {3: 15}


def test_an_issue_that_is_opened_again_meanwhile_stays(ledger: Database) -> None:
    class Reopening(CutShort):
        @contextmanager
        def write(self) -> Iterator[Connection]:
            with Database.write(self) as connection:
                yield connection
                issues.move(connection, 1, IssueEvent.REOPEN, NOW)

    reopening = Reopening(ledger.url.render_as_string(hide_password=False), 0)
    retention.sweep(reopening, RULES, NOW)
    reopening.dispose()
    assert left(ledger) == {1: 25, 3: 15}
