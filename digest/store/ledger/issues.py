"""Issues: what was composed for a slot, and how it moves from state to state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, delete, exists, func, insert, or_, select, update

from digest import states
from digest.codec import codec
from digest.errors import NotFoundError
from digest.states import IssueEvent, IssueState, Obstacle, SubscriptionState
from digest.store.checkpoints import Checkpoint, reached
from digest.store.schema import batches, editions, issue_content, issues, stories, subscriptions
from digest.store.upsert import insert_into
from digest.values import CompiledIssue, Issue

_WAITING = (IssueState.SCHEDULED, IssueState.COMPOSED)


def create(
    connection: Connection,
    edition_id: int,
    cadence: str,
    slot: datetime,
    now: datetime,
    segment: str = "",
    audience: Mapping[str, Any] | None = None,
) -> int | None:
    """A new scheduled issue, or ``None`` when that slot has one: somebody else was first. A special one is for the
    ``audience`` that a ``segment`` means."""
    row = {
        "edition_id": edition_id,
        "cadence": cadence,
        "slot": slot,
        "state": IssueState.SCHEDULED,
        "created_at": now,
        "segment": segment,
        "audience": audience or {},
    }
    statement = insert_into(connection, issues).values(row).on_conflict_do_nothing().returning(issues.c.id)
    return connection.execute(statement).scalar_one_or_none()


def get(connection: Connection, issue_id: int) -> Issue | None:
    row = connection.execute(_selected().where(issues.c.id == issue_id)).one_or_none()
    return _issue(row) if row else None


def require(connection: Connection, issue_id: int) -> Issue:
    """The issue of that number. Raises ``NotFoundError``."""
    issue = get(connection, issue_id)
    if issue is None:
        raise NotFoundError(f"no issue {issue_id}", "see `digest issue list`")
    return issue


def find(connection: Connection, edition_id: int, cadence: str, slot: datetime) -> int | None:
    """The id of the issue of that slot, if there is one."""
    same = (issues.c.edition_id == edition_id, issues.c.cadence == cadence, issues.c.slot == slot)
    found: int | None = connection.execute(select(issues.c.id).where(*same)).scalar_one_or_none()
    return found


def waiting_at(connection: Connection, edition_id: int, cadence: str, slot: datetime | None) -> int | None:
    """The id of the issue of that slot, if it is not on its way yet."""
    same = (issues.c.edition_id == edition_id, issues.c.cadence == cadence, issues.c.slot == slot)
    found: int | None = connection.execute(
        select(issues.c.id).where(*same, issues.c.state.in_(_WAITING))
    ).scalar_one_or_none()
    return found


def newest(connection: Connection, edition: str | None = None, limit: int = 20) -> list[Issue]:
    """The latest issues, newest first; of one edition if it is named."""
    statement = _selected().order_by(issues.c.id.desc()).limit(limit)
    if edition:
        statement = statement.where(editions.c.name == edition)
    return [_issue(row) for row in connection.execute(statement)]


def in_states(connection: Connection, wanted: Sequence[IssueState]) -> list[Issue]:
    statement = _selected().where(issues.c.state.in_(wanted)).order_by(issues.c.id)
    return [_issue(row) for row in connection.execute(statement)]


_STAMPED = {IssueState.COMPOSED: "composed_at", IssueState.SENDING: "sending_at"} | dict.fromkeys(
    (IssueState.SENT, IssueState.SKIPPED, IssueState.CANCELLED), "ended_at"
)


def move(connection: Connection, issue_id: int, event: IssueEvent, now: datetime, **values: Any) -> bool:
    """Take the transition ``event`` if the state allows it. ``False``: it doesn't, or someone else was first."""
    state = states.target(states.ISSUE, event)
    if state in _STAMPED:
        values[_STAMPED[state]] = now  # sending anew, too: what waited with a paused issue is not too old for a try
    if state is IssueState.SENDING:
        values["ended_at"] = None  # of an issue opened again: it is not to be swept away as old
    guard = and_(issues.c.id == issue_id, issues.c.state.in_(states.sources(states.ISSUE, event)))
    reached(connection, Checkpoint.MOVE_ISSUE)
    moved = connection.execute(update(issues).where(guard).values(state=state, obstacle=None, **values)).rowcount == 1
    reached(connection, Checkpoint.ISSUE_HAS_MOVED)
    return moved


def note(connection: Connection, issue_id: int, obstacle: Obstacle, reason: str) -> None:
    """Write on the issue what keeps it from being composed, as a value and in words. Its next move clears the value."""
    connection.execute(update(issues).where(issues.c.id == issue_id).values(obstacle=obstacle, reason=reason))


def lock(connection: Connection, issue_id: int) -> None:
    """Hold the issue until the transaction ends. Locks are taken in one order: issue, batch, delivery, subscription."""
    connection.execute(select(issues.c.id).where(issues.c.id == issue_id).with_for_update())


def lock_line(connection: Connection, issue_id: int) -> None:
    """Hold an issue with all that wait of its edition until the transaction ends: of two that could go out at once one
    sees what became of the other."""
    edition = select(issues.c.edition_id).where(issues.c.id == issue_id).scalar_subquery()
    waiting = and_(issues.c.edition_id == edition, issues.c.state.in_(_WAITING))
    mine = select(issues.c.id).where(or_(issues.c.id == issue_id, waiting))
    connection.execute(mine.order_by(issues.c.id).with_for_update())


