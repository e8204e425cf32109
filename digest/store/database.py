"""The database: an engine that behaves the same on SQLite and PostgreSQL, and transactions that only flows open."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, column, create_engine, event, inspect, make_url, select, table
from sqlalchemy.exc import DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.pool import NullPool

from digest.errors import DigestError, NotFoundError, StateError, UnavailableError
from digest.store.checkpoints import OPTION, Watchers

_MIGRATIONS = Path(__file__).parent / "migrations"
_KEPT_BY_ALEMBIC = table("alembic_version", column("version_num"))
BUSY_SECONDS = 30
_IDLE_SECONDS = 5.0
_DEADLOCK = "40P01"  # PostgreSQL, appendix A
_SECOND_TRIES = 3
T = TypeVar("T")


class Database:
    """Opens transactions. ``write()`` commits at the end of its block and rolls back when it raises; ``read()``
    never commits. On SQLite a write takes the write lock at its start (``BEGIN IMMEDIATE``): a transaction that reads
    and then writes can't fail half-way for another's sake. Engines must not cross a fork: make one per process.

    ``compiled`` holds SQL that was compiled, so that several of one process can share it; ``watchers`` are called at
    their checkpoints."""

    def __init__(self, url: str, compiled: MutableMapping[Any, Any] | None = None) -> None:
        self.url = make_url(url)
        self.watchers: Watchers = {}
        shared = {} if compiled is None else {"compiled_cache": compiled}
        self.engine = _engine(url, {OPTION: self.watchers, **shared})
        self.dialect = self.engine.dialect.name

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self._translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with self._translated(), self.engine.connect() as connection:
            connection = connection.execution_options(sqlite_begin="BEGIN IMMEDIATE")
            with connection.begin():
                yield connection

    def persist(self, act: Callable[[Connection], T]) -> T:
        """What ``act`` comes to in a transaction of its own, begun again when it raises ``OvertakenError`` or when the
        server ends it, since it and another wait for each other. So ``act`` must do nothing but by its connection."""
        for _ in range(_SECOND_TRIES):
            with suppress(OvertakenError), self.write() as connection:
                return act(connection)
        with self.write() as connection:
            return act(connection)

    def check(self) -> None:
        """Raise a clear error unless the database is there and its schema is this version's."""
        if self.dialect == "sqlite" and not Path(self.url.database or "").exists():
            raise NotFoundError(f"no database at {self.url.database}", "create it with `digest migrate`")
        with self.read() as connection:
            have = _version(connection)
        want = newest_version()
        if have is None:
            raise StateError(f"the database {self.shown} is empty", "create its tables with `digest migrate`")
        if have != want:
            raise StateError(f"the database {self.shown} is at version {have}, not {want}", "run `digest migrate`")

    def migrate(self) -> None:
        """Create the tables, or bring them to this version."""
        # here: it brings 10 MB; every process checks, few migrate
        from alembic import command
        from alembic.config import Config

        if self.dialect == "sqlite":
            Path(self.url.database or "").parent.mkdir(parents=True, exist_ok=True)
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        with self.write() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def forget_deleted(self) -> bool:
        """Leave nothing of what was deleted in SQLite's write-ahead log. False if somebody who reads or writes held
        that up; the log is then overwritten in time. A server keeps house by itself."""
        if self.dialect != "sqlite":
            return True
        with self._translated(), self.engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            (busy, _, _) = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not busy

    @property
    def shown(self) -> str:
        """The address without its password, for messages."""
        return self.url.render_as_string(hide_password=True)

    def dispose(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            raise _clear(error, self.shown) from error


class OvertakenError(UnavailableError):
    """Somebody else was first, so that what a transaction has read is no longer so; it is to be begun again."""


def newest_version() -> str:
    """The version the migrations lead to: each script's name begins with its own, and they count up."""
    return max(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_KEPT_BY_ALEMBIC.name):
        return None
    return connection.execute(select(_KEPT_BY_ALEMBIC.c.version_num)).scalar_one_or_none()


def _clear(error: DBAPIError, shown: str) -> DigestError:
    cause = str(error.orig).strip().splitlines()[0] if error.orig else str(error)
    if "locked" in cause:
        return UnavailableError(
            f"the database {shown} stayed locked for {BUSY_SECONDS} s",
            "end the program holding it, or try again",
        )
    if getattr(error.orig, "sqlstate", "") == _DEADLOCK:
        return OvertakenError(f"the database {shown} ended this for another's sake ({cause})", "try again")
    return UnavailableError(f"the database {shown} can't be used ({cause})", "check database_url and the server")


def _engine(url: str, options: Mapping[str, Any]) -> Engine:
    make = partial(create_engine, url, hide_parameters=True, execution_options=options)
    if not url.startswith("sqlite"):
        engine = make(pool_size=2, connect_args={"connect_timeout": 10})
        _ask_idle_connections(engine)
        return engine
    engine = make(poolclass=NullPool, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def _connect(raw: sqlite3.Connection, _record: Any) -> None:
        raw.isolation_level = None  # we say BEGIN ourselves, below
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("PRAGMA synchronous=NORMAL")  # safe in WAL: a power cut loses no consistency
        raw.execute("PRAGMA foreign_keys=ON")
        raw.execute("PRAGMA secure_delete=ON")  # who is erased is not to be read in the file's free pages

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN"))

    return engine


def _ask_idle_connections(engine: Engine) -> None:
    """A connection that has lain idle is asked for a sign of life before it is used again, since the server may have
    been restarted. One that was used a moment ago is not: the answer takes as long as a small statement."""

    @event.listens_for(engine, "checkin")
    def _used(_raw: Any, record: Any) -> None:
        record.info["used_at"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _ask(raw: Any, record: Any, _fairy: Any) -> None:
        if time.monotonic() - record.info.get("used_at", math.inf) < _IDLE_SECONDS:
            return
        try:
            engine.dialect.do_ping(raw)
        except engine.dialect.loaded_dbapi.Error as error:
            raise DisconnectionError from error  # and the pool opens another
