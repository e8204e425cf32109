"""Slots on ordinary days and on the nights when clocks change; missed slots; the reader's own hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from digest.editions import schedule
from digest.errors import InputError

BERLIN = "Europe/Berlin"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def slots(cron: str, time_zone: str, after: str, count: int) -> list[str]:
    """Slots found the way beat finds them: each from the one before, and also from a few minutes later."""
    found: list[str] = []
    moment = utc(after)
    for _ in range(count):
        following = schedule.next_slot(cron, time_zone, moment)
        assert following is not None
        found.append(following.strftime("%m-%dT%H:%M"))
        moment = following
    return found


@pytest.mark.parametrize(
    ("cron", "time_zone", "after", "expected"),
    [
        ("0 7 * * *", "Asia/Kolkata", "2026-11-23T01:29", ["11-23T01:30", "11-24T01:30"]),
        ("0 7 * * 1-5", "Asia/Kolkata", "2026-11-26T02:00", ["11-27T01:30", "11-30T01:30"]),
        ("0 9 1 * *", "America/New_York", "2026-10-15T00:00", ["11-01T14:00", "12-01T14:00"]),
        ("30 2 * * *", BERLIN, "2026-10-24T12:00", ["10-25T00:30", "10-26T01:30"]),  # 02:30 comes twice that night
        ("30 2 * * *", BERLIN, "2026-10-25T01:15", ["10-26T01:30"]),  # looked at between the two
        ("30 2 * * *", BERLIN, "2026-03-28T12:00", ["03-29T01:00", "03-30T00:30"]),  # 02:30 does not come at all
        ("0 7 * * *", BERLIN, "2026-10-24T12:00", ["10-25T06:00", "10-26T06:00"]),
    ],
)
def test_slots(cron: str, time_zone: str, after: str, expected: list[str]) -> None:
    assert slots(cron, time_zone, after, len(expected)) == expected


@pytest.mark.parametrize("start", ["2026-03-28T20:00", "2026-10-24T20:00"])
@pytest.mark.parametrize("cron", ["30 2 * * *", "0 2,3 * * *", "0 0 * * *"])
def test_a_beat_through_the_night_of_the_change_sees_each_day_once_and_never_goes_back(start: str, cron: str) -> None:
    seen: list[datetime] = []
    for minute in range(0, 48 * 60, 7):
        now = utc(start) + timedelta(minutes=minute)
        following = schedule.next_slot(cron, BERLIN, now)
        assert following is not None
        assert following > now
        seen.append(following)
    assert seen == sorted(seen)
    per_day = len(cron.split()[1].split(","))
    assert len(set(seen)) <= 3 * per_day


@pytest.mark.parametrize(
    ("cron", "why"),
    [
        ("0 7 * *", "4 fields"),
        ("0 0 7 * * *", "6 fields"),
        ("0 25 * * *", "hour"),
        ("0 7 31 2 *", "day"),
        ("@daily", "1 fields"),
        ("", "0 fields"),
        (f"0 {','.join(map(str, range(24)))} * * {','.join(['1'] * 20)}", "longer than 80"),
    ],
)
def test_bad_cron_is_told(cron: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        schedule.check_cron(cron)


def test_good_cron_passes() -> None:
    for cron in ("0 7 * * 1-5", "*/15 * * * *", "0 7 L * *", "0 7 * * MON#1", "0 0 29 2 *"):
        schedule.check_cron(cron)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-01T07:00", "2026-12-01T01:30"),
        ("2026-12-01 07:00Z", "2026-12-01T07:00"),
        ("2026-12-01T07:00+01:00", "2026-12-01T06:00"),
    ],
)
def test_at_is_local_unless_it_says_otherwise(text: str, expected: str) -> None:
    assert schedule.parse_at(text, "Asia/Kolkata") == utc(expected)


@pytest.mark.parametrize(
    ("text", "time_zone"),
    [("tomorrow", "UTC"), ("2026-12-01", "UTC"), ("2026-03-29T02:30", BERLIN), ("2026-12-01T07:00", "Europe/Atlantis")],
)
def test_at_refuses(text: str, time_zone: str) -> None:
    with pytest.raises(InputError):
        schedule.parse_at(text, time_zone)


@pytest.mark.parametrize("name", ["", "Europe", "../etc/passwd", "Mars/Olympus", "/etc/localtime"])
def test_bad_time_zones(name: str) -> None:
    with pytest.raises(InputError, match="no time zone"):
        schedule.zone(name)


def test_of_the_slots_missed_only_the_newest_comes_out() -> None:
    cron, due = "0 7 * * *", utc("2026-11-20T07:00")
    assert schedule.due_slot(due, cron, "UTC", utc("2026-11-20T06:59")) == (None, due)
    assert schedule.due_slot(due, cron, "UTC", due) == (due, utc("2026-11-21T07:00"))
    down = utc("2026-11-23T09:00")
    assert schedule.due_slot(due, cron, "UTC", down) == (utc("2026-11-23T07:00"), utc("2026-11-24T07:00"))


def test_missed_slots_of_sparse_and_dense_schedules() -> None:
    assert schedule.due_slot(utc("2026-02-01T00:00"), "0 0 1 * *", "UTC", utc("2026-11-23T09:00")) == (
        utc("2026-11-01T00:00"),
        utc("2026-12-01T00:00"),
    )
    assert schedule.due_slot(utc("2024-01-01T00:00"), "* * * * *", "UTC", utc("2026-11-23T09:00")) == (
        utc("2026-11-23T09:00"),
        utc("2026-11-23T09:01"),
    )


def test_a_single_slot_comes_out_late_rather_than_never_and_ends() -> None:
    at = utc("2026-11-20T07:00")
    assert schedule.due_slot(at, "", "UTC", utc("2026-11-23T09:00")) == (at, None)


@pytest.mark.parametrize(
    ("slot", "time_zone", "hour", "expected"),
    [
        ("2026-11-23T01:30", "Asia/Kolkata", 7, "2026-11-23T01:30"),  # the very moment
        ("2026-11-23T01:31", "Asia/Kolkata", 7, "2026-11-24T01:30"),
        ("2026-11-23T01:30", "America/New_York", 7, "2026-11-23T12:00"),
        ("2026-11-23T23:30", "Pacific/Auckland", 6, "2026-11-24T17:00"),
        ("2026-03-28T20:00", BERLIN, 2, "2026-03-29T01:00"),  # skipped: when the clocks jump
        ("2026-10-24T20:00", BERLIN, 2, "2026-10-25T00:00"),  # twice: the first time …
        ("2026-10-25T00:30", BERLIN, 2, "2026-10-25T01:00"),  # … unless that has passed
        ("2026-10-25T01:01", BERLIN, 2, "2026-10-26T01:00"),
        ("2026-11-23T00:00", "Asia/Kathmandu", 0, "2026-11-23T18:15"),
    ],
)
def test_the_readers_own_hour(slot: str, time_zone: str, hour: int, expected: str) -> None:
    assert schedule.local_due(utc(slot), time_zone, hour) == utc(expected)


def test_the_readers_hour_is_never_more_than_a_day_and_an_hour_away() -> None:
    for hours in range(24 * 366):
        slot = utc("2026-01-01T00:00") + timedelta(hours=hours)
        wait = schedule.local_due(slot, BERLIN, hours % 24) - slot
        assert timedelta() <= wait <= timedelta(hours=25)
