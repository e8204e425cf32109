"""Deliveries and their batches: the ledger. One row says what became of one issue for one subscription.

Every change of state is one guarded UPDATE (``move``): of two who try, one wins. ``due`` reads what decides about a
delivery right before it goes out, ``settle`` writes what came of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Update,
    and_,
    bindparam,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.sql.elements import ColumnElement

from digest import states
from digest.readers.mailable import Bar, bar
from digest.states import DeliveryEvent, DeliveryState, IssueState, SubscriptionState
from digest.store.among import among
from digest.store.checkpoints import Checkpoint, reached
from digest.store.readers.mailable import mailable
from digest.store.schema import batches, deliveries, issues, subscribers, subscriptions, suppressions
from digest.values import Issue

_CHUNK = 500  # ids in one statement


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery that is due, with all that decides about it, read right before sending.

    ``state`` is ``None`` when the subscription has been erased. ``bar``: why the reader is not to be mailed now.
    ``overlapping``: an older issue of the same edition is on the wire to this reader at this moment.
    """

    subscription_id: int
    attempts: int
    state: SubscriptionState | None
    address: str
    name: str
    sections: tuple[str, ...] | None
    covered_until: int | None
    suppressed: str | None
    bar: Bar | None = None
    overlapping: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """What to write of one delivery after its try."""

    subscription_id: int
    event: DeliveryEvent
    code: int
    reason: str
    due_at: datetime | None
    attempts: int


# ------------------------------------------------------------------------------------------ deliveries


