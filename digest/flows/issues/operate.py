"""What an operator asks of issues: pause, resume, cancel, take out of doubt, retry; and the account of an issue."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from digest.delivery.account import Entry, Pace, Waiting
from digest.editions import subjects
from digest.editorial.changes import Change
from digest.editorial.variants import choose
from digest.editorial.why import Placed, explained
from digest.errors import StateError
from digest.flows.issues.schedules import use_up
from digest.states import OPEN_DELIVERY, DeliveryEvent, DeliveryState, IssueEvent, IssueState
from digest.store.content import archive, editions
from digest.store.database import Database
from digest.store.ledger import account as ledger
from digest.store.ledger import batches, changes, deliveries, issues
from digest.values import CompiledIssue, Issue, Item

_BEFORE = frozenset({IssueState.SCHEDULED, IssueState.COMPOSED})
_ON_ITS_WAY = frozenset({IssueState.SENDING, IssueState.PAUSED})
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Progress:
    """An issue, its edition's ``time_zone`` and how many of its deliveries stand in each state. Of one that is not on
    its way yet, whether its edition asks for ``approval``; of one that is, how many are ``waiting`` for their time."""

    issue: Issue
    counts: Mapping[DeliveryState, int]
    approval: bool = False
    time_zone: str = "UTC"
    waiting: Waiting | None = None

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def open(self) -> int:
        """Deliveries that may still move by themselves."""
        return sum(count for state, count in self.counts.items() if state in OPEN_DELIVERY)

    @property
    def settled(self) -> int:
        return self.total - self.open


@dataclass(frozen=True, slots=True)
class Account:
    """The exact account of an issue: progress, why mail was not accepted, every delivery in doubt by name, how many
    readers sent ``feedback`` of which kind, and how fast it went."""

    progress: Progress
    reasons: tuple[tuple[DeliveryState, str, int], ...]
    in_doubt: tuple[tuple[str, str], ...]
    feedback: Mapping[str, int]
    pace: Pace | None


@dataclass(frozen=True, slots=True)
class Listing:
    """A section of an issue with the stories that a reader of everything gets, and those in reserve behind them."""

    key: str
    title: str
    shown: tuple[Item, ...]
    reserve: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Contents:
    """What an issue holds, as a reader of everything gets it. ``subject`` and ``preheader`` are theirs; ``intro`` is
    Markdown. ``changes``: what editors did to it."""

    sections: tuple[Listing, ...] = ()
    subject: str = ""
    preheader: str = ""
    intro: str = ""
    changes: tuple[Change, ...] = ()


def progress(
    database: Database,
    issue_ids: list[int] | None = None,
    edition: str | None = None,
    limit: int = 20,
    now: datetime | None = None,
) -> list[Progress]:
    """The newest issues, or those named, with their counts; with ``now`` also who waits then."""
    with database.read() as connection:
        found = (
            [issues.require(connection, issue_id) for issue_id in issue_ids]
            if issue_ids is not None
            else issues.newest(connection, edition, limit)
        )
        counts = deliveries.counts(connection, [issue.id for issue in found])
        going = [issue.id for issue in found if now and issue.state in _ON_ITS_WAY]
        waiting = ledger.waiting(connection, going, now) if now and going else {}
        zones = editions.time_zones(connection)
        return [
            Progress(
                issue,
                counts[issue.id],
                issue.state in _BEFORE and editions.get(connection, issue.edition).approval,
                zones[issue.edition],
                waiting.get(issue.id),
            )
            for issue in found
        ]


def account(database: Database, issue_id: int, now: datetime | None = None) -> Account:
    """The account of an issue. Raises ``NotFoundError``."""
    (current,) = progress(database, [issue_id], now=now)
    with database.read() as connection:
        return Account(
            current,
            tuple(deliveries.reasons(connection, issue_id)),
            tuple(deliveries.named(connection, issue_id, DeliveryState.IN_DOUBT)),
            ledger.feedback(connection, issue_id),
            ledger.pace(connection, issue_id),
        )


def readers(database: Database, issue_id: int, state: DeliveryState | None = None) -> Iterator[Entry]:
    """What became of an issue for each of its readers, or those in one state, fetched in pages. Raises
    ``NotFoundError`` before the first."""
    with database.read() as connection:
        issues.require(connection, issue_id)

    def pages() -> Iterator[Entry]:
        after = 0
        while True:
            with database.read() as connection:
                found = ledger.page(connection, issue_id, state, after, _PAGE)
            yield from found
            if len(found) < _PAGE:
                return
            after = found[-1].subscription_id

    return pages()


def contents(database: Database, issue_id: int) -> Contents:
    """What an issue holds; nothing before it is composed and past its retention."""
    with database.read() as connection:
        issues.require(connection, issue_id)
        issue = issues.load_compiled(connection, issue_id)
        done = tuple(changes.of_issue(connection, issue_id))
    if issue is None:
        return Contents(changes=done)
    content, items = issue.content, issue.content.items
    shown = dict(choose(content, None, None).shown)
    ids = [story_id for stories in shown.values() for story_id in stories]
    written, leading = subjects.template(content), [items[story_id] for story_id in ids[: subjects.LEADING]]
    return Contents(
        tuple(
            Listing(
                section.key,
                section.title,
                tuple(items[story_id] for story_id in shown.get(place, ())),
                tuple(items[story_id] for story_id in content.candidates[place] if story_id not in ids),
            )
            for place, section in enumerate(content.edition.sections)
        ),
        subjects.subject(written, issue, leading[0], len(ids) - 1) if ids else "",
        " · ".join(subjects.preheader(written, content, leading)) if ids else "",
        content.intro,
        done,
    )


def why(database: Database, issue_id: int, load: Callable[[int], CompiledIssue]) -> dict[str, list[Placed]]:
    """Per section of an issue why its stories stand there, for a reader of all sections; none before it is composed."""
    with database.read() as connection:
        if issues.require(connection, issue_id).composed_at is None:
            return {}
    content = load(issue_id).content
    found = explained(content, choose(content, None, None))
    return {content.edition.sections[index].title: placed for index, placed in found.items()}


def pause(database: Database, issue_id: int, now: datetime) -> None:
    """Stop putting mail of this issue on the wire: workers look before each group."""
    with database.write() as connection:
        _move(connection, issue_id, IssueEvent.PAUSE, now, reason="paused by the operator")


def resume(database: Database, issue_id: int, now: datetime) -> None:
    with database.write() as connection:
        _move(connection, issue_id, IssueEvent.RESUME, now, reason="")
        batches.wake(connection, issue_id, now)


def cancel(database: Database, issue_id: int, now: datetime) -> int:
    """End an issue: nothing more of it goes out, and it leaves the archive. Before its slot, that is used up. Returns
    how many deliveries were cancelled."""
    with database.write() as connection:
        _move(connection, issue_id, IssueEvent.CANCEL, now, reason="cancelled by the operator")
        use_up(connection, issues.require(connection, issue_id))
        archive.withdraw(connection, issue_id)
        return deliveries.cancel_open(connection, issue_id, now)


def resolve(database: Database, issue_id: int, event: DeliveryEvent, now: datetime) -> int:
    """Take all of an issue's deliveries out of doubt: ``RESEND`` or ``ASSUME_SENT``. Returns how many."""
    with database.write() as connection:
        issues.lock(connection, issue_id)
        issue = issues.require(connection, issue_id)
        if event is DeliveryEvent.RESEND:
            _check_sendable(connection, issue)
        count = deliveries.resolve(connection, issue, event, now)
        if count and event is DeliveryEvent.RESEND:
            _send_again(connection, issue_id, now)
    return count


