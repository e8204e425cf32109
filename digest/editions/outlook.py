"""What comes next of an issue that is not yet on its way, and which of two goes first: plain decisions from the issues,
their edition and the time.

The issues of an edition and cadence stand in line by their slots, those for a segment in one of their own. One is
composed ahead of its slot only when nobody in front of it is still to go: where it begins depends on what becomes of
that. When several could go out at once only the newest does; it holds what the others would have told.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from digest.states import IssueState, Obstacle
from digest.values import Issue

_PATIENCE = timedelta(minutes=10)  # for one to be composed that nobody has said is broken: its worker may die each time


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


def in_front(issue: Issue, others: Iterable[Issue], approval: bool, now: datetime) -> Issue | None:
    """The one of ``others`` that is to go out before ``issue`` is composed ahead of its slot."""
    return next(
        (
            other
            for other in others
            if other.segment == issue.segment
            and other.slot < issue.slot
            and (other.slot > now or _about_to_go(other, approval, now))
        ),
        None,
    )


def gives_way_to(issue: Issue, others: Iterable[Issue], approval: bool, now: datetime) -> Issue | None:
    """The newer one of ``others`` that goes out any moment now, in place of ``issue``. One that is kept back, or can't
    be composed, holds up nobody."""
    return next(
        (
            other
            for other in others
            if other.segment == issue.segment and other.slot > issue.slot and _about_to_go(other, approval, now)
        ),
        None,
    )


def _about_to_go(issue: Issue, approval: bool, now: datetime) -> bool:
    if outlook(issue, approval, now) is not Outlook.DUE:
        return False
    if issue.state is IssueState.COMPOSED:
        return True
    waited = now - max(issue.slot, issue.created_at)
    return not approval and issue.obstacle is not Obstacle.BROKEN and waited < _PATIENCE
