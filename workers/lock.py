"""Locks on files that name who holds them. The kernel frees one when its holder ends, however that comes about."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from digest.errors import StateError

_ENDING = "ending"
_LOOK_SECONDS = 0.1


class Lock:
    """A lock on a file, which is made if need be and never removed: who waits for it has it open."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, patience: float = 0.0) -> bool:
        """Whether it is ours within ``patience`` seconds."""
        deadline = time.monotonic() + patience
        while not self._taken():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LOOK_SECONDS)
        return True

    def bequeath(self) -> None:
        """Let the program that this process becomes go on holding it."""
        os.set_inheritable(self._file, True)

    @property
    def note(self) -> str:
        """What its holder has written."""
        return os.pread(self._file, 100, 0).decode("ascii", "replace")

    @note.setter
    def note(self, text: str) -> None:
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, text.encode("ascii"), 0)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._file)

    def _taken(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def only_group(folder: Path, patience: float) -> Iterator[Callable[[], None]]:
    """Be the one group of processes in ``folder``; yields what to call when this one begins to end. One that is ending
    already is waited for, ``patience`` seconds. Raises ``StateError`` where another runs."""
    lock, deadline = Lock(folder / "up.lock"), time.monotonic() + patience
    try:
        while not lock.take(_LOOK_SECONDS):
            _check_that_it_ends(lock.note, folder, time.monotonic() < deadline)
        lock.note = str(os.getpid())
        yield lambda: setattr(lock, "note", f"{os.getpid()} {_ENDING}")
    finally:
        lock.close()


def _check_that_it_ends(note: str, folder: Path, patient: bool) -> None:
    number, _, state = note.partition(" ")
    if state != _ENDING:
        raise StateError(f"digest up already runs in {folder}, process {number}", f"stop it first: kill {number}")
    if not patient:
        raise StateError(f"process {number} has not ended in {folder} yet", "try again in a moment")
