"""A trial of two subjects: part of an issue's audience gets one or the other, the better one goes to the rest.

Who gets which is a function of the issue and the subscription alone, so that every process, every try and the ledger's
own SQL agree without a word written down per reader. What counts is readers who followed a story, per accepted mail.
Opens don't: mail servers and proxies load pictures for everybody.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

_PRIME = 2_147_483_647
_HALVES = 200  # half per cents of the audience
LEAST = 5
"""Readers that each arm must be expected to have who followed something, and who didn't: with fewer the test below,
which takes their number for normally distributed, says nothing."""
SURE = 1.96
"""Standard deviations that the arms must lie apart: by chance alone that far or farther once in 20 trials, and in
favour of B once in 40."""


class Arm(StrEnum):
    A = "a"
    B = "b"


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial of an issue's subjects, of arm A and B ("": the one that would go out without a trial), on ``share`` per
    cent of its audience, half of these each. It lasts ``minutes`` from when the issue goes out.

    Set as it goes out: ``decide_at``, and ``rest_from``, the number of the first batch that holds the rest; all before
    it hold the arms. Set by the decision: ``winner``, ``decided_at``, and ``why``, for people.
    """

    issue_id: int
    subjects: tuple[str, str]
    share: int
    minutes: int
    rest_from: int | None = None
    decide_at: datetime | None = None
    winner: Arm | None = None
    decided_at: datetime | None = None
    why: str = ""

    def subject_of(self, batch: int, subscription_id: int) -> str:
        """The subject a reader of this batch gets, on every try the same; "": the one that would go out without a
        trial. Raises ``ValueError`` for the rest before the decision."""
        arm = self.winner
        if self.rest_from is not None and batch < self.rest_from:
            arm = Arm.A if is_in_a(self, subscription_id) else Arm.B
        if arm is None:
            raise ValueError(f"the trial of issue {self.issue_id} is not decided yet")
        return self.subjects[arm is Arm.B]


@dataclass(frozen=True, slots=True)
class Tally:
    """What came of one arm: ``accepted`` mails, and how many of their readers ``followed`` a story."""

    accepted: int = 0
    followed: int = 0

    @property
    def rate(self) -> float:
        return self.followed / self.accepted if self.accepted else 0.0

    def __str__(self) -> str:
        return f"{100 * self.rate:.2f} % ({self.followed} of {self.accepted})"


def half_percent(issue_id: int, subscription_id: Any) -> Any:
    """Which of the audience's 200 half per cents a reader belongs to: another one in each issue, unlike their
    neighbours'. Of a number a number; of a column the expression for it, since it needs no more than ``*``, ``+`` and
    ``%``. Nothing in between passes 62 bits."""
    mixed = (subscription_id % _PRIME * 1_103_515_245 + issue_id * 1_664_525 % _PRIME) % _PRIME
    return mixed * mixed % _PRIME % _HALVES


def takes_part(trial: Trial, subscription_id: Any) -> Any:
    """Whether a reader is of the share, if their hour comes before the decision."""
    return half_percent(trial.issue_id, subscription_id) < 2 * trial.share


def is_in_a(trial: Trial, subscription_id: Any) -> Any:
    """Whether one of the share gets the subject of arm A."""
    return half_percent(trial.issue_id, subscription_id) < trial.share


def decision(a: Tally, b: Tally) -> tuple[Arm, str]:
    """Which arm the rest gets, and why: the one that was followed by more, if it is by more than chance explains (a
    two-proportion z-test); else A."""
    figures = f"A {a}, B {b}"
    apart = _deviations(a, b)
    if apart is None:
        return Arm.A, f"too few to tell A from B: {figures}"
    if abs(apart) < SURE:
        return Arm.A, f"no difference seen that chance would not explain: {figures}"
    better = Arm.B if apart > 0 else Arm.A
    return (
        better,
        f"{better.upper()} was followed by more, so much more by chance once in 20 trials at most: {figures}",
    )


def _deviations(a: Tally, b: Tally) -> float | None:
    """How many standard deviations B's rate lies above A's, if both had the same; ``None`` for too few."""
    mails = a.accepted + b.accepted
    if not mails:
        return None
    rate = (a.followed + b.followed) / mails
    if min(a.accepted, b.accepted) * min(rate, 1 - rate) < LEAST:
        return None
    return (b.rate - a.rate) / math.sqrt(rate * (1 - rate) * (1 / a.accepted + 1 / b.accepted))
