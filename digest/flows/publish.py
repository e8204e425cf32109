"""publish : due slot | claim | choose | compose | render | freeze | expand into batches.

Each arrow may be walked by several processes at once or again after a crash: the issue's state says how far it got,
and every step is one guarded transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from digest import schedule
from digest.compose import compose, is_empty
from digest.errors import DigestError, InputError, NotFoundError
from digest.ranking import Signals
from digest.settings import DeliverSettings
from digest.states import IssueEvent, IssueState
from digest.store import articles, clicks, editions, expansion, issues, schedules, trials
from digest.store.database import Database
from digest.values import Issue, IssueContent

Compiler = Callable[[IssueContent], str]
"""Renders, inlines and freezes an issue: ``render.compile_issue`` and ``render.dumps`` with all they need."""


@dataclass(frozen=True, slots=True)
class Window:
    """What an issue may draw on: stories after ``oldest`` for readers with much to catch up on, after ``covers_from``
    for everybody else, up to ``covers_until``."""

    oldest: int
    covers_from: int
    covers_until: int
    cutoffs: frozenset[int]


def open_due_slots(database: Database, now: datetime) -> list[int]:
    """due slot | claim: make an issue for every schedule whose slot has come. Returns the new issues' ids."""
    opened = []
    with database.write() as connection:
        for due in schedules.due(connection, now):
            assert due.next_slot_at
            slot, following = schedule.due_slot(due.next_slot_at, due.cron, due.time_zone, now)
            if slot and schedules.advance(connection, due.id, due.next_slot_at, following):
                opened.append(issues.create(connection, due.edition_id, due.cadence, slot, now))
    return [issue_id for issue_id in opened if issue_id]


def open_now(database: Database, edition_name: str, cadence: str, now: datetime) -> Issue:
    """Make an issue for this very minute, as ``digest send --now`` asks. Raises when there is no such edition or
    cadence, or when the minute has its issue already."""
    with database.write() as connection:
        edition_id, edition = editions.require(connection, edition_name)
        cadence = cadence or edition.default_cadence
        if cadence not in edition.cadences:
            raise InputError(
                f"edition {edition_name} has no cadence {cadence}", f"one of {', '.join(edition.cadences)}"
            )
        slot = now.replace(second=0, microsecond=0)
        issue_id = issues.create(connection, edition_id, cadence, slot, now)
        if issue_id is None:
            raise InputError(
                f"{edition_name} ({cadence}) has an issue of {slot:%H:%M} already", "see `digest issue list`"
            )
        issue = issues.get(connection, issue_id)
    assert issue
    return issue


def publish(database: Database, issue_id: int, compiler: Compiler, settings: DeliverSettings, now: datetime) -> Issue:
    """claim | choose | compose | render | freeze | expand, from wherever the issue stands. Returns it as it is then."""
    issue = _get(database, issue_id)
    if issue.state is IssueState.SCHEDULED:
        content = choose(database, issue.edition, issue.cadence, issue.slot, settings, now)
        if is_empty(content):
            _skip(database, issue, now)
        else:
            _freeze(database, issue, content, _compiled(database, issue, content, compiler), now)
        issue = _get(database, issue_id)
    if issue.state is IssueState.COMPOSED:
        expand(database, issue, settings, now)
        issue = _get(database, issue_id)
    return issue


def choose(
    database: Database,
    edition_name: str,
    cadence: str,
    slot: datetime,
    settings: DeliverSettings,
    now: datetime,
    anew: bool = False,
) -> IssueContent:
    """choose | compose: what an issue of this slot holds, from what has been taken in so far. Changes nothing.
    ``anew``: as if it were the edition's first, for a look at it when nothing is new.

    The intake lock is held meanwhile: whoever took an earlier number has committed, and no article gets newer words
    than belong to the last one."""
    with database.write() as connection:
        until = articles.current_intake(connection)
        edition_id, edition = editions.require(connection, edition_name)
        oldest = issues.intake_before(connection, now - timedelta(days=settings.catch_up_days))
        previous = None if anew else issues.covered(connection, edition_id, cadence)
        window = _window(until, previous, oldest, issues.cutoffs(connection, edition_id, cadence, oldest))
        feeds = editions.feed_ids(connection, edition_id)
        stories = articles.stories_between(connection, feeds, window.oldest, until)
        signals = Signals(clicks=clicks.by_story(connection, [story.id for story in stories]))
    return compose(edition, cadence, slot, stories, window.covers_from, until, window.cutoffs, now, signals)


def _window(until: int, previous: int | None, oldest: int, cutoffs: set[int]) -> Window:
    """An edition's first issue goes back as far as catching up may; every other continues where the last one ended."""
    start = oldest if previous is None else previous
    return Window(min({oldest, start}), start, until, frozenset(cutoffs | {start}))


def _compiled(database: Database, issue: Issue, content: IssueContent, compiler: Compiler) -> str:
    """The compiled issue. A fault in the edition's templates is noted on the issue, where the operator looks; beat
    tries again until it is mended or the issue cancelled."""
    try:
        return compiler(content)
    except DigestError as error:
        with database.write() as connection:
            issues.note(connection, issue.id, f"can't be composed: {error}")
        raise


def _skip(database: Database, issue: Issue, now: datetime) -> None:
    with database.write() as connection:
        issues.move(connection, issue.id, IssueEvent.SKIP, now, reason="nothing new since the issue before")


def _freeze(database: Database, issue: Issue, content: IssueContent, compiled: str, now: datetime) -> None:
    values = {"covers_from": content.covers_from, "covers_until": content.covers_until, "reason": ""}
    with database.write() as connection:
        if issues.move(connection, issue.id, IssueEvent.COMPOSE, now, **values):
            issues.save_compiled(connection, issue.id, compiled)


def expand(database: Database, issue: Issue, settings: DeliverSettings, now: datetime) -> None:
    """expand into batches: a delivery for every reader, due at his hour. All in SQL and in one transaction, so there
    is no half-expanded issue; a million readers take seconds."""
    with database.write() as connection:
        if not issues.move(connection, issue.id, IssueEvent.EXPAND, now):
            return
        _, edition = editions.require(connection, issue.edition)
        wishes = {
            (zone, hour): max(_due_at(issue, zone, edition.time_zone, hour), now)
            for zone, hour in expansion.local_hours(connection, issue)
        }
        expansion.expand(connection, issue, wishes, now, settings.batch, trials.get(connection, issue.id))
        expansion.start_serving(connection, issue)
        expansion.supersede(connection, issue, now)
        issues.finish_if_settled(connection, issue.id, now)


def _due_at(issue: Issue, zone: str, default: str, hour: int) -> datetime:
    """A reader's hour. Zones get renamed; one that is not known any more must not hold up everybody's mail."""
    with suppress(InputError):
        return schedule.local_due(issue.slot, zone or default, hour)
    return schedule.local_due(issue.slot, default, hour)


def waiting(database: Database) -> list[int]:
    """The issues that are not yet on their way: newly opened, or left lying by a worker that died."""
    with database.read() as connection:
        return [issue.id for issue in issues.in_states(connection, [IssueState.SCHEDULED, IssueState.COMPOSED])]


def _get(database: Database, issue_id: int) -> Issue:
    with database.read() as connection:
        issue = issues.get(connection, issue_id)
    if issue is None:
        raise NotFoundError(f"no issue {issue_id}", "see `digest issue list`")
    return issue
