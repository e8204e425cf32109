"""timetable : what comes out next, and when one reader's next mail comes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import merge
from itertools import chain, groupby, islice, pairwise

from sqlalchemy import Connection

from digest.editions import schedule
from digest.editions.schedule import Schedule, Wish
from digest.readers.mailable import is_away
from digest.readers.subscriptions import Subscription
from digest.states import IssueState, SubscriptionState
from digest.store.content import editions, schedules
from digest.store.database import Database
from digest.store.ledger import deliveries, issues
from digest.values import Edition, Issue

_SLOTS = 400  # looked at for one that reaches a reader: two weeks of an hourly edition
_BEFORE = timedelta(days=9)  # an issue that came out so long before a holiday's end may still reach a reader behind it


@dataclass(frozen=True, slots=True)
class NextMail:
    """When a reader's next mail comes, and of which slot; ``issue`` where that is composed already."""

    slot: datetime
    due: datetime
    issue: int | None = None


def coming(connection: Connection, edition_id: int, cadence: str, after: datetime) -> Iterator[datetime]:
    """The slots of an edition's cadence later than ``after``, as its schedules stand, the earliest first."""
    plans = [
        plan
        for plan in schedules.of_edition(connection, edition_id)
        if plan.cadence == cadence and not plan.paused and plan.next_slot_at
    ]
    return merge(*(_slots(plan, after) for plan in plans))


def following(connection: Connection, issue: Issue, now: datetime) -> datetime | None:
    """The slot at which the next issue after this one comes out, as far as is planned."""
    return next(coming(connection, issue.edition_id, issue.cadence, max(issue.slot, now)), None)


def next_mail(
    connection: Connection, edition_id: int, edition: Edition, reader: Subscription, now: datetime
) -> NextMail | None:
    """The reader's next mail: one that waits for their hour, or theirs of the next issue that reaches them; ``None`` if
    none is planned. Whether there will be news for them nobody knows."""
    if (waits := deliveries.waiting_for(connection, reader.id)) and not is_away(reader.choice.paused_until, waits[2]):
        issue_id, slot, due = waits
        return NextMail(slot, max(due, now), issue_id)
    waiting = [one for one in issues.waiting(connection, edition_id, reader.choice.cadence) if not one.segment]
    drafts = {one.slot: one.id for one in waiting if one.state is IssueState.COMPOSED}
    back = reader.choice.paused_until
    after = max(now, back - _BEFORE) if back else now
    slots = merge([one.slot for one in waiting], coming(connection, edition_id, reader.choice.cadence, after))
    found = first_for(reader, edition, (slot for slot, _ in groupby(slots)), now)
    return replace(found, issue=drafts.get(found.slot)) if found else None


def next_mail_of(database: Database, reader: Subscription, now: datetime) -> NextMail | None:
    """The reader's next mail, as ``next_mail`` says; ``None`` also for who gets none."""
    if reader.state is not SubscriptionState.ACTIVE:
        return None
    with database.read() as connection:
        return next_mail(connection, *editions.require(connection, reader.edition), reader, now)


def first_for(reader: Subscription, edition: Edition, slots: Iterable[datetime], now: datetime) -> NextMail | None:
    """Their mail of the first of these slots that reaches them: on a day they take, when they are not away."""
    wish = Wish(reader.person.time_zone, reader.choice.hour, reader.choice.days)
    for slot, then in pairwise(chain(islice(slots, _SLOTS), [None])):
        assert slot
        due = schedule.due(slot, wish, edition.time_zone, now, then)
        if due and not is_away(reader.choice.paused_until, due):
            return NextMail(slot, due)
    return None


def offered(database: Database, edition: Edition, has: str = "") -> Edition:
    """The edition with those of its cadences only that come out by a schedule, and the one a reader ``has``. With all
    where none has a schedule: then its issues are sent by hand."""
    with database.read() as connection:
        edition_id = editions.get_id(connection, edition.name)
        planned = {plan.cadence for plan in schedules.of_edition(connection, edition_id) if plan.next_slot_at}
    kept = tuple(one for one in edition.cadences if one in planned)
    return replace(edition, cadences=tuple(one for one in edition.cadences if one in {*kept, has})) if kept else edition


def _slots(plan: Schedule, after: datetime) -> Iterator[datetime]:
    slot = plan.next_slot_at
    if slot and slot <= after and plan.cron:
        slot = schedule.next_slot(plan.cron, plan.time_zone, after)
    while slot and slot > after:
        yield slot
        slot = schedule.next_slot(plan.cron, plan.time_zone, slot) if plan.cron else None
