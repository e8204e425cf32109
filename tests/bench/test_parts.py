"""Everything that ``make bench`` and ``make bench-import`` start, started at a tiny scale: each part runs, and every
contestant gives figures. What needs Debian's postfix or Node competes where the benchmark has fetched it before."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench import __main__ as command
from bench import importing, measure, usual
from bench.contest import Contestant, Run
from bench.measure import PARTS, Bench, Plan, Results
from bench.processes import BenchError
from bench.provide import Tools, provide

TINY = Plan(
    rounds=1,
    seconds=60,
    count=5,
    pools=(2,),
    pooled=5,
    usual=5,
    sessions=(2,),
    far=20,
    subscribers=(5,),
    growth_runs=1,
    readers=20,
    ledgers=("SQLite",),
    signatures=("ed25519",),
    signing=0.05,
    articles=(10,),
    variants=(1, 10),
)
CONTESTANTS = {
    "speed": ["courier alone", "digest SQLite", "usual Celery way"],
    "wire": [
        f"courier, {n}, {chunks}" for chunks in ("no CHUNKING", "CHUNKING") for n in ("1 connection", "100 connections")
    ],
    "signed": ["digest PostgreSQL ed25519"],
}
FIGURES = {
    "signed": ["dkim"],
    "grow": ["compile: ms by articles", "write: µs by variants"],
    "subscribers": [
        f"subscribers: {what}" for what in ("seconds to the first batch", "messages/s", "cpu µs", "rss MB")
    ],
}


@pytest.fixture(scope="module")
def tools() -> Tools:
    """What can be had without fetching anything. One sink is enough."""
    return replace(provide(fetch=False), smtp_sink=())


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """One PostgreSQL server for all parts; the benchmark's own, since ours keeps no promise."""
    with measure.postgres() as url:
        yield url


@pytest.mark.parametrize("part", PARTS)
def test_every_contestant_of_a_part_gives_figures(
    part: str, tools: Tools, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "postgres", lambda: nullcontext(server))
    results = Results()
    PARTS[part](Bench(TINY, tools, tmp_path, print, results))
    assert results.failed == []
    fetched = ("smtp-source", "nodemailer")
    own = [one for one in results.contestants if not one.engine.startswith(fetched)]
    assert [one.name.removesuffix(" at fast") for one in own] == CONTESTANTS.get(part, [])
    assert all(row.messages_per_second > 0 and row.rss_mb > 1 for row in results.rows)
    assert len(results.rows) == len(results.contestants)
    for name in FIGURES.get(part, []):
        least = 0 if "cpu" in name else 1e-9  # so few mails may take less than a tick of the processor's clock
        assert all(value >= least for value in results.figures[name].values())


def test_readers_are_imported_into_both_databases(server: str, tmp_path: Path) -> None:
    found = importing.measured(tmp_path, server, 150)
    for runs in found.values():
        new, known = runs["all new"], runs["all known"]
        assert (new["added"], new["rejected"], known["unchanged"]) == (149, 1, 149)
        assert len(runs) == 3 and all(run["rows/s"] > 0 for run in runs.values())


def test_a_task_of_the_usual_way_that_fails_leaves_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    noted: dict[str, str] = {}
    monkeypatch.setattr(usual, "_counter", lambda: SimpleNamespace(set=noted.__setitem__))
    monkeypatch.setattr(usual, "PORT", 1)
    assert usual.send.apply((1,)).failed()
    assert noted[usual.FAILED].startswith("ConnectionRefusedError")


def test_what_fails_stands_above_all_figures_and_in_the_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def part(bench: Bench) -> None:
        bench.compete([Contestant("first", "fast", lambda: Run(5, 0.1, 0.1, 9)), Contestant("second", "fast", fails)])

    def fails() -> Run:
        raise BenchError("its worker is gone")

    def broken(_bench: Bench) -> None:
        raise BenchError("no server")

    def run(*parts: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["bench", "--quick", "--parts", ",".join(parts)])
        status = command.main()
        return status, capsys.readouterr().out

    monkeypatch.setattr(command, "provide", lambda: Tools((), (), (), (), (), {}, ("nodemailer: needs node and npm",)))
    monkeypatch.setattr(command, "PARTS", {"speed": part, "wire": broken, "cost": lambda _bench: None})
    status, said = run("speed", "wire")
    assert status == 1
    head = said.partition("engine")[0]
    assert "FAILED  second at fast: its worker is gone" in head
    assert "FAILED  all of wire: no server" in head
    assert "left out  nodemailer: needs node and npm" in head
    status, said = run("cost")
    assert status == 0 and "FAILED" not in said
