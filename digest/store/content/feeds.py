"""Feeds: what is polled when, and how a feed that fails is left in peace for longer and longer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from digest.errors import NotFoundError
from digest.sources.feeds import Feed
from digest.store import schema
from digest.values import FeedSpec, Kind

LONGEST_WAIT = timedelta(hours=24)
_REASON_LENGTH = 500
_feeds = schema.feeds
_POLLED = (
    select(_feeds)
    .where(_feeds.c.active == 1, _feeds.c.url != "")
    .order_by(_feeds.c.next_poll_at.asc().nulls_first(), _feeds.c.id)
)


def _feed(row: Row[Any]) -> Feed:
    return Feed(
        id=row.id,
        spec=FeedSpec(row.name, row.url, row.title, row.sector, Kind(row.kind), tuple(row.tags)),
        active=bool(row.active),
        etag=row.etag,
        last_modified=row.last_modified,
        next_poll_at=row.next_poll_at,
        last_ok_at=row.last_ok_at,
        failures=row.failures,
        last_error=row.last_error,
    )


# ----------------------------------------------------------------------------------------------- reading


def every(connection: Connection) -> list[Feed]:
    """All feeds, by name."""
    return [_feed(row) for row in connection.execute(select(_feeds).order_by(_feeds.c.name))]


def by_id(connection: Connection, feed_id: int) -> Feed:
    """Raises ``NotFoundError`` when it was removed."""
    row = connection.execute(select(_feeds).where(_feeds.c.id == feed_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"feed {feed_id} is no longer there", "see `digest feed list`")
    return _feed(row)


def by_name(connection: Connection, name: str) -> Feed:
    """The feed called ``name``. Raises ``NotFoundError``."""
    return named(connection, [name])[0]


def named(connection: Connection, names: Sequence[str]) -> list[Feed]:
    """The feeds of these names, in their order. Raises ``NotFoundError`` naming all that don't exist."""
    rows = connection.execute(select(_feeds).where(_feeds.c.name.in_(names)))
    found = {row.name: _feed(row) for row in rows}
    missing = [name for name in names if name not in found]
    if missing:
        raise NotFoundError(f"no feed named {', '.join(missing)}", "see `digest feed list`")
    return [found[name] for name in dict.fromkeys(names)]


def due(connection: Connection, now: datetime) -> list[Feed]:
    """The active feeds whose turn it is, those waiting longest first."""
    due = or_(_feeds.c.next_poll_at.is_(None), _feeds.c.next_poll_at <= now)
    return [_feed(row) for row in connection.execute(_POLLED.where(due))]


def polled(connection: Connection) -> list[Feed]:
    """All active feeds with an address, those waiting longest first."""
    return [_feed(row) for row in connection.execute(_POLLED)]


# ----------------------------------------------------------------------------------------------- writing


def ensure(connection: Connection, spec: FeedSpec) -> int:
    """Insert the feed or, if one of its name exists, make it as declared. A new address is polled at once, with
    nothing remembered of the old one; the articles stay. Returns its id."""
    values: dict[str, object] = {
        "url": spec.url,
        "title": spec.title,
        "sector": spec.sector.lower(),
        "kind": spec.kind.value,
        "tags": [tag.lower() for tag in spec.tags],
    }
    row = connection.execute(select(_feeds.c.id, _feeds.c.url).where(_feeds.c.name == spec.name)).one_or_none()
    if row is None:
        inserted = connection.execute(insert(_feeds).values(name=spec.name, **values).returning(_feeds.c.id))
        return int(inserted.scalar_one())
    if row.url != spec.url:
        values |= {"active": 1, "etag": "", "last_modified": "", "next_poll_at": None, "failures": 0, "last_error": ""}
    connection.execute(update(_feeds).where(_feeds.c.id == row.id).values(**values))
    return int(row.id)


def postpone(connection: Connection, feeds: Iterable[Feed], until: datetime) -> None:
    """Put the next poll off, so that nobody else begins what is about to be done."""
    ids = [feed.id for feed in feeds]
    connection.execute(update(_feeds).where(_feeds.c.id.in_(ids)).values(next_poll_at=until))


def settle_ok(
    connection: Connection,
    feed: Feed,
    now: datetime,
    interval: timedelta,
    etag: str,
    last_modified: str,
    retry_after: timedelta = timedelta(0),
) -> None:
    """The feed was read, or was not modified: remember its validators, forget its failures."""
    _settle(
        connection,
        feed,
        etag=etag,
        last_modified=last_modified,
        last_ok_at=now,
        next_poll_at=now + max(interval, min(retry_after, LONGEST_WAIT)),
        failures=0,
        last_error="",
    )


def settle_failed(
    connection: Connection,
    feed: Feed,
    now: datetime,
    interval: timedelta,
    reason: str,
    retry_after: timedelta = timedelta(0),
    gone: bool = False,
) -> None:
    """The feed could not be read. The wait doubles with every failure up to a day, and is never shorter than the server
    asked for (up to a day as well). ``gone``: for good; it is polled no more."""
    _settle(
        connection,
        feed,
        **({"active": 0} if gone else {}),
        next_poll_at=now + max(back_off(interval, feed.failures + 1), min(retry_after, LONGEST_WAIT)),
        failures=feed.failures + 1,
        last_error=reason[:_REASON_LENGTH],
    )


def back_off(interval: timedelta, failures: int) -> timedelta:
    """How long a feed that failed so many times in a row is left alone."""
    doublings = min(failures, 16)
    return max(interval, min(interval * (1 << doublings), LONGEST_WAIT))


def set_active(connection: Connection, feed: Feed, active: bool) -> None:
    """Pause polling, or resume it at once with a clean sheet."""
    fresh: dict[str, object] = {"next_poll_at": None, "failures": 0, "last_error": ""} if active else {}
    _settle(connection, feed, active=int(active), **fresh)


def remove(connection: Connection, feed: Feed) -> None:
    """Delete a feed with its articles. It must belong to no edition; see ``holdings``."""
    for table in (schema.article_keys, schema.articles):
        connection.execute(delete(table).where(table.c.feed_id == feed.id))
    connection.execute(delete(_feeds).where(_feeds.c.id == feed.id))


def holdings(connection: Connection, feed: Feed) -> tuple[int, list[str]]:
    """How many articles a feed has brought, and which editions declare it."""
    count = select(func.count()).select_from(schema.articles).where(schema.articles.c.feed_id == feed.id)
    editions = (
        select(schema.editions.c.name)
        .join(schema.edition_feeds, schema.edition_feeds.c.edition_id == schema.editions.c.id)
        .where(schema.edition_feeds.c.feed_id == feed.id)
        .order_by(schema.editions.c.name)
    )
    return connection.execute(count).scalar_one(), list(connection.execute(editions).scalars())


def _settle(connection: Connection, feed: Feed, **values: object) -> None:
    """Of the address that was read: if it was changed meanwhile, nothing learned about the old one holds."""
    same = _feeds.c.id == feed.id, _feeds.c.url == feed.spec.url
    connection.execute(update(_feeds).where(*same).values(**values))
