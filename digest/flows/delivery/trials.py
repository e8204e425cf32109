"""trial : two subjects | part of the audience | count | decide once | the rest"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from digest.editions import checks
from digest.editorial.changes import Change, ChangeKind
from digest.errors import InputError, StateError
from digest.feedback.trials import Arm, Tally, Trial, decision
from digest.states import IssueState
from digest.store.content import editions
from digest.store.database import Database
from digest.store.ledger import batches, changes, issues, trials
from digest.values import Issue

_LONGEST = 200  # characters of a subject
_BEFORE = (IssueState.SCHEDULED, IssueState.COMPOSED)


@dataclass(frozen=True, slots=True)
class Standing:
    """A trial of an issue in that state and what has come of its arms so far; after its decision clicks go on coming
    in. ``has_rest``: somebody is, or was, to get the subject that is decided on. ``time_zone``: the edition's."""

    trial: Trial
    a: Tally
    b: Tally
    state: IssueState
    has_rest: bool
    time_zone: str = "UTC"


def plan(database: Database, trial: Trial, by: str, now: datetime) -> None:
    """Try two subjects when the issue goes out. Raises ``InputError`` for subjects that can't stand or don't differ,
    and where clicks are not tracked: nothing would tell which is better; ``StateError`` once the issue has gone out."""
    for written in filter(None, trial.subjects):
        if len(written) > _LONGEST:
            raise InputError(f"a subject has {len(written)} characters", f"at most {_LONGEST}")
        try:
            checks.subject_template(checks.one_line(written))
        except ValueError as error:
            raise InputError(f"{written!r} can't be a subject: {error}") from None
    if trial.subjects[0] == trial.subjects[1]:
        raise InputError("both subjects are the same", "there would be nothing to try")
    with database.write() as connection:
        issue = _open(connection, trial.issue_id)
        if not editions.get(connection, issue.edition).track_clicks:
            raise InputError(
                f"{issue.edition} does not track clicks, and nothing else would tell which subject is better",
                "set track_clicks = true under [edition] and apply it",
            )
        trials.put(connection, trial)
        _changed(connection, issue, f"trial on {trial.share} %: {_quoted(trial)}", by, now)


def drop(database: Database, issue_id: int, by: str, now: datetime) -> bool:
    """Send the issue without a trial after all. False if there was none; raises ``StateError`` once it has gone out."""
    with database.write() as connection:
        issue = _open(connection, issue_id)
        dropped = trials.drop(connection, issue_id)
        if dropped:
            _changed(connection, issue, "no trial", by, now)
        return dropped


def _open(connection: Connection, issue_id: int) -> Issue:
    """An issue that has not gone out yet, and won't before the transaction ends."""
    issues.lock(connection, issue_id)
    issue = issues.require(connection, issue_id)
    if issue.state not in _BEFORE:
        raise StateError(f"issue {issue_id} is {issue.state}", "a trial is set before an issue goes out")
    return issue


def _changed(connection: Connection, issue: Issue, told: str, by: str, now: datetime) -> None:
    """An approval from before was for other subjects."""
    changes.revise(connection, issue, [Change(issue.revision + 1, now, by, ChangeKind.TRIAL, told)], approved_at=None)


def _quoted(trial: Trial) -> str:
    return " or ".join(f"“{subject}”" if subject else "as composed" for subject in trial.subjects)


def pick(database: Database, issue_id: int, arm: Arm, by: str, now: datetime) -> None:
    """Decide by hand, before the time is over: the rest goes out now. Raises ``StateError`` when there is nothing to be
    decided, or not any more."""
    with database.write() as connection:
        issues.lock(connection, issue_id)
        trial = trials.get(connection, issue_id)
        if trial is None or trial.decide_at is None or trial.rest_from is None:
            raise StateError(f"issue {issue_id} has no trial on its way", "see `digest report`")
        if trial.winner:
            raise StateError(f"the trial of issue {issue_id} is decided: {trial.winner.upper()} ({trial.why})")
        if not trials.has_rest(connection, trial):
            raise StateError(
                f"the trial of issue {issue_id} has all its audience", "nobody is left to get either subject"
            )
        _decide(connection, trial, arm, "picked by hand", by, now)
        batches.hasten(connection, issue_id, trial.rest_from, trial.decide_at, now)


def decide_due(database: Database, now: datetime) -> list[Trial]:
    """Decide the trials whose time is over. Returns them as decided."""
    with database.read() as connection:
        due = trials.due(connection, now)
    return [trial for issue_id in due if (trial := decide(database, issue_id, now))]


def decide(database: Database, issue_id: int, now: datetime) -> Trial | None:
    """Decide a trial, unless somebody has: of several who come at once one decides, the others get to know."""
    with database.write() as connection:
        issues.lock(connection, issue_id)
        trial = trials.get(connection, issue_id)
        if trial and trial.winner is None:
            winner, why = decision(*trials.tallies(connection, trial))
            _decide(connection, trial, winner, why, "digest", now)
        return trials.get(connection, issue_id)


def _decide(connection: Connection, trial: Trial, winner: Arm, why: str, by: str, now: datetime) -> None:
    if trials.decide(connection, trial.issue_id, winner, why, now):
        gets = f"the rest gets subject {winner.upper()}" if trials.has_rest(connection, trial) else "the trial is over"
        told = f"{gets}: {why}"
        changes.record(connection, trial.issue_id, ChangeKind.TRIAL, told, by, now)


def for_batch(database: Database, issue_id: int, number: int, now: datetime) -> Trial | None:
    """The trial that says which subjects a batch gets, ``None`` for an issue without one. Whoever comes first to send
    to the rest decides."""
    with database.read() as connection:
        trial = trials.get(connection, issue_id)
    if trial and trial.winner is None and trial.rest_from is not None and number >= trial.rest_from:
        return decide(database, issue_id, now)
    return trial


def standing(database: Database, issue_id: int) -> Standing | None:
    """How an issue's trial stands; ``None`` when it has none."""
    with database.read() as connection:
        trial = trials.get(connection, issue_id)
        if trial is None:
            return None
        issue = issues.require(connection, issue_id)
        a, b = trials.tallies(connection, trial)
        zone = editions.time_zones(connection)[issue.edition]
        return Standing(trial, a, b, issue.state, trials.has_rest(connection, trial), zone)
