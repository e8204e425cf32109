"""Trials of two subjects: at most one of an issue, decided once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, case, delete, exists, func, insert, select, update

from digest.feedback.trials import Arm, Tally, Trial, is_in_a
from digest.states import IssueState
from digest.store.ledger.clicks import ACCEPTED
from digest.store.schema import clicks, deliveries, issues, trials


def put(connection: Connection, trial: Trial) -> None:
    """Store a trial in place of what was stored for its issue."""
    drop(connection, trial.issue_id)
    a, b = trial.subjects
    row = {"issue_id": trial.issue_id, "subject_a": a, "subject_b": b, "share": trial.share, "minutes": trial.minutes}
    connection.execute(insert(trials).values(row))


def drop(connection: Connection, issue_id: int) -> bool:
    """Forget an issue's trial. False if there is none."""
    return connection.execute(delete(trials).where(trials.c.issue_id == issue_id)).rowcount == 1


def get(connection: Connection, issue_id: int) -> Trial | None:
    """An issue's trial, if it has one."""
    row = connection.execute(select(trials).where(trials.c.issue_id == issue_id)).one_or_none()
    return _trial(row) if row else None


def due(connection: Connection, now: datetime) -> Sequence[int]:
    """The issues whose trials are to be decided: those being sent, and those that are sent, since nobody was left to
    wait for it. A paused one's waits until it goes on."""
    statement = (
        select(trials.c.issue_id)
        .join(issues, issues.c.id == trials.c.issue_id)
        .where(
            trials.c.decide_at <= now,
            trials.c.winner.is_(None),
            issues.c.state.in_((IssueState.SENDING, IssueState.SENT)),
        )
    )
    return list(connection.execute(statement.order_by(trials.c.issue_id)).scalars())


def begin(connection: Connection, issue_id: int, decide_at: datetime, rest_from: int) -> None:
    """The issue goes out: the rest is in the batches from ``rest_from`` on, due at ``decide_at`` or later."""
    values = {"decide_at": decide_at, "rest_from": rest_from}
    connection.execute(update(trials).where(trials.c.issue_id == issue_id).values(values))


def decide(connection: Connection, issue_id: int, winner: Arm, why: str, now: datetime) -> bool:
    """Write the decision. False if somebody has decided before."""
    undecided = update(trials).where(trials.c.issue_id == issue_id, trials.c.winner.is_(None))
    return connection.execute(undecided.values(winner=winner, why=why, decided_at=now)).rowcount == 1


def has_rest(connection: Connection, trial: Trial) -> bool:
    """Whether anybody is, or was, to get the subject that is decided on."""
    if trial.rest_from is None:
        return False
    mine = exists().where(deliveries.c.issue_id == trial.issue_id, deliveries.c.batch >= trial.rest_from)
    return bool(connection.execute(select(mine)).scalar_one())


def tallies(connection: Connection, trial: Trial) -> tuple[Tally, Tally]:
    """What has come of arm A and arm B so far."""
    who = deliveries.c.subscription_id
    own = (clicks.c.issue_id == trial.issue_id, clicks.c.subscription_id == who, clicks.c.counts == 1)
    followed = exists().where(*own).correlate(deliveries)
    in_a = case((is_in_a(trial, who), 1), else_=0)
    statement = (
        select(in_a, func.count(), func.count(case((followed, 1))))
        .where(
            deliveries.c.issue_id == trial.issue_id,
            deliveries.c.batch < (trial.rest_from or 0),
            deliveries.c.state.in_(ACCEPTED),
        )
        .group_by(in_a)
    )
    found = {which: Tally(accepted, number) for which, accepted, number in connection.execute(statement)}
    return found.get(1, Tally()), found.get(0, Tally())


def _trial(row: Row[Any]) -> Trial:
    return Trial(
        issue_id=row.issue_id,
        subjects=(row.subject_a, row.subject_b),
        share=row.share,
        minutes=row.minutes,
        rest_from=row.rest_from,
        decide_at=row.decide_at,
        winner=Arm(row.winner) if row.winner else None,
        decided_at=row.decided_at,
        why=row.why,
    )
