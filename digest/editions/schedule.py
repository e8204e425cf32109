"""When an edition comes out: slots of a cron expression in a time zone, and the reader's own hour after a slot.

Every moment handed out is in UTC. Clock changes: a slot that would fall twice on the autumn night comes once, the
first time; one that would fall into the spring gap comes right after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import takewhile
from typing import NamedTuple
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from digest.errors import InputError
from digest.readers.subscriptions import ALL_DAYS
from digest.values import ScheduleSpec

_CRON_FIELDS = 5
_CRON_LENGTH = 80


class Wish(NamedTuple):
    """What a reader wishes of an issue's time: their zone ("": the edition's), the hour (``None``: as it comes out),
    and the days of the week they take it on, a bit each, Monday the first."""

    zone: str = ""
    hour: int | None = None
    days: int = ALL_DAYS


@dataclass(frozen=True, slots=True)
class Schedule:
    """A stored schedule. ``declared`` by the edition's file rather than by hand; ``next_slot_at`` is ``None`` once it
    has run its course. ``time_zone`` is its own, ``edition_zone`` that of its edition."""

    id: int
    edition_id: int
    edition: str
    cadence: str
    cron: str
    at: datetime | None
    time_zone: str
    declared: bool
    paused: bool
    next_slot_at: datetime | None
    edition_zone: str

    @property
    def spec(self) -> ScheduleSpec:
        return ScheduleSpec(self.cadence, self.time_zone, self.cron, self.at)


def zone(name: str) -> ZoneInfo:
    """The IANA time zone ``name``. Raises ``InputError``."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; outside the folder of zones; a folder, such as "Europe"
        hint = "use an IANA name such as Asia/Kolkata or Europe/Berlin"
        raise InputError(f"no time zone {name!r}", hint, fault="time_zone", typed=name) from None


def zone_of(name: str, default: str) -> ZoneInfo:
    """The zone ``name``, or ``default`` where that is "" or, zones being renamed, not known any more."""
    with suppress(InputError):
        return zone(name or default)
    return zone(default)


def check_cron(expression: str) -> None:
    """Raise ``InputError`` unless ``expression`` has five valid fields and comes true at least once."""
    hint = "give five fields: minute hour day-of-month month day-of-week, such as '0 7 * * 1-5'"
    if len(expression.split()) != _CRON_FIELDS:
        raise InputError(f"cron {expression!r} has {len(expression.split())} fields, not 5", hint)
    if len(expression) > _CRON_LENGTH:
        raise InputError(f"cron {expression[:9]!r}… is longer than {_CRON_LENGTH} characters", "make it two schedules")
    try:
        found = next_slot(expression, "UTC", datetime(2024, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise InputError(f"cron {expression!r}: {str(error).lower()}", hint) from None
    if found is None:
        raise InputError(f"cron {expression!r} never comes true", hint)


def parse_at(text: str, time_zone: str) -> datetime:
    """The moment ``text`` names (ISO 8601), in UTC. Without an offset it is local time in ``time_zone``. Raises
    ``InputError``, also for a local time that the clocks skip."""
    hint = "write it as 2026-12-01T07:00"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{text!r} is not a valid date and time", hint) from None
    if len(text) <= len("2026-12-01"):
        raise InputError(f"{text!r} lacks the time of day", hint)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone(time_zone))
        if _skipped(moment):
            raise InputError(f"{text!r} does not exist in {time_zone}: the clocks go forward", "choose another hour")
    return moment.astimezone(UTC)


def next_slot(cron: str, time_zone: str, after: datetime) -> datetime | None:
    """The first slot later than ``after``; ``None`` when none comes within 50 years."""
    return next(_slots(cron, time_zone, after), None)


def due_slot(
    next_slot_at: datetime, cron: str, time_zone: str, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """``(slot, following)``: the slot to bring out at ``now`` (``None`` if it is not yet time) and the one after it.

    When several slots went by unseen, only the newest comes out: it covers what the others would have. A schedule
    without ``cron`` has a single slot, and nothing follows.
    """
    if next_slot_at > now:
        return None, next_slot_at
    if not cron:
        return next_slot_at, None
    newest = next_slot_at
    for since in (max(next_slot_at, now - timedelta(days=1)), next_slot_at):  # a year of missed minutes is a long walk
        missed = list(takewhile(lambda slot: slot <= now, _slots(cron, time_zone, since)))
        if missed:
            newest = missed[-1]
            break
    return newest, next_slot(cron, time_zone, now)


def local_due(slot: datetime, time_zone: str, hour: int) -> datetime:
    """The first moment at or after ``slot`` when it is ``hour``:00 in ``time_zone``, in UTC; when the clocks skip
    that hour, the moment they do. At most 25 hours away."""
    there = zone(time_zone)
    day = slot.astimezone(there).date()
    return min(
        moment
        for shift in range(3)
        for moment in _occurrences(day + timedelta(days=shift), time(hour), there)
        if moment >= slot
    )


def due(slot: datetime, wish: Wish, default: str, now: datetime, following: datetime | None = None) -> datetime | None:
    """When the issue of ``slot``, which goes out at ``now``, comes to readers with this wish: at their hour on a day
    they take, so maybe days later. ``None`` if the issue of ``following`` comes by the end of that day: it holds what
    this one does."""
    there = zone_of(wish.zone, default)
    wished = _at_the_hour(slot, there, wish.hour)
    first = max(wished, now).astimezone(there)
    days_later = next((days for days in range(7) if wish.days >> (first.weekday() + days) % 7 & 1), None)
    if not days_later:
        return None if days_later is None else first.astimezone(UTC)
    day = first.date() + timedelta(days=days_later)
    if following and _at_the_hour(following, there, wish.hour).astimezone(there).date() <= day:
        return None
    clock = wished.astimezone(there).time() if wish.hour is None else time(wish.hour)
    return next(_occurrences(day, clock, there))


def _at_the_hour(slot: datetime, there: ZoneInfo, hour: int | None) -> datetime:
    return slot if hour is None else local_due(slot, there.key, hour)


def _occurrences(day: date, clock: time, there: ZoneInfo) -> Iterator[datetime]:
    """The moments of ``clock`` on ``day``: one, two where the clocks go back over it. Where they skip it, the old
    offset (``fold=0``) puts it at the jump."""
    first = datetime.combine(day, clock.replace(fold=0), tzinfo=there)
    yield first.astimezone(UTC)
    if not _skipped(first):
        yield first.replace(fold=1).astimezone(UTC)


def _skipped(moment: datetime) -> bool:
    back = moment.astimezone(UTC).astimezone(moment.tzinfo)
    return back.replace(tzinfo=None) != moment.replace(tzinfo=None)


def _slots(cron: str, time_zone: str, after: datetime) -> Iterator[datetime]:
    """The slots later than ``after``. The first ones cronsim gives may not be: it counts in local time, where the
    hour before the clocks go back and the hour after look the same."""
    for slot in CronSim(cron, after.astimezone(zone(time_zone))):
        moment = slot.astimezone(UTC)
        if moment > after:
            yield moment
