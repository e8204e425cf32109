"""Beat: the clock that pokes the tasks. It keeps nothing; doubled or started again it does no harm."""

from __future__ import annotations

import os
import signal

from celery.apps.beat import Beat

from digest.settings import Settings
from workers.tasks import make_workers


def run_beat(settings: Settings) -> None:
    """Poke the tasks in their rhythm until a signal comes."""
    _Beat(
        app=make_workers(settings),
        scheduler_cls="celery.beat:Scheduler",  # keeps nothing on disk: a doubled or restarted beat is harmless
        max_interval=settings.worker.tick_seconds,
        loglevel="WARNING",
        quiet=True,
    ).run()


class _Beat(Beat):  # type: ignore[misc]
    """Beat that a signal ends at once. Celery's own handler raises in the middle of whatever runs; in a call to Redis
    that gets lost, and beat lives on. It keeps nothing, so there is nothing to save."""

    def install_sync_handler(self, service: object) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: os._exit(0))
