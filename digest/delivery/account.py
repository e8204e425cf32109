"""What became of an issue, reader by reader, and how fast it went."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from digest.states import DeliveryState


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of an issue for one reader. ``address`` is "" once they are erased; ``at`` is of the last change,
    ``due_at`` of the next try while there is one to come; ``came_back``: kinds of feedback."""

    subscription_id: int
    address: str
    state: DeliveryState
    attempts: int
    code: int | None
    reason: str
    at: datetime | None
    due_at: datetime | None
    came_back: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """Untried deliveries whose time has not come: how many wait for their readers' hour, how many for the decision of
    a trial, and when the first of all is due."""

    hour: int
    trial: int
    first: datetime


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast an issue went, since it began or last went on: what was accepted of the deliveries that were due at
    once, and when the last of these was."""

    since: datetime
    accepted: int
    until: datetime

    @property
    def seconds(self) -> float:
        return max(0.0, (self.until - self.since).total_seconds())
