"""What limits may be set, and the arithmetic that each comes to."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from digest.configuration import load
from digest.delivery import limits
from digest.delivery.limits import LEASE_MOST, Ramp
from digest.errors import ConfigError
from digest.gate import OpenGate, open_gate
from digest.settings import LimitSettings
from tests.conftest import KEY

DAY = 86_400
MICRO = 1_000_000

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
        ({"domains": {"ann@gmail.com": {}}}, "not a valid domain"),
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
