"""Our engine as an operator runs it: a folder with digest.toml, ``digest up`` with its real Celery workers, and the
flows behind the commands. Every run is an edition of its own: each issue is a first one, all send the same mail."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from sqlalchemy import or_, select

from bench import mail
from bench.processes import (
    BenchError,
    Processes,
    command_line,
    cpu_seconds,
    descendants,
    end,
    free_port,
    peak_mb,
    wait_until,
)
from bench.sinks import Sink
from digest.app import App
from digest.editions.file import parse
from digest.flows.issues import editions, operate, publish
from digest.flows.readers.importing import import_subscribers
from digest.flows.sources import articles
from digest.states import DeliveryState, IssueState
from digest.store.schema import batches, issues

_CONFIG = """
database_url = {database}
base_url = "https://news.example.org"
bounce_domain = "bounces.example.org"
secret_keys = ["a:{secret}"]

[smtp]
host = "127.0.0.1"
port = {port}
security = "none"
{smtp}
[worker]
concurrency = {workers}
tick_seconds = 10

[web]
port = {web}
"""
_DKIM = """
[[dkim]]
selector = "{0}"
key_file = "dkim-{0}.pem"
"""
WORKERS = 2


@dataclass(frozen=True, slots=True)
class Sent:
    """One issue sent: seconds from the first batch's lease (or first message at a sink that tells) to the end, the
    workers' processor time in them, and the most memory any worker process ever had."""

    count: int
    seconds: float
    cpu: float
    rss_mb: float
    publish_seconds: float


class Site:
    """One configuration and the processes on it."""

    def __init__(self, folder: Path, sink: Sink, database_url: str, dkim: str = "", smtp: str = "") -> None:
        self.folder, self.sink, self.dkim = folder, sink, dkim
        self.ledger = "PostgreSQL" if database_url.startswith("postgresql") else "SQLite"
        self._editions = 0
        folder.mkdir(parents=True)
        text = _CONFIG.format(
            database=json.dumps(database_url),
            secret=secrets.token_hex(32),
            port=sink.port,
            smtp=smtp,
            workers=WORKERS,
            web=free_port(),
        )
        self.config.write_text(text, encoding="utf-8")
        self._digest("migrate")
        for name in filter(None, dkim.split("+")):
            self._digest("dkim", name, *(["--ed25519"] if name == "ed25519" else []))
            with self.config.open("a", encoding="utf-8") as file:
                file.write(_DKIM.format(name))
        for feed, drafts in mail.drafts().items():
            articles.import_drafts(self.app.database, feed, drafts, self.app.now())

    @property
    def config(self) -> Path:
        return self.folder / "digest.toml"

    @cached_property
    def app(self) -> App:
        return App.from_file(self.config)

    def _digest(self, *words: str) -> None:
        """A command of the operator's."""
        done = subprocess.run(
            [sys.executable, "-m", "digest", "--config", str(self.config), *words],
            cwd=self.folder,
            env=_own_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BenchError(f"digest {' '.join(words)}: {done.stderr.strip()[-800:]}")

    def up(self, processes: Processes) -> None:
        """Start ``digest up``."""
        command = [sys.executable, "-m", "digest", "--config", str(self.config), "up"]
        self._up = processes.start(command, self.folder / "up.log", self.folder, _own_environment())
        self._warm = False

    def _wait_for_workers(self) -> None:
        """Until they are there and have sent a small issue, so that nothing is cold."""
        if not self._warm:
            self._warm = True
            wait_until(lambda: len(self.workers()) > WORKERS, f"the workers of {self.folder}", 120)
            self.send(self.app.settings.deliver.batch * 3)

    def down(self) -> None:
        end(self._up)
        self.close()

    def close(self) -> None:
        """Let go of what this process holds of it."""
        self.app.queue.close()
        self.app.database.dispose()

    def workers(self) -> list[int]:
        return [pid for pid in descendants(self._up.pid) if " workers worker " in command_line(pid)]

    def edition(self, count: int) -> str:
        """A new edition with ``count`` readers; its name."""
        self._editions += 1
        name, app = f"bench-{self._editions}", self.app
        editions.apply(app.database, parse(mail.edition_toml(name), "edition.toml"), app.now())
        taken = import_subscribers(app.database, name, mail.readers(count), app.now(), source="bench")
        if taken.added != count:
            raise BenchError(f"only {taken.added} of {count} readers were taken")
        return name

    def send(self, count: int) -> Sent:
        """Bring out an issue to ``count`` new readers and wait until the ledger says that it is sent."""
        self._wait_for_workers()
        name = self.edition(count)
        self.sink.clear()
        asked = time.monotonic()
        issue = publish.open_now(self.app.database, name, "", self.app.now()).id
        self.app.queue.poke("publish", issue)
        wait_until(lambda: self._begun(issue), f"issue {issue}'s first batch", 600, 0.01)
        began, at, before = datetime.now(UTC), time.monotonic(), cpu_seconds(self.workers())
        wait_until(lambda: self._ended(issue) is not None, f"issue {issue} in {self.folder}", 60 + count / 50, 0.1)
        cpu, ended = cpu_seconds(self.workers()) - before, self._ended(issue)
        assert ended
        counted = self.sink.counted()
        self._check(issue, count, counted.messages if counted else count)
        seconds = max((ended - began).total_seconds(), counted.seconds if counted else 0.001)
        return Sent(count, seconds, cpu, peak_mb(self.workers()), at - asked)

    def _begun(self, issue: int) -> bool:
        taken = or_(batches.c.lease_owner.is_not(None), batches.c.due_at.is_(None))
        with self.app.database.read() as connection:
            statement = select(batches.c.number).where(batches.c.issue_id == issue, taken).limit(1)
            return connection.execute(statement).first() is not None

    def _ended(self, issue: int) -> datetime | None:
        statement = select(issues.c.ended_at).where(issues.c.id == issue, issues.c.state == IssueState.SENT)
        with self.app.database.read() as connection:
            ended: datetime | None = connection.execute(statement).scalar()
        return ended

    def _check(self, issue: int, count: int, received: int) -> None:
        (progress,) = operate.progress(self.app.database, [issue])
        if progress.counts != {DeliveryState.ACCEPTED: count} or received != count:
            raise BenchError(f"of {count}, the sink took {received}, the ledger says {dict(progress.counts)}")


def _own_environment() -> dict[str, str]:
    """The operator's own settings must not get into the benchmark."""
    return {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
