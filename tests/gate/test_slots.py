"""Connections counted over several processes, and what becomes of limits when processes or their server die."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Callable

import pytest

from digest.errors import UnavailableError
from digest.gate import SharedGate
from digest.settings import LimitSettings
from tests.support.gates import Server, admitted, gate_for, ramping, server, until, used
from tests.support.limit_processes import hold_a_connection

__all__ = ["gate_for", "server"]  # fixtures
SPAWN = multiprocessing.get_context("spawn")


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


def test_who_stood_still_too_long_learns_that_its_slot_is_gone(gate_for: Callable[..., SharedGate]) -> None:
    now = [0.0]
    asleep = gate_for(slot_seconds=0.1, monotonic=lambda: now[0], routes={"default": {"connections": 1}})
    awake = gate_for(routes={"default": {"connections": 1}})
    slot = asleep.connect("default")
    assert slot
    until(lambda: awake.connect("default"))
    now[0] += 1
    assert asleep.admit("default", "example.org") == 0.0
    assert slot.lost


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
