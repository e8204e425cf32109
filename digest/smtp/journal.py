"""A worker's own record of what it has put on the wire and what it has heard, one file per lease.

The ledger is written once for some hundreds of messages; the journal, a line before bodies leave and one for each reply
that has come, says which of them were really in flight when a worker was killed. It is written past any buffer
of ours, so it survives ``kill -9`` (not a power cut: then the whole group is in doubt). A lock on the file, which ends
with its process, tells the living from the dead.

Room for all that a group may have to say is reserved on the disk before any of it is sent: on a full disk nothing
leaves, and what servers answer can still be written down.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from digest.errors import UnavailableError
from digest.outcomes import Outcome, Result, Stage

_SUFFIX = ".journal"
_ROOM = 600  # bytes a message: a line for being taken, two or three for leaving, one for the reply
_TEXT_BYTES = 400  # of a reply, which is at most 300 characters


@dataclass(frozen=True, slots=True)
class Record:
    """What a journal says: the lease, the deliveries taken in hand, those put on the wire, and what was heard."""

    issue_id: int
    batch: int
    owner: str
    taken: frozenset[int]
    on_wire: frozenset[int]
    heard: dict[int, Outcome] = field(default_factory=dict)

    @property
    def never_sent(self) -> frozenset[int]:
        """Taken in hand and surely not sent."""
        return self.taken - self.on_wire - self.heard.keys()

    @property
    def unheard(self) -> frozenset[int]:
        """On the wire when the worker ended: nobody knows."""
        return self.on_wire - self.heard.keys()


class Journal:
    """The journal of one lease while it is held; ``with`` it, and it is gone at the end, when the ledger knows all."""

    def __init__(self, folder: Path, issue_id: int, batch: int, owner: str) -> None:
        self._path = folder / f"{issue_id}-{batch}-{owner}{_SUFFIX}"
        self._end = 0  # of what is written; behind it the reserved room is all NUL
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = _opened(self._path)
        except OSError as error:
            raise self._unwritable(error.strerror or str(error)) from error
        self._write(f"lease {issue_id} {batch} {owner}\n")

    def took(self, ids: Collection[int]) -> None:
        """These deliveries are about to be marked as being on the wire. ``UnavailableError``: there is no room on the
        disk for what will have to be said of them."""
        if ids:
            self._reserve(_ROOM * len(ids))
        self._write(f"took {' '.join(map(str, ids))}\n")

    def wire(self, ids: Iterable[int]) -> None:
        """The bodies of these are about to leave."""
        self._write(f"wire {' '.join(map(str, ids))}\n")

    def heard(self, outcomes: Iterable[tuple[int, Outcome]]) -> None:
        """This is what came of some."""
        self._write("".join(f"heard {delivery} {_said(outcome)}\n" for delivery, outcome in outcomes))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Gone when all is settled; what an error leaves is read by whoever comes next."""
        if kind is None:
            self._path.unlink(missing_ok=True)
        os.close(self._file)

    def _write(self, lines: str) -> None:
        """All of it, or an error before anything is done that it says."""
        data = lines.encode()
        try:
            written = os.pwrite(self._file, data, self._end)
        except OSError as error:
            raise self._unwritable(error.strerror or str(error)) from error
        if written < len(data):
            raise self._unwritable("the disk is full")
        self._end += written

    def _reserve(self, size: int) -> None:
        if not hasattr(os, "posix_fallocate"):  # macOS: there a full disk is noticed at the first line that has no room
            return
        try:
            os.posix_fallocate(self._file, self._end, size)
        except OSError as error:
            raise self._unwritable(error.strerror or str(error)) from error

    def _unwritable(self, why: str) -> UnavailableError:
        return UnavailableError(f"the journal {self._path} can't be written ({why})", "make room for it")


def _opened(path: Path) -> int:
    """A new file under our lock. Who looks for abandoned ones may have come between the two and taken it away."""
    while True:
        file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file).st_nlink:
            return file
        os.close(file)


def _said(outcome: Outcome) -> str:
    text = " ".join(outcome.text.split()).encode()[:_TEXT_BYTES].decode(errors="ignore")
    return f"{outcome.result.name} {outcome.stage.name} {outcome.code} {outcome.enhanced or '-'} {text}"


def abandoned(folder: Path) -> Iterator[tuple[Path, Record]]:
    """The journals whose workers have ended, each locked while the caller deals with it (who then unlinks it)."""
    for path in sorted(folder.glob(f"*{_SUFFIX}")) if folder.is_dir() else ():
        try:
            file = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists():
                yield path, read(path)
        except BlockingIOError:
            continue
        finally:
            os.close(file)


def read(path: Path) -> Record:
    """What a journal says. A last line that was cut short says nothing: what it was to say was not done yet. Where it
    is damaged otherwise, all that is not known from before was on the wire."""
    lines = path.read_text(encoding="utf-8", errors="replace").rstrip("\0").split("\n")[:-1]
    issue_id, batch, owner = 0, 0, ""
    taken: set[int] = set()
    on_wire: set[int] = set()
    heard: dict[int, Outcome] = {}
    try:
        for line in lines:
            word, _, rest = line.partition(" ")
            match word:
                case "lease":
                    first, second, owner = rest.split(" ")
                    issue_id, batch = int(first), int(second)
                case "took":
                    taken.update(map(int, rest.split()))
                case "wire":
                    begun = set(map(int, rest.split()))
                    on_wire |= begun
                    for delivery in begun & heard.keys():
                        del heard[delivery]  # begun again on another connection
                case "heard":
                    delivery, outcome = _heard(rest)
                    heard[delivery] = outcome
    except (KeyError, ValueError):
        on_wire |= taken
    return Record(issue_id, batch, owner, frozenset(taken), frozenset(on_wire), heard)


def _heard(said: str) -> tuple[int, Outcome]:
    delivery, result, stage, code, enhanced, text = said.split(" ", 5)
    enhanced = "" if enhanced == "-" else enhanced
    return int(delivery), Outcome(Result[result], text or "no text", int(code), enhanced, Stage[stage])
