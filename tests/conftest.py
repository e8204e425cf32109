"""Real parts for the tests: both databases, a Redis-protocol server, settings that point at them."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp

import hypothesis
import psycopg
import pytest

from digest.app import App
from digest.settings import Settings
from digest.store.database import Database

from . import postgres as postgres_server

hypothesis.settings.register_profile("untimed", deadline=None)  # machines are busy; no test asserts a time
hypothesis.settings.load_profile("untimed")

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
SHARED = Path(__file__).resolve().parents[2] / "shared"
KEY = "a:" + "0123456789abcdef" * 4


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
    _migrated(_named(url, "template1"))  # every database made from now on has our tables
    yield url
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


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


def _named(url: str, name: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://").replace("/postgres?", f"/{name}?")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh, migrated database; each test that uses it runs on both kinds."""
    if request.param == "sqlite":
        file = tmp_path / "digest.db"
        shutil.copyfile(request.getfixturevalue("migrated_file"), file)
        yield f"sqlite:///{file}"
        return
    maintenance = request.getfixturevalue("postgres")
    name = f"t{secrets.token_hex(6)}"
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield _named(maintenance, name)
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
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
    app = App(settings)
    yield app
    app.database.dispose()
