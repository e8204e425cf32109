"""feeds : declare, list, pause, resume, remove"""

from __future__ import annotations

from dataclasses import replace

from digest.errors import InputError, StateError
from digest.sources.clean import web_url
from digest.sources.feeds import Feed
from digest.store.content import feeds
from digest.store.database import Database
from digest.values import FeedSpec

_NAME_LENGTH = 80


def declare(database: Database, spec: FeedSpec) -> tuple[Feed, bool]:
    """Add a feed, or make one of that name as ``spec`` says. Returns it and whether it is new. Raises ``InputError``
    for a name or address that can't be one."""
    if not spec.name or spec.name != "".join(spec.name.split()) or len(spec.name) > _NAME_LENGTH:
        raise InputError(f"{spec.name!r} can't name a feed", f"use up to {_NAME_LENGTH} characters without spaces")
    address = web_url(spec.url)
    if spec.url and (not address or (spec.url.isascii() and address != spec.url)):
        raise InputError(
            f"{spec.url!r} is not an address that can be read", "give it with https:// and without a password"
        )
    spec = replace(spec, url=address)
    with database.write() as connection:
        known = any(feed.name == spec.name for feed in feeds.every(connection))
        return feeds.by_id(connection, feeds.ensure(connection, spec)), not known


def listing(database: Database) -> list[Feed]:
    with database.read() as connection:
        return feeds.every(connection)


def pause(database: Database, name: str) -> Feed:
    """Stop polling a feed. Raises ``NotFoundError``."""
    return _set_active(database, name, False)


def resume(database: Database, name: str) -> Feed:
    """Poll a feed again, from now on. Raises ``NotFoundError``."""
    return _set_active(database, name, True)


def _set_active(database: Database, name: str, active: bool) -> Feed:
    with database.write() as connection:
        feed = feeds.by_name(connection, name)
        feeds.set_active(connection, feed, active)
        return feeds.by_id(connection, feed.id)


def remove(database: Database, name: str, with_articles: bool) -> Feed:
    """Forget a feed. Raises ``NotFoundError``, and ``StateError`` while an edition reads it or, unless
    ``with_articles``, while it has articles. Issues composed of them stay as they are."""
    with database.write() as connection:
        feed = feeds.by_name(connection, name)
        count, editions = feeds.holdings(connection, feed)
        if editions:
            raise StateError(
                f"{name} is read by the edition {', '.join(editions)}", "take it out of its file and apply"
            )
        if count and not with_articles:
            shown = "1 article" if count == 1 else f"{count} articles"
            raise StateError(f"{name} has {shown}", "pause it, or remove it --with-articles")
        feeds.remove(connection, feed)
        return feed
