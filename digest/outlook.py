"""What comes next of an issue that is not yet on its way: a plain decision from the issue, its edition and the time."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from digest.states import IssueState
from digest.values import Issue


class Outlook(StrEnum):
    """Of issues that are scheduled or composed."""

    DUE = "goes out now"
    AT_SLOT = "goes out at its slot"
    HELD = "held"
    UNAPPROVED = "waits for approval"


def outlook(issue: Issue, approval: bool, now: datetime) -> Outlook | None:
    """What comes next; ``None``: it is on its way or over. ``approval``: the edition asks for it."""
    if issue.state not in {IssueState.SCHEDULED, IssueState.COMPOSED}:
        return None
    if issue.held_at:
        return Outlook.HELD
    if approval and not issue.approved_at and issue.state is IssueState.COMPOSED:
        return Outlook.UNAPPROVED
    return Outlook.DUE if issue.slot <= now else Outlook.AT_SLOT
