"""publish : due slot | claim | choose | compose | render | freeze | (review) | expand into batches.

Each arrow may be walked by several processes at once or again after a crash: the issue's state says how far it got,
and every step is one guarded transaction. An issue may be composed ahead of its slot, to be reviewed; what is then
frozen is what goes out. Which of several goes first: ``outlook``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, true

from digest.codec import codec
from digest.editions import outlook, schedule
from digest.editions.outlook import Outlook
from digest.editorial import edits
from digest.editorial.changes import ChangeKind
from digest.editorial.compose import Slot, is_empty
from digest.errors import DigestError, InputError, StateError
from digest.flows.issues import selection, timetable
from digest.flows.issues.selection import Purpose
from digest.public.archive import public, titled
from digest.readers import segments
from digest.readers.segments import Node
from digest.settings import Settings
from digest.states import IssueEvent, IssueState, Obstacle
from digest.store.content import archive, editions, schedules
from digest.store.database import Database
from digest.store.ledger import changes, expansion, issues, trials
from digest.store.readers.segments import condition as chosen_by
from digest.values import Edition, Issue, IssueContent

Compiler = Callable[[IssueContent], str]
"""Renders, inlines and freezes an issue: ``App.compile``."""


def open_due_slots(database: Database, now: datetime) -> list[int]:
    """due slot | claim: make an issue for every schedule whose slot has come. Returns the new issues' ids."""

    def opened(connection: Connection) -> list[int]:
        found = []
        for due in schedules.due(connection, now):
            assert due.next_slot_at
            slot, following = schedule.due_slot(due.next_slot_at, due.cron, due.time_zone, now)
            if slot and schedules.advance(connection, due.id, due.next_slot_at, following):
                found.append(issues.create(connection, due.edition_id, due.cadence, slot, now))
        return [issue_id for issue_id in found if issue_id]

    return database.persist(opened)  # whoever sends a draft early uses up its slot: the two may wait for each other


def open_for_review(database: Database, now: datetime) -> list[int]:
    """Make the issue of every slot that comes within its edition's review time; its schedule finds it there when the
    slot has come. Returns the new issues' ids."""
    with database.read() as connection:
        minutes = editions.review_minutes(connection)
        slots = [
            (plan.edition_id, plan.cadence, plan.next_slot_at)
            for plan in schedules.upcoming(connection, now, now + timedelta(minutes=max(minutes.values(), default=0)))
            if plan.next_slot_at and plan.next_slot_at <= now + timedelta(minutes=minutes[plan.edition_id])
        ]
        missing = [slot for slot in slots if issues.find(connection, *slot) is None]
    if not missing:
        return []
    opened = database.persist(lambda connection: [issues.create(connection, *slot, now) for slot in missing])
    return [issue_id for issue_id in opened if issue_id]


def open_now(
    database: Database, edition_name: str, cadence: str, now: datetime, segment: str = "", audience: Node | None = None
) -> Issue:
    """Make an issue for this very minute, as ``digest send --now`` asks; for a ``segment`` only, and what that means
    now, if one is named. Raises when there is no such edition or cadence, when the minute has its issue already, or
    when one waits that holds what this one would."""
    with database.write() as connection:
        edition_id, edition = editions.require(connection, edition_name)
        cadence = cadence_of(edition, cadence)
        for other in issues.waiting(connection, edition_id, cadence):
            if other.segment == segment and other.state is IssueState.COMPOSED:
                raise StateError(
                    f"issue {other.id} of {edition_name} ({cadence}) has what is new and "
                    f"{outlook.outlook(other, edition.approval, now)}",
                    f"bring it out with `digest issue send-now {other.id}`, "
                    f"or end it with `digest issue cancel {other.id}` to send another",
                )
        slot = now.replace(second=0, microsecond=0)
        if segment:  # never in a regular issue's place
            slot = (now - timedelta(seconds=now.second == 0)).replace(microsecond=0)
        meant = segments.to_json(audience) if audience else {}
        issue_id = issues.create(connection, edition_id, cadence, slot, now, segment, meant)
        if issue_id is None:
            its_time = slot.astimezone(schedule.zone(edition.time_zone))
            raise InputError(
                f"{edition_name} ({cadence}) has an issue of {its_time:%H:%M %Z} already", "see `digest issue list`"
            )
        return issues.require(connection, issue_id)


class Foreseen(StrEnum):
    """What becomes of an issue that is opened now, if nobody steps in."""

    GOES_OUT = "goes_out"
    WAITS_FOR_APPROVAL = "waits_for_approval"
    NOTHING_NEW = "nothing_new"


