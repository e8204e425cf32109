"""retention : delete what is older than the settings keep, in small transactions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Table, delete, exists, select

from digest.settings import RetentionSettings
from digest.store.database import Database
from digest.store.schema import articles, feedback_events, issue_content, issues, stories

_CHUNK = 500


def sweep(database: Database, settings: RetentionSettings, now: datetime) -> Mapping[str, int]:
    """Delete old rows and say how many of each table. An article's keys stay when it goes: a feed that still lists it
    must not make news of it again. Consent and suppressions are kept: they are proof and promise."""

    def before(days: int) -> datetime:
        return now - timedelta(days=days)

    ended = select(issues.c.id).where(issues.c.ended_at < before(settings.content_days))
    childless = ~exists().where(articles.c.story_id == stories.c.id)
    old = {
        "issue_content": (issue_content, issue_content.c.issue_id.in_(ended)),
        "issues": (issues, issues.c.ended_at < before(settings.issues_days)),
        "feedback_events": (feedback_events, feedback_events.c.at < before(settings.issues_days)),
        "articles": (articles, articles.c.first_seen_at < before(settings.articles_days)),
        "stories": (stories, (stories.c.first_seen_at < before(settings.articles_days)) & childless),
    }
    return {name: _delete(database, table, where) for name, (table, where) in old.items()}


def _delete(database: Database, table: Table, where: ColumnElement[bool]) -> int:
    total = 0
    while True:
        with database.write() as connection:
            deleted = _delete_chunk(connection, table, where)
        total += deleted
        if deleted < _CHUNK:
            return total


def _delete_chunk(connection: Connection, table: Table, where: ColumnElement[bool]) -> int:
    (key,) = table.primary_key.columns
    return connection.execute(delete(table).where(key.in_(select(key).where(where).limit(_CHUNK)))).rowcount
