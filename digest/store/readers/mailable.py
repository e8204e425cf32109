"""May this reader be mailed at a moment? Asked of rows: expressions on ``subscriptions`` and ``subscribers``, which ask
the same as ``digest/readers/mailable.py`` asks of values. ``tests/store/readers/test_mailable.py`` compares the two."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select

from digest.states import SubscriptionState
from digest.store.schema import subscribers, subscriptions, suppressions


def mailable(at: datetime) -> ColumnElement[bool]:
    """No bar: active, not on holiday at the moment ``at``, the address not suppressed."""
    suppressed = select(suppressions.c.address_key).where(suppressions.c.address_key == subscribers.c.address_key)
    return and_(active(), here(at), ~suppressed.exists())


def active() -> ColumnElement[bool]:
    """The subscription is active."""
    return subscriptions.c.state == SubscriptionState.ACTIVE


def here(at: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    """Not ``is_away`` at the moment ``at``, which may differ by row."""
    return or_(subscriptions.c.paused_until.is_(None), subscriptions.c.paused_until <= at)


def unserved(until: int | None) -> ColumnElement[bool]:
    """Not ``is_served`` up to the intake ``until``."""
    return or_(subscriptions.c.covered_until.is_(None), subscriptions.c.covered_until < until)
