"""What Celery tells with a traceback though nobody's program is at fault."""

from __future__ import annotations

import logging

from celery.exceptions import WorkerLostError
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

_OUTSIDE = (WorkerLostError, OperationalError, RedisError, ConnectionError, TimeoutError)


class InALine(logging.Filter):
    """Lets Celery say in a line that a process of its pool was killed or the broker is gone; what our own tasks raise
    keeps its traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        kind = record.exc_info[0] if isinstance(record.exc_info, tuple) else None  # the exception itself comes wrapped
        outside = kind is not None and issubclass(kind, _OUTSIDE)
        if record.name == "celery.beat" or (record.name.startswith("celery.") and outside):
            record.msg, record.args = record.getMessage().partition("\n")[0], None
            record.exc_info = record.exc_text = None
        return True


def tell_in_a_line() -> None:
    """Have all handlers of this process do so."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(InALine())
