"""The time that all processes agree on: the database server's, however wrong a machine's own clock is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from digest.errors import UnavailableError
from digest.store.database import Database

_ASK_EVERY = 60.0


class DatabaseClock:
    """Asks PostgreSQL now and then and counts on from its answer by ``monotonic`` (seconds), which nobody sets: leases
    and hours mean the same to every worker, and a jump of a clock amid a send is no event. While the server does not
    answer its last answer is good enough."""

    def __init__(self, database: Database, monotonic: Callable[[], float]) -> None:
        self._database = database
        self._monotonic = monotonic
        self._answered: datetime | None = None
        self._answered_at = self._asked_at = 0.0

    def __call__(self) -> datetime:
        """The time now, in UTC. Raises ``UnavailableError`` if the server has never answered."""
        now = self._monotonic()
        if self._answered is None:
            self._ask(now)
        elif now - self._asked_at > _ASK_EVERY:
            with suppress(UnavailableError):
                self._ask(now)
        assert self._answered
        return self._answered + timedelta(seconds=now - self._answered_at)

    def _ask(self, now: float) -> None:
        self._asked_at = now
        with self._database.read() as connection:
            answered: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        self._answered, self._answered_at = answered.astimezone(UTC), now
