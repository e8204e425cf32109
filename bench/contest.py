"""Contestants run in turns, so that whatever else the machine does meets all of them; medians are compared."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.processes import BenchError
from digest.errors import DigestError

_FAULTS = (BenchError, DigestError, OSError, subprocess.SubprocessError)


@dataclass(frozen=True, slots=True)
class Run:
    """One run: messages, wall-clock seconds, processor seconds of the sender, its peak memory."""

    count: int
    seconds: float
    cpu: float
    rss_mb: float


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the results. ``ratio``: to the best smtp-source at the same sink and round trip in the same run."""

    engine: str
    sink: str
    mail: str
    rtt_ms: int
    ledger: str
    dkim: str
    messages_per_second: float
    cpu_us_per_message: float
    ratio: float | None
    rss_mb: float


@dataclass
class Contestant:
    """Something that sends, and what to call it. ``fault``: why it is out of the contest ("": it is not)."""

    engine: str
    sink: str
    go: Callable[[], Run]
    rtt_ms: int = 0
    ledger: str = ""
    dkim: str = ""
    runs: list[Run] = field(default_factory=list)
    fault: str = ""

    @property
    def name(self) -> str:
        """What tells it from all others."""
        return " ".join(filter(None, (self.engine, self.ledger, self.dkim, "at", self.sink)))

    @property
    def rate(self) -> float:
        return statistics.median(run.count / run.seconds for run in self.runs)

    @property
    def cpu_us(self) -> float:
        return statistics.median(run.cpu / run.count * 1e6 for run in self.runs)

    @property
    def spread(self) -> tuple[float, float]:
        rates = [run.count / run.seconds for run in self.runs]
        return min(rates), max(rates)


def take_turns(contestants: Sequence[Contestant], rounds: int, seconds: float, say: Callable[[str], None]) -> list[str]:
    """Let each run ``rounds`` times, in turns; fewer times when another round would end after ``seconds``. One that
    fails is out, and has its ``fault``. Returns what else is to be known of the contest, a line each."""
    notes: list[str] = []
    began = time.monotonic()
    for number in range(1, rounds + 1):
        spent = time.monotonic() - began
        if number > 1 and spent * number / (number - 1) > seconds:
            notes.append(f"only {number - 1} of {rounds} rounds with {contestants[-1].engine}: the time was up")
            say(notes[-1])
            break
        for contestant in contestants:
            if contestant.fault:
                continue
            try:
                run = contestant.go()
            except _FAULTS as error:
                contestant.fault = str(error) or repr(error)
                say(f"  {contestant.name} is out: {contestant.fault}")
                continue
            contestant.runs.append(run)
            label = " ".join(filter(None, (contestant.ledger, contestant.dkim)))
            say(f"  {number}/{rounds} {contestant.engine:<24} {label:<18} {contestant.sink:<10}{_figures(run)}")
    return notes


def _figures(run: Run) -> str:
    return f"{run.count / run.seconds:>9,.0f}/s {run.cpu / run.count * 1e6:>9,.0f} µs {run.rss_mb:>6,.0f} MB"


def rows(contestants: Sequence[Contestant], mail: str) -> list[Row]:
    """The results with ratios; of smtp-source only the best number of sessions counts, as the ceiling."""
    ran = [contestant for contestant in contestants if contestant.runs]
    ceilings: dict[tuple[str, int], float] = {}
    for one in ran:
        if one.engine.startswith("smtp-source"):
            place = one.sink, one.rtt_ms
            ceilings[place] = max(one.rate, ceilings.get(place, 0.0))
    return [
        Row(
            one.engine,
            one.sink,
            mail,
            one.rtt_ms,
            one.ledger,
            one.dkim,
            round(one.rate, 1),
            round(one.cpu_us, 1),
            round(one.rate / ceiling, 3) if (ceiling := ceilings.get((one.sink, one.rtt_ms))) else None,
            round(max(run.rss_mb for run in one.runs), 1),
        )
        for one in ran
    ]
