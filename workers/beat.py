"""Beat: the clock that pokes the tasks. It keeps nothing; doubled or started again it does no harm."""

from __future__ import annotations

import math
import os
import signal
import time
from contextlib import suppress
from functools import partial
from typing import Any

from celery.apps.beat import Beat
from celery.beat import Scheduler

from digest.errors import UnavailableError
from digest.queue import Queue
from digest.settings import Settings
from workers.tasks import make_workers

_SEEN_ROUNDS = 2.5  # of beat that may be missed before it counts as gone: 12.5 s with the usual five
_SEEN_LEAST = 3.0  # seconds


def run_beat(settings: Settings) -> None:
    """Poke the tasks in their rhythm until a signal comes."""
    _Beat(
        app=make_workers(settings),
        scheduler_cls=partial(
            _Scheduler, Queue(settings), max(_SEEN_LEAST, _SEEN_ROUNDS * settings.worker.tick_seconds)
        ),
        max_interval=settings.worker.tick_seconds,
        loglevel="WARNING",
        quiet=True,
    ).run()


class _Scheduler(Scheduler):  # type: ignore[misc]
    """Celery's own, which keeps nothing on disk: a doubled or restarted beat is harmless. With each round it tells that
    beat is there, so that ``digest doctor`` knows a dead beat from workers that take no rounds."""

    def __init__(self, queue: Queue, seen_seconds: float, *arguments: Any, **options: Any) -> None:
        self._queue, self._seen_seconds, self._told_at = queue, seen_seconds, -math.inf
        super().__init__(*arguments, **options)

    def tick(self, *arguments: Any, **options: Any) -> float:
        now = time.monotonic()
        if now - self._told_at > self._seen_seconds / _SEEN_ROUNDS / 2:  # it also wakes for what is due between
            self._told_at = now
            with suppress(UnavailableError):  # the pokes themselves tell of that
                self._queue.tell_beat(self._seen_seconds)
        return float(super().tick(*arguments, **options))


class _Beat(Beat):  # type: ignore[misc]
    """Beat that a signal ends at once. Celery's own handler raises in the middle of whatever runs; in a call to Redis
    that gets lost, and beat lives on. It keeps nothing, so there is nothing to save."""

    def install_sync_handler(self, service: object) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: os._exit(0))
