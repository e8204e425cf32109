"""An issue's audience becomes its deliveries: all in SQL, since readers may be a million."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    and_,
    case,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.sql.elements import ColumnElement

from digest.editions.schedule import Wish
from digest.feedback.trials import Trial, takes_part
from digest.readers.subscriptions import ALL_DAYS
from digest.states import DeliveryEvent, DeliveryState, IssueState
from digest.store.checkpoints import Checkpoint, reached
from digest.store.ledger import trials
from digest.store.ledger.batches import rest
from digest.store.ledger.deliveries import move_where
from digest.store.readers import mailable
from digest.store.schema import Moment, batches, deliveries, issues, subscribers, subscriptions
from digest.values import Issue

_NO_HOUR = -1
_PER_MOMENT = 2_000_000  # numbers kept for the batches due at one moment: in a week there are 700 quarters of an hour
AT_ONCE = _PER_MOMENT
"""The batches below this number are of readers without a wish of their own: due when the issue goes out."""
_wished = Table(  # not bound as parameters: zones, hours and days make more than a statement takes
    "wished",
    MetaData(),
    Column("zone", String, primary_key=True),
    Column("hour", Integer, primary_key=True),
    Column("days", Integer, primary_key=True),
    Column("place", Integer, nullable=False),
    Column("due", Moment, nullable=False),
    prefixes=["TEMPORARY"],
)


Chosen = ColumnElement[bool]
"""Whom an issue is for, beyond its edition and cadence; ``true()``: everybody."""


def wishes(connection: Connection, issue: Issue, chosen: Chosen) -> list[Wish]:
    """The distinct wishes of the issue's readers; not of those who get it on any day as it comes out."""
    columns = select(subscribers.c.time_zone, subscriptions.c.hour, subscriptions.c.days).select_from(_audience_from())
    special = or_(subscriptions.c.hour.is_not(None), subscriptions.c.days != ALL_DAYS)
    found = connection.execute(columns.where(_audience(issue), chosen, special).distinct())
    return sorted((Wish(zone, hour, days) for zone, hour, days in found), key=str)


