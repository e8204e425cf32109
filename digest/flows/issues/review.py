"""review : draft | edit, pin, drop … | hold | approve | release | send. What editors do to an issue before it goes out.

Every change is one guarded transaction on the issue's revision: of two editors at once one is first, and the other's
change is made again on top of it. A fault in what it makes is told to the editor, and nothing is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from digest.codec import codec
from digest.editions import schedule
from digest.editorial import edits as editing
from digest.editorial.changes import Change, ChangeKind
from digest.editorial.compose import Slot, is_empty
from digest.editorial.edits import Edit
from digest.errors import InputError, NotFoundError, StateError
from digest.flows.issues import publish, selection
from digest.flows.issues.publish import Compiler
from digest.flows.issues.schedules import use_up
from digest.flows.issues.selection import Purpose
from digest.settings import Settings
from digest.states import IssueState
from digest.store.content import editions, schedules
from digest.store.database import Database
from digest.store.ledger import changes, issues
from digest.values import Issue, IssueContent

_TRIES = 20

Wanted = Callable[[IssueContent], Sequence[Edit]]
"""The edits that an editor wants, looked up in the issue as they see it; raises what they got wrong."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An issue under review: its content as it stands and as it was composed, and what was done to it."""

    issue: Issue
    content: IssueContent
    composed: IssueContent
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Revised:
    """What a change came to: the issue, what was recorded, and the edits in force that could not be made."""

    issue: Issue
    made: tuple[Change, ...]
    left_out: tuple[Edit, ...] = ()


def draft(
    database: Database, edition_name: str, cadence: str, compiler: Compiler, settings: Settings, now: datetime
) -> Issue:
    """Compose the issue of the edition's next slot ahead of it. It stays scheduled where nothing is new yet. Raises
    ``StateError`` when there is no next slot, its issue is composed already, or another one goes out before."""
    with database.write() as connection:
        edition_id, edition = editions.require(connection, edition_name)
        cadence = publish.cadence_of(edition, cadence)
        slot = _next_slot(connection, edition_id, cadence, now)
        if slot is None:
            raise StateError(f"{edition_name} ({cadence}) has no next slot", "see `digest schedule list`")
        found = issues.find(connection, edition_id, cadence, slot) or issues.create(
            connection, edition_id, cadence, slot, now
        )
        assert found
        issue = issues.require(connection, found)
        first = publish.in_front(connection, issue, now)
    if first:
        raise StateError(
            f"issue {first.id} of {edition_name} ({cadence}) goes out first",
            f"draft the next one when it has; see `digest issue show {first.id}`",
        )
    if issue.state is not IssueState.SCHEDULED:
        again = f"compose it afresh with `digest issue redraft {found}`"
        hint = again if issue.state is IssueState.COMPOSED else f"see `digest issue show {found}`"
        raise StateError(f"the issue of that slot is {issue.state} already: {found}", hint)
    return publish.publish(database, found, compiler, settings, now)


def _next_slot(connection: Connection, edition_id: int, cadence: str, now: datetime) -> datetime | None:
    """The next slot after ``now`` of any schedule that does not rest."""
    slots = []
    for plan in schedules.of_edition(connection, edition_id):
        if plan.cadence == cadence and plan.next_slot_at and not plan.paused:
            _, following = schedule.due_slot(plan.next_slot_at, plan.cron, plan.time_zone, now)
            slots.append(following)
    return min((slot for slot in slots if slot), default=None)


def open_draft(database: Database, issue_id: int) -> Draft:
    """An issue that editors can still change. Raises ``StateError`` when it is not composed, or on its way."""
    with database.read() as connection:
        issue = _reviewable(connection, issue_id)
        if issue.state is IssueState.SCHEDULED:
            raise StateError(
                f"issue {issue_id} is not composed yet",
                issue.reason or f"do it with `digest issue draft {issue.edition}`",
            )
        compiled, composed = issues.load_compiled(connection, issue_id), issues.load_composed(connection, issue_id)
        done = changes.of_issue(connection, issue_id)
    assert compiled
    content = compiled.content
    return Draft(issue, content, codec(IssueContent).validate_json(composed) if composed else content, tuple(done))


