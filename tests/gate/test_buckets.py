"""Limits over several gates on a real server: never more messages than allowed, and hardly less."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from digest.delivery import limits
from digest.delivery.limits import LEASE_MOST, LEASE_SECONDS, Ramp
from digest.gate import SharedGate
from digest.settings import LimitSettings
from tests.support.gates import Server, admitted, gate_for, ramping, server, used
from tests.support.limit_processes import hammer

__all__ = ["gate_for", "server"]  # fixtures
SPAWN = multiprocessing.get_context("spawn")


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