def due(connection: Connection, issue_id: int, batch: int, limit: int, now: datetime) -> list[Due]:
    """The next deliveries of a batch that are due, each with its reader as they are at this moment."""
    ready = or_(
        deliveries.c.state == DeliveryState.PENDING,
        and_(deliveries.c.state == DeliveryState.DEFERRED, deliveries.c.due_at <= now),
    )
    mine = and_(deliveries.c.issue_id == issue_id, deliveries.c.batch == batch, ready)
    others = _open_elsewhere(connection, issue_id)
    if others:  # a worker of another issue may be taking the same readers at this moment: one waits for the other
        next_ids = select(deliveries.c.subscription_id).where(mine).order_by(deliveries.c.subscription_id).limit(limit)
        readers = select(subscriptions.c.id).where(subscriptions.c.id.in_(next_ids)).order_by(subscriptions.c.id)
        connection.execute(readers.with_for_update())
    statement = (
        select(
            deliveries.c.subscription_id,
            deliveries.c.attempts,
            subscriptions.c.state,
            subscribers.c.address,
            subscribers.c.name,
            subscriptions.c.sections,
            subscriptions.c.covered_until,
            subscriptions.c.paused_until,
            suppressions.c.reason.label("suppressed"),
        )
        .select_from(deliveries)
        .outerjoin(subscriptions, subscriptions.c.id == deliveries.c.subscription_id)
        .outerjoin(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .outerjoin(suppressions, suppressions.c.address_key == subscribers.c.address_key)
        .where(mine)
        .order_by(deliveries.c.subscription_id)
        .limit(limit)
    )
    rows = connection.execute(statement).all()
    busy = _on_the_wire(connection, others, [row.subscription_id for row in rows])
    return [
        Due(
            subscription_id=row.subscription_id,
            attempts=row.attempts,
            state=state,
            address=row.address or "",
            name=row.name or "",
            sections=None if row.sections is None else tuple(filter(None, row.sections.split(","))),
            covered_until=row.covered_until,
            suppressed=row.suppressed,
            bar=bar(state, row.suppressed is not None, row.paused_until, now),
            overlapping=row.subscription_id in busy,
        )
        for row in rows
        for state in [SubscriptionState(row.state) if row.state else None]
    ]


def still_wanted(connection: Connection, ids: Sequence[int], now: datetime) -> set[int]:
    """Which of these subscriptions may be mailed at this moment."""
    statement = (
        select(subscriptions.c.id)
        .join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .where(among(subscriptions.c.id, ids), mailable(now))
    )
    return set(connection.execute(statement).scalars())


def waiting_for(connection: Connection, subscription_id: int) -> tuple[int, datetime, datetime] | None:
    """The mail that waits for a reader's hour, as (issue, its slot, when it is due); the one due first."""
    statement = (
        select(issues.c.id, issues.c.slot, batches.c.due_at)
        .join(deliveries, deliveries.c.issue_id == issues.c.id)
        .join(batches, and_(batches.c.issue_id == issues.c.id, batches.c.number == deliveries.c.batch))
        .where(
            deliveries.c.subscription_id == subscription_id,
            deliveries.c.state == DeliveryState.PENDING,
            issues.c.state == IssueState.SENDING,
            batches.c.due_at.is_not(None),
        )
        .order_by(batches.c.due_at)
    )
    row = connection.execute(statement.limit(1)).one_or_none()
    return (row.id, row.slot, row.due_at) if row else None


def on_the_wire(connection: Connection, ids: Sequence[int]) -> set[int]:
    """Which of these subscriptions are being mailed at this moment."""
    going = select(issues.c.id).where(issues.c.state.in_((IssueState.SENDING, IssueState.PAUSED)))
    return _on_the_wire(connection, list(connection.execute(going).scalars()), ids)


def _open_elsewhere(connection: Connection, issue_id: int) -> list[int]:
    """The other issues of the same edition that are being sent: rarely any."""
    same = select(issues.c.edition_id).where(issues.c.id == issue_id).scalar_subquery()
    statement = select(issues.c.id).where(
        issues.c.id != issue_id,
        issues.c.state.in_((IssueState.SENDING, IssueState.PAUSED)),
        issues.c.edition_id == same,
    )
    return list(connection.execute(statement).scalars())


def _on_the_wire(connection: Connection, issue_ids: Sequence[int], ids: Sequence[int]) -> set[int]:
    """Which of these subscriptions one of these issues is being sent to now."""
    if not issue_ids or not ids:
        return set()
    statement = select(deliveries.c.subscription_id).where(
        deliveries.c.issue_id.in_(issue_ids),
        among(deliveries.c.subscription_id, ids),
        deliveries.c.state == DeliveryState.SENDING,
    )
    return set(connection.execute(statement).scalars())


def attempts(connection: Connection, issue_id: int, ids: Sequence[int]) -> dict[int, int]:
    """How often each of these deliveries has been tried before."""
    statement = select(deliveries.c.subscription_id, deliveries.c.attempts).where(
        deliveries.c.issue_id == issue_id, among(deliveries.c.subscription_id, ids)
    )
    return {row.subscription_id: row.attempts for row in connection.execute(statement)}


def move(
    connection: Connection, issue_id: int, ids: Sequence[int], event: DeliveryEvent, now: datetime, **values: Any
) -> int:
    """Take one transition for some deliveries of an issue, where their state allows it. Returns how many did."""
    if not ids:
        return 0
    where = and_(deliveries.c.issue_id == issue_id, among(deliveries.c.subscription_id, ids))
    return move_where(connection, where, event, now, **values)


def move_where(
    connection: Connection, where: ColumnElement[bool], event: DeliveryEvent, now: datetime, **values: Any
) -> int:
    """Take one transition for the deliveries that ``where`` selects and whose state allows it."""
    reached(connection, Checkpoint.MOVE_DELIVERIES)
    return connection.execute(_moved(where, event).values(at=now, **values)).rowcount


def _moved(where: ColumnElement[bool], event: DeliveryEvent) -> Update:
    allowed = or_(*(deliveries.c.state == state for state in states.sources(states.DELIVERY, event)))
    return update(deliveries).where(where, allowed).values(state=states.target(states.DELIVERY, event))


def in_doubt(connection: Connection, issue_id: int, ids: Sequence[int]) -> set[int]:
    """Which of these subscriptions' deliveries are in doubt."""
    statement = select(deliveries.c.subscription_id).where(
        deliveries.c.issue_id == issue_id,
        among(deliveries.c.subscription_id, ids),
        deliveries.c.state == DeliveryState.IN_DOUBT,
    )
    return set(connection.execute(statement).scalars())


def settle(connection: Connection, issue: Issue, settled: Iterable[Settled], now: datetime) -> None:
    """Write what came of a group. Readers of accepted mail have now been served up to the issue's end."""
    accepted: dict[tuple[int, int], list[int]] = defaultdict(list)
    others: dict[DeliveryEvent, list[Settled]] = defaultdict(list)
    for one in settled:
        if one.event is DeliveryEvent.ACCEPT:
            accepted[one.code, one.attempts].append(one.subscription_id)
        else:
            others[one.event].append(one)
    for (code, tries), ids in accepted.items():
        move(connection, issue.id, ids, DeliveryEvent.ACCEPT, now, code=code, reason=None, due_at=None, attempts=tries)
        serve(connection, issue, ids)
    for event, ones in others.items():
        _move_each(connection, issue.id, event, ones, now)


def _move_each(
    connection: Connection, issue_id: int, event: DeliveryEvent, ones: Sequence[Settled], now: datetime
) -> None:
    """Take one transition for some deliveries, each with a reason of its own."""
    own = and_(deliveries.c.issue_id == issue_id, deliveries.c.subscription_id == bindparam("its_id"))
    values: dict[str, Any] = {name: bindparam(f"its_{name}") for name in ("code", "reason", "due_at", "attempts")}
    connection.execute(
        _moved(own, event).values(at=now, **values),
        [
            {
                "its_id": one.subscription_id,
                "its_code": one.code or None,
                "its_reason": one.reason,
                "its_due_at": one.due_at,
                "its_attempts": one.attempts,
            }
            for one in ones
        ],
    )


def serve(connection: Connection, issue: Issue, ids: Sequence[int]) -> None:
    """Remember that these subscriptions have been served up to the issue's end."""
    if not ids:
        return
    behind = or_(subscriptions.c.covered_until.is_(None), subscriptions.c.covered_until < issue.covers_until)
    reached(connection, Checkpoint.SERVE_READERS)
    connection.execute(
        update(subscriptions).where(among(subscriptions.c.id, ids), behind).values(covered_until=issue.covers_until)
    )


def cancel_open(connection: Connection, issue_id: int, now: datetime) -> int:
    """Cancel all that waits of a cancelled issue. What is on the wire is settled by its worker."""
    connection.execute(update(batches).where(batches.c.issue_id == issue_id).values(due_at=None))
    where = deliveries.c.issue_id == issue_id
    return move_where(connection, where, DeliveryEvent.CANCEL, now, reason="the issue was cancelled")


def resolve(connection: Connection, issue: Issue, event: DeliveryEvent, now: datetime) -> int:
    """Take everything of the issue out of doubt: ``RESEND`` it or ``ASSUME_SENT``. Returns how many."""
    doubted = and_(deliveries.c.issue_id == issue.id, deliveries.c.state == DeliveryState.IN_DOUBT)
    ids = list(connection.execute(select(deliveries.c.subscription_id).where(doubted)).scalars())
    due_at = now if event is DeliveryEvent.RESEND else None
    count = 0
    for start in range(0, len(ids), _CHUNK):  # by the ids read: whatever gets into doubt meanwhile stays there
        some = ids[start : start + _CHUNK]
        count += move(connection, issue.id, some, event, now, reason=f"was in doubt: {event}", due_at=due_at)
        if event is DeliveryEvent.ASSUME_SENT:
            serve(connection, issue, some)
    return count


def retry_failed(connection: Connection, issue_id: int, now: datetime) -> int:
    """Put failed deliveries back in line. Returns how many."""
    return move_where(
        connection, deliveries.c.issue_id == issue_id, DeliveryEvent.RETRY, now, due_at=now, reason="retried"
    )


# --------------------------------------------------------------------------------------------- reading


def counts(connection: Connection, issue_ids: Sequence[int]) -> dict[int, dict[DeliveryState, int]]:
    """How many deliveries stand in each state, per issue. Always counted from the ledger, never kept beside it."""
    statement = (
        select(deliveries.c.issue_id, deliveries.c.state, func.count())
        .where(deliveries.c.issue_id.in_(issue_ids))
        .group_by(deliveries.c.issue_id, deliveries.c.state)
    )
    result: dict[int, dict[DeliveryState, int]] = {issue_id: {} for issue_id in issue_ids}
    for issue_id, state, count in connection.execute(statement):
        result[issue_id][DeliveryState(state)] = count
    return result


def reasons(connection: Connection, issue_id: int, limit: int = 10) -> list[tuple[DeliveryState, str, int]]:
    """Why deliveries are not accepted: (state, reason, how many), most frequent first. Of each state the ``limit``
    most frequent reasons; what has others is counted together, so that nothing is left out. Of what is on the wire
    nobody can say yet."""
    number, state = func.count(), deliveries.c.state
    ranked = (
        select(
            state,
            deliveries.c.reason,
            number.label("number"),
            func.row_number().over(partition_by=state, order_by=(number.desc(), deliveries.c.reason)).label("rank"),
            func.count().over(partition_by=state).label("kinds"),
            func.sum(number).over(partition_by=state).label("total"),
        )
        .where(deliveries.c.issue_id == issue_id, deliveries.c.reason.is_not(None))
        .where(state.not_in((DeliveryState.ACCEPTED, DeliveryState.SENDING)))
        .group_by(state, deliveries.c.reason)
        .subquery()
    )
    rows = connection.execute(select(ranked).where(ranked.c.rank <= limit)).all()
    found = [(DeliveryState(row.state), row.reason, row.number) for row in rows]
    for each, kinds, total in sorted({(row.state, row.kinds, int(row.total)) for row in rows if row.kinds > limit}):
        others = total - sum(count for of_state, _, count in found if of_state == each)
        found.append((DeliveryState(each), f"{kinds - limit} other reasons", others))
    return sorted(found, key=lambda one: (-one[2], one[1]))


def named(connection: Connection, issue_id: int, state: DeliveryState, limit: int = 1_000_000) -> list[tuple[str, str]]:
    """The deliveries in one state by (address, reason)."""
    statement = (
        select(func.coalesce(subscribers.c.address, "(erased)"), func.coalesce(deliveries.c.reason, ""))
        .select_from(deliveries)
        .outerjoin(subscriptions, subscriptions.c.id == deliveries.c.subscription_id)
        .outerjoin(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .where(deliveries.c.issue_id == issue_id, deliveries.c.state == state)
        .order_by(deliveries.c.subscription_id)
        .limit(limit)
    )
    return [(address, reason) for address, reason in connection.execute(statement)]
