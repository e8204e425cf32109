"""The Celery queue as its producers see it: poke a flow by name, with ids only.

A poke is a convenience, never the truth: what is due stands in the database, and beat looks there every few seconds.
So a lost or doubled message costs nothing but a moment.
"""

from __future__ import annotations

import time
from hashlib import blake2b
from pathlib import Path
from tempfile import gettempdir

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from digest.errors import UnavailableError
from digest.settings import Settings

QUEUES = ("publish", "deliver", "collect", "listen")
"""By work: what goes out (the first two) and what comes in. A worker takes all, or those that it is told."""
INCOMING = frozenset({"collect", "listen"})
_QUEUE_OF = {"deliver": "deliver", "collect": "collect", "sweep": "collect", "feedback": "listen"}
_SOCKET_NAME = "broker.sock"
_LEAST_WAIT, _TIMES_THE_FIRST = 0.1, 4  # for the other workers, in seconds and by how long the first took
_TICKED = "digest:ticked"
_BEAT = "digest:beat"
_LAST = 9  # with Redis 0, the default, goes first: beat's tick must not wait behind hours of mail
_PATIENCE = {"max_retries": 3, "interval_start": 0.2, "interval_step": 0.4}  # who pokes waits 2 s for a broker, not 6
_SOCKET_PATH_LIMIT = 100  # sockaddr_un holds 104 bytes or more, everywhere


def broker_socket(settings: Settings) -> Path:
    """The embedded server's socket: in the state folder, or under a short name where that path is too long."""
    path = settings.state_dir.resolve() / _SOCKET_NAME
    if len(str(path)) <= _SOCKET_PATH_LIMIT:
        return path
    return Path(gettempdir()) / f"digest-{blake2b(bytes(path), digest_size=8).hexdigest()}.sock"


def broker_url(settings: Settings) -> str:
    """Where the broker is: as configured, or the embedded server's socket."""
    return settings.broker_url or f"redis+socket://{broker_socket(settings)}"


def make_celery(settings: Settings) -> Celery:
    """The Celery application without its tasks (workers/ adds them). Results are not kept: the ledger is the result."""
    url = broker_url(settings)
    app = Celery("digest", broker=url)
    app.conf.update(
        task_ignore_result=True,
        task_acks_late=False,  # a task lost with its worker is found by beat when its lease ends, sooner than by Redis
        worker_prefetch_multiplier=1,
        worker_concurrency=settings.worker.concurrency,
        worker_hijack_root_logger=False,
        worker_soft_shutdown_timeout=settings.deliver.lease_seconds / 2,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # a broker may be away for long; workers wait for it
        broker_connection_timeout=5,
        broker_transport_options={
            # A task in hand that is lost is found in the database. Kombu's own copies of these would be given back when
            # Redis restarts, at which a worker can end for good.
            "ack_emulation": False,
            "socket_connect_timeout": 5,
            "socket_timeout": 30,
        },
        task_default_queue=QUEUES[0],
        task_routes={f"digest.{task}": {"queue": queue} for task, queue in _QUEUE_OF.items()},
        timezone="UTC",
    )
    return app


class Queue:
    """Sends tasks. Raises ``UnavailableError`` when the broker does not answer."""

    def __init__(self, settings: Settings) -> None:
        self._celery = make_celery(settings)
        self._celery.conf.broker_transport_options |= _PATIENCE
        self._shown = broker_url(settings).rpartition("@")[2]

    def poke(self, task: str, *ids: int) -> None:
        """Ask a worker to run ``task`` (``tick``, ``publish``, ``deliver`` …) now."""
        priority = _LAST if task == "deliver" else None
        try:
            self._celery.send_task(f"digest.{task}", args=ids, retry=False, priority=priority)
        except (OperationalError, RedisError, OSError) as error:
            raise self._unavailable(error) from error

    def check(self) -> None:
        """Raise ``UnavailableError`` unless the broker answers."""
        try:
            with self._celery.connection_for_write() as connection:
                connection.ensure_connection(max_retries=1, interval_start=0, timeout=5)
        except (OperationalError, RedisError, OSError) as error:
            raise self._unavailable(error) from error

    def workers(self, wait_seconds: float = 1.0) -> int:
        """How many workers answer; the first is waited for ``wait_seconds``, the others a few times as long as it took.
        Raises ``UnavailableError``."""
        self.check()
        ping, began = self._celery.control.ping, time.monotonic()
        try:
            if not ping(timeout=wait_seconds, limit=1):
                return 0
            others = min(wait_seconds, max(_LEAST_WAIT, _TIMES_THE_FIRST * (time.monotonic() - began)))
            return max(1, len(ping(timeout=others)))
        except (OperationalError, RedisError, OSError) as error:  # a line from before the broker was restarted
            raise self._unavailable(error) from error

    def tell_tick(self, seconds: float) -> None:
        """Let it be seen for so many seconds that a round of beat came to a worker. Raises ``UnavailableError``."""
        self._tell(_TICKED, seconds)

    def ticks(self) -> bool:
        """Whether beat's rounds come to a worker. Raises ``UnavailableError``."""
        return self._told(_TICKED)

    def tell_beat(self, seconds: float) -> None:
        """Let it be seen for so many seconds that beat is there. Raises ``UnavailableError``."""
        self._tell(_BEAT, seconds)

    def beats(self) -> bool:
        """Whether beat is there. Raises ``UnavailableError``."""
        return self._told(_BEAT)

    def _tell(self, key: str, seconds: float) -> None:
        try:
            with self._celery.connection_for_write() as connection:
                connection.default_channel.client.set(key, 1, ex=max(1, round(seconds)))
        except (OperationalError, RedisError, OSError) as error:
            raise self._unavailable(error) from error

    def _told(self, key: str) -> bool:
        try:
            with self._celery.connection_for_write() as connection:
                return bool(connection.default_channel.client.exists(key))
        except (OperationalError, RedisError, OSError) as error:
            raise self._unavailable(error) from error

    def close(self) -> None:
        self._celery.close()

    def _unavailable(self, error: Exception) -> UnavailableError:
        return UnavailableError(
            f"the broker at {self._shown} does not answer ({error})", "start it: `digest up`, or check broker_url"
        )
