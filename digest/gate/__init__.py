"""The gate: says whether a message may go now and a connection be opened, over all workers and machines.

``buckets`` holds the limits on messages, ``slots`` those on connections, ``link`` the line to Redis.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from redis.exceptions import RedisError

from digest.delivery import limits
from digest.delivery.limits import Ramp
from digest.errors import UnavailableError
from digest.gate.buckets import Buckets, Usage
from digest.gate.link import Link
from digest.gate.slots import SLOT_SECONDS, Slot, Slots
from digest.settings import LimitSettings

__all__ = ["Gate", "OpenGate", "SharedGate", "Slot", "Usage", "open_gate"]


class Gate(Protocol):
    """Says whether a message may go now and a connection be opened. For one thread; made after a fork, not before."""

    def admit(self, route: str, domain: str) -> float:
        """0.0: a token of every limit concerned was taken, send it now. Else nothing was taken, and it is worth asking
        again after so many seconds (3600 at most); messages by other routes or to other domains may go meanwhile.
        ``domain`` in lower case and as A-label, as in stored addresses. Never raises for what Redis does."""
        ...

    def connect(self, route: str) -> Slot | None:
        """The right to one more connection by ``route``, ``None`` when all are taken or Redis does not answer."""
        ...

    def release(self, slot: Slot) -> None:
        """Give a slot back, after its connection ended. Twice is fine."""
        ...

    def renew(self) -> None:
        """Keep the slots. To be called every few seconds as long as connections are open; costs nothing in between."""
        ...

    def give_back(self) -> None:
        """Give back what is leased and not used: call when there is nothing to send for now."""
        ...

    def usage(self) -> list[Usage]:
        """How full each limit is that has a name of its own. Raises ``UnavailableError`` without Redis."""
        ...

    def close(self) -> None:
        """Give back everything, slots too, and end the connection to Redis."""
        ...


class OpenGate:
    """The gate where nothing is limited: always open, needs no Redis."""

    def admit(self, route: str, domain: str) -> float:
        return 0.0

    def connect(self, route: str) -> Slot | None:
        return Slot(route)

    def release(self, slot: Slot) -> None:
        pass

    def renew(self) -> None:
        pass

    def give_back(self) -> None:
        pass

    def usage(self) -> list[Usage]:
        return []

    def close(self) -> None:
        pass


def open_gate(settings: LimitSettings, url: str) -> Gate:
    """The gate for these limits. ``url`` is the broker's (``redis://``, ``rediss://`` or ``redis+socket://``); it is
    connected to at the first message."""
    if limits.unlimited(settings):
        return OpenGate()
    return SharedGate(settings, url, limits.ramp(settings))


class SharedGate:
    """The gate over Redis. ``slot_seconds``: how long a connection's slot outlives the process that held it."""

    def __init__(
        self,
        settings: LimitSettings,
        url: str,
        ramp: Ramp | None,
        slot_seconds: float = SLOT_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._link = Link(url, monotonic)
        self._buckets = Buckets(settings, self._link, ramp, monotonic)
        self._slots = Slots(settings, self._link, slot_seconds, monotonic)

    def admit(self, route: str, domain: str) -> float:
        self._slots.renew()
        return self._buckets.admit(route, domain)

    def connect(self, route: str) -> Slot | None:
        return self._slots.connect(route)

    def release(self, slot: Slot) -> None:
        self._slots.release(slot)

    def renew(self) -> None:
        self._slots.renew()

    def give_back(self) -> None:
        self._buckets.give_back()

    def usage(self) -> list[Usage]:
        try:
            seconds, micro = self._link.redis.time()
            clock = seconds * 1_000_000 + micro
            return [*self._buckets.usage(clock), *self._slots.usage(clock)]
        except RedisError as error:
            raise UnavailableError(f"Redis does not say how full the limits are ({error})", "is it running?") from None

    def close(self) -> None:
        self._buckets.give_back()
        self._slots.release_all()
        self._link.redis.close()
