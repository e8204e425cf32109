"""Real processes: ``digest up`` with its embedded server, Celery workers and beat, on both databases."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from digest.app import clock
from digest.flows.issues import operate, schedules
from digest.settings import Settings
from digest.states import DeliveryState
from digest.store.database import Database
from digest.store.ledger import issues
from digest.values import ScheduleSpec
from tests.conftest import KEY, on_sqlite
from tests.support.ports import free_port
from tests.support.smtp_server import Script, SmtpServer
from tests.support.world import World, WorldApp, draft

READERS = [f"r{number:03}@x.example" for number in range(60)]
PATIENCE = 60.0


@dataclass
class Site:
    """A folder with a configuration, and the processes started on it."""

    folder: Path
    settings: Settings
    processes: list[subprocess.Popen[bytes]]

    @property
    def config(self) -> Path:
        return self.folder / "digest.toml"

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "digest", "--config", str(self.config), *words]
        with (self.folder / f"{words[0]}.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, start_new_session=True)
        self.processes.append(process)
        return process

    def start_broker(self) -> subprocess.Popen[bytes]:
        """The embedded one, which has no command of its own."""
        command = [sys.executable, "-m", "workers", "broker", str(self.config)]
        process = subprocess.Popen(command, cwd=self.folder, start_new_session=True)
        self.processes.append(process)
        return process

    def run(self, *words: str) -> str:
        command = [sys.executable, "-m", "digest", "--config", str(self.config), *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, timeout=PATIENCE, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def logs(self) -> str:
        return "".join(path.read_text() for path in self.folder.glob("*.log"))


def await_that(happened: Callable[[], bool], site: Site) -> None:
    """Poll the real thing until it is so."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, site.logs()
        time.sleep(0.05)


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


@pytest.fixture
def site(database_url: str, tmp_path: Path, server: SmtpServer) -> Iterator[Site]:
    web = free_port()
    config = tmp_path / "digest.toml"
    config.write_text(
        f"""
database_url = "{database_url.replace("+psycopg", "")}"
base_url = "http://127.0.0.1:{web}"
state_dir = "{tmp_path / "var"}"
secret_keys = ["{KEY}"]
[smtp]
host = "127.0.0.1"
port = {server.port}
security = "none"
[web]
port = {web}
[worker]
tick_seconds = 0.5
[deliver]
batch = 10
window = 5
lease_seconds = 5
requeue_seconds = 3
""",
        encoding="utf-8",
    )
    settings = WorldApp.from_file(config).settings
    site = Site(tmp_path, settings, [])
    yield site
    for process in site.processes:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    for process in site.processes:
        process.wait(PATIENCE)


@pytest.fixture
def world(site: Site) -> Iterator[World]:
    app = WorldApp(site.settings)
    app.time = clock()  # the processes have no other
    world = World(app)
    world.edition()
    world.articles(draft(1), draft(2, "land"))
    world.readers(*READERS)
    yield world
    app.database.dispose()


def issue_state(site: Site, number: int = 1) -> str:
    database = Database(site.settings.database_url)
    with database.read() as connection:
        issue = issues.get(connection, number)
    database.dispose()
    return str(issue.state) if issue else "none"


def test_up_sends_a_scheduled_issue_once_serves_the_pages_and_ends_politely(
    site: Site, world: World, server: SmtpServer
) -> None:
    group = site.start("up")
    await_that(lambda: _healthy(site), site)
    beat = site.start("beat")  # one more than the group has: a doubled beat
    soon = ScheduleSpec("daily", "UTC", at=clock() + timedelta(seconds=3))
    schedules.add(world.app.database, "tide", soon, clock())  # the command starts too slowly for a time so near
    await_that(lambda: issue_state(site) == "sent", site)
    assert sorted(server.recipients) == READERS
    await_that(lambda: "2 workers at work" in site.run("status"), site)  # one sends, one reads
    assert "60/60" in site.run("report", "1")
    for process in (beat, group):
        process.send_signal(signal.SIGTERM)
    assert group.wait(PATIENCE) == 0
    assert beat.wait(PATIENCE) == 0
    assert sorted(server.recipients) == READERS
    assert "Traceback" not in site.logs()
    assert "SecurityWarning" not in site.logs()
    assert site.logs().count("runs as root") == (os.geteuid() == 0)


def _healthy(site: Site) -> bool:
    try:
        answer = httpx.get(f"{site.settings.base_url}/healthz").json()
    except httpx.TransportError:
        return False
    return bool(answer == {"status": "ok", "database": "answers"})


def _ready(site: Site) -> dict[str, str]:
    answer = httpx.get(f"{site.settings.base_url}/readyz", timeout=PATIENCE)
    told: dict[str, str] = answer.json()
    assert (answer.status_code == 200) == (told["status"] == "ok")
    return told


