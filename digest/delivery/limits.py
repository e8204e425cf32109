"""The arithmetic of limits: which ones a message falls under, and how large a bucket each of them is.

A limit is a bucket of ``capacity`` that each message fills by one and that drains at ``rate`` a second; a message may
go while there is room. Processes take room in small leases and use them within ``LEASE_SECONDS`` or not at all, so
over all processes together, in any stretch of t seconds, at most ``capacity + rate * (t + LEASE_SECONDS)`` messages
are admitted (``digest.gate`` has the proof).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from digest.settings import LimitSettings, RateSettings

LEASE_SECONDS = 0.5
LEASE_MOST = 50
EVERY_OTHER = "*"

_HOUR = 3600
_DAY = 86_400
_MICRO = 1_000_000
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Limit:
    """One bucket. ``rate`` is a second's drain, 0 for one that never drains; such a one ``ends`` at a time (Unix, in
    microseconds; 0: never) and is followed by another. ``lease`` is the room a process may take at a time."""

    name: str
    key: str
    capacity: float
    rate: float
    lease: int
    ends: int = 0

    @property
    def burst(self) -> float:
        """What may be admitted on top of ``rate`` times the seconds looked at."""
        return self.capacity + self.rate * LEASE_SECONDS


@dataclass(frozen=True, slots=True)
class Ramp:
    """So many messages on day ``first`` (counted from 1970-01-01 UTC), so many on the next, and then no limit. Before
    the first day its allowance holds too: a sender that is still cold is not let loose. ``seconds``: a day's length."""

    steps: tuple[int, ...]
    first: int
    seconds: int = _DAY

    def limit(self, now: int) -> Limit | None:
        """The limit of the day that ``now`` (Unix, microseconds) falls in, ``None`` after the last."""
        day = now // (self.seconds * _MICRO)
        step = max(0, day - self.first)
        if step >= len(self.steps):
            return None
        allowed = self.steps[step]
        lease = min(LEASE_MOST, max(1, allowed // 1000))
        return Limit(f"ramp, day {step + 1}", f"day:{day}", allowed, 0, lease, (day + 1) * self.seconds * _MICRO)


def ramp(settings: LimitSettings) -> Ramp | None:
    """The ramp that is configured, if one is."""
    if settings.ramp_from is None:
        return None
    return Ramp(settings.ramp, (settings.ramp_from - _EPOCH).days)


def unlimited(settings: LimitSettings) -> bool:
    """Whether nothing is limited at all."""
    rates = (settings, *settings.routes.values(), *settings.domains.values())
    rated = any(rate.per_second or rate.per_hour for rate in rates)
    return not (rated or settings.ramp or any(route.connections for route in settings.routes.values()))


def concerned(settings: LimitSettings, route: str, domain: str) -> tuple[Limit, ...]:
    """The limits, but for the ramp, that a message by ``route`` to ``domain`` (lower case, A-labels) falls under."""
    found = [*_limits("whole", "whole", settings)]
    if route in settings.routes:
        found.extend(_limits(f"route {route}", f"route:{route}", settings.routes[route]))
    to_domain = settings.domains.get(domain) or settings.domains.get(EVERY_OTHER)
    if to_domain:
        found.extend(_limits(domain, f"domain:{domain}", to_domain))
    return tuple(found)


def named(settings: LimitSettings) -> tuple[Limit, ...]:
    """Every limit that has a name of its own: the whole, routes, named domains; not what ``"*"`` stands for."""
    found = [*_limits("whole", "whole", settings)]
    for route, by_route in settings.routes.items():
        found.extend(_limits(f"route {route}", f"route:{route}", by_route))
    for domain, to_domain in settings.domains.items():
        if domain != EVERY_OTHER:
            found.extend(_limits(domain, f"domain:{domain}", to_domain))
    return tuple(found)


def drained(used: float, at: int, now: int, rate: float) -> float:
    """What is left at ``now`` of a bucket that held ``used`` at ``at`` (Unix, microseconds)."""
    return max(0.0, used - rate * max(0, now - at) / _MICRO)


def per_second(name: str, key: str, allowed: float) -> Limit:
    """``allowed`` messages a second: half a second's worth of room, so that with what is leased at most one second's
    worth goes out on top of the rate."""
    return Limit(f"{name}, per second", f"second:{key}", max(1.0, allowed / 2), allowed, _lease(allowed))


def per_hour(name: str, key: str, allowed: int) -> Limit:
    """Never more than ``allowed`` messages in any hour. A twentieth of them is room for a burst; the rest drains so
    slowly that burst, drain and leases together stay below ``allowed + 1`` in an hour."""
    capacity = max(1, allowed // 20)
    rate = (allowed + 1 - capacity) / (_HOUR + LEASE_SECONDS)
    return Limit(f"{name}, per hour", f"hour:{key}", capacity, rate, min(capacity, _lease(rate)))


def _limits(name: str, key: str, rates: RateSettings) -> Iterator[Limit]:
    if rates.per_second:
        yield per_second(name, key, rates.per_second)
    if rates.per_hour:
        yield per_hour(name, key, rates.per_hour)


def _lease(rate: float) -> int:
    """A tenth of a second's worth, so that a lease that is lost with its process is no loss."""
    return min(LEASE_MOST, max(1, int(rate / 10)))
