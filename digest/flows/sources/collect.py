"""collect : due feeds | fetch | parse | decide | store"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from digest.editorial import stories
from digest.editorial.updates import is_news
from digest.errors import DigestError, InputError, NotFoundError
from digest.net.fetch import Fetched, Network, RefusedByServerError, fetch
from digest.sandbox import read_feed
from digest.settings import FetchSettings, Settings
from digest.sources import intake
from digest.sources.feeds import Feed, ParsedFeed
from digest.sources.intake import Keyed
from digest.store.content import articles, feeds
from digest.store.database import Database
from digest.values import Article, ArticleDraft, FeedSpec, Kind, Rejected

CONCURRENCY = 8  # feeds read at once
GONE = 410
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CollectReport:
    """What collecting one feed came to. ``entries`` = new + updated + known + len(rejected), always."""

    feed: str
    entries: int = 0
    new: int = 0
    updated: int = 0
    known: int = 0
    rejected: tuple[Rejected, ...] = ()
    not_modified: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Reading:
    """What reading one feed came to: a parsed document, nothing modified (``parsed`` is ``None``), or an error."""

    fetched: Fetched | None = None
    parsed: ParsedFeed | None = None
    error: DigestError | None = None


def collect(
    database: Database,
    settings: Settings,
    now: datetime,
    names: Sequence[str] | None = None,
    force: bool = False,
    on_report: Callable[[CollectReport], None] | None = None,
    network: Network | None = None,
    budget: timedelta | None = None,
) -> list[CollectReport]:
    """Read the feeds that are due; with ``names`` these, due or not; with ``force`` all active ones. Each is stored in
    a transaction of its own and told to ``on_report`` at once; one that fails is reported and left alone for a while.
    After ``budget`` none is begun: those left stay due and have no report.

    Raises ``NotFoundError`` for an unknown name and ``InputError`` for a desk, which has nothing to be read.
    """
    interval = timedelta(minutes=settings.fetch.interval_minutes)
    with database.read() as connection:
        chosen = _chosen(connection, now, names, force)
    if not chosen:
        return []
    with database.write() as connection:
        feeds.postpone(connection, chosen, now + interval)
    reports: dict[str, CollectReport] = {}
    deadline = time.monotonic() + budget.total_seconds() if budget else math.inf
    left: list[Feed] = []
    with ThreadPoolExecutor(max_workers=CONCURRENCY, thread_name_prefix="collect") as pool:
        readings: dict[Future[_Reading | None], Feed] = {
            pool.submit(_read, feed, settings.fetch, network, deadline): feed for feed in chosen
        }
        for done in as_completed(readings):
            feed, reading = readings[done], done.result()
            if reading is None:
                left.append(feed)
                continue
            report = reports[feed.name] = _store(database, feed, reading, now, interval)
            if on_report:
                on_report(report)
    if left:
        _log.warning("collecting took long: %d feeds are left for the next round", len(left))
        with database.write() as connection:
            feeds.postpone(connection, left, now)
    return [reports[feed.name] for feed in chosen if feed.name in reports]


def _chosen(connection: Connection, now: datetime, names: Sequence[str] | None, force: bool) -> list[Feed]:
    if not names:
        return feeds.polled(connection) if force else feeds.due(connection, now)
    chosen = feeds.named(connection, names)
    desks = [feed.name for feed in chosen if feed.is_desk]
    if desks:
        raise InputError(f"{', '.join(desks)} has no address to read", "fill it with `digest article`")
    return chosen


def _read(feed: Feed, settings: FetchSettings, network: Network | None, deadline: float) -> _Reading | None:
    """Runs in a thread of its own and touches no database. ``None``: the round is over."""
    fetched = None
    if time.monotonic() > deadline:
        return None
    try:
        fetched = fetch(feed.spec.url, settings, feed.etag, feed.last_modified, network)
        if fetched.not_modified:
            return _Reading(fetched)
        return _Reading(fetched, read_feed(fetched.body, fetched.content_type, fetched.url))
    except DigestError as error:
        return _Reading(fetched, error=error)
    except Exception as error:  # noqa: BLE001  one feed that trips us up must not stop the others
        _log.exception("reading the feed %s", feed.name)
        return _Reading(fetched, error=InputError(f"{feed.spec.url} can't be read ({error!r})"))


def _store(database: Database, feed: Feed, reading: _Reading, now: datetime, interval: timedelta) -> CollectReport:
    try:
        with database.write() as connection:
            return _settled(connection, feed, reading, now, interval)
    except NotFoundError as error:  # removed while it was being read
        return CollectReport(feed.name, error=str(error))


def _settled(
    connection: Connection, feed: Feed, reading: _Reading, now: datetime, interval: timedelta
) -> CollectReport:
    fetched, parsed = reading.fetched, reading.parsed
    if reading.error or not fetched:
        return _failed(connection, feed, reading.error, now, interval)
    retry_after = _seconds(fetched.retry_after)
    if not parsed:
        feeds.settle_ok(connection, feed, now, interval, feed.etag, feed.last_modified, retry_after)
        return CollectReport(feed.name, not_modified=True)
    new, updated, known = store_drafts(connection, feed.id, parsed.drafts, now)
    feeds.settle_ok(connection, feed, now, interval, fetched.etag, fetched.last_modified, retry_after)
    entries = len(parsed.drafts) + len(parsed.rejected)
    return CollectReport(feed.name, entries, new, updated, known, parsed.rejected)


def _failed(
    connection: Connection, feed: Feed, error: DigestError | None, now: datetime, interval: timedelta
) -> CollectReport:
    refused = error if isinstance(error, RefusedByServerError) else None
    gone = refused is not None and refused.status == GONE
    reason = f"{error}; it is gone for good and polled no more" if gone else str(error)
    retry_after = _seconds(refused.retry_after if refused else None)
    feeds.settle_failed(connection, feed, now, interval, reason, retry_after, gone)
    return CollectReport(feed.name, error=reason)


def _seconds(count: int | None) -> timedelta:
    return timedelta(seconds=count or 0)


# ----------------------------------------------------------------------------------------------- storing


def store_drafts(
    connection: Connection, feed_id: int, drafts: Sequence[ArticleDraft], now: datetime
) -> tuple[int, int, int]:
    """Store the drafts of one document or file of one feed, and say how many were (new, updated, known): together all
    of them. Joins new articles to the stories they tell, and makes an update of what is news again. Call it in a
    ``write()`` transaction, which holds the intake counter from here to its end; a number is taken only if something is
    new."""
    articles.current_intake(connection)
    decision = intake.decide(drafts, articles.known(connection, feed_id, intake.lookup_keys(drafts)))
    feed = feeds.by_id(connection, feed_id)
    updated = _with_defaults(decision.updated, feed.spec)
    renewed = _revised(connection, updated, now)
    if decision.new or renewed:
        number = articles.next_intake(connection)
        renewed += _added(connection, feed, _with_defaults(decision.new, feed.spec), number, now)
        articles.add_updates(connection, renewed, number, now)
    articles.revise(connection, feed_id, updated, now)
    articles.learn(connection, feed_id, decision.known)
    return len(decision.new), len(decision.updated), len(decision.known) + decision.repeated


def _revised(connection: Connection, updated: Sequence[Keyed], now: datetime) -> list[int]:
    """The articles whose newer versions make news again of their stories."""
    drafts = {keyed.article.id: keyed.draft for keyed in updated if keyed.article and keyed.article.id is not None}
    stored = articles.by_ids(connection, drafts)
    since = articles.last_update(connection, drafts)
    return [a.id for a in stored if is_news(a.draft, drafts[a.id], now - since.get(a.id, a.first_seen))]


def _added(connection: Connection, feed: Feed, new: Sequence[Keyed], number: int, now: datetime) -> list[int]:
    """Store new articles, each in the story it tells. Returns those that make news again of a story which their own
    source has told before."""
    if not new:
        return []
    recent = articles.recent_articles(connection, now - stories.APART)
    told = _stories_of(connection, new, recent, number, now)
    ids = articles.add(connection, feed.id, new, told, number, now)
    before = {article.story_id: article for article in recent if article.feed == feed.name}
    return [
        article_id
        for article_id, story_id, keyed in zip(ids, told, new, strict=True)
        if (last := before.get(story_id)) and is_news(last.draft, keyed.draft, now - last.first_seen)
    ]


def _stories_of(
    connection: Connection, new: Sequence[Keyed], recent: Sequence[Article], number: int, now: datetime
) -> list[int]:
    """The story that each new article tells, some of them new, too."""
    assigned = stories.assign([keyed.draft for keyed in new], recent)
    own = [index for index, a in enumerate(assigned) if a.story_id is None and a.same_as is None]
    story_of = dict(zip(own, articles.add_stories(connection, len(own), number, now), strict=True))
    for index, assignment in enumerate(assigned):
        if assignment.story_id is not None:
            story_of[index] = assignment.story_id
        elif assignment.same_as is not None:
            story_of[index] = story_of[assignment.same_as]
    return [story_of[index] for index in range(len(new))]


def _with_defaults(keyed: Iterable[Keyed], spec: FeedSpec) -> list[Keyed]:
    """What the feed is declared to be about, for articles that don't say."""
    return [replace(one, draft=_with_default(one.draft, spec)) for one in keyed]


def _with_default(draft: ArticleDraft, spec: FeedSpec) -> ArticleDraft:
    return replace(
        draft,
        sector=draft.sector or spec.sector,
        tags=draft.tags or spec.tags,
        kind=spec.kind if draft.kind is Kind.NEWS else draft.kind,
    )