def foresee(database: Database, issue: Issue, settings: Settings, now: datetime) -> Foreseen:
    """What becomes of an issue that was just opened, found by composing it. Changes nothing."""
    content = selection.choose(database, issue.edition, Slot.of(issue), settings, now, Purpose(again=issue.id))
    if is_empty(content):
        return Foreseen.NOTHING_NEW
    return Foreseen.WAITS_FOR_APPROVAL if content.edition.approval else Foreseen.GOES_OUT


def cadence_of(edition: Edition, wanted: str) -> str:
    """``wanted``, or the edition's first; raises ``InputError`` for one it does not have."""
    cadence = wanted or edition.default_cadence
    if cadence not in edition.cadences:
        raise InputError(f"edition {edition.name} has no cadence {cadence}", f"one of {', '.join(edition.cadences)}")
    return cadence


def publish(database: Database, issue_id: int, compiler: Compiler, settings: Settings, now: datetime) -> Issue:
    """claim | choose | compose | render | freeze | expand, from wherever the issue stands to where it waits or is on
    its way. Returns it as it is then."""
    with database.read() as connection:
        issue = issues.require(connection, issue_id)
        can_be_composed = _can_be_composed(connection, issue, now)
    if can_be_composed:
        _compose(database, issue, compiler, settings, now)
    expand(database, issue_id, settings, now)
    with database.read() as connection:
        return issues.require(connection, issue_id)


def _can_be_composed(connection: Connection, issue: Issue, now: datetime) -> bool:
    if issue.state is not IssueState.SCHEDULED:
        return False
    return issue.slot <= now or in_front(connection, issue, now) is None


def in_front(connection: Connection, issue: Issue, now: datetime) -> Issue | None:
    """The issue that is to go out before this one is composed ahead of its slot."""
    return outlook.in_front(issue, *_others(connection, issue), now)


def gives_way_to(connection: Connection, issue: Issue, now: datetime) -> Issue | None:
    """The issue that goes out now in place of this one: when nothing ran for a while, only the newest comes out."""
    return outlook.gives_way_to(issue, *_others(connection, issue), now)


def _others(connection: Connection, issue: Issue) -> tuple[list[Issue], bool]:
    """The other issues that wait for the same readers, and whether they wait for approval."""
    _, edition = editions.require(connection, issue.edition)
    return issues.waiting(connection, issue.edition_id, issue.cadence, but=issue.id), edition.approval


def _compose(database: Database, issue: Issue, compiler: Compiler, settings: Settings, now: datetime) -> None:
    """choose | compose | render | freeze. What editors did to it before it had to be composed afresh is done again."""
    with database.read() as connection:
        standing = changes.in_force(changes.of_issue(connection, issue.id))
    kept = issue.held_at is not None or bool(standing)
    composed = selection.choose(database, issue.edition, Slot.of(issue), settings, now, Purpose(kept=kept))
    content, _ = edits.apply(composed, [change.edit for change in standing if change.edit])
    if is_empty(content):
        _skip(database, issue, now)
        return
    frozen = compiled(database, issue, content, compiler)
    before = codec(IssueContent).dump_json(composed).decode() if standing else None
    _freeze(database, issue, content, frozen, now, before)


def compiled(database: Database, issue: Issue, content: IssueContent, compiler: Compiler) -> str:
    """The compiled issue. A fault in the edition's templates, or whatever it is, is noted on the issue, where the
    operator looks; beat tries again until it is mended or the issue cancelled."""
    try:
        return compiler(content)
    except Exception as error:
        what = str(error) if isinstance(error, DigestError) else f"{type(error).__name__}: {error}"
        with database.write() as connection:
            issues.note(connection, issue.id, Obstacle.BROKEN, f"can't be composed: {what}")
        raise


def _skip(database: Database, issue: Issue, now: datetime) -> None:
    """Nothing is new. Before its slot that may change: it is looked at again then."""
    with database.write() as connection:
        if issue.slot > now:
            issues.note(connection, issue.id, Obstacle.NOTHING_NEW, "nothing new yet")
            return
        issues.move(connection, issue.id, IssueEvent.SKIP, now, reason="nothing new since the issue before")


def _freeze(
    database: Database, issue: Issue, content: IssueContent, compiled: str, now: datetime, composed: str | None = None
) -> None:
    values = {"covers_from": content.covers_from, "covers_until": content.covers_until, "reason": ""}
    with database.write() as connection:
        if issues.move(connection, issue.id, IssueEvent.COMPOSE, now, **values):
            issues.save_compiled(connection, issue.id, compiled, composed)


