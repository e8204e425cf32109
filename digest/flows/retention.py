"""retention : delete what is older than the settings keep, in small transactions.

Each begins anew with what the database holds, so a sweep that was cut short goes on with the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, func, select, tuple_

from digest.settings import RetentionSettings
from digest.store.database import Database
from digest.store.readers import forgetting
from digest.store.schema import (
    archive_issues,
    articles,
    clicks,
    consent_events,
    deliveries,
    feedback_events,
    imports,
    issue_content,
    issues,
    stories,
    subscribers,
    subscriptions,
)

_CHUNK = 500
_PEOPLE = (subscriptions, subscribers)
_DELIVERIES = 10_000  # narrow rows, deleted along their key: some 50 ms on SQLite, 300 on PostgreSQL


def sweep(database: Database, settings: RetentionSettings, now: datetime) -> Mapping[str, int]:
    """Delete old rows and say how many of each table. An article's keys stay when it goes: a feed that still lists it
    must not make news of it again. Consent and suppressions are kept: they are proof and promise. Of who signed up and
    never confirmed nothing is kept."""

    def before(days: int) -> datetime:
        return now - timedelta(days=days)

    ended = select(issues.c.id).where(issues.c.ended_at < before(settings.content_days))
    childless = ~exists().where(articles.c.story_id == stories.c.id)
    old = {
        "issue_content": (issue_content, issue_content.c.issue_id.in_(ended)),
        "clicks": (clicks, clicks.c.at < before(settings.clicks_days)),
        "imports": (imports, imports.c.started_at < before(settings.imports_days)),
        "feedback_events": (feedback_events, feedback_events.c.at < before(settings.issues_days)),
        "articles": (articles, articles.c.first_seen_at < before(settings.articles_days)),
        "stories": (stories, (stories.c.first_seen_at < before(settings.articles_days)) & childless),
    }
    unconfirmed = before(settings.unconfirmed_days)
    events = exists().where(consent_events.c.subscription_id == subscriptions.c.id)
    consented = events.where(consent_events.c.kind.in_(("confirmed", "imported")))
    never = (subscriptions.c.state == "expired") & ~consented & ~events.where(consent_events.c.at >= unconfirmed)
    nobody = ~exists().where(subscriptions.c.subscriber_id == subscribers.c.id)
    old |= {
        "subscriptions": (subscriptions, never),
        "subscribers": (subscribers, (subscribers.c.created_at < unconfirmed) & nobody),
    }
    if settings.archive_days:
        published = archive_issues.c.published_at < before(settings.archive_days)
        old["archive_issues"] = (archive_issues, published)
    swept = {name: _delete(database, table, where) for name, (table, where) in old.items()}
    return swept | {"issues": _delete_issues(database, before(settings.issues_days))}


def _delete_issues(database: Database, ended_before: datetime) -> int:
    """Issues; of each its deliveries before itself, for they may be millions. Whoever reports on an issue meanwhile
    finds a part of it: it was to go anyway."""
    with database.read() as connection:
        old = list(connection.execute(select(issues.c.id).where(issues.c.ended_at < ended_before)).scalars())
    for issue_id in old:
        after: int | None = 0
        while after is not None:
            with database.write() as connection:
                after = _delete_part(connection, issue_id, after, ended_before)
    return len(old)


def _delete_part(connection: Connection, issue_id: int, after: int, ended_before: datetime) -> int | None:
    """Delete an issue's next deliveries beyond ``after``, or itself when there are none. Returns the last one's key,
    ``None``: the issue is gone, or to be kept after all."""
    whole = and_(issues.c.id == issue_id, issues.c.ended_at < ended_before)
    if connection.execute(select(issues.c.id).where(whole).with_for_update()).scalar() is None:
        return None  # a retry has opened it again; from here on that waits for us
    key, mine = deliveries.c.subscription_id, deliveries.c.issue_id == issue_id
    chunk = select(key).where(mine, key > after).order_by(key).limit(_DELIVERIES).subquery()
    last: int | None = connection.execute(select(func.max(chunk.c.subscription_id))).scalar()
    if last is None:
        connection.execute(delete(issues).where(whole))
    else:
        connection.execute(delete(deliveries).where(mine, key > after, key <= last))
    return last


def _delete(database: Database, table: Table, where: ColumnElement[bool]) -> int:
    total = 0
    while True:
        with database.write() as connection:
            if table in _PEOPLE:
                forgetting.begin(
                    connection
                )  # a reader who signs up again at this moment must not vanish with their past
            deleted = _delete_chunk(connection, table, where)
        total += deleted
        if deleted < _CHUNK:
            return total


def _delete_chunk(connection: Connection, table: Table, where: ColumnElement[bool]) -> int:
    key = table.primary_key.columns
    return connection.execute(delete(table).where(tuple_(*key).in_(select(*key).where(where).limit(_CHUNK)))).rowcount