def retry_failed(database: Database, issue_id: int, now: datetime) -> int:
    """Try an issue's failed deliveries again. Returns how many."""
    with database.write() as connection:
        issues.lock(connection, issue_id)
        _check_sendable(connection, issues.require(connection, issue_id))
        count = deliveries.retry_failed(connection, issue_id, now)
        if count:
            _send_again(connection, issue_id, now)
    return count


def _check_sendable(connection: Connection, issue: Issue) -> None:
    """Raise ``StateError`` where nothing put back in line would ever go out."""
    if issue.state is IssueState.CANCELLED:
        raise StateError(
            f"issue {issue.id} is cancelled", "nothing of it is sent; what is in doubt can be assumed sent"
        )
    if not issues.is_kept(connection, issue.id):
        raise StateError(f"the content of issue {issue.id} is not kept any more", "it can't be sent again")


def _send_again(connection: Connection, issue_id: int, now: datetime) -> None:
    batches.wake(connection, issue_id, now)
    if issues.require(connection, issue_id).state is IssueState.SENT:
        issues.move(connection, issue_id, IssueEvent.REOPEN, now)


def _move(connection: Connection, issue_id: int, event: IssueEvent, now: datetime, reason: str) -> None:
    issue = issues.require(connection, issue_id)
    if not issues.move(connection, issue_id, event, now, reason=reason):
        paused = issue.state is IssueState.PAUSED
        hint = f"go on with `digest issue resume {issue_id}`" if paused else f"it is too late or too early to {event}"
        raise StateError(f"issue {issue_id} is {issue.state}", hint)
