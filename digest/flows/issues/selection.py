"""selection : edition | choose | compose: what an issue of a slot holds, from what has been taken in so far."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from digest.editorial.compose import Editing, Slot, Standing, compose
from digest.editorial.ranking import Signals
from digest.settings import Settings
from digest.store.content import articles, editions
from digest.store.database import Database
from digest.store.ledger import changes, clicks, issues
from digest.values import IssueContent

_SETTLING = timedelta(days=2)  # after its end an issue's last mail may still be retried or assumed sent
_SPARE = 8  # stories an editor can drop before a section gets shorter


@dataclass(frozen=True, slots=True)
class Purpose:
    """What an issue is composed for. ``anew``: as if it were the edition's first, for a look at it when nothing is new.
    ``kept``: an editor keeps it, or has changed it. ``again``: the issue that this is to replace. ``explained``: the
    cut-off whose reader's reasons are kept, rather than everybody's."""

    anew: bool = False
    kept: bool = False
    again: int | None = None
    explained: int | None = None


_TO_GO_OUT = Purpose()


def choose(
    database: Database,
    edition_name: str,
    slot: Slot,
    settings: Settings,
    now: datetime,
    purpose: Purpose = _TO_GO_OUT,
) -> IssueContent:
    """choose | compose: what an issue of this slot holds, from what has been taken in so far. Changes nothing.

    The intake lock is held meanwhile: whoever took an earlier number has committed, and no article gets newer words
    than belong to the last one. What waits for its slot or its editors is composed deeper: until it goes out readers
    move (an older issue's mail is accepted, one changes their cadence), and editors drop stories."""
    cadence, again = slot.cadence, purpose.again
    with database.write() as connection:
        until = articles.current_intake(connection)
        edition_id, edition = editions.require(connection, edition_name)
        since = now - timedelta(days=settings.compose.catch_up_days)
        oldest = issues.intake_before(connection, since)
        previous = None if purpose.anew else issues.covered(connection, edition_id, cadence, again)
        start = oldest if previous is None else previous  # an edition's first goes back as far as catching up may
        lowest = min(oldest, start)
        waits = slot.at > now or edition.approval or purpose.kept or again is not None
        ahead = issues.ahead(connection, edition_id, now - _SETTLING)
        if waits:
            ahead |= issues.standing(connection, edition_id)
        standing = Standing(
            covers_from=start,
            covers_until=until,
            cutoffs=issues.cutoffs(connection, edition_id, cadence, oldest),
            ahead={max(at, lowest) for at in ahead},
            explained=purpose.explained,
        )
        dropped = changes.dropped(connection, edition_id, cadence, since, again, slot.segment)
        stories = articles.stories_between(connection, editions.feed_ids(connection, edition_id), lowest, until)
    with database.read() as connection:  # not behind the lock that holds up all who store articles
        signals = Signals(clicks=clicks.by_story(connection, [story.id for story in stories]))
    editing = Editing(dropped, spare=_SPARE if waits else 0)
    return compose(edition, slot, stories, standing, now, signals, editing)
