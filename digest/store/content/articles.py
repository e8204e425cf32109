"""Articles, the keys they are known by, and the stories they make up.

Every transaction that stores articles holds the lock of the intake counter, so such transactions run one after the
other and their numbers appear in order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from digest.editorial import stories
from digest.sources.intake import Keyed, KnownArticle
from digest.store import schema
from digest.store.among import among
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
    these feeds a story is as old as its first article *here*. So, too, the newest update of each story."""
    within = _articles.c.feed_id.in_(feed_ids), _articles.c.intake <= until_intake
    fresh = select(_articles.c.story_id).where(*within, _articles.c.intake > after_intake).distinct()
    updates = _updates(connection, feed_ids, after_intake, until_intake)
    told: dict[int, list[Article]] = defaultdict(list)
    for chunk in _chunks(sorted({*connection.execute(fresh).scalars(), *updates})):
        query = _joined().where(*within, _articles.c.story_id.in_(chunk)).order_by(_articles.c.intake, _articles.c.id)
        for row in connection.execute(query).all():
            told[row.story_id].append(_article(row))
    begun = [_story(story_id, articles) for story_id, articles in told.items()]
    again = [_update(story, updates[story.id]) for story in begun if story.id in updates]
    found = [story for story in (*begun, *again) if story.intake > max(after_intake, story.told)]
    return sorted(found, key=lambda story: (story.intake, story.id))


def _story(story_id: int, articles: Sequence[Article]) -> Story:
    first = articles[0]
    return Story(story_id, first.intake, first.first_seen, stories.lead(articles), tuple(articles))


def _updates(
    connection: Connection, feed_ids: Collection[int], after_intake: int, until_intake: int
) -> dict[int, Row[Any]]:
    """By story, its newest update that one of the feeds brought."""
    query = (
        select(schema.updates.c.article_id, _articles.c.story_id, _stories)
        .select_from(schema.updates.join(_stories).join(_articles, _articles.c.id == schema.updates.c.article_id))
        .where(_stories.c.intake > after_intake, _stories.c.intake <= until_intake, _articles.c.feed_id.in_(feed_ids))
        .order_by(_stories.c.intake, _stories.c.id)
    )
    return {row.story_id: row for row in connection.execute(query)}


def _update(story: Story, found: Row[Any]) -> Story:
    """The update of ``story``: led by the article that brought it, as of the moment it did."""
    at = found.first_seen_at
    (lead,) = (article for article in story.articles if article.id == found.article_id)
    draft = replace(lead.draft, published=at, updated=lead.draft.updated or at)
    lead = replace(lead, intake=found.intake, first_seen=at, draft=draft)
    told = tuple(lead if article.id == lead.id else article for article in story.articles)
    return Story(found.id, found.intake, at, lead, told, story.intake)


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
) -> list[int]:
    """Store new articles under intake ``number``, each in the story of the same position. Returns their ids."""
    if not new:
        return []
    statement = insert(_articles).returning(_articles.c.id, sort_by_parameter_order=True)
    fixed = {"feed_id": feed_id, "intake": number, "first_seen_at": now}
    rows = [{**fixed, "story_id": story, **_columns(keyed)} for keyed, story in zip(new, story_ids, strict=True)]
    ids = list(connection.execute(statement, rows).scalars())
    _put_keys(connection, feed_id, {key: id_ for id_, keyed in zip(ids, new, strict=True) for key in keyed.keys})
    return ids


def add_updates(connection: Connection, article_ids: Sequence[int], number: int, now: datetime) -> None:
    """Make the stories of these articles news again, each article saying what is new."""
    ids = add_stories(connection, len(article_ids), number, now)
    rows = [{"story_id": id_, "article_id": article_id} for id_, article_id in zip(ids, article_ids, strict=True)]
    if rows:
        connection.execute(insert(schema.updates), rows)


def last_update(connection: Connection, article_ids: Collection[int]) -> dict[int, datetime]:
    """When each of these articles last made news again of its story, for those that did."""
    query = select(schema.updates.c.article_id, func.max(_stories.c.first_seen_at)).join(_stories)
    found = query.where(among(schema.updates.c.article_id, article_ids)).group_by(schema.updates.c.article_id)
    return {row[0]: row[1] for row in connection.execute(found)}


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
        "image": asdict(draft.image) if draft.image else None,
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
