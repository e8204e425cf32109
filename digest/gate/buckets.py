"""Buckets in Redis, leased from in small bulk: what makes a limit hold over all workers and machines.

Each limit (``digest.delivery.limits``) is a bucket: how full it was (``used``) and when (``at``), by Redis's own
clock. One script looks at all the buckets a message falls under and fills every one of them or none. A round trip per
message would be too dear, so a process takes room in small leases and spends them by itself.

What that can cost, over all processes: at most ``capacity + rate * (t + LEASE_SECONDS)`` messages are admitted in any
stretch of t seconds. *Proof.* A bucket never holds more than ``capacity`` and drains at ``rate``, so what is leased in
t seconds is at most ``capacity + rate * t``. A lease is spent within ``LEASE_SECONDS`` of being asked for, else never;
so what is admitted in t seconds was leased in those or the ``LEASE_SECONDS`` before. What is given back of a lease of
age a is reduced by ``rate * a``, the most that may have drained meanwhile because the bucket was fuller: it leaves the
bucket no emptier than if it had never been leased, so such room counts as not leased at all. A process that is killed
takes at most its leases with it.

When Redis is flushed or restarted empty, what a process saw last stands in for the bucket that was lost; only what it
had not seen (other processes' leases since) may be admitted once more. When Redis does not answer nothing is admitted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from digest.delivery import limits
from digest.delivery.limits import LEASE_SECONDS, Limit, Ramp
from digest.gate.link import PREFIX, REST_SECONDS, Link
from digest.settings import LimitSettings

LONGEST_WAIT = 3600.0

_LOOK_AGAIN_SECONDS = 1.0  # how long a refusal is believed: another process may give back
_TRIES = 3
_KEPT = 10_000  # domains whose buckets are remembered

# For each key: capacity, rate, want, ends, back, back_at, seen, seen_at. Of a bucket that drains, a whole lease is
# granted or nothing (it takes a tenth of a second to come free; crumbs would mean a round trip per message); of
# another, what is left. With want 0 room is only given back. Answers {now, wait, who refuses, and for each key what
# was granted and how full the bucket is}. wait -1: a limit has ended, nothing was done.
TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local buckets, wait, refusing = {}, 0, 0
for i, key in ipairs(KEYS) do
  local a = {}
  for j = 1, 8 do a[j] = tonumber(ARGV[(i - 1) * 8 + j]) end
  local capacity, rate, want, ends, back, back_at, seen, seen_at = unpack(a)
  if want > 0 and ends > 0 and now >= ends then return {now, -1, i} end
  local kept = redis.call('HMGET', key, 'used', 'at')
  local used, at = tonumber(kept[1] or seen), tonumber(kept[2] or seen_at)
  used = math.max(0, used - rate * math.max(0, now - at) / 1000000)
  if back > 0 then
    local age = now - back_at
    if age < 0 then age = 1e15 end
    used = math.max(0, used - math.max(0, back - rate * age / 1000000))
  end
  local room, least = capacity - used, math.min(want, 1)
  if rate > 0 then least = want end
  if want > 0 and room < least then
    local needed = ends - now
    if rate > 0 then needed = (want - room) / rate * 1000000 end
    needed = math.max(1, math.ceil(needed))
    if needed > wait then wait, refusing = needed, i end
  end
  buckets[i] = {used, math.max(0, math.min(want, math.floor(room))), rate, ends, back}
end
local answer = {now, wait, refusing}
for i, key in ipairs(KEYS) do
  local used, take, rate, ends, back = unpack(buckets[i])
  if wait > 0 then take = 0 end
  used = used + take
  if take > 0 or back > 0 then
    local lasts = (ends - now) / 1000 + 3600000
    if rate > 0 then lasts = used / rate * 1000 + 1000 end
    redis.call('HSET', key, 'used', string.format('%.17g', used), 'at', string.format('%.0f', now))
    redis.call('PEXPIRE', key, string.format('%.0f', math.ceil(lasts)))
  end
  answer[#answer + 1] = take
  answer[#answer + 1] = string.format('%.17g', used)
end
return answer
"""


class Usage(NamedTuple):
    """How full a limit is: messages not yet drained (of a ramp: today's; of connections: those open) and the most."""

    limit: str
    used: float
    allowed: float


class _Wallet:
    """What this process holds of one limit, and what it knows of its bucket."""

    __slots__ = ("ask_again", "expires", "leased_at", "left", "limit", "promised", "seen", "seen_at")

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.left = 0
        self.expires = 0.0  # monotonic
        self.leased_at = 0  # Redis's clock, µs
        self.seen, self.seen_at = 0.0, 0
        self.promised = 0.0  # monotonic: refused until then …
        self.ask_again = 0.0  # … and not asked for before this

    def arguments(self, want: int) -> tuple[float, ...]:
        limit = self.limit
        return (
            *(limit.capacity, limit.rate, want, limit.ends),
            *(self.left, self.leased_at, self.seen, self.seen_at),
        )


