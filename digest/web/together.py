"""Things that must be committed before they are answered, committed together: what comes in while one transaction is
under way waits for the next and shares it. A burst then costs a few transactions instead of one each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from digest.errors import UnavailableError

T = TypeVar("T")
R = TypeVar("R")
_MOST = 500
_PATIENCE_SECONDS = 60.0


class Together(Generic[T, R]):
    """``act`` does several at once, says what came of each, and raises if it did none; it is then asked for fewer, but
    for ``UnavailableError``. One thread, begun with the first."""

    def __init__(self, act: Callable[[Sequence[T]], Sequence[R]]) -> None:
        self._act = act
        self._waiting: SimpleQueue[tuple[T, Future[R]]] = SimpleQueue()
        self._begin = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def waiting(self) -> int:
        """How many are in line, not counting those being done."""
        return self._waiting.qsize()

    def do(self, one: T) -> R:
        """What came of it, when it is done; raises what ``act`` did."""
        if self._thread is None:
            with self._begin:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="together", daemon=True)
                    self._thread.start()
        done: Future[R] = Future()
        self._waiting.put((one, done))
        return done.result(_PATIENCE_SECONDS)

    def _run(self) -> None:
        while True:
            batch = [self._waiting.get()]
            try:
                while len(batch) < _MOST:
                    batch.append(self._waiting.get_nowait())
            except Empty:
                pass
            self._answer(batch)

    def _answer(self, batch: Sequence[tuple[T, Future[R]]]) -> None:
        """Do them; if that can't be done together, in halves, so that one who is at fault stands alone in the end."""
        try:
            results = self._act([one for one, _ in batch])
        except Exception as error:  # noqa: BLE001 - each who waits is told
            if len(batch) > 1 and not isinstance(error, UnavailableError):  # that is nobody's own fault
                half = len(batch) // 2
                self._answer(batch[:half])
                self._answer(batch[half:])
                return
            for _, done in batch:
                done.set_exception(error)
        else:
            for (_, done), result in zip(batch, results, strict=True):
                done.set_result(result)
