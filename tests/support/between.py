"""Two at once on a database: one of them comes in between at a checkpoint of the other's transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from sqlalchemy import text

from digest.store.checkpoints import Checkpoint
from digest.store.database import Database
from tests.support.gates import until

_WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


@contextmanager
def when(database: Database, checkpoint: Checkpoint, does: Callable[[], object]) -> Iterator[None]:
    """The first time that the block reaches ``checkpoint``, ``does`` comes in between. It has to be reached."""
    came = []

    def between() -> None:
        came.append(database.watchers.pop(checkpoint))
        does()

    database.watchers[checkpoint] = between
    yield
    assert came, f"the block never came to {checkpoint}"


@contextmanager
def meanwhile(
    database: Database, checkpoint: Checkpoint, does: Callable[..., Any], *given: Any
) -> Iterator[Future[Any]]:
    """The first time that the block reaches ``checkpoint``, somebody else begins to do something and has to wait for
    the block. Yields what comes of it; it has ended when the block has."""
    done = Future[Any]()

    def begin() -> None:
        pool.submit(_settle, done, does, given)
        until_waiting(database, 1)
        assert not done.done()

    with ThreadPoolExecutor(1) as pool, when(database, checkpoint, begin):
        yield done


def _settle(done: Future[Any], does: Callable[..., Any], given: tuple[Any, ...]) -> None:
    try:
        done.set_result(does(*given))
    except Exception as error:  # noqa: BLE001 - whoever asks for the result is to see it
        done.set_exception(error)


def until_waiting(database: Database, count: int) -> None:
    """Wait until ``count`` connections to a PostgreSQL database wait for others' locks."""

    def waiting() -> bool:
        with database.read() as connection:
            return bool(connection.execute(_WAITING).scalar_one() >= count)

    until(waiting)


def elsewhere(does: Callable[..., Any], *given: Any) -> None:
    """Do something in a thread of its own, and see it end."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(does, *given).result(10)
