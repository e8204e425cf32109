"""The site under fault, its PostgreSQL server, and the table that is printed at the end."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from typing import Any

import psycopg
import pytest

from digest.states import DeliveryState
from digest.store.database import Database
from tests.faults.account import Account, Row, write
from tests.faults.site import PATIENCE, ROOT, Site
from tests.support import postgres as postgres_server

SEED = os.environ.setdefault("FAULT_SEED", secrets.token_hex(4))  # for the processes of pytest-xdist too
ROW = "row of the account"
_ROWS: list[tuple[str, int, Row]] = []


def pytest_report_header() -> str:
    return f"faults: FAULT_SEED={SEED} repeats this run"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Gather the rows here, in whichever process they were made."""
    if report.when == "teardown":
        file, line, _ = report.location
        made = [json.loads(str(row)) for name, row in report.user_properties if name == ROW]
        _ROWS.extend((file, line or 0, Row(**row)) for row in made)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    rows = [row for _, _, row in sorted(_ROWS, key=lambda one: one[:2])]
    if rows:
        title = f"{len(rows)} faults, seed {SEED}"
        terminalreporter.write_sep("=", "faults")
        terminalreporter.write_line(write(ROOT / "build" / "faults.md", title, rows))


@dataclass
class Postgres:
    """A PostgreSQL server of our own, which may be restarted. It keeps its promises when it crashes, unlike the one of
    the other tests; only a power cut would be too much."""

    server: Any

    @property
    def url(self) -> str:
        url: str = self.server.get_uri()
        return url

    def named(self, name: str) -> str:
        return self.url.replace("postgresql://", "postgresql+psycopg://").replace("/postgres?", f"/{name}?")

    @contextmanager
    def database(self) -> Iterator[str]:
        """A database of its own, with our tables: its name."""
        name = f"f{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name}")
        yield name
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.encode())

    def listen(self, address: str, network: str) -> None:
        """Start it again so that ``network`` reaches it at ``address``, on the usual port."""
        with (self.server.pgdata / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {network} trust\n")
        options = f"-h {address} -k {self.server.get_postmaster_info().socket_dir}"
        command = [self.server.bin_path / "pg_ctl", "-w", "-o", options, "-l", self.server.log, "restart"]
        folder = ["-D", str(self.server.pgdata)]
        subprocess.run([*command, *folder], user=self.server.system_user, stdout=subprocess.DEVNULL, check=True)

    def restart(self, how: signal.Signals, away: float) -> None:
        """End it (SIGINT: at once, in order; SIGQUIT: as in a crash) and start it again ``away`` seconds later."""
        process = self.server.get_postmaster_info().process
        os.kill(process.pid, how)
        process.wait(PATIENCE)
        time.sleep(away)
        self.server.ensure_postgres_running()


@contextmanager
def a_server() -> Iterator[Postgres]:
    """A PostgreSQL server whose databases all have our tables."""
    folder = Path(mkdtemp(prefix="digest-faults-"))
    server = postgres_server.start(folder)
    postgres = Postgres(server)
    postgres.execute("ALTER SYSTEM SET fsync = off")
    postgres.execute("SELECT pg_reload_conf()")
    _migrate(postgres.named("template1"))  # every database made from now on has our tables
    yield postgres
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def machine() -> Iterator[Postgres]:
    with a_server() as server:
        yield server


def _migrate(url: str) -> None:
    database = Database(url)
    database.migrate()
    database.dispose()


@contextmanager
def a_site(name: str, url: str = "", address: str = "127.0.0.1") -> Iterator[Site]:
    """A site on the database at ``url``, or on SQLite."""
    folder = Path(mkdtemp(prefix="digest-fault-"))
    site = Site(folder, url or f"sqlite:///{folder}/digest.db", Random(f"{SEED} {name}"), address)
    if not url:
        _migrate(site.database_url)
    try:
        yield site
    finally:
        site.end()
    shutil.rmtree(folder)


@pytest.fixture
def on_sqlite(request: pytest.FixtureRequest) -> Iterator[Site]:
    with a_site(request.node.name) as site:
        yield site


@pytest.fixture
def on_postgres(request: pytest.FixtureRequest, machine: Postgres) -> Iterator[Site]:
    with machine.database() as name, a_site(request.node.name, machine.named(name)) as site:
        yield site


@dataclass
class Bookkeeping:
    """Closes a fault: the account when the issue is sent, then everything in doubt is sent again, and the account of
    that."""

    site: Site
    add: Callable[[Row], None]
    doubted: int = 0

    def close(self, fault: str, in_flight: int, failed: int = 0) -> None:
        """``in_flight``: the most deliveries that may be in doubt; ``failed``: how many the server refused for good."""
        self.site.until_sent()
        account = Account.of(self.site)
        try:
            account.check(in_flight)
            while found := account.standing(DeliveryState.IN_DOUBT):
                self.doubted += len(found)
                assert self.doubted <= in_flight, f"{self.doubted} in doubt, one after another"
                self.site.run("issue", "resolve", "1", "--resend")
                self.site.until_sent()
                account = Account.of(self.site)
                account.check(in_flight, resent=self.doubted)
            assert len(account.standing(DeliveryState.FAILED)) == failed
            assert len(account.standing(DeliveryState.ACCEPTED)) == len(self.site.readers) - failed
        finally:
            self.add(account.row(fault, self.doubted, in_flight, time.monotonic() - self.site.begun))


@pytest.fixture
def close(request: pytest.FixtureRequest) -> Callable[..., None]:
    def add(row: Row) -> None:
        request.node.user_properties.append((ROW, json.dumps(asdict(row))))

    def closing(site: Site, fault: str, in_flight: int = 0, failed: int = 0) -> None:
        Bookkeeping(site, add).close(fault, in_flight, failed)

    return closing
