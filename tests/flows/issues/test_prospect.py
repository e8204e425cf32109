"""What one reader gets next, when and why, as `digest preview --as` tells it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from digest import cli
from digest.cli.common import Door
from digest.errors import NotFoundError
from digest.flows.issues.prospect import Prospect, prospect
from digest.flows.readers import audience
from digest.settings import Settings
from digest.values import Kind
from tests.support.world import EDITION, ToldCourier, World, draft, headlines, small_world

SCHEDULE = """
[[schedule]]
cadence = "daily"
cron = "0 7 * * *"
time_zone = "Asia/Kolkata"
"""
ANN = "ann@x.example"


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    for world in small_world(settings):
        world.edition(EDITION + SCHEDULE)
        yield world


def ahead(world: World, address: str = ANN) -> Prospect:
    app = world.app
    return prospect(app.database, "tide", address, app.load, app.settings, app.now())


def shown(found: Prospect) -> set[str]:
    return {one.title.split()[0] for _, placed in found.sections for one in placed if one.place}


def test_it_foretells_the_mail_section_by_section(world: World) -> None:
    world.readers(ANN, sections="opinion;sea")
    world.articles(*map(draft, range(1, 5)), draft(5, "land"), draft(6, "", Kind.OPINION))
    found = ahead(world)
    assert [title for title, _ in found.sections] == ["Top story", "opinion".title(), "Sea"]
    assert all(one.instead or one.place for _, placed in found.sections for one in placed)
    assert dict(found.not_chosen) == {"Land": 1}
    courier = ToldCourier()
    world.publish()
    world.deliver(courier)
    assert headlines(courier.tried[0]) == shown(found)
    assert shown(ahead(world)) == set(), "that was all"


def test_it_says_which_section_fills_a_thin_mail(world: World) -> None:
    world.edition(EDITION.replace("\n[[feed]]", 'thin = 3\nfallback = "land"\n[[feed]]', 1))
    world.readers(ANN, sections="sea")
    world.articles(draft(1), draft(2, "land"), draft(3, "land"), draft(4, "", Kind.OPINION))
    found = ahead(world)
    assert (found.filler, found.sections[-1][0]) == ("Land", "Land")
    assert [title for title, _ in found.not_chosen] == ["Opinion"]
    command = CliRunner().invoke(cli.app, ["preview", "tide", "--as", ANN], obj=Door(app=world.app))
    assert "Land (not chosen; it fills a thin mail)" in command.stdout
    courier = ToldCourier()
    world.publish()
    world.deliver(courier)
    assert headlines(courier.tried[0]) == shown(found)


def test_it_says_when_at_the_readers_hour_in_their_zone_on_a_day_they_take_it(world: World) -> None:
    world.readers(ANN, hour="9", time_zone="Europe/Madrid")
    found = ahead(world)
    assert found.slot == datetime(2026, 11, 24, 1, 30, tzinfo=UTC)
    assert found.due == datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_it_looks_through_days_of_the_week_holidays_and_mails_that_wait(world: World) -> None:
    world.edition(EDITION + SCHEDULE.replace("daily", "weekly").replace("* * *", "* * 6"))
    world.readers(ANN, cadence="weekly")
    found = world.subscription(ANN)

    def choose(**changes: object) -> Prospect:
        choice = replace(found.choice, **changes)  # type: ignore[arg-type]
        audience.change_preferences(world.app.database, found.id, found.person, choice, world.app.now(), source="page")
        return ahead(world)

    saturday, monday = datetime(2026, 11, 28, 1, 30, tzinfo=UTC), datetime(2026, 11, 30, 1, 30, tzinfo=UTC)
    told = choose(days=0b0001001)
    assert (told.slot, told.due, told.warnings) == (saturday, monday, ())
    told = choose(paused_until=monday + timedelta(days=300))
    assert told.due and timedelta(300) <= told.due - monday < timedelta(310)
    choose(days=0b0001001)
    world.app.time = saturday
    world.articles(draft(1))
    issue = world.publish("weekly")
    told = ahead(world)
    assert (told.slot, told.due, told.issue, shown(told)) == (saturday, monday, issue.id, {"Number1"})


def test_who_has_had_what_others_still_get_is_told_in_which_issue(world: World) -> None:
    world.readers("weekly@x.example", cadence="weekly")
    world.readers(ANN)
    world.articles(draft(1))
    first = world.publish()
    world.deliver(ToldCourier())
    world.readers(ANN, cadence="weekly")
    world.articles(draft(2))
    found = ahead(world)
    assert [(title.split()[0], issue) for title, issue in found.had] == [("Number1", first.id)]
    assert shown(found) == {"Number2"}


def test_it_warns_of_what_stands_in_the_way(world: World) -> None:
    world.readers(ANN, cadence="weekly")
    assert any("no weekly slot" in warning for warning in ahead(world).warnings)
    audience.suppress(world.app.database, ANN, world.app.now())
    assert any("suppressed (operator)" in warning for warning in ahead(world).warnings)
    audience.unsubscribe(world.app.database, world.subscription(ANN).id, world.app.now(), source="page")
    assert any("unsubscribed" in warning for warning in ahead(world).warnings)
    with pytest.raises(NotFoundError):
        ahead(world, "nobody@x.example")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_command_tells_it_as_a_table_and_as_json(world: World) -> None:
    world.readers(ANN, sections="sea")
    world.articles(*map(draft, range(1, 5)))
    arguments = ["preview", "tide", "--as", ANN]
    table = CliRunner().invoke(cli.app, arguments, obj=Door(app=world.app), env={"COLUMNS": "200"}).stdout
    assert "Top story" in table and "freshness" in table and "not chosen; 0 stories there" in table
    told = json.loads(CliRunner().invoke(cli.app, [*arguments, "--json"], obj=Door(app=world.app)).stdout)
    assert [section["section"] for section in told["sections"]] == ["Top story", "Sea"]
    assert told["due"].startswith("2026-11-24T01:30")
