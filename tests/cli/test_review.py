"""Editors at the command line: what they are told, and what they may name."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from digest import cli
from digest.cli.common import Door
from digest.errors import DigestError
from digest.flows.issues import operate, publish, schedules
from digest.settings import Settings
from tests.conftest import NOW
from tests.flows.issues.test_review import APPROVED, EVERY_MORNING
from tests.support.world import World, draft, small_world

Run = Callable[..., str]


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    for world in small_world(settings):
        schedules.add(world.app.database, "tide", EVERY_MORNING, NOW)
        world.articles(*(draft(number) for number in range(1, 7)), draft(7, "land"))
        world.readers("a@x.example")
        yield world


@pytest.fixture
def run(world: World) -> Run:
    """A command's output, with all white space folded; an error a person caused is raised."""

    def called(*words: str) -> str:
        done = CliRunner().invoke(cli.app, list(words), obj=Door(app=world.app))
        if isinstance(done.exception, DigestError):
            raise done.exception
        assert done.exit_code == 0, done.output
        return " ".join(done.output.split())

    return called


def test_a_draft_is_looked_at_changed_held_and_let_go(world: World, run: Run, tmp_path: Path) -> None:
    told = run("issue", "draft", "tide")
    assert told.endswith("drafted: `digest issue show 1`; it goes out Mon 2026-11-23 12:30 IST unless held")
    shown = json.loads(run("issue", "show", "1", "--json"))
    assert shown["outlook"] == "goes out at its slot"
    reserve = shown["sections"][1]["reserve"][0]
    assert reserve["title"] in run("issue", "show", "1", "--all")
    assert reserve["title"] not in run("issue", "show", "1")
    run("issue", "pin", "1", str(reserve["id"]))
    run("issue", "retitle", "1", reserve["title"], " A quiet sea ")
    hello = tmp_path / "hello.md"
    hello.write_text("Good *morning*\n", encoding="utf-8")
    run("issue", "edit", "1", "--subject", "{headline} | {edition}", "--intro", f"@{hello}", "--by", "Ana")
    shown = json.loads(run("issue", "show", "1", "--json"))
    assert (shown["subject"], shown["intro"]) == ("A quiet sea | The Tide", "Good *morning*")
    assert [change["by"] for change in shown["changes"]][2:] == ["Ana", "Ana"]
    folder = tmp_path / "out"
    assert "this is issue 1 as it stands" in run("preview", "tide", "--as", "a@x.example", "--out", str(folder))
    assert "A quiet sea" in (folder / "tide.txt").read_text(encoding="utf-8")
    assert "undo 4: intro: Good *morning*" in run("issue", "undo", "1")
    assert "held: goes out after `digest issue release 1`" in run("issue", "hold", "1")
    assert "held: goes" in run("issue", "list")
    assert "unless held" in run("issue", "release", "1")
    history = run("issue", "history", "1")
    assert "release" in history
    assert "Good *morning* (undone)" in history
    assert "issue 1 is already drafted and will still go out" in run("schedule", "pause", "1")
    world.later(hours=2)
    assert "goes out now" in run("issue", "redraft", "1")


def test_a_draft_is_sent_now_at_the_operator_s_word(run: Run) -> None:
    run("issue", "draft", "tide")
    run("issue", "hold", "1")
    assert "issue 1 goes out now" in run("issue", "send-now", "1", "--revision", "1", "--by", "Ana")
    assert "sent now" in run("issue", "history", "1")
    assert "0/1" in run("issue", "list")


def test_what_waits_for_approval_says_so_everywhere(world: World, run: Run) -> None:
    world.edition(APPROVED)
    assert "after `digest issue approve 1`" in run("send", "tide", "--now")
    app = world.app
    publish.publish(app.database, 1, app.compile, app.settings, app.now())
    for words in (("issue", "list"), ("issue", "show", "1"), ("status",)):
        assert "waits for approval: `digest issue approve 1 --revision 0`" in run(*words).replace("│", "")
    assert "goes out now" in run("issue", "approve", "1", "--revision", "0")


def test_who_watches_is_kept_until_a_draft_whose_slot_is_near_has_gone(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("issue", "draft", "tide")
    schedules.pause(world.app.database, 1)  # the draft alone is to keep it
    slot = NOW + timedelta(hours=1)

    def a_minute_goes_by(_: float) -> None:
        world.app.time += timedelta(minutes=1)
        if world.app.time == slot:
            operate.cancel(world.app.database, 1, slot)

    monkeypatch.setattr(time, "sleep", a_minute_goes_by)
    run("status", "--watch")
    assert world.app.time == NOW, "an hour is too long"
    world.app.time = slot - timedelta(minutes=5)
    run("status", "--watch")
    assert world.app.time == slot


WRONG: list[tuple[tuple[str, ...], str]] = [
    (("pin", "1", "4711"), "no story '4711': "),
    (("pin", "1", "event"), r"\d+ headlines have 'event': give a number: "),
    (("drop", "1", "Numbr1"), "did you mean .* “Number1 "),
    (("move", "1", "Number1", "lead", "--place", "2"), "section lead shows 1 stories: give a place from 1 to 1"),
    (("move", "1", "Number1", "sport"), "no section 'sport': one of lead, sea, land, opinion"),
    (("retitle", "1", "Number1", " "), "a headline can't be empty"),
    (("edit", "1"), "nothing to change: give --subject"),
    (("edit", "1", "--subject", "{name}"), "unknown placeholder {name}"),
    (("edit", "1", "--subject", "a\nb"), "--subject must be one line"),
    (("edit", "1", "--subject", "x" * 201), "--subject has 201 characters: at most 200"),
    (("edit", "1", "--intro", "x" * 5001), "5001 characters"),
    (("edit", "1", "--intro", "@no.md"), "no file no.md"),
    (("undo", "1"), "no edit to take back"),
    (("release", "1"), "issue 1 is not held"),
    (("hold", "2"), "no issue 2: see `digest issue list`"),
    (("send-now", "1", "--revision", "4"), "it is at revision 0, not 4: look at it again: `digest issue show 1`"),
    (("draft", "tide"), "composed already: 1: compose it afresh with `digest issue redraft 1`"),
    (("draft", "tide", "--cadence", "weekly"), r"tide \(weekly\) has no next slot"),
    (("draft", "tide", "--cadence", "hourly"), "has no cadence hourly: one of daily, weekly"),
]


def test_what_an_editor_gets_wrong_is_told_in_a_line(run: Run) -> None:
    run("issue", "draft", "tide")
    for words, told in WRONG:
        with pytest.raises(DigestError) as error:
            run("issue", *words)
        assert re.search(told, str(error.value)), words
        assert "\n" not in str(error.value)


def test_the_help_shows_an_example_of_each_command(run: Run) -> None:
    listed = run("issue", "--help")
    for command in (
        "draft",
        "redraft",
        "edit",
        "pin",
        "drop",
        "move",
        "retitle",
        "undo",
        "hold",
        "release",
        "approve",
        "send-now",
    ):
        assert command in listed
        assert f"digest issue {command} " in run("issue", command, "--help")