def expand(
    connection: Connection,
    issue: Issue,
    chosen: Chosen,
    dues: Mapping[Wish, datetime],
    now: datetime,
    size: int,
    trial: Trial | None = None,
) -> int:
    """Create the deliveries of the issue's whole audience, as far as it is ``chosen``, in one statement, in batches of
    at most ``size``, and the batches. ``dues``: when those of each of ``wishes`` get it, not before ``now``; who takes
    it on certain days only, and has no due time there, gets none. Everybody else's batches are due now, and so may be
    those of a reader who asks for another hour at this very moment. Readers who are away when it would be due are left
    out. The next issue they get has what they missed. Of those who would get it before the end of a ``trial`` only its
    share does; the others wait for it. Returns how many batches."""
    decide_at = now + timedelta(minutes=trial.minutes) if trial else now
    moments = sorted({now, *dues.values(), decide_at})
    rest = moments.index(decide_at)
    columns = ["issue_id", "subscription_id", "batch", "state", "attempts"]
    numbered = _numbered(issue, now, size, trial, rest).where(chosen)
    _wished.create(connection)
    if dues:
        connection.execute(insert(_wished), _rows(dues, moments))
    reached(connection, Checkpoint.CREATE_DELIVERIES)
    connection.execute(insert(deliveries).from_select(columns, numbered))
    _wished.drop(connection)
    if trial:
        trials.begin(connection, issue.id, decide_at, rest * _PER_MOMENT)
    made = select(deliveries.c.batch).where(deliveries.c.issue_id == issue.id).distinct()
    rows = [
        {"issue_id": issue.id, "number": number, "due_at": due_at, "since": due_at, "failures": 0}
        for number in connection.execute(made).scalars()
        for due_at in (moments[number // _PER_MOMENT],)
    ]
    if rows:
        reached(connection, Checkpoint.CREATE_BATCHES)
        connection.execute(insert(batches), rows)
    return len(rows)


def _rows(dues: Mapping[Wish, datetime], moments: Sequence[datetime]) -> list[dict[str, Any]]:
    places = {moment: place for place, moment in enumerate(moments)}
    return [
        {
            "zone": wish.zone,
            "hour": _NO_HOUR if wish.hour is None else wish.hour,
            "days": wish.days,
            "place": places[due],
            "due": due,
        }
        for wish, due in dues.items()
    ]


def _numbered(issue: Issue, now: datetime, size: int, trial: Trial | None, rest: int) -> Select[Any]:
    """The audience with the numbers of its batches: those of moment n begin at n × _PER_MOMENT. Moment 0 is ``now``,
    that of everybody without a wish of their own. Who does not take part in the ``trial`` has no earlier place than
    ``rest``."""
    hour = func.coalesce(subscriptions.c.hour, _NO_HOUR)
    theirs = and_(
        _wished.c.zone == subscribers.c.time_zone, _wished.c.hour == hour, _wished.c.days == subscriptions.c.days
    )
    source = _audience_from().outerjoin(_wished, theirs)
    place: ColumnElement[int] = func.coalesce(_wished.c.place, 0)
    due = func.coalesce(_wished.c.due, literal(now, Moment))
    wanted = or_(subscriptions.c.days == ALL_DAYS, _wished.c.place.is_not(None))
    if trial:
        waits = and_(place < rest, not_(takes_part(trial, subscriptions.c.id)))
        place = case((waits, rest), else_=place)
    position = func.row_number().over(partition_by=place, order_by=subscriptions.c.id) - 1
    return (
        select(
            literal(issue.id),
            subscriptions.c.id,
            place * _PER_MOMENT + position // size,
            literal(DeliveryState.PENDING.value),
            literal(0),
        )
        .select_from(source)
        .where(_audience(issue), wanted, mailable.here(due))
    )


def _audience_from() -> Any:
    return subscriptions.join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)


def _audience(issue: Issue) -> ColumnElement[bool]:
    """Readers who get this issue: active in this edition and cadence, and not served this far already."""
    return and_(
        subscriptions.c.edition_id == issue.edition_id,
        subscriptions.c.cadence == issue.cadence,
        mailable.active(),
        mailable.unserved(issue.covers_until),
    )


def start_serving(connection: Connection, issue: Issue) -> None:
    """From their first issue on, readers are owed everything after its beginning, whatever becomes of its mail."""
    theirs = select(deliveries.c.subscription_id).where(deliveries.c.issue_id == issue.id)
    mine = subscriptions.c.id.in_(theirs) if issue.segment else _audience(issue)
    statement = update(subscriptions).where(mine, subscriptions.c.covered_until.is_(None))
    connection.execute(statement.values(covered_until=issue.covers_from))


def supersede(connection: Connection, issue: Issue, now: datetime) -> list[int]:
    """Cancel what is still waiting of the edition's older issues for readers of this one: it holds those stories.
    Returns those issues, some of which may have nothing left to do."""
    older = select(issues.c.id).where(
        issues.c.edition_id == issue.edition_id,
        issues.c.id != issue.id,
        issues.c.covers_until <= issue.covers_until,
        issues.c.state.in_((IssueState.SENDING, IssueState.PAUSED)),
    )
    older_ids = list(connection.execute(older.order_by(issues.c.id).with_for_update()).scalars())
    theirs = select(batches.c.number).where(batches.c.issue_id.in_(older_ids))
    connection.execute(theirs.order_by(*batches.primary_key).with_for_update())  # workers hold these while they take
    mine = select(deliveries.c.subscription_id).where(deliveries.c.issue_id == issue.id)
    where = and_(deliveries.c.issue_id.in_(older_ids), deliveries.c.subscription_id.in_(mine))
    move_where(connection, where, DeliveryEvent.CANCEL, now, reason=f"superseded by issue {issue.id}")
    rest(connection, older_ids)
    return older_ids
