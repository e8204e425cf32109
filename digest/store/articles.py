"""Articles, the keys they are known by, and the stories they make up.

Every transaction that stores articles holds the lock of the intake counter, so such transactions run one after the
other and their numbers appear in order.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select, delete, insert, select, update

from digest import stories
from digest.intake import Keyed, KnownArticle
from digest.store import schema
from digest.values import Article, ArticleDraft, Image, Kind, Story

_CHUNK = 500  # values in one IN list
_articles, _keys, _stories, _counters = schema.articles, schema.article_keys, schema.stories, schema.counters
_INTAKE = _counters.c.name == "intake"
T = TypeVar("T")


# ------------------------------------------------------------------------------------------------ intake


def next_intake(connection: Connection) -> int:
    """Take the next intake number and hold the counter until the transaction ends."""
    taken = update(_counters).where(_INTAKE).values(value=_counters.c.value + 1).returning(_counters.c.value)
    return int(connection.execute(taken).scalar_one())


def current_intake(connection: Connection) -> int:
    """The last intake number taken; holds the counter until the transaction ends, so none is under way. Call it in a
    ``write()`` transaction: SQLite has taken its lock there already and knows no ``FOR UPDATE``."""
    return int(connection.execute(select(_counters.c.value).where(_INTAKE).with_for_update()).scalar_one())


# ----------------------------------------------------------------------------------------------- reading


def known(connection: Connection, feed_id: int, keys: Collection[bytes]) -> dict[bytes, KnownArticle]:
    """Those of the keys that articles of this feed are, or were, known by."""
    a = _articles.c
    columns = select(_keys.c.key, a.id, a.content_key, a.title, a.url, a.guid)
    query = columns.outerjoin(_articles, a.id == _keys.c.article_id)
    return {
        row.key: KnownArticle(None) if row.id is None else KnownArticle(*row[1:])
        for chunk in _chunks(sorted(keys))
        for row in connection.execute(query.where(_keys.c.feed_id == feed_id, _keys.c.key.in_(chunk)))
    }


def recent_articles(connection: Connection, since: datetime) -> list[Article]:
    """The articles of all feeds first seen at or after ``since``, in the order they came."""
    query = _joined().where(_articles.c.first_seen_at >= since).order_by(_articles.c.id)
    return [_article(row) for row in connection.execute(query)]


def by_ids(connection: Connection, ids: Iterable[int]) -> list[Article]:
    """The articles of these ids, in the order they came."""
    rows = [row for chunk in _chunks(ids) for row in connection.execute(_joined().where(_articles.c.id.in_(chunk)))]
    return [_article(row) for row in sorted(rows, key=lambda row: row.id)]


def stories_between(
    connection: Connection, feed_ids: Collection[int], after_intake: int, until_intake: int
) -> list[Story]:
    """The stories these feeds began to tell in ``after_intake < intake <= until_intake``, oldest first, with all that
    these feeds told of them up to then. What other feeds told, or told before, makes no difference: to the readers of
    these feeds a story is as old as its first article *here*."""
    within = _articles.c.feed_id.in_(feed_ids), _articles.c.intake <= until_intake
    fresh = select(_articles.c.story_id).where(*within, _articles.c.intake > after_intake).distinct()
    ids = connection.execute(fresh).scalars().all()
    told: dict[int, list[Article]] = defaultdict(list)
    for chunk in _chunks(sorted(ids)):
        query = _joined().where(*within, _articles.c.story_id.in_(chunk)).order_by(_articles.c.intake, _articles.c.id)
        for row in connection.execute(query):
            told[row.story_id].append(_article(row))
    begun = (_story(story_id, articles) for story_id, articles in told.items())
    return sorted((s for s in begun if s.intake > after_intake), key=lambda s: (s.intake, s.id))


def _story(story_id: int, articles: Sequence[Article]) -> Story:
    first = articles[0]
    return Story(story_id, first.intake, first.first_seen, stories.lead(articles), tuple(articles))


def _joined() -> Select[Any]:
    return select(_articles, schema.feeds.c.name.label("feed")).join(
        schema.feeds, schema.feeds.c.id == _articles.c.feed_id
    )


# ----------------------------------------------------------------------------------------------- writing


def add_stories(connection: Connection, count: int, number: int, now: datetime) -> list[int]:
    """``count`` new stories; their ids."""
    if not count:
        return []
    statement = insert(_stories).returning(_stories.c.id, sort_by_parameter_order=True)
    rows = [{"intake": number, "first_seen_at": now}] * count
    return list(connection.execute(statement, rows).scalars())


def add(
    connection: Connection, feed_id: int, new: Sequence[Keyed], story_ids: Sequence[int], number: int, now: datetime
) -> None:
    """Store new articles under intake ``number``, each in the story of the same position."""
    if not new:
        return
    statement = insert(_articles).returning(_articles.c.id, sort_by_parameter_order=True)
    fixed = {"feed_id": feed_id, "intake": number, "first_seen_at": now}
    rows = [{**fixed, "story_id": story, **_columns(keyed)} for keyed, story in zip(new, story_ids, strict=True)]
    ids = connection.execute(statement, rows).scalars().all()
    _put_keys(connection, feed_id, {key: id_ for id_, keyed in zip(ids, new, strict=True) for key in keyed.keys})


def revise(connection: Connection, feed_id: int, updated: Sequence[Keyed], now: datetime) -> None:
    """Put newer versions in place of stored articles, which keep their id, intake and story."""
    for keyed in updated:
        assert keyed.article
        revision = {"revision": _articles.c.revision + 1, "revised_at": now}
        connection.execute(
            update(_articles).where(_articles.c.id == keyed.article.id).values(**_columns(keyed), **revision)
        )
    learn(connection, feed_id, updated)


def learn(connection: Connection, feed_id: int, seen: Iterable[Keyed]) -> None:
    """Remember the keys by which stored articles came this time."""
    stored = ((keyed.article.id, keyed.keys) for keyed in seen if keyed.article)
    _put_keys(connection, feed_id, {key: id_ for id_, keys in stored if id_ is not None for key in keys})


def _put_keys(connection: Connection, feed_id: int, owners: Mapping[bytes, int]) -> None:
    """A key that misled before is taken from its old article: the newest one is what comes next under it."""
    query = select(_keys.c.key, _keys.c.article_id).where(_keys.c.feed_id == feed_id)
    stale: list[bytes] = []
    held: set[bytes] = set()
    for chunk in _chunks(sorted(owners)):
        for key, article_id in connection.execute(query.where(_keys.c.key.in_(chunk))):
            (held.add if article_id == owners[key] else stale.append)(key)
    for chunk in _chunks(stale):
        connection.execute(delete(_keys).where(_keys.c.feed_id == feed_id, _keys.c.key.in_(chunk)))
    missing = [{"feed_id": feed_id, "key": k, "article_id": a} for k, a in owners.items() if k not in held]
    if missing:
        connection.execute(insert(_keys), missing)


def _chunks(values: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(values)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk


# ------------------------------------------------------------------------------------------ rows, drafts


def _columns(keyed: Keyed) -> dict[str, Any]:
    draft = keyed.draft
    return {
        "content_key": keyed.content_key,
        "guid": draft.guid,
        "url": draft.url,
        "title": draft.title,
        "standfirst": draft.standfirst,
        "byline": draft.byline,
        "place": draft.place,
        "agency": draft.agency,
        "countries": list(draft.countries),
        "sector": draft.sector,
        "tags": list(draft.tags),
        "kind": draft.kind.value,
        "language": draft.language,
        "image": dataclasses.asdict(draft.image) if draft.image else None,
        "published_at": draft.published,
        "updated_at": draft.updated,
    }


def _article(row: Row[Any]) -> Article:
    draft = ArticleDraft(
        title=row.title,
        url=row.url,
        guid=row.guid,
        standfirst=row.standfirst,
        byline=row.byline,
        place=row.place,
        agency=row.agency,
        countries=tuple(row.countries),
        sector=row.sector,
        tags=tuple(row.tags),
        kind=Kind(row.kind),
        language=row.language,
        image=Image(**row.image) if row.image else None,
        published=row.published_at,
        updated=row.updated_at,
    )
    return Article(row.id, row.story_id, row.feed, row.intake, row.first_seen_at, draft)