def edit(database: Database, issue_id: int, wanted: Wanted, compiler: Compiler, by: str, now: datetime) -> Revised:
    """Change what the issue holds."""

    def plan(found: Draft) -> _Plan:
        new = wanted(found.content)
        content, left_out = editing.apply(found.content, new)
        if left_out:  # `wanted` looked them up, so it is one of two that don't go together
            raise InputError(f"{left_out[0]} is not possible", "drop a story last")
        return _Plan(content, found.composed, [(ChangeKind.EDIT, str(one), one) for one in new])

    return _change(database, issue_id, plan, compiler, by, now)


def undo(database: Database, issue_id: int, revision: int, compiler: Compiler, by: str, now: datetime) -> Revised:
    """Take back an edit: that of ``revision``, or the latest (0)."""

    def plan(found: Draft) -> _Plan:
        standing = changes.in_force(found.changes)
        taken = next((one for one in reversed(standing) if revision in (0, one.revision)), None)
        if taken is None:
            what = f"no edit {revision} in force" if revision else "no edit to take back"
            raise NotFoundError(f"issue {issue_id} has {what}", f"see `digest issue history {issue_id}`")
        content, left_out = _edited(found.composed, [one for one in standing if one is not taken])
        made = [(ChangeKind.UNDO, f"undo {taken.revision}: {taken.told}", None)]
        return _Plan(content, found.composed, made, left_out, undone=taken.revision)

    return _change(database, issue_id, plan, compiler, by, now)


def redraft(
    database: Database, issue_id: int, compiler: Compiler, settings: Settings, by: str, now: datetime
) -> Revised:
    """Compose an issue afresh, with what came in since, and make its edits again."""

    def plan(found: Draft) -> _Plan:
        issue = found.issue
        composed = selection.choose(database, issue.edition, Slot.of(issue), settings, now, Purpose(again=issue.id))
        content, left_out = _edited(composed, changes.in_force(found.changes))
        return _Plan(content, composed, [(ChangeKind.REDRAFT, "composed afresh", None)], left_out)

    return _change(database, issue_id, plan, compiler, by, now)


