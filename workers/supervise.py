"""``digest up``: everything one machine needs, as one group of processes that lives and ends together."""

from __future__ import annotations

import ctypes
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

log = logging.getLogger(__name__)
GRACE_SECONDS = 25.0
_STEADY_SECONDS = 30.0
_LONGEST_WAIT = 30.0
_LONGEST_WAIT_AFTER_A_KILL = 3.0  # it was well until somebody ended it: there is no fault in it to wait for
_PR_SET_PDEATHSIG = 1


@dataclass
class Child:
    """One process of the group: what it is called, how it is started, whether others lean on it (it then ends after
    them), the socket it is of no use without, and how often it has ended by itself."""

    name: str
    command: Sequence[str]
    leaned_on: bool = False
    socket: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    failures: int = 0
    started_at: float = 0.0
    start_after: float = field(default=0.0)
    served: bool = False  # its socket was seen


class Group:
    """Starts its children in order, starts again what ends by itself (ever more slowly), and on SIGTERM or SIGINT
    ends them: all at once, so that none waits for another's work to end; then those they leaned on."""

    def __init__(
        self, children: Sequence[Child], ready: Callable[[Child], bool], on_end: Callable[[], None] = lambda: None
    ) -> None:
        self._children = children
        self._ready = ready
        self._on_end = on_end
        self._ending = threading.Event()

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._ending.set())
        try:
            for child in self._children:
                self._start(child)
                while not self._ending.is_set() and not self._ready(child):
                    self._ending.wait(0.05)
                    self._watch(child)
            while not self._ending.wait(0.5):
                for child in self._children:
                    self._watch(child)
        finally:
            self._on_end()
            self._end()

    def _start(self, child: Child) -> None:
        if self._ending.is_set():
            return
        child.started_at, child.served = time.monotonic(), False
        child.process = subprocess.Popen(child.command, start_new_session=True, preexec_fn=_die_with_parent)
        log.info("%s: started, process %d", child.name, child.process.pid)

    def _watch(self, child: Child) -> None:
        now = time.monotonic()
        if child.process and child.process.poll() is not None:
            steady = now - child.started_at > _STEADY_SECONDS
            child.failures = 1 if steady else child.failures + 1
            wait = pause(child.failures, child.process.returncode)
            log.warning("%s: ended with %s; restart in %.0f s", child.name, child.process.returncode, wait)
            child.process, child.start_after = None, now + wait
        if child.process is None and now >= child.start_after:
            self._start(child)
        if child.process and _is_cut_off(child):
            log.warning("%s: %s is gone; restarting", child.name, child.socket)
            child.process.terminate()

    def _end(self) -> None:
        for leaned_on in (False, True):  # a worker that finishes its batch needs broker and mailbox until then
            _end_all([child for child in self._children if child.leaned_on is leaned_on])


def pause(failures: int, status: int) -> float:
    """Seconds to wait before a process is started again that has ended ``failures`` times in a row, last with
    ``status`` (negative: the signal that ended it)."""
    longest = _LONGEST_WAIT_AFTER_A_KILL if status < 0 else _LONGEST_WAIT
    return min(2.0 ** (failures - 1), longest)


def _is_cut_off(child: Child) -> bool:
    """Whether somebody has removed the socket it listens on: nobody can reach it, and it would never know."""
    there = child.socket is not None and child.socket.exists()
    cut_off = child.served and not there
    child.served = there
    return cut_off


def _end_all(children: Sequence[Child]) -> None:
    """Ask all of them to end, then see that they do: by force after ``GRACE_SECONDS``."""
    running = [(child.name, child.process) for child in children if child.process]
    for _, process in running:
        process.terminate()  # does nothing to one that has ended
    deadline = time.monotonic() + GRACE_SECONDS
    for name, process in running:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.warning("%s: still running after %.0f s; killed", name, GRACE_SECONDS)
            process.kill()
            process.wait()


def _die_with_parent() -> None:
    """Ask Linux to end the child when the supervisor is killed -9; elsewhere it stays, and the ledger copes."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def command(name: str, config: Path) -> list[str]:
    """How a process of the group is started by itself."""
    return [sys.executable, "-P", "-m", "workers", name, str(config)]  # -P: a folder "workers" here is not ours
