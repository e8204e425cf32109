"""What editors did to an issue before it went out: who, when, what; and the edits that are in force. How a trial of its
subjects was decided stands here, too."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, insert, or_, select, update

from digest.editorial import edits
from digest.editorial.changes import Change, ChangeKind
from digest.editorial.edits import Verb
from digest.states import IssueState
from digest.store.schema import issue_changes, issues
from digest.values import Issue


def of_issue(connection: Connection, issue_id: int) -> list[Change]:
    """All changes of an issue, oldest first."""
    statement = select(issue_changes).where(issue_changes.c.issue_id == issue_id).order_by(issue_changes.c.revision)
    return [
        Change(
            row["revision"],
            row["at"],
            row["by"],
            ChangeKind(row["kind"]),
            row["told"],
            edits.from_json(row["edit"]) if row["edit"] else None,
            bool(row["undone"]),
        )
        for row in connection.execute(statement).mappings()
    ]


def in_force(changes: Sequence[Change]) -> list[Change]:
    """The edits among them that nobody took back."""
    return [change for change in changes if change.edit and not change.undone]


def revise(connection: Connection, issue: Issue, made: Sequence[Change], **values: Any) -> bool:
    """Record changes of ``issue``, numbered on from its revision, and set ``values`` on it. ``False``: somebody else
    changed it since it was read, or it is on its way or over; nothing was done."""
    guard = and_(
        issues.c.id == issue.id,
        issues.c.revision == issue.revision,
        issues.c.state.in_((IssueState.SCHEDULED, IssueState.COMPOSED)),
    )
    values["revision"] = issue.revision + len(made)
    if connection.execute(update(issues).where(guard).values(**values)).rowcount == 0:
        return False
    rows = [
        {
            "issue_id": issue.id,
            "revision": change.revision,
            "at": change.at,
            "by": change.by,
            "kind": change.kind,
            "told": change.told,
            "edit": edits.to_json(change.edit) if change.edit else None,
        }
        for change in made
    ]
    connection.execute(insert(issue_changes), rows)
    return True


def record(connection: Connection, issue_id: int, kind: ChangeKind, told: str, by: str, at: datetime) -> None:
    """Record what happened to an issue, whatever its state."""
    mine = update(issues).where(issues.c.id == issue_id).values(revision=issues.c.revision + 1)
    revision = connection.execute(mine.returning(issues.c.revision)).scalar_one()
    row = {"issue_id": issue_id, "revision": revision, "at": at, "by": by, "kind": kind, "told": told}
    connection.execute(insert(issue_changes).values(row))


def undo(connection: Connection, issue_id: int, revision: int) -> None:
    """Mark an edit as taken back."""
    mine = and_(issue_changes.c.issue_id == issue_id, issue_changes.c.revision == revision)
    connection.execute(update(issue_changes).where(mine).values(undone=1))


def dropped(
    connection: Connection, edition_id: int, cadence: str, since: datetime, but: int | None = None, segment: str = ""
) -> dict[int, int]:
    """The stories that editors dropped from this edition and cadence since then, in other issues than ``but``, with the
    intake up to which that holds: who catches up is not to get them after all, but an update is news again. What was
    dropped from a special issue is dropped for its ``segment`` only."""
    statement = (
        select(issues.c.covers_until, issue_changes.c.edit)
        .join(issues, issues.c.id == issue_changes.c.issue_id)
        .where(
            issues.c.edition_id == edition_id,
            issues.c.cadence == cadence,
            issues.c.segment.in_(("", segment)),
            issues.c.covers_until.is_not(None),
            or_(issues.c.ended_at.is_(None), issues.c.ended_at > since),
            issues.c.id != (but or 0),
            issue_changes.c.kind == ChangeKind.EDIT,
            issue_changes.c.undone == 0,
        )
    )
    found = [(until, edits.from_json(edit)) for until, edit in connection.execute(statement.order_by(issues.c.id))]
    return {edit.story_id: until for until, edit in found if edit.verb is Verb.DROP}
