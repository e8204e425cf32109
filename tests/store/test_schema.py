"""The schema on both databases, and the database as it is opened and asked for the time."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import insert, inspect, select, text

from digest.app import App
from digest.errors import NotFoundError, StateError, UnavailableError
from digest.settings import Settings
from digest.store import database as database_module
from digest.store import schema
from digest.store.clock import DatabaseClock
from digest.store.database import Database
from tests.conftest import NOW


def test_migrated_tables_are_the_declared_tables(database: Database) -> None:
    names = set(inspect(database.engine).get_table_names()) - {"alembic_version"}
    assert names == set(schema.metadata.tables)
    for name, table in schema.metadata.tables.items():
        columns = {column["name"] for column in inspect(database.engine).get_columns(name)}
        assert columns == {column.name for column in table.columns}, name


def test_the_version_wanted_is_what_alembic_leads_to(database: Database) -> None:
    folder = Path(database_module.__file__).with_name("migrations")
    assert database_module.newest_version() == ScriptDirectory(str(folder)).get_current_head()
    database.check()
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    with pytest.raises(StateError, match="is at version 0000, not"):
        database.check()


def test_a_write_that_raises_leaves_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write() as connection:
        connection.execute(insert(schema.feeds).values(name="x"))
        raise RuntimeError
    with database.read() as connection:
        assert connection.execute(select(schema.feeds.c.id)).all() == []


def test_database_faults_are_said_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="digest migrate"):
        Database(f"sqlite:///{tmp_path}/none.db").check()
    (tmp_path / "empty.db").touch()
    with pytest.raises(StateError, match="is empty"):
        Database(f"sqlite:///{tmp_path}/empty.db").check()
    with pytest.raises(UnavailableError, match="can't be used"):
        Database("postgresql+psycopg://nobody@127.0.0.1:1/none").check()


def test_the_time_is_the_server_s_and_counted_on_while_it_is_away(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database.dialect == "sqlite":
        pytest.skip("a file tells no time")
    seconds = 0.0
    clock = DatabaseClock(database, lambda: seconds)
    began = clock()
    seconds = 50.0
    assert clock() - began == timedelta(seconds=50)
    seconds = 5000.0  # as if this machine had been asleep, say: it is asked again
    assert abs(clock() - began) < timedelta(seconds=50)
    monkeypatch.setattr(database, "read", gone := Mock(side_effect=UnavailableError("away")))
    before, seconds = clock(), 6000.0
    assert clock() - before == timedelta(seconds=1000)
    assert gone.call_count == 1
    with pytest.raises(UnavailableError):
        DatabaseClock(database, lambda: 0.0)()


def test_a_machine_s_wrong_clock_says_nothing_to_a_server(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digest.app.clock", lambda: NOW)
    server = not settings.database_url.startswith("sqlite")
    app = App(settings)
    assert (app.now() == NOW) is not server
    if server:
        app.database.dispose()
