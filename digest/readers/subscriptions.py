"""People, their subscriptions with what they chose, and how an audience grew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from digest.states import SubscriptionState

ALL_DAYS = 0b1111111


@dataclass(frozen=True, slots=True)
class Person:
    """The owner of an address. ``locale`` and ``time_zone`` are "" where the edition's count."""

    address: str
    name: str = ""
    locale: str = ""
    time_zone: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a reader chose of an edition. ``sections`` are keys in their order, ``None`` for all in the edition's order;
    ``hour`` the local hour of day, ``None`` for when the issue comes out; ``days`` the days of the week they take it
    on, a bit each, Monday the first; ``paused_until`` when their holiday ends, ``None`` for no holiday."""

    cadence: str
    sections: tuple[str, ...] | None = None
    hour: int | None = None
    days: int = ALL_DAYS
    paused_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription with its owner. ``edition`` is the edition's name."""

    id: int
    subscriber_id: int
    edition: str
    state: SubscriptionState
    person: Person
    choice: Choice
    covered_until: int | None
    confirm_due_at: datetime | None
    created_at: datetime
    confirm_mails: int = 0
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unsubscription:
    """A wish to end a subscription: by which issue's mail (0: none), and from which address of the network ("": not
    by a page)."""

    subscription_id: int
    issue_id: int = 0
    ip: str = ""


@dataclass(frozen=True, slots=True)
class Month:
    """What a calendar month (UTC) did to an audience: how many became active, how many unsubscribed, how many were
    active at its end. Nothing is known of readers who were erased."""

    month: str
    joined: int
    left: int
    active: int

    @property
    def churn(self) -> float:
        """The share of those active at its beginning who unsubscribed, in per cent."""
        began = self.active - self.joined + self.left
        return round(100 * self.left / began, 2) if began > 0 else 0.0