def finish_if_settled(connection: Connection, issue_id: int, now: datetime) -> bool:
    """End a sending issue none of whose batches has anything left to do. The issue is held while its batches are
    looked at: whoever puts a delivery back in line holds it too, so neither overlooks the other."""
    lock(connection, issue_id)
    open_batch = exists().where(batches.c.issue_id == issue_id, batches.c.due_at.is_not(None))
    if connection.execute(select(open_batch)).scalar_one():
        return False
    return move(connection, issue_id, IssueEvent.FINISH, now)


def waiting(connection: Connection, edition_id: int, cadence: str, but: int = 0) -> list[Issue]:
    """The issues of an edition and cadence, other than ``but``, that are not on their way yet."""
    statement = _selected().where(
        issues.c.edition_id == edition_id,
        issues.c.cadence == cadence,
        issues.c.state.in_(_WAITING),
        issues.c.id != but,
    )
    return [_issue(row) for row in connection.execute(statement.order_by(issues.c.slot))]


def covered(connection: Connection, edition_id: int, cadence: str, but: int | None = None) -> int | None:
    """The intake up to which the newest issue of this edition and cadence goes, other than ``but``, that went out;
    ``None``: there is none. One that still waits does not count: who goes out before it has its stories. Nor does one
    for a segment: the others, and who comes new, are still owed them."""
    statement = select(func.max(issues.c.covers_until)).where(
        issues.c.edition_id == edition_id,
        issues.c.cadence == cadence,
        issues.c.state.not_in((IssueState.COMPOSED, IssueState.CANCELLED)),
        issues.c.segment == "",
        issues.c.id != (but or 0),
    )
    until: int | None = connection.execute(statement).scalar_one()
    return until


def intake_before(connection: Connection, moment: datetime) -> int:
    """The last intake whose stories were first seen before ``moment``."""
    statement = select(func.max(stories.c.intake)).where(stories.c.first_seen_at < moment)
    return connection.execute(statement).scalar_one() or 0


def cutoffs(connection: Connection, edition_id: int, cadence: str, oldest: int) -> set[int]:
    """The intakes that active subscriptions have been served up to: few, for they are the ``covers_until`` of past
    issues. Who stands before ``oldest`` catches up from there."""
    statement = (
        select(subscriptions.c.covered_until)
        .where(
            subscriptions.c.edition_id == edition_id,
            subscriptions.c.cadence == cadence,
            subscriptions.c.state == SubscriptionState.ACTIVE,
            subscriptions.c.covered_until.is_not(None),
        )
        .distinct()
    )
    return {max(until, oldest) for until in connection.execute(statement).scalars()}


def ahead(connection: Connection, edition_id: int, since: datetime) -> set[int]:
    """Where readers of this edition may come to stand meanwhile: where issues lead to that are not over since then.
    What was on the wire of them is accepted, or assumed sent, though a newer issue is composed and on its way."""
    theirs = select(issues.c.covers_until).where(
        issues.c.edition_id == edition_id,
        issues.c.covers_until.is_not(None),
        or_(issues.c.ended_at.is_(None), issues.c.ended_at > since),
    )
    return {*connection.execute(theirs).scalars()}


def standing(connection: Connection, edition_id: int) -> set[int]:
    """Where readers of any cadence of this edition stand: they may change to another one while its issue waits."""
    theirs = select(subscriptions.c.covered_until).where(
        subscriptions.c.edition_id == edition_id, subscriptions.c.covered_until.is_not(None)
    )
    return {*connection.execute(theirs.distinct()).scalars()}


def save_compiled(connection: Connection, issue_id: int, compiled: str, composed: str | None = None) -> None:
    """Keep the frozen issue; beside it the content as it was ``composed``, where editors' changes were made to that."""
    connection.execute(insert(issue_content).values(issue_id=issue_id, compiled=compiled, composed=composed))


def replace_compiled(connection: Connection, issue_id: int, compiled: str, composed: str | None) -> None:
    """Keep what editors made of an issue, beside what was ``composed``."""
    mine = update(issue_content).where(issue_content.c.issue_id == issue_id)
    connection.execute(mine.values(compiled=compiled, composed=composed))


def compose_afresh(connection: Connection, issue_id: int, now: datetime) -> bool:
    """Let a composed issue be composed again, and approved again. ``False``: it is not composed."""
    nothing = dict.fromkeys(("covers_from", "covers_until", "composed_at", "approved_at"))
    if not move(connection, issue_id, IssueEvent.REDO, now, **nothing):
        return False
    connection.execute(delete(issue_content).where(issue_content.c.issue_id == issue_id))
    return True


def load_composed(connection: Connection, issue_id: int) -> str | None:
    """The content as it was composed, if editors changed it."""
    return connection.execute(
        select(issue_content.c.composed).where(issue_content.c.issue_id == issue_id)
    ).scalar_one_or_none()


def load_compiled(connection: Connection, issue_id: int) -> CompiledIssue | None:
    """The frozen, compiled issue; ``None`` before it is composed and after its retention."""
    frozen = connection.execute(
        select(issue_content.c.compiled).where(issue_content.c.issue_id == issue_id)
    ).scalar_one_or_none()
    return None if frozen is None else codec(CompiledIssue).validate_json(frozen)


def is_kept(connection: Connection, issue_id: int) -> bool:
    """Whether the frozen issue is there."""
    return connection.execute(select(exists().where(issue_content.c.issue_id == issue_id))).scalar_one()


def _selected() -> Select[Any]:
    return select(issues, editions.c.name.label("edition")).join(editions, editions.c.id == issues.c.edition_id)


def _issue(row: Row[Any]) -> Issue:
    fields = row._asdict()
    obstacle = Obstacle(fields["obstacle"]) if fields["obstacle"] else None
    return Issue(**fields | {"state": IssueState(fields["state"]), "obstacle": obstacle})
