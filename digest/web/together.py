"""Things that must be committed before they are answered, committed together: what comes in while one transaction is
under way waits for the next and shares it. A burst then costs a few transactions instead of one each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")
_MOST = 500
_PATIENCE_SECONDS = 60.0


class Together(Generic[T]):
    """``act`` does several at once and raises if it did none of them. One thread, begun with the first."""

    def __init__(self, act: Callable[[Sequence[T]], None]) -> None:
        self._act = act
        self._waiting: SimpleQueue[tuple[T, Future[None]]] = SimpleQueue()
        self._begin = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def waiting(self) -> int:
        """How many are in line, not counting those being done."""
        return self._waiting.qsize()

    def do(self, one: T) -> None:
        """Returns when it is done; raises what ``act`` did."""
        if self._thread is None:
            with self._begin:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="together", daemon=True)
                    self._thread.start()
        done: Future[None] = Future()
        self._waiting.put((one, done))
        done.result(_PATIENCE_SECONDS)

    def _run(self) -> None:
        while True:
            batch = [self._waiting.get()]
            try:
                while len(batch) < _MOST:
                    batch.append(self._waiting.get_nowait())
            except Empty:
                pass
            try:
                self._act([one for one, _ in batch])
            except Exception as error:  # noqa: BLE001 - each who waits is told
                for _, done in batch:
                    done.set_exception(error)
            else:
                for _, done in batch:
                    done.set_result(None)
