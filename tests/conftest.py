"""Real parts for the tests: both databases, a Redis-protocol server, settings that point at them."""

from __future__ import annotations

import gc
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import hypothesis
import psycopg
import pytest

from digest.app import App
from digest.settings import Settings
from digest.store.database import Database
from tests.support import compiled
from tests.support import postgres as postgres_server

if TYPE_CHECKING:
    from tests.support.world import World

hypothesis.settings.register_profile("untimed", deadline=None)  # machines are busy; no test asserts a time
hypothesis.settings.load_profile("untimed")


def pytest_collection_finish() -> None:
    """What has been imported by now stays: it need not be looked through for garbage all the time."""
    gc.freeze()


NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
SHARED = Path(__file__).resolve().parents[2] / "shared"
KEY = "a:" + "0123456789abcdef" * 4
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # where no SQL is at stake


@pytest.fixture(autouse=True)
def _wide_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs the tests may say how wide its terminal is; tables would be laid out for that."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real feeds and bounces, where a checkout has them beside it."""
    if not (SHARED / "data").is_dir():
        pytest.skip("no shared/data beside this checkout")
    return SHARED / "data"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL server, and the URL of its maintenance database."""
    folder = Path(mkdtemp(prefix="digest-pg-"))
    server = postgres_server.start(folder)
    url: str = server.get_uri()
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):  # nothing here must survive a power cut
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")
    _migrated(postgres_server.named(url, "template1"))  # every database made from now on has our tables
    yield url
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def one_database(postgres: str) -> Iterator[postgres_server.OneDatabase]:
    database = postgres_server.OneDatabase(postgres)
    yield database
    database.close()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite database with our tables, to be copied."""
    file = tmp_path_factory.mktemp("sqlite") / "digest.db"
    _migrated(f"sqlite:///{file}")
    return file


def _migrated(url: str) -> None:
    database = Database(url)
    database.migrate()
    database.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh, migrated database; each test that uses it runs on both kinds."""
    if request.param == "postgresql":
        yield request.getfixturevalue("one_database").renewed()
        return
    file = tmp_path / "digest.db"
    shutil.copyfile(request.getfixturevalue("migrated_file"), file)
    with closing(sqlite3.connect(file)) as connection:  # while one is open, the last to close need not clear up
        connection.execute("SELECT * FROM counters").fetchall()
        yield f"sqlite:///{file}"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, compiled.SHARED.sql)
    yield database
    database.dispose()


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url,
        state_dir=tmp_path / "var",
        base_url="https://news.example.org",
        secret_keys=(KEY,),
    )


@pytest.fixture
def app(settings: Settings) -> Iterator[App]:
    app = App(settings, compiled.SHARED)
    yield app
    app.database.dispose()


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    """A small publisher on a fresh database."""
    from tests.support.world import small_world  # which needs this module

    yield from small_world(settings)
