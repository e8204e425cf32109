"""The account of an issue: who got it, who waits for what, who left by it and how fast it went."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from digest.errors import NotFoundError
from digest.flows.issues import operate
from digest.flows.readers import audience
from digest.outcomes import Envelope, Outcome
from digest.settings import Settings
from digest.values import Issue
from tests.conftest import NOW
from tests.support.commands import Run, commands
from tests.support.world import ACCEPTED, NO_SUCH_USER, ToldCourier, World, draft, small_world, told


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    """At 06:00 UTC, 11:30 of the edition's time."""
    for world in small_world(settings):
        world.articles(draft(1), draft(2))
        world.readers("a@x.example", "b@x.example", "=c@x.example", "gone@x.example")
        world.readers("late@x.example", hour="20", time_zone="UTC")
        yield world


@pytest.fixture
def issue(world: World) -> Issue:
    """Four are due at once: one is refused, one leaves by its mail a moment later."""
    issue = world.publish()
    world.later(seconds=2)
    world.deliver(told(NO_SUCH_USER, "b@x.example"))
    leaver = world.subscription("a@x.example")
    audience.unsubscribe(world.app.database, leaver.id, world.app.now(), issue_id=issue.id, source="link")
    return issue


@pytest.fixture
def run(world: World) -> Run:
    return commands(world.app)


def test_every_reader_is_named_with_what_became_of_their_mail(world: World, issue: Issue, run: Run) -> None:
    rows = {row["address"]: row for row in csv.DictReader(io.StringIO(run("report", "1", "--readers", "--csv")))}
    states = {address: row["state"] for address, row in rows.items()}
    assert states == {
        "a@x.example": "accepted",
        "b@x.example": "failed",
        "'=c@x.example": "accepted",
        "gone@x.example": "accepted",
        "late@x.example": "pending",
    }
    assert "no such user" in rows["b@x.example"]["reason"]
    assert rows["a@x.example"]["came_back"] == "unsubscribe"
    assert rows["a@x.example"]["at"] == (NOW + timedelta(seconds=2)).isoformat()
    assert rows["late@x.example"]["due_at"] == "2026-11-23T20:00:00+00:00"
    assert not rows["b@x.example"]["due_at"], "what is over is not due"


def test_readers_can_be_asked_for_by_state(world: World, issue: Issue, run: Run) -> None:
    (failed,) = json.loads(run("report", "1", "--readers", "--state", "failed", "--json"))
    assert (failed["address"], failed["code"]) == ("b@x.example", 550)
    assert json.loads(run("report", "1", "--readers", "--state", "in_doubt", "--json")) == []
    shown = run("report", "1", "--state", "failed")
    assert "b@x.example" in shown and "a@x.example" not in shown
    with pytest.raises(NotFoundError, match="no issue 2"):
        run("report", "2", "--readers", "--csv")


def test_of_many_readers_a_table_shows_some_and_a_file_has_all(
    world: World, issue: Issue, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operate, "_PAGE", 2)
    monkeypatch.setattr("digest.cli.report._READERS_SHOWN", 3)
    assert len(run("report", "1", "--csv").splitlines()) == 1 + 5
    assert "and 2 more: --csv has all" in run("report", "1", "--readers")


def test_an_erased_reader_stays_in_the_account(world: World, issue: Issue, run: Run) -> None:
    run("subscriber", "erase", "gone@x.example", "--yes")
    assert "gone@x.example" not in run("report", "1", "--readers")
    assert run("report", "1", "--readers").count("(erased)") == 1


def test_the_account_says_who_waits_who_left_and_how_fast_it_went(world: World, issue: Issue, run: Run) -> None:
    shown = run("report", "1")
    assert "1 waits for the hour chosen, the next Tue 2026-11-24 01:30 IST" in shown
    assert "unsubscribed from this issue: 1" in shown
    assert "begun Mon 2026-11-23 11:30 IST: 3 accepted in 2.0 s, 2 a second" in shown
    world.later(hours=14)
    world.deliver(told(NO_SUCH_USER))
    shown = run("report", "1")
    assert "for the hour" not in shown
    assert "3 accepted in 2.0 s, 2 a second" in shown, "who wished another hour does not make it slow"
    assert json.loads(run("report", "1", "--json"))["feedback"]["unsubscribe"] == 1


def test_the_time_under_review_is_not_the_time_it_took(world: World, run: Run) -> None:
    run("schedule", "add", "tide", "--cron", "0 7 * * *", "--tz", "UTC")
    run("issue", "draft", "tide")
    world.later(minutes=50)
    run("issue", "send-now", "1")
    world.later(seconds=4)
    world.deliver(told(NO_SUCH_USER))
    assert "4 accepted in 4.0 s, 1 a second" in run("report", "1")


def test_what_is_on_the_wire_is_no_reason_yet(world: World, run: Run) -> None:
    world.publish()
    seen = []

    def answer(_: Envelope) -> Outcome:
        seen.append(run("report", "1"))
        return ACCEPTED

    world.deliver(ToldCourier(answer))
    assert seen
    assert not any("Why mail was not accepted, or came back" in shown for shown in seen)
