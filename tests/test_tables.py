"""What commands show at any width: every word whole, times in the zone of whom they belong to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from rich.cells import cell_len
from typer.testing import CliRunner

from digest import cli
from digest.cli.common import Door
from digest.flows.issues import schedules
from digest.flows.readers import importing as audience_import
from digest.settings import Settings
from digest.tables import open_csv
from digest.values import ScheduleSpec
from tests.conftest import NOW
from tests.support.world import NO_SUCH_USER, World, draft, small_world, told

Run = Callable[..., str]
LONG = "konstantinopolitanische@lesesaal.bibliothek.example"
COMMANDS = [
    "status",
    "report 1",
    "report 1 --readers",
    "issue list",
    "issue show 1 --all",
    "issue show 1 --why",
    "issue history 2",
    "subscriber list",
    "subscriber list -e tide",
    "subscriber search example",
    f"subscriber show {LONG}",
    "subscriber imports",
    "subscriber rejects 1",
    "subscriber stats -e tide",
    f"preview tide --as {LONG}",
    "edition list",
    "edition show tide",
    "schedule list",
    "feed list",
    "article list",
    "article show 1",
    "segment list -e tide",
    "suppress list",
]


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    """An issue went out, with a refusal; another is under review."""
    for world in small_world(settings):
        app = world.app
        world.articles(*(draft(number) for number in range(1, 7)), draft(7, "land"))
        world.readers(LONG, hour="7", time_zone="America/Argentina/Buenos_Aires", name="Anna Maria Konstantinopel")
        world.readers("b@x.example", sections="sea;land")
        table = open_csv(iter(["address,name\n", "c@x.example,Carl\n", "no address,Nobody\n"]), ["address"], {})
        audience_import.import_table(app.database, "tide", table, NOW, source="import readers.csv", agreed="on paper")
        world.publish()
        world.deliver(told(NO_SUCH_USER, "b@x.example"))
        schedules.add(app.database, "tide", ScheduleSpec("daily", "Europe/London", "0 7 * * *"), NOW)
        run_at(world, 80)("segment", "add", "sailors", "-e", "tide", "--where", "section = sea and zone like America/%")
        run_at(world, 80)("suppress", "add", "rude@x.example", "--note", "wrote so")
        world.articles(*(draft(number) for number in range(8, 11)))
        run_at(world, 80)("issue", "draft", "tide")
        run_at(world, 80)("issue", "edit", "2", "--subject", "What the tide brought in this quiet morning")
        yield world


def run_at(world: World, width: int) -> Run:
    def called(*words: str) -> str:
        done = CliRunner().invoke(cli.app, list(words), obj=Door(app=world.app), env={"COLUMNS": str(width)})
        assert done.exit_code == 0, (words, done.output, done.exception)
        return done.stdout

    return called


def words(text: str) -> set[str]:
    """Without the line under the headings, and the colons of what is told row by row."""
    return {word.rstrip(":") for word in text.split() if set(word) != {"─"}}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_word_stays_whole_at_any_width(world: World) -> None:
    for command in COMMANDS:
        wide = words(run_at(world, 1000)(*command.split()))
        assert wide, command
        for width in (60, 80, 120):
            shown = run_at(world, width)(*command.split())
            assert wide <= words(shown) | {"-"}, (command, width)
            lines = [line.rstrip() for line in shown.splitlines()]
            assert [line for line in lines if cell_len(line) > width and len(line.split()) > 2] == [], (command, width)


def test_what_has_no_room_as_a_table_is_told_row_by_row(world: World) -> None:
    shown = run_at(world, 60)("subscriber", "list", "-e", "tide").splitlines()
    assert f"address: {LONG}" in shown
    assert "time zone: America/Argentina/Buenos_Aires" in shown
    assert not any(line.startswith("edition") for line in shown), "which it is, was said"
    assert any(line.startswith("id  address") for line in run_at(world, 200)("subscriber", "list").splitlines())


def test_a_pipe_gets_a_row_a_line(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    done = CliRunner().invoke(cli.app, ["subscriber", "search", "konstantin"], obj=Door(app=world.app))
    (line,) = [line for line in done.stdout.splitlines() if LONG in line]
    assert "Anna Maria Konstantinopel" in line
    assert "America/Argentina/Buenos_Aires" in line


# -------------------------------------------------------------------------------------------------- times


def test_times_stand_in_the_zone_of_whom_they_belong_to(world: World) -> None:
    """It is 06:00 UTC: 11:30 for the edition, 03:00 for the reader. The schedule is in a zone of its own."""
    run = run_at(world, 200)
    assert "2026-11-23 11:30 IST" in run("issue", "list")
    status = run("status")
    assert status.count(" 2026-11-23 12:30 IST") == 3, "the issue's slot, when it goes out, and the schedule's"
    assert "2026-11-23 11:30 IST" in run("issue", "history", "2")
    shown = run("subscriber", "show", LONG)
    assert "since             2026-11-23 03:00 -03" in shown
    assert "2026-11-23 11:30 IST" in shown, "the slot is the edition's"
    ahead = run("preview", "tide", "--as", LONG)
    assert "2026-11-23 11:30 IST" in ahead
    assert "2026-11-23 07:00 -03" in ahead
    assert "2026-11-23 06:00 UTC" in run("article", "list"), "belongs to nobody"


def test_a_program_is_told_times_in_utc(world: World) -> None:
    run = run_at(world, 80)
    (plan,) = json.loads(run("schedule", "list", "--json"))
    assert plan["next_slot_at"] == "2026-11-23T07:00:00+00:00"
    found = json.loads(run("preview", "tide", "--as", LONG, "--json"))
    assert (found["slot"], found["due"]) == ("2026-11-23T06:00:00+00:00", "2026-11-23T10:00:00+00:00")
