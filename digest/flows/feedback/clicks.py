"""clicks : link | where it leads | judge | remember, for editions that track them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from digest.errors import StateError
from digest.feedback.clicks import judged
from digest.readers.tokens import ReaderToken
from digest.store.content import editions
from digest.store.database import Database
from digest.store.ledger import clicks, issues
from digest.store.readers import subscribers
from digest.values import CompiledIssue, Item


@dataclass(frozen=True, slots=True)
class Target:
    """Where a story's link leads. ``known``: the issue is kept and has that story, so that following it may count."""

    url: str
    known: bool


def target(
    database: Database, load: Callable[[int], CompiledIssue], names: ReaderToken, story_id: int, base_url: str
) -> Target | None:
    """Where a story's link leads: as the frozen issue has it; when that is not kept any more, the article as the store
    has it, or else the edition's home. ``None``: the issue has no such story, or nothing is left of all this."""
    try:
        item = load(names.issue_id).content.items.get(story_id)
    except StateError:
        url = _remembered(database, names, story_id, base_url)
        return Target(url, known=False) if url else None
    return Target(item.url, known=True) if item and item.url else None


def _remembered(database: Database, names: ReaderToken, story_id: int, base_url: str) -> str | None:
    with database.read() as connection:
        if url := clicks.article_url(connection, names.issue_id, story_id):
            return url
        found = issues.get(connection, names.issue_id) or subscribers.get(connection, names.subscription_id)
        edition = editions.get(connection, found.edition) if found else None
    if edition is None:
        return None
    homes = (link.url for link in edition.links if link.role == "home")
    return next(homes, f"{base_url}/s/{edition.name}")


@dataclass(frozen=True, slots=True)
class Following:
    """What readers followed of an issue: ``accepted`` mails, ``readers`` who followed any story, the ``doubtful`` whose
    clicks all looked like a program's, and per story (its headline, readers), most first."""

    accepted: int
    readers: int
    doubtful: int
    stories: tuple[tuple[str, int], ...]


def following(database: Database, load: Callable[[int], CompiledIssue], issue_id: int) -> Following | None:
    """``None`` when nobody followed anything, as when clicks are not tracked."""
    with database.read() as connection:
        clicked = clicks.of_issue(connection, issue_id)
        accepted = clicks.accepted(connection, issue_id)
    if not clicked.readers and not clicked.doubtful:
        return None
    items: Mapping[int, Item] = {}
    with suppress(StateError):
        items = load(issue_id).content.items
    stories = tuple(
        (items[story_id].title if story_id in items else f"story {story_id}", readers)
        for story_id, readers in clicked.stories
    )
    return Following(accepted, clicked.readers, clicked.doubtful, stories)


def remember(database: Database, names: ReaderToken, story_id: int, now: datetime) -> None:
    """A reader, or a program in their place, has followed the link of a story in their issue. Nothing is kept unless
    the edition tracks clicks, or when they have been erased."""
    issue_id, subscription_id = names.issue_id, names.subscription_id
    with database.read() as connection:  # most that is followed twice needs no writing, and must hold up nobody's
        done = any(
            one.story_id == story_id and one.counts for one in clicks.of_reader(connection, issue_id, subscription_id)
        )
        if done or not clicks.are_tracked(connection, issue_id):
            return
    with database.write() as connection:
        known, accepted_at = clicks.hold(connection, issue_id, subscription_id)
        if known:
            before = clicks.of_reader(connection, issue_id, subscription_id)
            clicks.put(connection, issue_id, subscription_id, judged(story_id, now, accepted_at, before))
