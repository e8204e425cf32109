"""What operators are told when they ask for what is not there, or for what will come to nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from digest import cli
from digest.errors import InputError, StateError
from digest.flows.issues import schedules
from digest.settings import Settings
from tests.conftest import NOW
from tests.flows.issues.test_review import APPROVED, EVERY_MORNING, HEAD
from tests.support.commands import Run, commands
from tests.support.world import EDITION, World, draft, small_world

ANA = "ana@x.example"


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    for world in small_world(settings):
        schedules.add(world.app.database, "tide", EVERY_MORNING, NOW)
        world.readers(ANA)
        yield world


@pytest.fixture
def run(world: World) -> Run:
    """A command's output, with all white space folded; an error a person caused is raised."""
    return lambda *words: " ".join(commands(world.app)(*words).split())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--section", "sport"), "tide has no section 'sport'"),
        (("--cadence", "monthly"), "tide has no cadence 'monthly'.*daily, weekly"),
        (("--where", "section = sport"), "tide has no section 'sport'"),
    ],
)
def test_an_export_by_what_the_edition_has_not_is_refused(run: Run, words: tuple[str, ...], told: str) -> None:
    with pytest.raises(InputError, match=told):
        run("subscriber", "export", "-e", "tide", *words)
    assert ANA in run("subscriber", "export", "-e", "tide", "--section", "sea", "--cadence", "dai%")


def test_a_segment_is_counted_by_words_alone(run: Run) -> None:
    counted = run("segment", "count", "-e", "tide", "cadence = daily")
    assert counted == run("segment", "count", "-e", "tide", "--where", "cadence = daily")
    assert "1 daily" in counted
    with pytest.raises(InputError, match="there are no conditions to count by"):
        run("segment", "count", "-e", "tide")


@pytest.mark.parametrize("words", [(), ("send",), ("subscriber",), ("subscriber", "import")])
def test_help_with_a_command_is_the_help_of_that_command(run: Run, words: tuple[str, ...]) -> None:
    shown = run("help", *words)
    assert shown == run(*words, "--help")
    assert "Show this message and exit" in shown
    assert "<bool>" not in shown


def test_help_names_no_type_for_a_flag_and_may_be_wrapped_anywhere(run: Run) -> None:
    shown = run("subscriber", "import", "--help")
    assert "<bool>" not in shown
    assert "Show this message and exit" in shown
    assert "\n" not in cli.load("subscriber").commands["import"].help.replace("\n\n", "")


def test_articles_that_no_edition_reads_are_told_of(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "more.jsonl"
    file.write_text(json.dumps({"title": "A ferry returns"}) + "\n", encoding="utf-8")
    assert "no edition reads dseks, so no reader gets this" in run("article", "import", str(file), "--feed", "dseks")
    assert "no edition reads" not in run("article", "import", str(file), "--feed", "desk")


def test_who_sends_when_nothing_is_new_is_told_at_once(world: World, run: Run) -> None:
    assert "nothing is new since the previous issue, so nothing is sent" in run("send", "tide", "--now")
    world.later(minutes=1)
    world.articles(draft(1))
    assert "it goes out now" in run("send", "tide", "--now")


@pytest.mark.parametrize(
    ("articles", "approval", "foreseen"),
    [(0, False, "nothing_new"), (0, True, "nothing_new"), (1, True, "waits_for_approval"), (1, False, "goes_out")],
)
def test_send_now_tells_programs_what_it_tells_people(
    world: World, run: Run, articles: int, approval: bool, foreseen: str
) -> None:
    if approval:
        world.edition(APPROVED)
    world.articles(*(draft(number) for number in range(articles)))
    said = run("send", "tide", "--now", "--json")  # behind the warning that no broker runs
    assert json.loads(said[said.index("{") :])["foreseen"] == foreseen


def test_a_trial_says_that_the_issue_wants_approval_again(world: World, run: Run) -> None:
    world.edition(APPROVED.replace(HEAD, HEAD + "track_clicks = true\n"))
    world.articles(draft(1))
    run("issue", "draft", "tide")
    run("issue", "approve", "1")
    told = run("issue", "trial", "1", "--b", "Hello: {headline}", "--hours", "1")
    assert "the rest waits 1 hour issue 1 waits for approval" in told
    run("issue", "approve", "1")
    assert "issue 1 waits for approval" in run("issue", "trial", "1", "--off")
    assert "approved, goes out" in run("issue", "approve", "1")


def test_a_preview_says_its_subject_and_size(world: World, run: Run, tmp_path: Path) -> None:
    world.articles(draft(1), draft(2))
    told = run("preview", "tide", "--out", str(tmp_path))
    assert "(and 1 more)" in told
    assert " kB as sent)" in told
    assert str(tmp_path / "tide.html") in told


def test_what_is_paused_says_how_it_goes_on(world: World, run: Run) -> None:
    world.articles(draft(1))
    world.publish()
    run("issue", "pause", "1")
    with pytest.raises(StateError, match="issue 1 is paused: go on with `digest issue resume 1`"):
        run("issue", "pause", "1")


def test_a_reader_is_set_and_shown_with_all_they_may_choose(world: World, run: Run) -> None:
    run("subscriber", "set", ANA, "-e", "tide", "--days", "mon,thu", "--holiday", "2026-12-24", "--locale", "pt-BR")
    shown = run("subscriber", "show", ANA)
    assert "days Mon, Thu" in shown
    assert "on holiday until 2026-12-24 00:00 IST" in shown
    assert "page language pt-BR" in shown
    run("subscriber", "set", ANA, "-e", "tide", "--hour", "9")
    assert "days Mon, Thu" in run("subscriber", "show", ANA), "what is not given stays"
    run("subscriber", "set", ANA, "-e", "tide", "--days", "", "--holiday", "", "--locale", "")
    shown = run("subscriber", "show", ANA)
    assert "days every day on holiday until - " in shown
    with pytest.raises(InputError, match="no day 'fun'"):
        run("subscriber", "set", ANA, "-e", "tide", "--days", "funday")
    run("subscriber", "add", "b@x.example", "-e", "tide", "--days", "sat")
    assert "days Sat" in run("subscriber", "show", "b@x.example")


def test_an_edition_is_shown_with_all_that_its_file_says(world: World, run: Run) -> None:
    head = 'approval = true\npublic = true\ntrack_clicks = true\nreview_minutes = 30\nthin = 3\nfallback = "opinion"\n'
    text = EDITION.replace(HEAD, HEAD + head + 'tagline = "What it brings"\n')
    text = text.replace('name = "desk"', 'name = "desk"\nkind = "opinion"\nweight = 0.5')
    world.edition(text + '\n[look]\naccent = "#c00000"\n[look.dark]\npaper = "#101010"\n')
    shown = run("edition", "show", "tide")
    for words in (
        "sent only if approved yes",
        "public archive yes",
        "clicks are tracked yes",
        "drafted 30 minutes before its slot",
        "under 3 stories: filled from opinion",
        "What it brings",
        "accent #c00000, dark paper #101010",
        "desk (desk: `digest article`) opinion 0.5",
    ):
        assert words in shown
