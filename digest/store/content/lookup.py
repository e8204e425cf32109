"""Looking things up among the articles: the newest, and those of a story."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from digest.store import schema
from digest.store.content.articles import by_ids
from digest.values import Article

_articles = schema.articles


@dataclass(frozen=True, slots=True)
class Listed:
    """An article with all the sources of its story, in the order they came to it."""

    article: Article
    sources: tuple[str, ...]


def newest(connection: Connection, feed_id: int | None, since: datetime | None, limit: int) -> list[Listed]:
    """The newest articles, newest first; of one feed, or first seen since an instant, if so asked."""
    query = select(_articles.c.id).order_by(_articles.c.id.desc()).limit(limit)
    if feed_id is not None:
        query = query.where(_articles.c.feed_id == feed_id)
    if since is not None:
        query = query.where(_articles.c.first_seen_at >= since)
    found = by_ids(connection, list(connection.execute(query).scalars()))
    sources = _sources(connection, {article.story_id for article in found})
    return [Listed(article, tuple(sources[article.story_id])) for article in sorted(found, key=lambda a: -a.id)]


def story(connection: Connection, story_id: int) -> list[Article]:
    """The articles of a story, in the order they came."""
    ids = select(_articles.c.id).where(_articles.c.story_id == story_id).order_by(_articles.c.id)
    return by_ids(connection, list(connection.execute(ids).scalars()))


def _sources(connection: Connection, story_ids: set[int]) -> dict[int, dict[str, None]]:
    query = (
        select(_articles.c.story_id, schema.feeds.c.name)
        .join(schema.feeds, schema.feeds.c.id == _articles.c.feed_id)
        .where(_articles.c.story_id.in_(story_ids))
        .order_by(_articles.c.id)
    )
    found: dict[int, dict[str, None]] = defaultdict(dict)
    for story_id, name in connection.execute(query):
        found[story_id][name] = None
    return found
