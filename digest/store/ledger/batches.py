"""Batches: some deliveries sent by one task under a lease.

Only the holder of the lease puts deliveries on the wire, a group at a time, and says so before. What still stands
``sending`` when a lease has run out was in flight when its worker died: ``recover`` names each of these in doubt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, exists, func, literal, select, update
from sqlalchemy.sql.elements import ColumnElement

from digest.states import OPEN_DELIVERY, DeliveryEvent, DeliveryState, IssueState
from digest.store.checkpoints import Checkpoint, reached
from digest.store.ledger.deliveries import move_where
from digest.store.schema import batches, deliveries, issues

_WAITING = (DeliveryState.PENDING, DeliveryState.DEFERRED)
_LONG_AGO = literal(datetime.fromisoformat("1970-01-01T00:00:00+00:00"), deliveries.c.due_at.type)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to send one batch, until another worker may take it over."""

    issue_id: int
    batch: int
    owner: str


def queue(connection: Connection, limit: int, now: datetime, lost_before: datetime) -> list[tuple[int, int]]:
    """Mark up to ``limit`` due batches as queued and return them as (issue, number); those queued before
    ``lost_before`` and still not claimed count as lost on the way and are queued again."""
    due = (
        select(batches.c.issue_id, batches.c.number, batches.c.queued_at)
        .join(issues, issues.c.id == batches.c.issue_id)
        .where(issues.c.state == IssueState.SENDING, batches.c.due_at <= now, batches.c.lease_owner.is_(None))
        .order_by(batches.c.due_at, batches.c.issue_id, batches.c.number)
        .limit(limit)
        .with_for_update(of=batches, skip_locked=True)  # what somebody holds is not waited for: no deadlock
    )
    chosen = [(i, n) for i, n, queued_at in connection.execute(due) if queued_at is None or queued_at < lost_before]
    for issue_id, number in chosen:
        connection.execute(update(batches).where(_batch(issue_id, number)).values(queued_at=now))
    return chosen


def any_due(connection: Connection, now: datetime) -> bool:
    """Whether a batch of an issue being sent is due and free."""
    due = select(batches.c.number).join(issues, issues.c.id == batches.c.issue_id)
    free = and_(issues.c.state == IssueState.SENDING, batches.c.due_at <= now, batches.c.lease_owner.is_(None))
    return connection.execute(due.where(free).limit(1)).first() is not None


def claim(
    connection: Connection, issue_id: int, number: int, owner: str, now: datetime, until: datetime
) -> Lease | None:
    """Lease a batch that is due and free, of an issue that is being sent; ``None`` if it isn't or someone has it."""
    sending = exists().where(issues.c.id == issue_id, issues.c.state == IssueState.SENDING)
    free = and_(_batch(issue_id, number), batches.c.lease_owner.is_(None), batches.c.due_at <= now, sending)
    leased = connection.execute(
        update(batches).where(free).values(lease_owner=owner, lease_until=until, queued_at=None)
    )
    return Lease(issue_id, number, owner) if leased.rowcount else None


def renew(connection: Connection, lease: Lease, until: datetime) -> bool:
    """Lengthen a lease. ``False``: it was lost, or the issue is no longer being sent: stop."""
    sending = exists().where(issues.c.id == lease.issue_id, issues.c.state == IssueState.SENDING)
    kept = and_(_batch(lease.issue_id, lease.batch), batches.c.lease_owner == lease.owner, sending)
    return connection.execute(update(batches).where(kept).values(lease_until=until)).rowcount == 1


def hold(connection: Connection, lease: Lease) -> bool:
    """Whether the lease is still ours; the batch is locked until the transaction ends."""
    mine = and_(_batch(lease.issue_id, lease.batch), batches.c.lease_owner == lease.owner)
    return connection.execute(select(batches.c.number).where(mine).with_for_update()).first() is not None