@on_sqlite
def test_a_dead_beat_is_told_from_dead_workers(site: Site, world: World) -> None:
    broker, web = site.start_broker(), site.start("web")
    await_that(lambda: _healthy(site), site)
    worker, beat = site.start("worker"), site.start("beat")
    await_that(lambda: _ready(site)["status"] == "ok", site)
    beat.kill()
    await_that(lambda: _ready(site)["beat"] == "not seen", site)
    assert _ready(site)["workers"] == "seen"
    beat = site.start("beat")
    worker.send_signal(signal.SIGTERM)
    worker.wait(PATIENCE)
    await_that(lambda: _ready(site)["beat"] == "seen", site)
    assert _ready(site)["workers"] == "not seen"
    for process in (beat, web, broker):
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)


def test_after_kill_9_of_the_worker_every_reader_is_accounted_for(site: Site, world: World, server: SmtpServer) -> None:
    slow = Script(reply=lambda stage, _recipient, _connection: time.sleep(0.03) if stage == "dot" else None)
    server.script = slow
    group = site.start("up")
    site.run("send", "tide", "--now")
    server.wait_for(12)
    for victim in _descendants(group.pid):
        if " workers worker " in victim[1]:
            os.kill(victim[0], signal.SIGKILL)
    await_that(lambda: issue_state(site) == "sent", site)
    account = operate.account(world.app.database, 1)
    in_doubt = [address for address, _ in account.in_doubt]
    accepted = account.progress.counts[DeliveryState.ACCEPTED]
    assert accepted + len(in_doubt) == len(READERS)
    assert len(in_doubt) <= 2 * site.settings.deliver.window  # two worker processes, a group each
    received = server.recipients
    assert len(received) == len(set(received)), "nobody got it twice"
    assert set(READERS) - set(in_doubt) <= set(received), "nobody was lost silently"


def _descendants(pid: int) -> list[tuple[int, str]]:
    """(pid, command line) of all processes below ``pid``."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found.append((int(child), Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")))
        found.extend(_descendants(int(child)))
    return found


def test_a_worker_without_broker_or_database_says_so_in_a_line(site: Site) -> None:
    for words, told in ((("worker",), "the broker at"), (("beat",), "the broker at")):
        process = site.start(*words)
        assert process.wait(PATIENCE) == 69
        assert told in site.logs()
    assert "Traceback" not in site.logs()


# Two that end only when the other has been told to as well, and one they lean on: it must still be there then.
_CHILD = """
import signal, sys, time
from pathlib import Path
name, other = sys.argv[1:]
def told(*_):
    assert other or all(Path(leaner + ".ended").exists() for leaner in ("a", "b"))
    Path(name + ".told").touch()
    while other and not Path(other + ".told").exists():
        time.sleep(0.01)
    Path(name + ".ended").touch()
    sys.exit()
signal.signal(signal.SIGTERM, told)
Path(name + ".up").touch()
while True:
    signal.pause()
"""
_GROUP = """
import sys
from workers.supervise import Child, Group
def child(name, other):
    return Child(name, [sys.executable, "-c", sys.argv[1], name, other], leaned_on=not other)
Group([child("base", ""), child("a", "b"), child("b", "a")], lambda _: True).run()
"""


def test_a_group_is_told_to_end_at_once_and_then_what_it_leans_on(tmp_path: Path) -> None:
    group = subprocess.Popen([sys.executable, "-c", _GROUP, _CHILD], cwd=tmp_path)
    deadline = time.monotonic() + PATIENCE
    while len(list(tmp_path.glob("*.up"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    group.terminate()
    assert group.wait(PATIENCE) == 0
    assert {path.name for path in tmp_path.glob("*.ended")} == {"base.ended", "a.ended", "b.ended"}


def test_a_mailbox_whose_port_is_taken_says_so_in_a_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = tmp_path / "digest.toml"
        settings = f"""
database_url = "sqlite:///{tmp_path}/digest.db"
base_url = "http://127.0.0.1:1"
state_dir = "{tmp_path}"
secret_keys = ["{KEY}"]
mailbox_port = {taken.getsockname()[1]}
"""
        config.write_text(settings, encoding="utf-8")
        command = [sys.executable, "-m", "workers", "mailbox", str(config)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode
    assert done.stderr.startswith("error: the mailbox can't use port")
    assert len(done.stderr.splitlines()) == 1


def test_a_worker_imports_what_delivering_needs_and_no_more() -> None:
    """Each of its processes holds all of it; what other tasks need, they import."""
    script = "import sys; import workers.__main__, workers.tasks; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert {"celery", "sqlalchemy"} <= loaded
    needless = {"aiosmtpd", "alembic", "cssutils", "fastapi", "feedparser", "httpx", "lxml", "nh3", "premailer"}
    assert not loaded & (needless | {"rich", "trafilatura", "typer", "uvicorn"})
