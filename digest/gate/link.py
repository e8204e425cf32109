"""The line to Redis: it fails soon, rests for a second when nobody answered, and says so once."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

PREFIX = "digest:limit:"
REST_SECONDS = 1.0

_TIMEOUT_SECONDS = 1.0

log = logging.getLogger(__name__)


class Link:
    """A Redis client and whether it answers; ``meanwhile`` says what is done when it doesn't. A command is never
    repeated by itself: one taken for lost may have been done."""

    def __init__(self, url: str, monotonic: Callable[[], float], meanwhile: str = "nothing is sent") -> None:
        self.redis = _client(url)
        self._meanwhile = meanwhile
        self._monotonic = monotonic
        self._rests_until = -math.inf
        self._away = False

    def call(self, command: Callable[[], Any]) -> Any:
        """What Redis answers to ``command``, ``None`` if it doesn't."""
        if self._monotonic() < self._rests_until:
            return None
        try:
            answer = command()
        except RedisError as error:
            self._rests_until = self._monotonic() + REST_SECONDS
            if not self._away:
                log.error("limits: Redis does not answer; until it does, %s (%s)", self._meanwhile, error)
            self._away = True
            return None
        if self._away:
            log.warning("limits: Redis answers again")
        self._away = False
        return answer


def _client(url: str) -> Redis:
    if url.startswith("redis+socket://"):  # kombu's spelling
        url = url.replace("redis+socket://", "unix://", 1).replace("virtual_host=", "db=", 1)
    return Redis.from_url(
        url,
        socket_timeout=_TIMEOUT_SECONDS,
        socket_connect_timeout=_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
