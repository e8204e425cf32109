"""What an operator asks of issues: pause, resume, cancel, take out of doubt, retry; and the account of an issue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from digest.errors import NotFoundError, StateError
from digest.states import OPEN_DELIVERY, DeliveryEvent, DeliveryState, IssueEvent, IssueState
from digest.store import batches, deliveries, issues
from digest.store.database import Database
from digest.values import CompiledIssue, Issue
from digest.variants import choose
from digest.why import Placed, explained


@dataclass(frozen=True, slots=True)
class Progress:
    """An issue and how many of its deliveries stand in each state."""

    issue: Issue
    counts: Mapping[DeliveryState, int]

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
    """The exact account of an issue: progress, why mail was not accepted, and every delivery in doubt by name."""

    progress: Progress
    reasons: tuple[tuple[DeliveryState, str, int], ...]
    in_doubt: tuple[tuple[str, str], ...]


def progress(
    database: Database, issue_ids: list[int] | None = None, edition: str | None = None, limit: int = 20
) -> list[Progress]:
    """The newest issues, or those named, with their counts."""
    with database.read() as connection:
        found = (
            [_get(connection, issue_id) for issue_id in issue_ids]
            if issue_ids is not None
            else issues.newest(connection, edition, limit)
        )
        counts = deliveries.counts(connection, [issue.id for issue in found])
    return [Progress(issue, counts[issue.id]) for issue in found]


def account(database: Database, issue_id: int) -> Account:
    (current,) = progress(database, [issue_id])
    with database.read() as connection:
        return Account(
            current,
            tuple(deliveries.reasons(connection, issue_id)),
            tuple(deliveries.named(connection, issue_id, DeliveryState.IN_DOUBT)),
        )


def contents(database: Database, issue_id: int, load: Callable[[int], CompiledIssue]) -> dict[str, list[str]]:
    """The headlines of an issue by section, as a reader of all sections gets them; none before it is composed."""
    with database.read() as connection:
        if _get(connection, issue_id).composed_at is None:
            return {}
    content = load(issue_id).content
    return {
        content.edition.sections[index].title: [content.items[story_id].title for story_id in stories]
        for index, stories in choose(content, None, None).shown
    }


def why(database: Database, issue_id: int, load: Callable[[int], CompiledIssue]) -> dict[str, list[Placed]]:
    """Per section of an issue why its stories stand there, for a reader of all sections; none before it is composed."""
    with database.read() as connection:
        if _get(connection, issue_id).composed_at is None:
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
    """End an issue: nothing more of it goes out. Returns how many deliveries were cancelled."""
    with database.write() as connection:
        _move(connection, issue_id, IssueEvent.CANCEL, now, reason="cancelled by the operator")
        return deliveries.cancel_open(connection, issue_id, now)


def resolve(database: Database, issue_id: int, event: DeliveryEvent, now: datetime) -> int:
    """Take all of an issue's deliveries out of doubt: ``RESEND`` or ``ASSUME_SENT``. Returns how many."""
    with database.write() as connection:
        issues.lock(connection, issue_id)
        issue = _get(connection, issue_id)
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
        _check_sendable(connection, _get(connection, issue_id))
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
    if issues.load_compiled(connection, issue.id) is None:
        raise StateError(f"the content of issue {issue.id} is not kept any more", "it can't be sent again")


def _send_again(connection: Connection, issue_id: int, now: datetime) -> None:
    batches.wake(connection, issue_id, now)
    if _get(connection, issue_id).state is IssueState.SENT:
        issues.move(connection, issue_id, IssueEvent.REOPEN, now)


def _move(connection: Connection, issue_id: int, event: IssueEvent, now: datetime, reason: str) -> None:
    issue = _get(connection, issue_id)
    if not issues.move(connection, issue_id, event, now, reason=reason):
        raise StateError(f"issue {issue_id} is {issue.state}", f"it is too late or too early to {event}")


def _get(connection: Connection, issue_id: int) -> Issue:
    issue = issues.get(connection, issue_id)
    if issue is None:
        raise NotFoundError(f"no issue {issue_id}", "see `digest issue list`")
    return issue
