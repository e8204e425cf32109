"""Several routes and limits: who takes over when one is no use, who shares by weight, what waits for a limit."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing

import pytest

from digest.gate import SharedGate
from digest.outcomes import Envelope, Outcome, Result
from digest.settings import SmtpSettings
from digest.smtp.courier import SmtpCourier, in_order
from tests.support.gates import gate_for, server
from tests.support.smtp_server import DROP, Script, SmtpServer

__all__ = ["gate_for", "server"]  # fixtures
MESSAGE = b"Subject: x\r\n\r\nhello\r\n"


def route(server: SmtpServer, name: str = "default", **settings: object) -> SmtpSettings:
    plain = {"name": name, "host": "127.0.0.1", "port": server.port, "security": "none", "timeout_seconds": 5}
    return SmtpSettings.model_validate(plain | settings)


def carried(routes: list[SmtpSettings], recipients: list[str], gate: SharedGate | None = None) -> list[Outcome]:
    with closing(SmtpCourier(routes, gate)) as courier:
        return in_order(courier.send(Envelope("b+x@b.example", r, MESSAGE) for r in recipients))


PIPELINING = Script(extensions=(b"PIPELINING",))
MANY = [f"r{number}@x.example" for number in range(60)]


def test_another_route_takes_over_from_one_that_is_down() -> None:
    with SmtpServer() as gone:
        pass
    with SmtpServer(PIPELINING) as alive:
        outcomes = carried([route(gone), route(alive, "second")], MANY)
    assert {o.result for o in outcomes} == {Result.ACCEPTED}
    assert sorted(alive.recipients) == sorted(MANY)


def test_another_route_takes_over_from_one_that_turns_us_away() -> None:
    script = Script(reply=lambda stage, _r, _c: b"554 5.7.1 not you" if stage == "banner" else None)
    with SmtpServer(script) as refusing, SmtpServer() as alive:
        outcomes = carried([route(refusing), route(alive, "second")], MANY)
    assert {o.result for o in outcomes} == {Result.ACCEPTED}
    assert len(alive.received) == len(MANY)


@pytest.mark.parametrize("stage", ["banner", "EHLO"])
def test_connections_that_fail_do_not_keep_the_one_that_opens_from_being_used(stage: str) -> None:
    script = Script(reply=lambda s, _r, connection: DROP if s == stage and connection != 3 else None)
    with SmtpServer(script) as server:
        outcomes = carried([route(server, connections=4)], MANY)
    assert {o.result for o in outcomes} == {Result.ACCEPTED}
    assert {message.connection for message in server.received} == {3}


def test_routes_with_room_share_by_weight() -> None:
    chunks = Script(extensions=(b"PIPELINING", b"CHUNKING"))
    with SmtpServer(chunks) as heavy, SmtpServer(chunks) as light:
        routes = [route(heavy, connections=1, weight=3), route(light, "light", connections=1)]
        with closing(SmtpCourier(routes)) as courier:
            for recipients in (MANY, MANY[:8]):
                before = len(heavy.received), len(light.received)
                list(courier.send(Envelope("s@b.example", r, MESSAGE) for r in recipients))
        assert (len(heavy.received) - before[0], len(light.received) - before[1]) == (6, 2)


def test_a_run_uses_several_connections_and_the_next_run_the_same_ones() -> None:
    with SmtpServer(PIPELINING) as server, closing(SmtpCourier([route(server, connections=3)])) as courier:
        for _ in range(3):
            outcomes = in_order(courier.send(Envelope("s@b.example", r, MESSAGE) for r in MANY))
            assert {o.result for o in outcomes} == {Result.ACCEPTED}
        assert server.connections == 3
        assert len(Counter(message.connection for message in server.received)) == 3


def test_a_connection_that_lay_idle_longer_than_an_answer_may_take_is_used_again() -> None:
    slow = Script(extensions=(b"PIPELINING",), reply=lambda s, _r, number: time.sleep(0.1) if number == 1 else None)
    with SmtpServer(slow) as server:
        with closing(SmtpCourier([route(server, connections=2, timeout_seconds=0.5)])) as courier:
            for _ in range(2):
                outcomes = in_order(courier.send(Envelope("s@b.example", r, MESSAGE) for r in MANY[:8]))
                assert {o.result for o in outcomes} == {Result.ACCEPTED}
                time.sleep(0.7)  # idle: the very thing that is tested
        assert server.connections == 2


def test_a_connection_is_left_after_its_share_of_messages() -> None:
    with SmtpServer(PIPELINING) as server:
        outcomes = carried([route(server, connections=2, messages_per_connection=10)], MANY)
    assert {o.result for o in outcomes} == {Result.ACCEPTED}
    assert max(Counter(message.connection for message in server.received).values()) <= 11
    assert server.connections >= 6


def test_a_held_domain_waits_while_others_go(gate_for: Callable[..., SharedGate]) -> None:
    gate = gate_for(domains={"slow.example": {"per_hour": 20}})
    recipients = [f"r{n}@{'slow' if n % 2 else 'fast'}.example" for n in range(40)]
    with SmtpServer(PIPELINING) as server:
        outcomes = carried([route(server)], recipients, gate)
    results = Counter((r.partition("@")[2], o.result) for r, o in zip(recipients, outcomes, strict=True))
    assert results["fast.example", Result.ACCEPTED] == 20
    assert results["slow.example", Result.HELD] >= 15
    assert all(o.retry_after > 1 for o in outcomes if o.result is Result.HELD)
    assert Counter(server.recipients) == Counter(
        r for r, o in zip(recipients, outcomes, strict=True) if o.result is Result.ACCEPTED
    )


def test_a_rate_for_the_whole_is_waited_out(gate_for: Callable[..., SharedGate]) -> None:
    gate = gate_for(per_second=30)
    with SmtpServer(PIPELINING) as server:
        outcomes = carried([route(server)], MANY, gate)
    assert {o.result for o in outcomes} == {Result.ACCEPTED}


@pytest.mark.parametrize("connections", [1, 2])
def test_connections_over_all_workers_stay_within_the_limit(
    connections: int, gate_for: Callable[..., SharedGate]
) -> None:
    limit = {"routes": {"default": {"connections": connections}}}
    with SmtpServer(PIPELINING) as server:
        other = gate_for(**limit)
        held = [other.connect("default") for _ in range(connections)]
        crowded = carried([route(server)], MANY, gate_for(**limit))
        assert {o.result for o in crowded} == {Result.HELD}
        for slot in held:
            assert slot
            other.release(slot)
        served = carried([route(server)], MANY, gate_for(**limit))
    assert {o.result for o in served} == {Result.ACCEPTED}
    assert server.connections <= connections