class Buckets:
    """This process's share of all the limits on messages."""

    def __init__(
        self,
        settings: LimitSettings,
        link: Link,
        ramp: Ramp | None,
        monotonic: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._link = link
        self._ramp = ramp
        self._monotonic = monotonic
        self._take = link.redis.register_script(TAKE)
        self._purses: dict[str, _Wallet] = {}  # by key
        self._concerned: dict[tuple[str, str], tuple[_Wallet, ...]] = {}
        self._today = ramp.limit(0) if ramp else None  # until Redis has told the time

    def admit(self, route: str, domain: str) -> float:
        """0.0 when a token of every limit concerned was taken, else the seconds to wait."""
        for _ in range(_TRIES):
            now = self._monotonic()
            wallets = self._concerned.get((route, domain))
            if wallets is None:
                wallets = self._wallets(route, domain)
            missing = [wallet for wallet in wallets if not wallet.left or now >= wallet.expires]
            if not missing:
                for wallet in wallets:
                    wallet.left -= 1
                return 0.0
            if wait := self._fill(missing, now):
                return min(wait, LONGEST_WAIT)
        return LEASE_SECONDS  # Redis is too slow for leases to be of use when they come

    def give_back(self) -> None:
        """Give back every token that is leased and not used."""
        held = [wallet for wallet in self._purses.values() if wallet.left]
        if held:
            self._ask(held, 0, self._monotonic())

    def usage(self, clock: int) -> Iterable[Usage]:
        """How full each limit with a name of its own is by Redis's ``clock`` (µs). Raises ``RedisError``."""
        self._learn_day(clock)
        for limit in [*limits.named(self._settings), *([self._today] if self._today else [])]:
            used, at = self._link.redis.hmget(PREFIX + limit.key, ["used", "at"])
            now = limits.drained(float(used), int(at), clock, limit.rate) if used and at else 0.0
            yield Usage(limit.name, now, limit.capacity)

    def _wallets(self, route: str, domain: str) -> tuple[_Wallet, ...]:
        """The wallets a message by ``route`` to ``domain`` needs a token of; kept until the day ends."""
        if len(self._concerned) >= _KEPT:
            self._forget()
        found = list(limits.concerned(self._settings, route, domain))
        if self._today:
            found.append(self._today)
        wallets = tuple(self._purses.setdefault(limit.key, _Wallet(limit)) for limit in found)
        self._concerned[route, domain] = wallets
        return wallets

    def _forget(self) -> None:
        self._concerned.clear()
        keep = {limit.key for limit in limits.named(self._settings)} | ({self._today.key} if self._today else set())
        self._purses = {key: wallet for key, wallet in self._purses.items() if key in keep}

    def _fill(self, missing: Sequence[_Wallet], now: float) -> float:
        """Lease for all of these wallets or for none. Returns 0.0, or the seconds to wait."""
        refused = [wallet.promised for wallet in missing if now < wallet.ask_again]
        if refused:
            return max(refused) - now
        answer = self._ask(missing, None, now)
        if answer is None:
            return REST_SECONDS
        wait, refusing = answer
        if wait > 0:
            wallet = missing[refusing - 1]
            wallet.promised = now + wait / 1e6
            wallet.ask_again = min(wallet.promised, now + _LOOK_AGAIN_SECONDS)
            return wait / 1e6
        return 0.0

    def _ask(self, wallets: Sequence[_Wallet], want: int | None, now: float) -> tuple[int, int] | None:
        """Take ``want`` (``None``: a lease) for each wallet, giving back what it still holds. Returns the wait in µs
        (-1: a limit has ended, see anew) and the index of who refused; ``None`` when Redis does not answer."""
        arguments: list[float] = []
        for wallet in wallets:
            arguments.extend(wallet.arguments(wallet.limit.lease if want is None else want))
            wallet.left = 0  # given back once at most, whatever becomes of the answer
        keys = [PREFIX + wallet.limit.key for wallet in wallets]
        answer = self._link.call(lambda: self._take(keys=keys, args=[repr(number) for number in arguments]))
        if answer is None:
            return None
        clock, wait, refusing = int(answer[0]), int(answer[1]), int(answer[2])
        if wait >= 0:
            for wallet, granted, used in zip(wallets, answer[3::2], answer[4::2], strict=True):
                wallet.left, wallet.expires, wallet.leased_at = int(granted), now + LEASE_SECONDS, clock
                wallet.seen, wallet.seen_at = float(used), clock
        self._learn_day(clock)
        return wait, refusing

    def _learn_day(self, clock: int) -> None:
        """Go by the limit of the day that Redis's ``clock`` (µs) tells."""
        today = self._ramp.limit(clock) if self._ramp else None
        if today != self._today:
            self._today = today
            self._concerned.clear()
