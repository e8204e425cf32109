"""The whole failure policy, as a table."""

from __future__ import annotations

from datetime import timedelta

import pytest

from digest.delivery.retry import Stop, batch_pause, decide
from digest.outcomes import Outcome, Result, Stage
from digest.states import DeliveryEvent as Event
from tests.conftest import NOW

GIVE_UP = timedelta(hours=48)
YOUNG, OLD = NOW - timedelta(hours=1), NOW - timedelta(hours=48)


def outcome(result: Result, code: int = 0, stage: Stage = Stage.RECIPIENT) -> Outcome:
    return Outcome(result, "said", code, stage=stage)


@pytest.mark.parametrize(
    ("tried", "since", "event", "stop"),
    [
        (outcome(Result.ACCEPTED, 250, Stage.MESSAGE), OLD, Event.ACCEPT, Stop.NOTHING),
        (outcome(Result.PERMANENT, 550), YOUNG, Event.FAIL, Stop.NOTHING),
        (outcome(Result.PERMANENT, 554, Stage.MESSAGE), YOUNG, Event.FAIL, Stop.NOTHING),
        (outcome(Result.PERMANENT, stage=Stage.LOCAL), YOUNG, Event.FAIL, Stop.NOTHING),
        (outcome(Result.PERMANENT, 553, Stage.SENDER), YOUNG, Event.DEFER, Stop.RUN),
        (outcome(Result.PERMANENT, 553, Stage.SENDER), OLD, Event.DEFER, Stop.RUN),
        (outcome(Result.TEMPORARY, 450), YOUNG, Event.DEFER, Stop.NOTHING),
        (outcome(Result.TEMPORARY, 450), OLD, Event.FAIL, Stop.NOTHING),
        (outcome(Result.TEMPORARY, 421, Stage.MESSAGE), YOUNG, Event.DEFER, Stop.BATCH),
        (outcome(Result.UNSENT, stage=Stage.CONNECT), YOUNG, Event.DEFER, Stop.BATCH),
        (outcome(Result.UNSENT, 421, Stage.SENDER), YOUNG, Event.DEFER, Stop.BATCH),
        (outcome(Result.HELD, stage=Stage.LOCAL), OLD, Event.DEFER, Stop.NOTHING),
        (outcome(Result.UNSENT, stage=Stage.CONNECT), OLD, Event.FAIL, Stop.NOTHING),
        (outcome(Result.UNKNOWN), YOUNG, Event.LOSE, Stop.BATCH),
        (outcome(Result.UNKNOWN), OLD, Event.LOSE, Stop.BATCH),
        (outcome(Result.REFUSED_LOGIN, 535, Stage.CONNECT), OLD, Event.DEFER, Stop.RUN),
    ],
)
def test_policy(tried, since, event, stop) -> None:  # type: ignore[no-untyped-def]
    decision = decide(tried, 1, NOW, since, GIVE_UP, 0.5)
    assert (decision.event, decision.stop) == (event, stop)
    assert (decision.due_at is not None) == (event is Event.DEFER)


def test_only_what_the_recipients_server_saw_counts_as_a_try() -> None:
    unsent = (outcome(Result.UNSENT, stage=Stage.CONNECT), False), (outcome(Result.UNSENT), True)
    others = (outcome(Result.TEMPORARY), True), (outcome(Result.REFUSED_LOGIN), False), (outcome(Result.HELD), False)
    for tried, counts in (*unsent, *others):
        assert decide(tried, 1, NOW, YOUNG, GIVE_UP, 0).counts is counts


def test_retries_come_ever_later_but_within_hours() -> None:
    waits = []
    for attempt in range(1, 40):
        due_at = decide(outcome(Result.TEMPORARY, 450), attempt, NOW, YOUNG, GIVE_UP, 0).due_at
        assert due_at
        waits.append(due_at - NOW)
    assert waits[0] == timedelta(minutes=5)
    assert waits == sorted(waits)
    assert waits[-1] == timedelta(hours=4)


def test_chance_spreads_retries_by_up_to_a_quarter() -> None:
    assert batch_pause(1, 0) == timedelta(seconds=15)
    assert batch_pause(1, 0.999) < timedelta(seconds=15) * 1.25
    assert batch_pause(50, 0) == timedelta(minutes=15)
