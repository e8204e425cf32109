"""Clicks: which stories readers followed from their mails, where an edition asks for that."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, distinct, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from digest.feedback.clicks import Click
from digest.states import DeliveryState
from digest.store.among import among
from digest.store.checkpoints import Checkpoint, reached
from digest.store.schema import articles, clicks, deliveries, editions, issues, subscriptions, updates

ACCEPTED = (DeliveryState.ACCEPTED, DeliveryState.BOUNCED, DeliveryState.COMPLAINED)
_COUNTED = clicks.c.counts == 1


@dataclass(frozen=True, slots=True)
class Clicked:
    """Who followed what of an issue: ``readers`` who followed any story, ``stories`` as (id, readers), most first, and
    ``doubtful``, readers none of whose clicks counted."""

    readers: int
    stories: tuple[tuple[int, int], ...]
    doubtful: int


def are_tracked(connection: Connection, issue_id: int) -> bool:
    """Whether the edition of this issue still wants its clicks counted."""
    spec = select(editions.c.spec).join(issues, issues.c.edition_id == editions.c.id).where(issues.c.id == issue_id)
    return bool((connection.execute(spec).scalar_one_or_none() or {}).get("track_clicks"))


def hold(connection: Connection, issue_id: int, subscription_id: int) -> tuple[bool, datetime | None]:
    """Keep other clicks of this reader waiting until the transaction ends, for each is judged by its neighbours. Says
    whether there is such a mail to such a subscription, and when it was accepted."""
    mine = (deliveries.c.issue_id == issue_id, deliveries.c.subscription_id == subscription_id)
    row = connection.execute(select(deliveries.c.state, deliveries.c.at).where(*mine).with_for_update()).one_or_none()
    known = select(subscriptions.c.id).where(subscriptions.c.id == subscription_id)
    if row is None or connection.execute(known).first() is None:  # asked behind the lock: an erasure has gone by
        return False, None
    return True, row.at if row.state in ACCEPTED else None


def of_reader(connection: Connection, issue_id: int, subscription_id: int) -> list[Click]:
    """What one reader followed of an issue."""
    statement = select(clicks.c.story_id, clicks.c.at, clicks.c.counts).where(
        clicks.c.issue_id == issue_id, clicks.c.subscription_id == subscription_id
    )
    return [Click(story_id, at, bool(counts)) for story_id, at, counts in connection.execute(statement)]


def put(connection: Connection, issue_id: int, subscription_id: int, judged: Sequence[Click]) -> None:
    """Write clicks of one reader, over what was written of the same stories."""
    if not judged:
        return
    rows = [
        {
            "issue_id": issue_id,
            "subscription_id": subscription_id,
            "story_id": click.story_id,
            "at": click.at,
            "counts": int(click.counts),
        }
        for click in judged
    ]
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement: Any = dialect.insert(clicks).values(rows)
    new = {"at": statement.excluded.at, "counts": statement.excluded.counts}
    connection.execute(statement.on_conflict_do_update(index_elements=list(clicks.primary_key), set_=new))


def by_story(connection: Connection, story_ids: Collection[int]) -> dict[int, int]:
    """How many subscriptions followed each of these stories, in whatever issue; those nobody followed are left out."""
    reached(connection, Checkpoint.COUNT_CLICKS)
    statement = (
        select(clicks.c.story_id, func.count(distinct(clicks.c.subscription_id)))
        .where(among(clicks.c.story_id, story_ids), _COUNTED)
        .group_by(clicks.c.story_id)
    )
    return {row[0]: row[1] for row in connection.execute(statement)}


def accepted(connection: Connection, issue_id: int) -> int:
    """How many mails of an issue were accepted, whatever came back later."""
    mine = select(func.count()).select_from(deliveries).where(deliveries.c.issue_id == issue_id)
    return connection.execute(mine.where(deliveries.c.state.in_(ACCEPTED))).scalar_one()


def of_issue(connection: Connection, issue_id: int) -> Clicked:
    """What was followed of an issue."""
    mine = clicks.c.issue_id == issue_id
    number = func.count()
    per_story = select(clicks.c.story_id, number).where(mine, _COUNTED).group_by(clicks.c.story_id)
    stories = connection.execute(per_story.order_by(number.desc(), clicks.c.story_id))
    readers = select(func.count(distinct(clicks.c.subscription_id))).where(mine)
    everybody = connection.execute(readers).scalar_one()
    counted = connection.execute(readers.where(_COUNTED)).scalar_one()
    return Clicked(counted, tuple((story_id, count) for story_id, count in stories), everybody - counted)


def of_subscription(connection: Connection, subscription_id: int) -> list[dict[str, Any]]:
    """All that is kept of what one subscription followed, the oldest first."""
    columns = (clicks.c.issue_id, clicks.c.story_id, clicks.c.at, clicks.c.counts)
    query = select(*columns).where(clicks.c.subscription_id == subscription_id).order_by(clicks.c.at)
    return [dict(row._mapping) for row in connection.execute(query)]


def article_url(connection: Connection, issue_id: int, story_id: int) -> str | None:
    """Where a story of an issue stands whose content is not kept any more; none of what came after the issue."""
    until = select(issues.c.covers_until).where(issues.c.id == issue_id).scalar_subquery()
    update = select(updates.c.article_id).where(updates.c.story_id == story_id)
    told = or_(articles.c.story_id == story_id, articles.c.id.in_(update))
    statement = select(articles.c.url).where(told, articles.c.intake <= until, articles.c.url.like("http%"))
    return connection.execute(statement.order_by(articles.c.id).limit(1)).scalar_one_or_none()