def _edited(composed: IssueContent, standing: Sequence[Change]) -> tuple[IssueContent, tuple[Edit, ...]]:
    return editing.apply(composed, [change.edit for change in standing if change.edit])


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to become of a draft."""

    content: IssueContent
    composed: IssueContent
    made: Sequence[tuple[ChangeKind, str, Edit | None]]
    left_out: tuple[Edit, ...] = ()
    undone: int = 0


def _change(
    database: Database, issue_id: int, plan: Callable[[Draft], _Plan], compiler: Compiler, by: str, now: datetime
) -> Revised:
    """Plan a change and compile what it makes, outside of any transaction; then write both if nobody was first, or
    plan again. An approval from before was for something else."""
    for _ in range(_TRIES):
        found = open_draft(database, issue_id)
        planned = plan(found)
        if is_empty(planned.content):
            raise InputError(
                f"that leaves nothing new in issue {issue_id}", f"`digest issue cancel {issue_id}` ends it"
            )
        compiled = compiler(planned.content)
        made = _numbered(found.issue, planned.made, by, now)
        covered = {"covers_from": planned.content.covers_from, "covers_until": planned.content.covers_until}
        with database.write() as connection:
            if changes.revise(connection, found.issue, made, approved_at=None, **covered):
                composed = codec(IssueContent).dump_json(planned.composed).decode()
                issues.replace_compiled(connection, issue_id, compiled, composed)
                if planned.undone:
                    changes.undo(connection, issue_id, planned.undone)
                return Revised(_reviewable(connection, issue_id), made, planned.left_out)
    raise StateError(f"issue {issue_id} is being edited by someone else", "try again")


def _numbered(
    issue: Issue, made: Sequence[tuple[ChangeKind, str, Edit | None]], by: str, now: datetime
) -> tuple[Change, ...]:
    return tuple(
        Change(issue.revision + number, now, by, kind, told, one) for number, (kind, told, one) in enumerate(made, 1)
    )


# --------------------------------------------------------------------------- hold, release, approve, send


def hold(database: Database, issue_id: int, by: str, now: datetime) -> Issue:
    """Keep an issue back, past its slot too, until it is released."""
    return _mark(database, issue_id, ChangeKind.HOLD, by, now, lambda _: {"held_at": now})


def release(database: Database, issue_id: int, by: str, now: datetime) -> Issue:
    """Let a held issue go out: at its slot, or now if that has come."""

    def released(issue: Issue) -> dict[str, Any]:
        if issue.held_at is None:
            raise StateError(f"issue {issue.id} is not held", f"see `digest issue show {issue.id}`")
        return {"held_at": None}

    return _mark(database, issue_id, ChangeKind.RELEASE, by, now, released)


def approve(database: Database, issue_id: int, revision: int | None, by: str, now: datetime) -> Issue:
    """Approve of an issue as it is; ``revision``: as it was then, if it has not been changed since."""

    def approved(issue: Issue) -> dict[str, Any]:
        if issue.state is IssueState.SCHEDULED:
            raise StateError(f"issue {issue.id} is not composed yet", "there is nothing to approve")
        _check_revision(issue, revision)
        return {"approved_at": now}

    return _mark(database, issue_id, ChangeKind.APPROVE, by, now, approved)


def _check_revision(issue: Issue, seen: int | None) -> None:
    """Raise ``StateError`` for an issue that was changed since it was ``seen``."""
    if seen is not None and seen != issue.revision:
        raise StateError(
            f"issue {issue.id} was changed: it is at revision {issue.revision}, not {seen}",
            f"look at it again: `digest issue show {issue.id}`",
        )


def send_now(
    database: Database, issue_id: int, revision: int | None, settings: Settings, by: str, now: datetime
) -> Issue:
    """Put a composed issue on its way whatever its slot, held or not; ``revision``: as for ``approve``. In one
    transaction, which holds the issue: beat, whose slot may come meanwhile, is first or too late, and what is killed
    amid it has done nothing. The slot is used up: its schedule goes on to the next one."""

    def sent(connection: Connection) -> Issue:
        issues.lock_line(connection, issue_id)
        issue = _reviewable(connection, issue_id)
        _check_revision(issue, revision)
        if issue.state is IssueState.SCHEDULED:
            raise StateError(
                f"issue {issue_id} is not composed yet", f"do it with `digest issue draft {issue.edition}`"
            )
        if editions.get(connection, issue.edition).approval and not issue.approved_at:
            raise StateError(
                f"issue {issue_id} waits for approval", f"`digest issue approve {issue_id} --revision {issue.revision}`"
            )
        if newer := publish.gives_way_to(connection, issue, now):
            raise StateError(f"issue {newer.id} is newer and goes out now", "it has these stories, too")
        changes.revise(
            connection, issue, _numbered(issue, [(ChangeKind.RELEASE, "sent now", None)], by, now), held_at=None
        )
        use_up(connection, issue)
        publish.go_out(connection, issue, settings, now)
        return issues.require(connection, issue_id)

    return database.persist(sent)  # its slot may come at this moment: the two may wait for each other


def _mark(
    database: Database,
    issue_id: int,
    kind: ChangeKind,
    by: str,
    now: datetime,
    values: Callable[[Issue], dict[str, Any]],
) -> Issue:
    """A change that leaves the content as it is."""
    with database.write() as connection:
        issues.lock(connection, issue_id)
        issue = _reviewable(connection, issue_id)
        made = _numbered(issue, [(kind, str(kind), None)], by, now)
        changes.revise(connection, issue, made, **values(issue))
        return _reviewable(connection, issue_id)


def history(database: Database, issue_id: int) -> list[Change]:
    """Every change of an issue, oldest first."""
    with database.read() as connection:
        issues.require(connection, issue_id)
        return changes.of_issue(connection, issue_id)


def _reviewable(connection: Connection, issue_id: int) -> Issue:
    issue = issues.require(connection, issue_id)
    if issue.state not in {IssueState.SCHEDULED, IssueState.COMPOSED}:
        sending = issue.state is IssueState.SENDING
        hint = f"`digest issue pause {issue_id}` stops it" if sending else "it can no longer be changed"
        raise StateError(f"issue {issue_id} is {issue.state}", hint)
    return issue
