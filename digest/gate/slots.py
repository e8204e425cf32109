"""Slots: the right to a connection, counted over all workers. Each lasts a while and is renewed by who holds it, so
those of a process that was killed come free by themselves."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from digest.gate.buckets import Usage
from digest.gate.link import PREFIX, Link
from digest.settings import LimitSettings

SLOT_SECONDS = 30.0

# Take or renew a member's place among so many, for so many milliseconds. Answers 1, or 0 when there is no room.
_PLACE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local key, member, most, lasts = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
if not redis.call('ZSCORE', key, member) and redis.call('ZCARD', key) >= most then return 0 end
redis.call('ZADD', key, now + lasts, member)
redis.call('PEXPIRE', key, 2 * lasts)
return 1
"""


@dataclass(slots=True, eq=False)
class Slot:
    """The right to one connection by ``route``. ``lost``: it lapsed and was given to somebody else (the process had
    stood still for longer than the slot lasts); end the connection as soon as no message is on its way."""

    route: str
    member: str = ""
    lost: bool = False


class Slots:
    """The slots this process holds. ``seconds``: how long one outlives the process that held it."""

    def __init__(self, settings: LimitSettings, link: Link, seconds: float, monotonic: Callable[[], float]) -> None:
        self._settings = settings
        self._link = link
        self._slot_seconds = seconds
        self._monotonic = monotonic
        self._place = link.redis.register_script(_PLACE)
        self._held: list[Slot] = []
        self._renew_at = math.inf

    def connect(self, route: str) -> Slot | None:
        """Take a slot, ``None`` when there is none to be had."""
        slot = Slot(route)
        if not self._most(route):
            return slot
        slot.member = secrets.token_hex(8)
        if not self._hold(slot):
            return None
        self._held.append(slot)
        self._renew_at = min(self._renew_at, self._monotonic() + self._slot_seconds / 3)
        return slot

    def release(self, slot: Slot) -> None:
        """Give it back."""
        if slot not in self._held:
            return
        self._held.remove(slot)
        self._renew_at = self._renew_at if self._held else math.inf
        self._link.call(lambda: self._link.redis.zrem(_key(slot.route), slot.member))

    def renew(self) -> None:
        """Keep all slots, if it is time to."""
        now = self._monotonic()
        if now < self._renew_at:
            return
        self._renew_at = now + self._slot_seconds / 3
        for slot in self._held:
            held = self._hold(slot)
            slot.lost = held == 0 if held is not None else slot.lost

    def release_all(self) -> None:
        for slot in [*self._held]:
            self.release(slot)

    def usage(self, clock: int) -> Iterable[Usage]:
        """Connections by Redis's ``clock`` (µs) on each route where they are limited. Raises ``RedisError``."""
        for route, rates in self._settings.routes.items():
            if rates.connections:
                used = self._link.redis.zcount(_key(route), clock // 1000, "+inf")
                yield Usage(f"route {route}, connections", used, rates.connections)

    def _hold(self, slot: Slot) -> int | None:
        """Take or renew the slot: 1, or 0 when others have them all, or ``None`` when Redis does not answer."""
        arguments: list[str | int] = [slot.member, self._most(slot.route), round(self._slot_seconds * 1000)]
        keys = [_key(slot.route)]
        held: int | None = self._link.call(lambda: self._place(keys=keys, args=arguments))
        return held

    def _most(self, route: str) -> int:
        found = self._settings.routes.get(route)
        return found.connections if found else 0


def _key(route: str) -> str:
    return f"{PREFIX}connections:{route}"
