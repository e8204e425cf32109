"""Processes that end, restart, forget or come in pairs while an issue goes out."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.conftest import Postgres
from tests.faults.site import ROOT, Site, descendants

pytestmark = [pytest.mark.fault, pytest.mark.timeout(900)]
Close = Callable[..., None]
KILLS = int(os.environ.get("FAULT_KILLS", "20"))
KILLED_READERS = int(os.environ.get("FAULT_READERS", "20000"))


def _killed_at_random(site: Site, close: Close, readers: int, kills: int, rate: float) -> None:
    """Kill workers at random moments of one send, and start them again."""
    site.people(readers)
    site.sink(rate=rate)
    workers = site.staff(workers=2)
    site.send()
    ended = 0
    for moment in site.moments(kills):
        site.until_taken(moment)
        time.sleep(site.chance.random() / 20)
        place = site.chance.randrange(len(workers))
        ended += site.kill(workers[place], site.chance.choice(["child", "tree", "parent"]))
        if workers[place].poll() is not None:
            workers[place] = site.digest("worker")
    close(site, f"worker killed -9, {kills} times", ended * site.in_flight)


def test_workers_killed_at_random_moments(on_postgres: Site, close: Close) -> None:
    on_postgres.configure(batch=200)
    _killed_at_random(on_postgres, close, KILLED_READERS, KILLS, rate=600)


def test_workers_killed_at_random_moments_on_sqlite(on_sqlite: Site, close: Close) -> None:
    _killed_at_random(on_sqlite, close, readers=1500, kills=5, rate=150)


@pytest.mark.parametrize("away", [0.0, 3.0], ids=["at once", "after a while"])
def test_broker_killed_and_restarted(on_postgres: Site, close: Close, away: float) -> None:
    site = on_postgres
    site.people(1500)
    site.sink(rate=300)
    broker = site.broker()
    site.digest("beat")
    site.digest("worker")
    site.send()
    for moment in site.moments(2):
        site.until_taken(moment)
        broker.kill()
        broker.wait()
        time.sleep(away)
        broker = site.broker()
    close(site, f"Redis killed -9 twice, back after {away:.0f} s")


def test_broker_flushed(on_postgres: Site, close: Close) -> None:
    site = on_postgres
    site.people(1500)
    site.sink(rate=300)
    site.staff()
    site.send()
    site.until_taken(1)
    for moment in site.moments(5):
        site.until_taken(moment)
        site.flush_broker()
    close(site, "Redis FLUSHALL, 5 times")


@pytest.mark.parametrize(
    ("how", "name"),
    [(signal.SIGINT, "restarted"), (signal.SIGQUIT, "crashed, recovered")],
    ids=["restarted", "crashed"],
)
def test_postgresql_restarted(
    on_postgres: Site, machine: Postgres, close: Close, how: signal.Signals, name: str
) -> None:
    site = on_postgres
    site.people(1500)
    site.sink(rate=200)
    (worker,) = site.staff()
    site.send()
    times = 3
    for moment in site.moments(times):
        site.until_taken(moment)
        machine.restart(how, away=site.chance.random() * 2)
    senders = len(descendants(worker.pid))
    close(site, f"PostgreSQL {name}, {times} times", times * senders * site.in_flight)


def test_beat_doubled(on_postgres: Site, close: Close) -> None:
    site = on_postgres
    site.people(1000)
    site.sink()
    site.staff(workers=2, beats=3)
    site.send()
    close(site, "beat tripled, two workers")


def test_disk_full(on_sqlite: Site, close: Close) -> None:
    """No file of the workers may grow beyond a size that the database has long passed: each write to it fails."""
    site = on_sqlite
    site.people(1000)
    site.sink(rate=150)
    (worker,) = site.staff()
    site.send()
    times = 2
    for moment in site.moments(times):
        site.until_taken(moment)
        _let_files_grow(worker.pid, 32_768)
        time.sleep(3)
        _let_files_grow(worker.pid, resource.RLIM_INFINITY)
    senders = len(descendants(worker.pid))
    close(site, f"disk full for SQLite, {times} times", times * senders * site.in_flight)


def _let_files_grow(pid: int, size: int) -> None:
    for one in [pid, *descendants(pid)]:
        resource.prlimit(one, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


# ------------------------------------------------------------------------------------------------- clocks


@pytest.fixture
def clock_of(on_postgres: Site) -> Callable[[str], dict[str, str]]:
    """The environment of a process whose clock is off by what stands in a file, by libfaketime from Debian."""
    library = next((path for folder in (ROOT / "build", Path("/usr/lib")) for path in _libraries(folder)), None)
    if not library:
        pytest.skip("no libfaketime: `make faults` gets it from Debian where it can")

    def environment(name: str) -> dict[str, str]:
        file = on_postgres.folder / f"{name}.clock"
        file.write_text("+0\n")
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DISABLE_SHM": "1",
        }

    return environment


def _libraries(folder: Path) -> list[Path]:
    return sorted(folder.glob("**/faketime/libfaketime.so.1")) if folder.is_dir() else []


@pytest.mark.parametrize("jump", ["+20m", "-20m"])
def test_clock_of_the_worker_jumps(
    on_postgres: Site, close: Close, clock_of: Callable[[str], dict[str, str]], jump: str
) -> None:
    site = on_postgres
    environment = clock_of("all")
    site.people(1000)
    site.sink(rate=150)
    site.staff(workers=0)  # beat keeps its clock: libfaketime breaks the sleep of Python 3.11
    site.digest("worker", **environment)
    site.send()
    for moment in site.moments(2):
        site.until_taken(moment)
        for shift in (jump, "+0"):  # what is due waits while the clock is back, and goes on when it is right again
            (site.folder / "all.clock").write_text(f"{shift}\n")
            time.sleep(4)
    close(site, f"the clock of the worker jumps by {jump} and back, twice", 4 * 2 * site.in_flight)


@pytest.mark.parametrize("shift", ["+20m", "-20m"])
def test_clock_of_one_worker_is_wrong(
    on_postgres: Site, close: Close, clock_of: Callable[[str], dict[str, str]], shift: str
) -> None:
    site = on_postgres
    wrong = clock_of("wrong")
    (site.folder / "wrong.clock").write_text(f"{shift}\n")
    site.people(1000)
    site.sink(rate=150)
    site.staff()
    site.digest("worker", **wrong)
    site.send()
    close(site, f"one of two workers {shift} off", 4 * site.in_flight)
