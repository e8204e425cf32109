"""What is known of a subscription's past: the proof of consent, what was sent, what came back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, func, insert, select, update

from digest.readers.subscriptions import Unsubscription
from digest.states import DeliveryState
from digest.store.checkpoints import Checkpoint, reached
from digest.store.schema import consent_events, deliveries, feedback_events, issue_content, issues, subscriptions

MOVED = "moved"
"""The kind of a change of address."""
UNSUPPRESSED = "unsuppressed"
"""The kind of an operator's taking an address off the suppressions."""


def record(
    connection: Connection,
    ids: Sequence[int],
    kind: str,
    now: datetime,
    source: str,
    detail: str = "",
    ip: str = "",
) -> None:
    """Write a consent event for each of these subscriptions: requested, confirmed, imported, preferences,
    moved, unsuppressed, unsubscribed or expired."""
    if ids:
        rows = [
            {"subscription_id": one, "kind": kind, "at": now, "source": source, "detail": detail, "ip": ip}
            for one in ids
        ]
        reached(connection, Checkpoint.RECORD_CONSENT)
        connection.execute(insert(consent_events), rows)


def record_unsubscriptions(connection: Connection, ended: Sequence[Unsubscription], source: str, now: datetime) -> None:
    """Write proof and feedback of unsubscriptions."""
    if not ended:
        return
    reached(connection, Checkpoint.RECORD_CONSENT)
    proof = {"kind": "unsubscribed", "at": now, "source": source, "detail": ""}
    proofs = [{**proof, "subscription_id": one.subscription_id, "ip": one.ip} for one in ended]
    connection.execute(insert(consent_events), proofs)
    came = {"kind": "unsubscribe", "at": now}
    feedback = [{**came, "subscription_id": one.subscription_id, "issue_id": one.issue_id or None} for one in ended]
    connection.execute(insert(feedback_events), feedback)


def record_feedback(
    connection: Connection,
    issue_id: int | None,
    subscription_id: int,
    kind: str,
    now: datetime,
    detail: str = "",
    grade: str = "",
) -> None:
    """Write what came back: bounce with its grade, complaint or unsubscribe."""
    values = {"issue_id": issue_id, "subscription_id": subscription_id, "kind": kind, "at": now}
    connection.execute(insert(feedback_events).values(**values, detail=detail, grade=grade))


def moved_since(connection: Connection, subscription_id: int, since: datetime) -> bool:
    """Whether this reader has taken another address after ``since``."""
    query = select(consent_events.c.id).where(
        consent_events.c.subscription_id == subscription_id,
        consent_events.c.kind == MOVED,
        consent_events.c.at >= since,
    )
    return connection.execute(query.limit(1)).first() is not None


def begun_anew(connection: Connection, subscription_id: int) -> datetime | None:
    """When the reader behind a subscription last took another address, or had its suppression lifted."""
    mine = select(subscriptions.c.subscriber_id).where(subscriptions.c.id == subscription_id).scalar_subquery()
    query = (
        select(consent_events.c.at)
        .join(subscriptions, subscriptions.c.id == consent_events.c.subscription_id)
        .where(
            subscriptions.c.subscriber_id == mine,
            consent_events.c.kind.in_((MOVED, UNSUPPRESSED)),
        )
        .order_by(consent_events.c.at.desc())
    )
    return connection.execute(query.limit(1)).scalar()


def asked_since(connection: Connection, subscription_id: int, since: datetime) -> bool:
    """Whether the sign-up form asked for this subscription after ``since``."""
    query = select(consent_events.c.id).where(
        consent_events.c.subscription_id == subscription_id,
        consent_events.c.kind == "requested",
        consent_events.c.at > since,
    )
    return connection.execute(query.limit(1)).first() is not None


def explain(connection: Connection, subscription_id: int, kind: str, detail: str) -> None:
    """Say more of the newest feedback of this kind."""
    newest = select(func.max(feedback_events.c.id)).where(
        feedback_events.c.subscription_id == subscription_id, feedback_events.c.kind == kind
    )
    connection.execute(
        update(feedback_events).where(feedback_events.c.id == newest.scalar_subquery()).values(detail=detail)
    )


