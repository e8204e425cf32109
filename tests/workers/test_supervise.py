"""``digest up``: one group of processes to a folder, which mends itself."""

from __future__ import annotations

import io
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from billiard.einfo import ExceptionInfo  # type: ignore[import-untyped]
from celery.exceptions import WorkerLostError

from digest.configuration import load
from digest.errors import DigestError
from digest.queue import Queue, broker_socket
from tests.conftest import KEY
from tests.support.ports import free_port
from workers.logs import InALine
from workers.supervise import pause

PATIENCE = 60.0


class Place:
    """A folder with a configuration for the embedded parts, and what was started in it."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder = folder
        self.config = folder / "digest.toml"
        web = free_port()
        self.config.write_text(
            f"""
database_url = "{database_url}"
base_url = "http://127.0.0.1:{web}"
secret_keys = ["{KEY}"]
mailbox_port = {free_port()}
web = {{ port = {web} }}
worker = {{ concurrency = 1, tick_seconds = 0.5 }}
""",
            encoding="utf-8",
        )
        self.settings = load(self.config)
        self.log = folder / "up.log"
        self.started: list[subprocess.Popen[bytes]] = []

    def up(self) -> subprocess.Popen[bytes]:
        return self.start("up")

    def start(self, name: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "digest", "--config", str(self.config), name]
            self.started.append(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True))
        return self.started[-1]

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def await_that(self, happened: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not happened():
            assert time.monotonic() < deadline, self.said
            time.sleep(0.05)

    def broker_answers(self) -> bool:
        with closing(Queue(self.settings)) as queue:
            try:
                queue.check()
            except DigestError:
                return False
        return True

    def workers(self) -> int:
        with closing(Queue(self.settings)) as queue:
            try:
                return queue.workers()
            except DigestError:
                return 0


@pytest.fixture
def place(database_url: str, tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path, database_url)
    yield place
    for process in place.started:
        if process.poll() is None:
            process.terminate()
    for process in place.started:
        process.wait(PATIENCE)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_of_two_groups_in_one_folder_the_second_says_who_is_there_or_waits_for_its_end(place: Place) -> None:
    first = place.up()
    place.await_that(lambda: place.workers() == 2)
    second = place.up()
    assert second.wait(PATIENCE) == 75
    told = [line for line in place.said.splitlines() if line.startswith("error: ")]
    where, number = place.folder / "var", first.pid
    assert told == [f"error: digest up already runs in {where}, process {number}: stop it first: kill {number}"]
    place.start("worker")
    place.await_that(lambda: place.workers() == 3)

    first.send_signal(signal.SIGINT)
    place.await_that(lambda: "ending" in (place.folder / "var/up.lock").read_text())
    third = place.up()
    place.await_that(lambda: place.workers() == 3 and first.poll() is not None)
    assert first.returncode == 0
    assert third.poll() is None
    for ill in ("Traceback", "ended with", "can't use port"):
        assert ill not in place.said


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_broker_without_its_socket_and_a_killed_pool_process_are_replaced_without_a_traceback(place: Place) -> None:
    group = place.up()
    place.await_that(lambda: place.workers() == 2)
    broker_socket(place.settings).unlink()
    place.await_that(lambda: place.workers() == 2)
    pool = _pool(group.pid)
    os.kill(pool, signal.SIGKILL)
    place.await_that(lambda: _pool(group.pid) not in {0, pool})
    group.terminate()
    assert group.wait(PATIENCE) == 0
    assert "Traceback" not in place.said


@pytest.mark.parametrize(("error", "told"), [(WorkerLostError("signal 9"), "WorkerLostError"), (ValueError(), "Trace")])
def test_a_task_whose_process_was_killed_is_told_in_a_line(error: Exception, told: str) -> None:
    """In the log of the worker, logged as Celery does it; what a task itself raises keeps its traceback."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.addFilter(InALine())
    celery = logging.Logger("celery.worker.request")
    celery.addHandler(handler)
    try:
        raise error
    except (WorkerLostError, ValueError):
        found = ExceptionInfo()
        celery.error("Task handler raised error: %r", error, exc_info=found.exc_info)
    assert told in written.getvalue()
    assert (len(written.getvalue().splitlines()) == 1) is isinstance(error, WorkerLostError)


def _pool(group: int) -> int:
    """A process of the worker's pool; 0: there is none now."""
    for child in _children(group):
        if " workers worker " in Path(f"/proc/{child}/cmdline").read_text().replace("\0", " "):
            return next(iter(_children(child)), 0)
    return 0


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_what_ends_by_a_fault_is_started_ever_more_slowly_and_what_is_killed_soon() -> None:
    assert [pause(failures, 1) for failures in (1, 2, 3, 10)] == [1.0, 2.0, 4.0, 30.0]
    assert max(pause(failures, -9) for failures in range(1, 200)) <= 3.0
