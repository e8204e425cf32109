"""What came back of deliveries, and to whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, case, func, select

from digest.feedback.refusals import Grade, Past
from digest.states import DeliveryState
from digest.store.among import among
from digest.store.schema import deliveries, editions, feedback_events, issues, subscribers, subscriptions

_LATEST = 2000
_BY_HARM = {grade.harm: grade for grade in Grade}
_HARM = case({str(grade): grade.harm for grade in Grade}, value=feedback_events.c.grade)  # null: not known


def standing(connection: Connection, issue_id: int, subscription_id: int) -> tuple[DeliveryState, datetime] | None:
    """A delivery's state and when it last changed; ``None`` if there is none, or it was never touched."""
    query = select(deliveries.c.state, deliveries.c.at).where(
        deliveries.c.issue_id == issue_id, deliveries.c.subscription_id == subscription_id
    )
    row = connection.execute(query).one_or_none()
    return (DeliveryState(row.state), row.at) if row and row.at else None


def addresses_of(connection: Connection, subscription_ids: Sequence[int]) -> dict[int, str]:
    """The addresses behind these subscriptions."""
    query = (
        select(subscriptions.c.id, subscribers.c.address)
        .join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .where(among(subscriptions.c.id, subscription_ids))
    )
    return {row.id: row.address for row in connection.execute(query)}


def known(connection: Connection, issue_id: int, subscription_ids: Sequence[int]) -> set[int]:
    """Those of these subscriptions of whom it is written that this issue was refused."""
    query = select(feedback_events.c.subscription_id).where(
        feedback_events.c.issue_id == issue_id,
        among(feedback_events.c.subscription_id, subscription_ids),
        feedback_events.c.kind == "bounce",
    )
    return set(connection.execute(query).scalars())


def pasts(connection: Connection, subscription_id: int, since: datetime) -> list[Past]:
    """What became of the issues since then for the address behind a subscription, the newest first. Those that were
    never handed over are left out. Of several bounces of one, the one that harms least counts."""
    mine = select(subscriptions.c.subscriber_id).where(subscriptions.c.id == subscription_id).scalar_subquery()
    event = and_(
        feedback_events.c.issue_id == deliveries.c.issue_id,
        feedback_events.c.subscription_id == deliveries.c.subscription_id,
        feedback_events.c.kind == "bounce",
    )
    query = (  # along the ledger's key, which begins with the issue
        select(issues.c.slot, deliveries.c.state, deliveries.c.at, func.min(_HARM).label("harm"))
        .select_from(subscriptions)
        .join(issues, issues.c.edition_id == subscriptions.c.edition_id)
        .join(
            deliveries,
            and_(deliveries.c.issue_id == issues.c.id, deliveries.c.subscription_id == subscriptions.c.id),
        )
        .outerjoin(feedback_events, event)
        .where(
            subscriptions.c.subscriber_id == mine,
            issues.c.slot >= since,
            deliveries.c.state.in_((DeliveryState.ACCEPTED, DeliveryState.BOUNCED, DeliveryState.FAILED)),
        )
        .group_by(issues.c.id, deliveries.c.subscription_id, issues.c.slot, deliveries.c.state, deliveries.c.at)
        .order_by(issues.c.slot.desc(), issues.c.id.desc())
    )
    found = []
    for row in connection.execute(query):
        accepted = row.state == DeliveryState.ACCEPTED
        if accepted or row.harm is not None:
            found.append(Past(row.slot, None if accepted else _BY_HARM[row.harm], row.at))
    return found


def dead_of(connection: Connection, domain: str, since: datetime) -> int:
    """How many people with an address at ``domain`` had a hard bounce since then, by the latest feedback alone: that
    has its time in no index."""
    newest = select(func.max(feedback_events.c.id)).scalar_subquery()
    query = (
        select(func.count(subscribers.c.id.distinct()))
        .select_from(feedback_events)
        .join(subscriptions, subscriptions.c.id == feedback_events.c.subscription_id)
        .join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .where(
            feedback_events.c.id > newest - _LATEST,
            feedback_events.c.grade == Grade.HARD,
            feedback_events.c.at >= since,
            subscribers.c.address.endswith("@" + domain, autoescape=True),
        )
    )
    return connection.execute(query).scalar_one()


def summary(connection: Connection, since: datetime) -> list[tuple[str, Mapping[str, int]]]:
    """What came back since then by edition: how many of each kind, bounces by their grade ("hard", "soft" …)."""
    kind = func.coalesce(func.nullif(feedback_events.c.grade, ""), feedback_events.c.kind).label("what")
    query = (
        select(editions.c.name, kind, func.count())
        .select_from(feedback_events)
        .join(subscriptions, subscriptions.c.id == feedback_events.c.subscription_id)
        .join(editions, editions.c.id == subscriptions.c.edition_id)
        .where(feedback_events.c.at >= since)
        .group_by(editions.c.name, kind)
        .order_by(editions.c.name)
    )
    found: dict[str, dict[str, int]] = {}
    for name, what, count in connection.execute(query):
        found.setdefault(name, {})[what] = count
    return list(found.items())
