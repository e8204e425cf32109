"""The ledger of an issue read out: every reader's delivery, what came back, who still waits and how fast it went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, case, distinct, func, select

from digest.delivery.account import Entry, Pace, Waiting
from digest.states import OPEN_DELIVERY, DeliveryState
from digest.store.ledger.expansion import AT_ONCE
from digest.store.schema import batches, deliveries, feedback_events, issues, subscribers, subscriptions, trials

_OF_BATCH = and_(batches.c.issue_id == deliveries.c.issue_id, batches.c.number == deliveries.c.batch)


def page(
    connection: Connection, issue_id: int, state: DeliveryState | None = None, after: int = 0, limit: int = 1000
) -> list[Entry]:
    """Deliveries of an issue by rising subscription, beginning behind ``after``; in one state if given."""
    due_at = case((deliveries.c.state.in_(OPEN_DELIVERY), func.coalesce(deliveries.c.due_at, batches.c.due_at)))
    columns = [deliveries.c[name] for name in ("subscription_id", "state", "attempts", "code", "reason", "at")]
    query = (
        select(*columns, subscribers.c.address, due_at.label("due_at"))
        .select_from(deliveries)
        .outerjoin(batches, _OF_BATCH)
        .outerjoin(subscriptions, subscriptions.c.id == deliveries.c.subscription_id)
        .outerjoin(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .where(deliveries.c.issue_id == issue_id, deliveries.c.subscription_id > after)
        .order_by(deliveries.c.subscription_id)
        .limit(limit)
    )
    if state:
        query = query.where(deliveries.c.state == state)
    rows = connection.execute(query).all()
    back = _came_back(connection, issue_id, after, rows[-1].subscription_id) if rows else {}
    return [
        Entry(
            row.subscription_id,
            row.address or "",
            DeliveryState(row.state),
            row.attempts,
            row.code,
            row.reason or "",
            row.at,
            row.due_at,
            tuple(back.get(row.subscription_id, ())),
        )
        for row in rows
    ]


def _came_back(connection: Connection, issue_id: int, after: int, last: int) -> Mapping[int, dict[str, None]]:
    """The kinds of feedback by subscription, each once."""
    table = feedback_events.c
    query = select(table.subscription_id, table.kind).where(
        table.issue_id == issue_id, table.subscription_id > after, table.subscription_id <= last
    )
    found: dict[int, dict[str, None]] = {}
    for subscription_id, kind in connection.execute(query.order_by(table.id)):
        found.setdefault(subscription_id, {})[kind] = None
    return found


def feedback(connection: Connection, issue_id: int) -> dict[str, int]:
    """How many readers sent feedback of each kind on an issue. Who was refused while mail was handed over is written as
    a bounce, too; they are among the failed, and not here."""
    table = feedback_events.c
    failed = select(deliveries.c.issue_id).where(
        deliveries.c.issue_id == table.issue_id,
        deliveries.c.subscription_id == table.subscription_id,
        deliveries.c.state != DeliveryState.BOUNCED,
    )
    back = select(table.kind, func.count(distinct(table.subscription_id))).where(table.issue_id == issue_id)
    query = back.where((table.kind != "bounce") | ~failed.exists())
    rows = connection.execute(query.group_by(table.kind).order_by(table.kind))
    return {row[0]: row[1] for row in rows}


def waiting(connection: Connection, issue_ids: Sequence[int], now: datetime) -> dict[int, Waiting]:
    """How many still wait for their time, by issue. What waits for a server or a limit is not counted: it was tried."""
    for_trial = and_(deliveries.c.batch >= trials.c.rest_from, batches.c.due_at == trials.c.decide_at)
    query = (
        select(
            deliveries.c.issue_id,
            func.count().label("number"),
            func.sum(case((for_trial, 1), else_=0)).label("trial"),
            func.min(batches.c.due_at).label("first"),
        )
        .select_from(deliveries)
        .join(batches, _OF_BATCH)
        .outerjoin(trials, and_(trials.c.issue_id == deliveries.c.issue_id, trials.c.winner.is_(None)))
        .where(
            deliveries.c.issue_id.in_(issue_ids),
            deliveries.c.state == DeliveryState.PENDING,
            batches.c.due_at > now,
            batches.c.failures == 0,
        )
        .group_by(deliveries.c.issue_id)
    )
    return {
        row.issue_id: Waiting(row.number - int(row.trial), int(row.trial), row.first)
        for row in connection.execute(query)
    }


def pace(connection: Connection, issue_id: int) -> Pace | None:
    """How fast an issue goes or went; ``None`` where nothing was accepted since it began or last went on."""
    since = connection.execute(select(issues.c.sending_at).where(issues.c.id == issue_id)).scalar_one()
    if since is None:
        return None
    query = select(func.count(), func.max(deliveries.c.at)).where(
        deliveries.c.issue_id == issue_id,
        deliveries.c.batch < AT_ONCE,
        deliveries.c.state == DeliveryState.ACCEPTED,
        deliveries.c.at >= since,
    )
    accepted, until = connection.execute(query).one()
    return Pace(since, accepted, until) if accepted else None
