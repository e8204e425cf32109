"""The failure policy, all of it: what came of a try × tries × age -> what happens to the delivery, batch and run.

Pure, so that the whole policy is one table in a test. Reasons behind it: RFC 5321 4.5.4.1 (retry 4xx, give up after
days), RFC 3463 (enhanced codes), RFC 4954 (a refused login says nothing about recipients), greylisting (a first
retry within minutes is enough, hammering is not).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from digest.outcomes import Outcome, Result, Stage
from digest.states import DeliveryEvent

_FIRST_RETRY = timedelta(minutes=5)
_LONGEST_RETRY = timedelta(hours=4)
_FIRST_PAUSE = timedelta(seconds=15)
_LONGEST_PAUSE = timedelta(minutes=15)


class Stop(StrEnum):
    """How far a failure reaches beyond its own delivery."""

    NOTHING = "nothing"
    BATCH = "batch"  # no connection worth using now: the batch comes back later
    RUN = "run"  # our own fault (login, sender): pause the issue, blame no recipient


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens next. ``due_at`` is set for a deferred delivery. ``counts``: it was a try the recipient's server
    saw, so the delivery's number of attempts goes up."""

    event: DeliveryEvent
    stop: Stop = Stop.NOTHING
    due_at: datetime | None = None
    counts: bool = True


def decide(
    outcome: Outcome, attempts: int, now: datetime, sending_since: datetime, give_up: timedelta, jitter: float
) -> Decision:
    """The decision for one delivery. ``attempts`` counts this try; ``jitter`` is in [0, 1) and spreads retries."""
    if outcome.result is Result.ACCEPTED:
        return Decision(DeliveryEvent.ACCEPT)
    if outcome.result is Result.HELD:
        return Decision(DeliveryEvent.DEFER, due_at=now + timedelta(seconds=outcome.retry_after), counts=False)
    if outcome.result is Result.UNKNOWN:
        return Decision(DeliveryEvent.LOSE, Stop.BATCH)
    if outcome.result is Result.REFUSED_LOGIN or _our_own_fault(outcome):
        return Decision(DeliveryEvent.DEFER, Stop.RUN, now, counts=False)
    if outcome.result is Result.PERMANENT:
        return Decision(DeliveryEvent.FAIL)
    if now - sending_since >= give_up:
        return Decision(DeliveryEvent.FAIL)
    if outcome.result is Result.UNSENT and outcome.stage is Stage.CONNECT:
        return Decision(DeliveryEvent.DEFER, Stop.BATCH, now, counts=False)
    # A message whose dialogue ends connections counts its tries: it may be the message that ends them.
    stop = Stop.BATCH if outcome.code == 421 or outcome.result is Result.UNSENT else Stop.NOTHING
    return Decision(DeliveryEvent.DEFER, stop, now + _backoff(_FIRST_RETRY, _LONGEST_RETRY, attempts, jitter))


def batch_pause(failures: int, jitter: float) -> timedelta:
    """How long a batch waits after its ``failures``-th run in a row that ended for want of a connection."""
    return _backoff(_FIRST_PAUSE, _LONGEST_PAUSE, failures, jitter)


def _our_own_fault(outcome: Outcome) -> bool:
    """A permanent refusal of the sender, before any recipient was named, would meet every recipient alike."""
    return outcome.result is Result.PERMANENT and outcome.stage in {Stage.SENDER, Stage.CONNECT}


def _backoff(first: timedelta, longest: timedelta, times: int, jitter: float) -> timedelta:
    """``first`` × 3^(times-1), at most ``longest``, plus up to a quarter."""
    grown: timedelta = first * 3.0 ** min(max(times, 1) - 1, 20)
    return min(grown, longest) * (1 + jitter / 4)