def expand(database: Database, issue_id: int, settings: Settings, now: datetime) -> None:
    """expand into batches: a delivery for every reader, due at their hour, if the issue may go."""
    with database.write() as connection:
        issues.lock_line(connection, issue_id)  # an editor's change comes before or is too late
        issue = issues.get(connection, issue_id)
        if issue and _may_go(connection, issue, now):
            go_out(connection, issue, settings, now)


def go_out(connection: Connection, issue: Issue, settings: Settings, now: datetime) -> None:
    """Put a composed issue, whose line the caller holds, on its way. All in SQL and in one transaction, so there is no
    half-expanded issue; a million readers take seconds. With it the issue enters the public archive, unless it is for a
    segment."""
    if not issues.move(connection, issue.id, IssueEvent.EXPAND, now):
        return
    if not issue.segment:
        _archive(connection, issue, now)
    _, edition = editions.require(connection, issue.edition)
    chosen = _chosen(connection, issue, edition, now)
    begins = min(issue.slot, now)
    wishes = expansion.wishes(connection, issue, chosen)
    then = None if issue.segment else timetable.following(connection, issue, now)  # a special one stands for itself
    dues = {wish: due for wish in wishes if (due := schedule.due(begins, wish, edition.time_zone, now, then))}
    expansion.expand(connection, issue, chosen, dues, now, settings.deliver.batch, trials.get(connection, issue.id))
    expansion.start_serving(connection, issue)
    older = expansion.supersede(connection, issue, now)
    _overtake(connection, issue, now)
    for each in (*older, issue.id):
        issues.finish_if_settled(connection, each, now)


def _archive(connection: Connection, issue: Issue, now: datetime) -> None:
    """What is new in it: it may hold the stories of one that was kept back when it was composed, and went out since."""
    frozen = issues.load_compiled(connection, issue.id)
    assert frozen
    before = issues.covered(connection, issue.edition_id, issue.cadence, but=issue.id) or 0
    shown = public(replace(frozen.content, covers_from=max(before, frozen.content.covers_from)))
    if shown.items:
        archive.put(connection, issue, titled(shown, frozen), now)


def _chosen(connection: Connection, issue: Issue, edition: Edition, now: datetime) -> ColumnElement[bool]:
    """Whom the issue is for: everybody, or whom its segment chooses at this moment."""
    if not issue.segment:
        return true()
    return chosen_by(connection, segments.from_json(issue.audience), edition, now)


def _may_go(connection: Connection, issue: Issue, now: datetime) -> bool:
    """Whether its slot has come, no editor keeps it, and no newer one goes in its place."""
    _, edition = editions.require(connection, issue.edition)
    if issue.state is not IssueState.COMPOSED or outlook.outlook(issue, edition.approval, now) is not Outlook.DUE:
        return False
    return gives_way_to(connection, issue, now) is None


def _overtake(connection: Connection, issue: Issue, now: datetime) -> None:
    """End the issues that still waited for an editor, or to be mended: this one holds their stories for their readers.
    One whose slot is still to come is composed afresh, with what comes in until then."""
    for other in issues.waiting(connection, issue.edition_id, issue.cadence, but=issue.id):
        if issue.segment not in {"", other.segment}:
            continue  # a special issue is for some of their readers only
        if other.state is IssueState.SCHEDULED:
            overtaken = other.segment == issue.segment and other.slot < issue.slot
        else:
            overtaken = (other.covers_until or 0) <= (issue.covers_until or 0)
        if overtaken and other.slot > now:
            _compose_afresh(connection, other, issue, now)
        elif overtaken:
            issues.move(connection, other.id, IssueEvent.CANCEL, now, reason=f"overtaken by issue {issue.id}")


def _compose_afresh(connection: Connection, other: Issue, issue: Issue, now: datetime) -> None:
    if issues.compose_afresh(connection, other.id, now):
        told = f"to be composed afresh: issue {issue.id} has its stories"
        changes.record(connection, other.id, ChangeKind.REDRAFT, told, "digest", now)


def waiting(database: Database, now: datetime) -> list[int]:
    """The issues that a worker can bring further: to be composed, or due; newly so, or abandoned by one that died.
    What could not be composed ahead of its slot is tried again then."""
    with database.read() as connection:
        found = issues.in_states(connection, [IssueState.SCHEDULED, IssueState.COMPOSED])
        return [
            issue.id
            for issue in found
            if ((issue.slot <= now or issue.obstacle is None) and _can_be_composed(connection, issue, now))
            or _may_go(connection, issue, now)
        ]
