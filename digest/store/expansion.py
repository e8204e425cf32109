"""An issue's audience becomes its deliveries: all in SQL, since readers may be a million."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    Integer,
    Select,
    String,
    and_,
    case,
    column,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    update,
    values,
)
from sqlalchemy.sql.elements import ColumnElement

from digest.states import DeliveryEvent, DeliveryState, IssueState, SubscriptionState
from digest.store import trials
from digest.store.deliveries import move_where
from digest.store.schema import batches, deliveries, issues, subscribers, subscriptions
from digest.trials import Trial, takes_part
from digest.values import Issue

_PER_MOMENT = 10_000_000  # numbers kept for the batches due at one moment, of which there are some hundred at most


def local_hours(connection: Connection, issue: Issue) -> list[tuple[str, int]]:
    """The distinct (time zone, hour) that readers of the issue wish it at; not those who get it as it comes out."""
    columns = select(subscribers.c.time_zone, subscriptions.c.hour).select_from(_audience_from())
    statement = columns.where(_audience(issue), subscriptions.c.hour.is_not(None)).distinct()
    return sorted((zone, hour) for zone, hour in connection.execute(statement))


def expand(
    connection: Connection,
    issue: Issue,
    wishes: Mapping[tuple[str, int], datetime],
    now: datetime,
    size: int,
    trial: Trial | None = None,
) -> int:
    """Create the deliveries of the issue's whole audience in one statement, in batches of at most ``size``, and the
    batches. ``wishes``: when each (time zone, hour) has come, not before ``now``; everybody else's batches are due now,
    and so may be those of a reader who wishes another hour in this very moment. Of those who would get it before the
    end of a ``trial`` only its share does; the others wait for it. Returns how many batches."""
    decide_at = now + timedelta(minutes=trial.minutes) if trial else now
    moments = sorted({now, *wishes.values(), decide_at})
    places = {wish: moments.index(due_at) for wish, due_at in wishes.items()}
    rest = moments.index(decide_at)
    columns = ["issue_id", "subscription_id", "batch", "state", "attempts"]
    connection.execute(insert(deliveries).from_select(columns, _numbered(issue, places, size, trial, rest)))
    if trial:
        trials.begin(connection, issue.id, decide_at, rest * _PER_MOMENT)
    made = select(deliveries.c.batch).where(deliveries.c.issue_id == issue.id).distinct()
    rows = [
        {"issue_id": issue.id, "number": number, "due_at": moments[number // _PER_MOMENT], "failures": 0}
        for number in connection.execute(made).scalars()
    ]
    if rows:
        connection.execute(insert(batches), rows)
    return len(rows)


def _numbered(
    issue: Issue, places: Mapping[tuple[str, int], int], size: int, trial: Trial | None, rest: int
) -> Select[Any]:
    """The audience with the numbers of its batches: those of the moment in ``places`` n begin at n × _PER_MOMENT. Who
    does not take part in the ``trial`` has no earlier place than ``rest``."""
    source = _audience_from()
    place: ColumnElement[int] = literal(0, Integer)
    if places:
        wished = values(column("zone", String), column("hour", Integer), column("place", Integer), name="wished")
        table = wished.data([(*wish, number) for wish, number in places.items()]).cte()
        same = and_(table.c.zone == subscribers.c.time_zone, table.c.hour == subscriptions.c.hour)
        source, place = source.outerjoin(table, same), func.coalesce(table.c.place, 0)
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
        .where(_audience(issue))
    )


def _audience_from() -> Any:
    return subscriptions.join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)


def _audience(issue: Issue) -> ColumnElement[bool]:
    """Who gets this issue: active in this edition and cadence, and not served this far already."""
    return and_(
        subscriptions.c.edition_id == issue.edition_id,
        subscriptions.c.cadence == issue.cadence,
        subscriptions.c.state == SubscriptionState.ACTIVE,
        or_(subscriptions.c.covered_until.is_(None), subscriptions.c.covered_until < issue.covers_until),
    )


def start_serving(connection: Connection, issue: Issue) -> None:
    """From their first issue on, readers are owed everything after its beginning, whatever becomes of its mail."""
    statement = update(subscriptions).where(_audience(issue), subscriptions.c.covered_until.is_(None))
    connection.execute(statement.values(covered_until=issue.covers_from))


def supersede(connection: Connection, issue: Issue, now: datetime) -> int:
    """Cancel what is still waiting of the edition's older issues for readers of this one: it holds those stories."""
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
    return move_where(connection, where, DeliveryEvent.CANCEL, now, reason=f"superseded by issue {issue.id}")