def release(connection: Connection, lease: Lease, failures: int, not_before: datetime | None) -> None:
    """Give a batch back. It is due again when the first of its open deliveries is, but not before ``not_before``;
    never, when none is open."""
    if not hold(connection, lease):  # and lock: what is put back in line meanwhile must not be overlooked
        return
    first_due = func.min(func.coalesce(deliveries.c.due_at, _LONG_AGO))
    open_ones = and_(_in_batch(lease.issue_id, lease.batch), deliveries.c.state.in_(_WAITING))
    due_at = connection.execute(select(first_due).where(open_ones)).scalar_one()
    if due_at and not_before:
        due_at = max(due_at, not_before)
    reached(connection, Checkpoint.RELEASE_BATCH)
    connection.execute(
        update(batches)
        .where(_batch(lease.issue_id, lease.batch))
        .values(due_at=due_at, lease_owner=None, lease_until=None, failures=failures)
    )


def since(connection: Connection, lease: Lease) -> datetime | None:
    """When the batch was due first: its readers' hour may come days after its issue went out."""
    return connection.execute(select(batches.c.since).where(_batch(lease.issue_id, lease.batch))).scalar_one_or_none()


def rest(connection: Connection, issue_ids: Sequence[int]) -> None:
    """Nothing is due any more of these issues' batches that hold nothing open. Of a leased one its worker judges."""
    open_ones = exists().where(
        deliveries.c.issue_id == batches.c.issue_id,
        deliveries.c.batch == batches.c.number,
        deliveries.c.state.in_(OPEN_DELIVERY),
    )
    theirs = and_(batches.c.issue_id.in_(issue_ids), batches.c.due_at.is_not(None), batches.c.lease_owner.is_(None))
    connection.execute(update(batches).where(theirs, ~open_ones).values(due_at=None, queued_at=None))


def failures(connection: Connection, lease: Lease) -> int:
    """How many runs of this batch in a row have ended for want of a connection."""
    statement = select(batches.c.failures).where(_batch(lease.issue_id, lease.batch))
    count: int = connection.execute(statement).scalar_one()
    return count


def recover(connection: Connection, now: datetime) -> list[tuple[int, int]]:
    """Free the batches whose lease has run out; what they had on the wire is in doubt. Returns (issue, number)."""
    dead = connection.execute(select(batches).where(batches.c.lease_until < now).order_by(*batches.primary_key)).all()
    recovered = []
    for row in dead:
        same = and_(_batch(row.issue_id, row.number), batches.c.lease_owner == row.lease_owner)
        freed = connection.execute(
            update(batches).where(same, batches.c.lease_until < now).values(lease_owner=None, lease_until=None)
        )
        if freed.rowcount:
            in_flight = _in_batch(row.issue_id, row.number)
            move_where(
                connection, in_flight, DeliveryEvent.LOSE, now, reason="its worker ended while it was on the wire"
            )
            recovered.append((row.issue_id, row.number))
    return recovered


def wake(connection: Connection, issue_id: int, now: datetime) -> None:
    """Make batches that hold deliveries to be tried again due (after a retry, resend or resume). Those whose readers'
    hour has not come yet, or whose tries wait for theirs, stay as they are."""
    again = exists().where(
        deliveries.c.issue_id == batches.c.issue_id,
        deliveries.c.batch == batches.c.number,
        deliveries.c.state == DeliveryState.DEFERRED,
        deliveries.c.due_at <= now,
    )
    connection.execute(update(batches).where(batches.c.issue_id == issue_id).values(queued_at=None, failures=0))
    connection.execute(update(batches).where(batches.c.issue_id == issue_id, again).values(due_at=now))


def hasten(connection: Connection, issue_id: int, first: int, due_at: datetime, now: datetime) -> None:
    """Make an issue's batches from number ``first`` on that wait for just this moment due at once."""
    waiting = and_(batches.c.issue_id == issue_id, batches.c.number >= first, batches.c.due_at == due_at)
    connection.execute(update(batches).where(waiting).values(due_at=now))


def _batch(issue_id: int, number: int) -> ColumnElement[bool]:
    return and_(batches.c.issue_id == issue_id, batches.c.number == number)


def _in_batch(issue_id: int, number: int) -> ColumnElement[bool]:
    return and_(deliveries.c.issue_id == issue_id, deliveries.c.batch == number)
