"""Articles put in by hand: one from a page, many from a file, and a look at what is there.

add    : draft  | ensure the desk | decide | store
import : drafts | in batches: decide | store | report
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import islice

from sqlalchemy import Connection

from digest.errors import InputError, NotFoundError
from digest.flows.sources.collect import store_drafts
from digest.sources import intake
from digest.store.content import articles, feeds, lookup
from digest.store.content.lookup import Listed
from digest.store.database import Database
from digest.values import Article, ArticleDraft, FeedSpec, ImportReport, Rejected

DESK = "desk"
BATCH = 500


class Change(StrEnum):
    """What storing an article came to."""

    ADDED = "added"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Added:
    """An article as stored, what happened to it, and the other sources telling its story."""

    change: Change
    article: Article
    also: tuple[str, ...] = ()


def add(database: Database, feed_name: str, draft: ArticleDraft, now: datetime) -> Added:
    """Store one article at a desk, which is made if need be; a known one is brought up to date.

    Raises ``InputError`` if the feed is polled, ``NotFoundError`` if the article was here and has been removed since.
    """
    with database.write() as connection:
        desk = _desk(connection, feed_name)
        draft = _completed(connection, desk, draft)
        new, updated, _ = store_drafts(connection, desk, [draft], now)
        change = Change.ADDED if new else Change.UPDATED if updated else Change.UNCHANGED
        article = _stored(connection, desk, draft)
        told = lookup.story(connection, article.story_id)
    also = dict.fromkeys(each.feed for each in told if each.feed != article.feed)
    return Added(change, article, tuple(also))


def import_drafts(
    database: Database,
    feed_name: str,
    drafts: Iterable[ArticleDraft | Rejected],
    now: datetime,
    on_progress: Callable[[int], object] = int,
) -> ImportReport:
    """Store many articles at a desk, 500 to a transaction; ``on_progress`` hears how many more were read. Batches
    committed before an interruption stay, and doing it again is safe. Raises ``InputError`` if the feed is polled."""
    report = ImportReport()
    for batch in _batches(drafts):
        good = [each for each in batch if isinstance(each, ArticleDraft)]
        with database.write() as connection:
            new, updated, known = store_drafts(connection, _desk(connection, feed_name), good, now)
        report = replace(
            report,
            read=report.read + len(batch),
            added=report.added + new,
            changed=report.changed + updated,
            unchanged=report.unchanged + known,
            rejected=(*report.rejected, *(each for each in batch if isinstance(each, Rejected))),
        )
        on_progress(len(batch))
    return report


def editions_reading(database: Database, feed_name: str) -> list[str]:
    """The editions that draw on a desk: nobody gets what stands at one that has none. None at one that is not there."""
    with database.read() as connection:
        known = [feed for feed in feeds.every(connection) if feed.name == feed_name]
        return feeds.holdings(connection, known[0])[1] if known else []


def newest(database: Database, feed_name: str = "", since: datetime | None = None, limit: int = 50) -> list[Listed]:
    """The newest articles, of one feed and seen since an instant if so asked. Raises ``NotFoundError``."""
    with database.read() as connection:
        feed_id = feeds.by_name(connection, feed_name).id if feed_name else None
        return lookup.newest(connection, feed_id, since, limit)


def show(database: Database, article_id: int) -> Article:
    """One article. Raises ``NotFoundError``."""
    with database.read() as connection:
        found = articles.by_ids(connection, [article_id])
    if not found:
        raise NotFoundError(f"no article {article_id}", "see `digest article list`")
    return found[0]


def story(database: Database, story_id: int) -> list[Article]:
    """All articles of a story, in the order they came. Raises ``NotFoundError``."""
    with database.read() as connection:
        found = lookup.story(connection, story_id)
    if not found:
        raise NotFoundError(f"no story {story_id}", "see `digest article list`")
    return found


def _desk(connection: Connection, name: str) -> int:
    """The desk of that name as it is declared, or a new one."""
    known = next((feed for feed in feeds.every(connection) if feed.name == name), None)
    if known is None:
        return feeds.ensure(connection, FeedSpec(name=name))
    if not known.is_desk:
        raise InputError(f"{name} is a feed that is polled", "put articles into a desk, such as --feed desk")
    return known.id


def _completed(connection: Connection, feed_id: int, draft: ArticleDraft) -> ArticleDraft:
    """A page saved without its address takes nothing away from the article it is known as."""
    known = _known(connection, feed_id, draft) if not draft.url else None
    return replace(draft, url=known.draft.url, image=draft.image or known.draft.image) if known else draft


def _stored(connection: Connection, feed_id: int, draft: ArticleDraft) -> Article:
    article = _known(connection, feed_id, draft)
    if article is None:
        raise NotFoundError("this article was here and has been removed", "it is older than articles are kept")
    return article


def _known(connection: Connection, feed_id: int, draft: ArticleDraft) -> Article | None:
    """The stored article this draft is, if there is one."""
    decision = intake.decide([draft], articles.known(connection, feed_id, intake.lookup_keys([draft])))
    known = next((keyed.article for keyed in (*decision.known, *decision.updated) if keyed.article), None)
    return articles.by_ids(connection, [known.id])[0] if known and known.id is not None else None


def _batches(drafts: Iterable[ArticleDraft | Rejected]) -> Iterator[list[ArticleDraft | Rejected]]:
    source = iter(drafts)
    while batch := list(islice(source, BATCH)):
        yield batch
