"""Figures about readers, counted by the database."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, extract, func, or_, select

from digest.readers.subscriptions import Month
from digest.states import SubscriptionState
from digest.store.schema import consent_events, subscribers, subscriptions

SHARES = ("cadence", "sections", "hour", "time_zone", "locale")
_JOINED = ("imported", "confirmed")


def mentions(text: str) -> ColumnElement[bool]:
    """Whether a person's address or name has ``text`` in it."""
    return or_(
        subscribers.c.address.icontains(text, autoescape=True), subscribers.c.name.icontains(text, autoescape=True)
    )


def shares(connection: Connection, edition_id: int, name: str) -> dict[Any, int]:
    """How many active readers have each value of one of ``SHARES``, the most frequent first."""
    column = subscribers.c[name] if name in subscribers.c else subscriptions.c[name]
    query = (
        select(column, func.count())
        .select_from(subscriptions.join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id))
        .where(subscriptions.c.edition_id == edition_id, subscriptions.c.state == SubscriptionState.ACTIVE)
        .group_by(column)
        .order_by(func.count().desc(), column)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def months(connection: Connection, edition_id: int, active: int, last: int, now: datetime) -> list[Month]:
    """The ``last`` months, the newest at the end, reckoned back from how many are ``active`` now."""
    earlier = consent_events.alias()
    had_joined = exists().where(
        earlier.c.subscription_id == consent_events.c.subscription_id,
        earlier.c.id < consent_events.c.id,
        earlier.c.kind.in_(_JOINED),
    )  # an import may also bring who had left elsewhere: nobody leaves by that
    moment: Any = consent_events.c.at
    if connection.dialect.name == "postgresql":
        moment = func.timezone("UTC", moment)
    joined = consent_events.c.kind.in_(_JOINED)
    left = and_(consent_events.c.kind == "unsubscribed", had_joined)
    year_month = extract("year", moment).label("of_year"), extract("month", moment).label("of_month")
    kind = consent_events.c.kind
    query = (
        select(*year_month, kind, func.count())
        .join(subscriptions, subscriptions.c.id == consent_events.c.subscription_id)
        .where(subscriptions.c.edition_id == edition_id, or_(joined, left))
        .group_by("of_year", "of_month", kind)
    )
    found = Counter[tuple[int, int, bool]]()
    for year, month, word, number in connection.execute(query):
        found[int(year), int(month), word in _JOINED] += number
    told, year, month = list[Month](), now.year, now.month
    for _ in range(last):
        one = Month(f"{year}-{month:02}", found[year, month, True], found[year, month, False], active)
        told.append(one)
        active += one.left - one.joined
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
    return told[::-1]