def times_asked(connection: Connection, subscriber_id: int, since: datetime) -> int:
    """How often the sign-up form asked for any subscription of this person after ``since``."""
    query = (
        select(func.count())
        .select_from(consent_events.join(subscriptions, subscriptions.c.id == consent_events.c.subscription_id))
        .where(
            subscriptions.c.subscriber_id == subscriber_id,
            consent_events.c.kind == "requested",
            consent_events.c.at > since,
        )
    )
    return connection.execute(query).scalar_one()


def was_given(connection: Connection, subscription_id: int) -> bool:
    """Whether its reader agreed to this subscription, by a click or as an import says, and the form has not asked for
    it anew since: anybody can do that."""
    query = (
        select(consent_events.c.kind)
        .where(
            consent_events.c.subscription_id == subscription_id,
            consent_events.c.kind.in_(("requested", "confirmed", "imported")),
        )
        .order_by(consent_events.c.id.desc())
    )
    return connection.execute(query.limit(1)).scalar() in {"confirmed", "imported"}


def sent(connection: Connection, subscription_id: int, limit: int) -> list[tuple[int, datetime, int]]:
    """The latest issues that were accepted for a subscription and whose content is kept, as (issue, slot, batch)."""
    query = (
        select(issues.c.id, issues.c.slot, deliveries.c.batch)
        .join(subscriptions, subscriptions.c.edition_id == issues.c.edition_id)
        .join(
            deliveries,
            and_(deliveries.c.issue_id == issues.c.id, deliveries.c.subscription_id == subscriptions.c.id),
        )
        .join(issue_content, issue_content.c.issue_id == issues.c.id)
        .where(subscriptions.c.id == subscription_id, deliveries.c.state == DeliveryState.ACCEPTED)
        .order_by(issues.c.slot.desc())
        .limit(limit)
    )
    return [(row.id, row.slot, row.batch) for row in connection.execute(query)]


def served(connection: Connection, subscription_id: int) -> list[tuple[int, int]]:
    """The issues whose mail was accepted for a subscription, oldest first, as (up to which intake, issue)."""
    query = (
        select(issues.c.covers_until, issues.c.id)
        .join(subscriptions, subscriptions.c.edition_id == issues.c.edition_id)
        .join(
            deliveries,
            and_(deliveries.c.issue_id == issues.c.id, deliveries.c.subscription_id == subscriptions.c.id),
        )
        .where(subscriptions.c.id == subscription_id, deliveries.c.state == DeliveryState.ACCEPTED)
        .order_by(issues.c.covers_until, issues.c.id)
    )
    return [(row.covers_until, row.id) for row in connection.execute(query)]


def events(connection: Connection, subscription_id: int) -> list[dict[str, Any]]:
    """The consent events of a subscription, the oldest first."""
    query = (
        select(*(c for c in consent_events.c if c.name not in {"id", "subscription_id"}))
        .where(consent_events.c.subscription_id == subscription_id)
        .order_by(consent_events.c.id)
    )
    return [dict(row._mapping) for row in connection.execute(query)]


def history(connection: Connection, subscription_id: int) -> list[dict[str, Any]]:
    """What was sent to a subscription, issue by issue, the oldest first."""
    query = (
        select(
            deliveries.c.issue_id,
            issues.c.cadence,
            issues.c.slot,
            deliveries.c.state,
            deliveries.c.attempts,
            deliveries.c.code,
            deliveries.c.reason,
            deliveries.c.at,
        )
        .join(issues, issues.c.id == deliveries.c.issue_id)
        .join(subscriptions, subscriptions.c.edition_id == issues.c.edition_id)
        .where(deliveries.c.subscription_id == subscription_id, subscriptions.c.id == subscription_id)
        .order_by(issues.c.slot, issues.c.id)
    )
    return [dict(row._mapping) for row in connection.execute(query)]


def feedback(connection: Connection, subscription_id: int) -> list[dict[str, Any]]:
    """What came back from a subscription: bounces, complaints, unsubscribes, the oldest first."""
    table = feedback_events.c
    query = select(table.issue_id, table.kind, table.grade, table.at, table.detail).where(
        table.subscription_id == subscription_id
    )
    return [dict(row._mapping) for row in connection.execute(query.order_by(table.id))]
