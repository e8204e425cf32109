"""The turnstile before the sign-up form and the archive's search: lets one through where every limit has room, over all
web processes.

It fills the same buckets in Redis as the gate does, by the same script, without leases: who asks is worth a round trip.
When Redis does not answer, each process counts for itself: people can sign up, and a robot is held off all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import NamedTuple

from digest.delivery import limits
from digest.delivery.limits import Limit
from digest.gate.buckets import TAKE
from digest.gate.link import PREFIX, Link

_KEPT = 100_000  # buckets in this process's memory; beyond it those first touched are forgotten
_MICRO = 1_000_000


class Refused(NamedTuple):
    """Which limit has no room, and the seconds until it has."""

    limit: Limit
    seconds: float


class Turnstile:
    """For several threads. ``url`` is the broker's; it is connected to with the first visitor."""

    def __init__(self, url: str, monotonic: Callable[[], float]) -> None:
        self._link = Link(url, monotonic, "each web process counts its visitors for itself")
        self._take = self._link.redis.register_script(TAKE)
        self._own = _Memory(monotonic)

    def admit(self, concerned: Sequence[Limit]) -> Refused | None:
        """``None``: every one of the limits had room, which is taken. Else nothing was taken."""
        if not concerned:
            return None
        keys = [PREFIX + limit.key for limit in concerned]
        arguments = [repr(float(n)) for limit in concerned for n in (limit.capacity, limit.rate, 1, 0, 0, 0, 0, 0)]
        answer = self._link.call(lambda: self._take(keys=keys, args=arguments))
        if answer is None:
            return self._own.admit(concerned)
        wait, refusing = int(answer[1]), int(answer[2])
        return Refused(concerned[refusing - 1], wait / _MICRO) if wait else None


class _Memory:
    """The same buckets in this process's memory."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._buckets: dict[str, tuple[float, int]] = {}
        self._lock = Lock()

    def admit(self, concerned: Sequence[Limit]) -> Refused | None:
        now = int(self._monotonic() * _MICRO)
        with self._lock:
            used = [limits.drained(*self._buckets.get(limit.key, (0.0, now)), now, limit.rate) for limit in concerned]
            refused = [
                Refused(limit, (full + 1 - limit.capacity) / limit.rate)
                for limit, full in zip(concerned, used, strict=True)
                if full + 1 > limit.capacity
            ]
            if refused:
                return max(refused, key=lambda one: one.seconds)
            for limit, full in zip(concerned, used, strict=True):
                self._buckets.pop(limit.key, None)
                self._buckets[limit.key] = (full + 1, now)
            while len(self._buckets) > _KEPT:
                del self._buckets[next(iter(self._buckets))]
        return None
