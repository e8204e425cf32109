"""selection : edition | choose | compose: what an issue of a slot holds, from what has been taken in so far."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from digest.editorial.compose import compose
from digest.editorial.ranking import Signals
from digest.settings import DeliverSettings
from digest.store.content import articles, editions
from digest.store.database import Database
from digest.store.ledger import changes, clicks, issues
from digest.values import IssueContent

_SETTLING = timedelta(days=2)  # after its end an issue's last mail may still be retried or assumed sent
_SPARE = 8  # stories an editor can drop before a section gets shorter


@dataclass(frozen=True, slots=True)
class Window:
    """What an issue may draw on: stories after ``oldest`` for readers with much to catch up on, after ``covers_from``
    for everybody else, up to ``covers_until``."""

    oldest: int
    covers_from: int
    covers_until: int
    cutoffs: frozenset[int]


def choose(
    database: Database,
    edition_name: str,
    cadence: str,
    slot: datetime,
    settings: DeliverSettings,
    now: datetime,
    anew: bool = False,
    kept: bool = False,
    again: int | None = None,
    explained: int | None = None,
    segment: str = "",
) -> IssueContent:
    """choose | compose: what an issue of this slot holds, from what has been taken in so far. Changes nothing.
    ``anew``: as if it were the edition's first, for a look at it when nothing is new. ``kept``: an editor keeps it, or
    has changed it. ``again``: the issue that this is to replace. ``explained``: the cut-off whose reader's reasons are
    kept, rather than everybody's. ``segment``: whom it is for.

    The intake lock is held meanwhile: whoever took an earlier number has committed, and no article gets newer words
    than belong to the last one. What waits for its slot or its editors is composed deeper: until it goes out readers
    move (an older issue's mail is accepted, a reader changes their cadence), and editors drop stories."""
    with database.write() as connection:
        until = articles.current_intake(connection)
        edition_id, edition = editions.require(connection, edition_name)
        since = now - timedelta(days=settings.catch_up_days)
        oldest = issues.intake_before(connection, since)
        previous = None if anew else issues.covered(connection, edition_id, cadence, again)
        window = _window(until, previous, oldest, issues.cutoffs(connection, edition_id, cadence, oldest))
        waits = slot > now or edition.approval or kept or again is not None
        standing = issues.ahead(connection, edition_id, now - _SETTLING)
        if waits:
            standing |= issues.standing(connection, edition_id)
        dropped = changes.dropped(connection, edition_id, cadence, since, again, segment)
        stories = articles.stories_between(connection, editions.feed_ids(connection, edition_id), window.oldest, until)
    with database.read() as connection:  # not behind the lock that holds up all who store articles
        signals = Signals(clicks=clicks.by_story(connection, [story.id for story in stories]))
    return compose(
        edition,
        cadence,
        slot,
        stories,
        window.covers_from,
        until,
        window.cutoffs,
        now,
        signals,
        standing={max(at, window.oldest) for at in standing},
        spare=_SPARE if waits else 0,
        explained=explained,
        dropped=dropped,
    )


def _window(until: int, previous: int | None, oldest: int, cutoffs: set[int]) -> Window:
    """An edition's first issue goes back as far as catching up may; every other continues where the last one ended."""
    start = oldest if previous is None else previous
    return Window(min({oldest, start}), start, until, frozenset(cutoffs | {start}))
