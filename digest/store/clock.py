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
        self._answer: tuple[datetime, float] | None = None  # and when it came
        self._asked_at = 0.0

    def __call__(self) -> datetime:
        """The time now, in UTC. Raises ``UnavailableError`` if the server has never answered."""
        if self._answer is None:
            self._answer = self._ask()
        elif self._monotonic() - self._asked_at > _ASK_EVERY:
            with suppress(UnavailableError):
                self._answer = self._ask()
        answered, at = self._answer
        return answered + timedelta(seconds=self._monotonic() - at)

    def _ask(self) -> tuple[datetime, float]:
        self._asked_at = self._monotonic()
        with self._database.read() as connection:
            answered: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return answered.astimezone(UTC), self._monotonic()
