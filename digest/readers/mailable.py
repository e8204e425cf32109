"""May this reader be mailed at a moment? Asked of values; ``store/readers/mailable.py`` asks the same of rows, and
``tests/store/readers/test_mailable.py`` compares the two. (Two modules, since pages ask too, and reach no SQL.)"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from digest.states import SubscriptionState


class Bar(StrEnum):
    """Why a reader is not mailed."""

    ERASED = "erased"
    SUPPRESSED = "suppressed"
    NOT_ACTIVE = "not active"
    AWAY = "on holiday"


def bar(state: SubscriptionState | None, suppressed: bool, paused_until: datetime | None, at: datetime) -> Bar | None:
    """The first reason not to mail a reader at the moment ``at``; ``None``: they may be mailed. ``state`` is ``None``
    once they are erased."""
    if state is None:
        return Bar.ERASED
    if suppressed:
        return Bar.SUPPRESSED
    if state is not SubscriptionState.ACTIVE:
        return Bar.NOT_ACTIVE
    return Bar.AWAY if is_away(paused_until, at) else None


def is_away(paused_until: datetime | None, at: datetime) -> bool:
    """Whether a reader is on holiday at the moment ``at``. A holiday's end is no part of it."""
    return paused_until is not None and paused_until > at


def is_served(covered_until: int | None, until: int) -> bool:
    """Whether a reader has got everything up to the intake ``until``. Who was never served has not."""
    return covered_until is not None and covered_until >= until
