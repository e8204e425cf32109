"""Segments: words become tests, tests choose readers on both databases, and an issue for some of them leaves the others
owed what they have not had."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert
from typer.testing import CliRunner

from digest import cli
from digest.cli.common import Door
from digest.editorial import edits
from digest.editorial.edits import Edit, Verb
from digest.errors import DigestError, InputError, NotFoundError
from digest.flows.issues import operate, review, schedules
from digest.flows.issues import publish as publishing
from digest.flows.readers import importing as audience_import
from digest.flows.readers import segments as flow
from digest.readers import segments
from digest.readers.segments import Every, Not, Question, Some
from digest.settings import FieldType, Settings
from digest.states import DeliveryState
from digest.store import schema
from digest.tables import open_csv
from digest.values import Issue, ScheduleSpec
from tests.conftest import NOW
from tests.support.world import ToldCourier, World, draft, headlines, small_world

FIELDS = {"plan": FieldType.TEXT, "points": FieldType.NUMBER, "since": FieldType.DATE, "vip": FieldType.YES_NO}
READERS = """address,name,cadence,sections,hour,time_zone,locale,plan,points,since,vip
ann@one.example,Ann,daily,sea,7,Europe/Oslo,en,gold,12,2026-01-31,yes
bob@two.example,Bob_,daily,land;opinion,,,pt-BR,,3.5,,no
cy@one.example,Čy,weekly,-,19,Asia/Tokyo,,silver,,2025-06-01,
dee@sub.one.example,,daily,,7,,,gold,-2,,yes
"""


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    yield from small_world(settings.model_copy(update={"fields": dict(FIELDS)}))


def _fill(world: World) -> None:
    done = audience_import.import_table(
        world.app.database, "tide", open_csv(READERS.splitlines()), NOW, source="x", agreed="y", declared=FIELDS
    )
    assert done.added == 4


def _chosen(world: World, where: str) -> int:
    return sum(flow.count(world.app.database, "tide", where, FIELDS, world.app.now()).values())


# ------------------------------------------------------------------------------------------------ words


def test_and_binds_more_than_or_and_not_more_than_both() -> None:
    a, b, c = (Question("name", FieldType.TEXT, "=", (word,)) for word in "abc")
    assert segments.parse('name = a or name=b AND not name = "c"', {}) == Some((a, Every((b, Not(c)))))
    assert segments.parse("(name = a or name = b) and name = c", {}) == Every((Some((a, b)), c))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "ends too soon"),
        ("cadence", "one of"),
        ("cadence =", "value behind cadence"),
        ("colour = red", "can't ask for 'colour'"),
        ("fields.colour = red", "fields.plan"),
        ("hour = seven", "not a valid number"),
        ("hour like 7", "can't be asked with 'like'"),
        ("signed_up > yesterday", "not a valid date"),
        ("clicked = 2026-01-01", "but with within"),
        ("clicked within 0 days", "1 to 3650"),
        ("fields.vip = maybe", "neither yes nor no"),
        ("name = a name = b", "goes on with 'name'"),
        ("name in (a, b", "ends too soon"),
        ('name = "a', "be read from"),
        ("(" * 30 + "name = a", "simpler"),
        ("name = " + "a" * 1000, "characters"),
        ("name is a", "'empty'"),
    ],
)
def test_words_that_make_no_sense_are_refused_in_a_line(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        segments.parse(text, FIELDS)
    assert "\n" not in str(caught.value)


_SAID = (
    "cadence section hour name fields.plan fields.vip = != < in like within is empty and or not ( ) , a 7 30 days yes"
)
_WORDS = st.sampled_from(_SAID.split())


@given(st.lists(_WORDS, max_size=25), st.text(max_size=10))
def test_any_words_are_understood_and_kept_or_refused(words: list[str], more: str) -> None:
    try:
        found = segments.parse(" ".join([*words, more]), FIELDS)
    except DigestError:
        return
    assert segments.from_json(segments.to_json(found)) == found


# --------------------------------------------------------------------------------------------- choosing


def test_readers_are_chosen_by_what_is_known_of_them(world: World) -> None:
    _fill(world)
    for where, wanted in {
        "cadence = daily": 3,
        "cadence in (daily, weekly)": 4,
        "section = sea": 2,
        "section != sea": 2,
        "section = lead": 4,
        "locale = en": 3,
        "zone = Asia/Kolkata": 2,
        "zone like europe/%": 1,
        "hour >= 7 and hour < 19": 2,
        "hour is empty": 1,
        "hour != 7": 2,
        "name like b%_": 1,
        "name like %b_%": 1,
        "name is empty": 1,
        'name = "Čy"': 1,
        "domain = one.example": 2,
        "domain = ONE.example": 2,
        "domain like %one.example": 3,
        "fields.plan = gold": 2,
        "fields.plan != gold": 2,
        "not fields.plan in (gold, silver)": 1,
        "fields.points > 3": 2,
        "fields.points < 0 or fields.points = 12": 2,
        "fields.points is empty": 1,
        "fields.since >= 2026-01-01": 1,
        "fields.vip = yes": 2,
        "fields.vip = no": 1,
        "fields.vip is empty": 1,
        "signed_up = 2026-11-23": 4,
        "signed_up < 2026-11-23": 0,
        "signed_up <= 2026-11-23": 4,
        "signed_up within 1 days": 4,
        'name = "x\' OR 1=1 --"': 0,
    }.items():
        assert _chosen(world, where) == wanted, where
    world.later(days=2)
    assert _chosen(world, "signed_up within 1 days") == 0


def test_a_field_that_changed_its_type_is_as_if_it_were_not_known(world: World) -> None:
    _fill(world)
    for kind in FieldType:
        for where in ("= 5", "= 2026-01-01", "= yes", "is empty"):
            try:
                flow.count(world.app.database, "tide", f"fields.plan {where}", {"plan": kind}, NOW)
            except InputError:
                continue
    assert flow.count(world.app.database, "tide", "fields.plan is empty", {"plan": FieldType.NUMBER}, NOW) == {
        "daily": 3,
        "weekly": 1,
    }


def test_engagement_counts_clicks_that_count(world: World) -> None:
    _fill(world)
    rows = [("ann@one.example", 1, 5), ("bob@two.example", 1, 50), ("cy@one.example", 0, 5)]
    with world.app.database.write() as connection:
        for address, counts, days in rows:
            reader = world.subscription(address).id
            at = NOW - timedelta(days=days)
            values = {"issue_id": 1, "subscription_id": reader, "story_id": 1, "at": at, "counts": counts}
            connection.execute(insert(schema.clicks).values(values))
    assert _chosen(world, "clicked within 30 days") == 1
    assert _chosen(world, "clicked within 60 days") == 2
    assert _chosen(world, "not clicked within 30 days") == 3


def test_segments_are_kept_by_name(world: World) -> None:
    _fill(world)
    database = world.app.database
    assert flow.add(database, "tide", "gold", "fields.plan = gold", FIELDS, NOW).readers == {"daily": 2}
    assert flow.add(database, "tide", "gold", "fields.plan = silver", FIELDS, NOW).readers == {"weekly": 1}
    assert [one.segment.where for one in flow.listing(database, "tide", FIELDS, NOW)] == ["fields.plan = silver"]
    for where in ("cadence = hourly", "section in (sea, gardens)"):
        with pytest.raises(InputError, match="tide has no"):
            flow.add(database, "tide", "slip", where, FIELDS, NOW)
    with pytest.raises(InputError, match="can't name"):
        flow.add(database, "tide", "Gold!", "hour = 7", FIELDS, NOW)
    flow.remove(database, "tide", "gold")
    with pytest.raises(NotFoundError, match="no segment 'gold'"):
        flow.show(database, "tide", "gold", FIELDS, NOW)


def test_a_segment_that_makes_no_sense_any_more_is_listed_with_what_is_wrong(world: World) -> None:
    _fill(world)
    database = world.app.database
    flow.add(database, "tide", "gold", "fields.plan = gold", FIELDS, NOW)
    flow.add(database, "tide", "daily", "cadence = daily", FIELDS, NOW)
    usable, broken = flow.listing(database, "tide", {}, NOW)
    assert (usable.segment.name, usable.fault, usable.total > 0) == ("daily", "", True)
    assert (broken.segment.name, broken.fault) == ("gold", "a segment can't ask for 'fields.plan'")


# ---------------------------------------------------------------------------------------- special issues


def _send(world: World, segment: str = "") -> dict[str, set[str]]:
    """Bring out a daily issue; the headlines each reader gets."""
    database, app = world.app.database, world.app
    meant = flow.meaning(database, "tide", segment, FIELDS) if segment else None
    opened = publishing.open_now(database, "tide", "daily", app.now(), segment, meant)
    publishing.publish(database, opened.id, app.compile, app.settings, app.now())
    courier = ToldCourier()
    world.deliver(courier)
    world.later(hours=1)
    return {envelope.recipient: headlines(envelope) for envelope in courier.tried}


def test_a_special_issue_repeats_nothing_and_owes_the_others_everything(world: World) -> None:
    world.readers("in@x.example", "out@y.example")
    flow.add(world.app.database, "tide", "testers", "domain = x.example", FIELDS, NOW)
    world.articles(draft(1))
    assert _send(world) == {"in@x.example": {"Number1"}, "out@y.example": {"Number1"}}
    world.articles(draft(2))
    assert _send(world, "testers") == {"in@x.example": {"Number2"}}
    world.readers("new@y.example", "new@x.example")  # who come after a special issue are owed its stories too
    world.articles(draft(3))
    assert _send(world) == {
        "in@x.example": {"Number3"},
        "out@y.example": {"Number2", "Number3"},
        "new@y.example": {"Number2", "Number3"},
        "new@x.example": {"Number2", "Number3"},
    }
    assert _send(world) == {}


def test_a_special_issue_has_what_a_draft_for_everybody_has(world: World) -> None:
    """It goes out before that, which then has nothing for its readers, and the same for all others."""
    app, database = world.app, world.app.database
    schedules.add(database, "tide", ScheduleSpec("daily", "UTC", "0 9 * * *"), NOW)
    world.readers("in@x.example", "out@y.example")
    flow.add(database, "tide", "testers", "domain = x.example", FIELDS, NOW)
    world.articles(draft(1))
    _send(world)
    world.articles(draft(2))
    drafted = review.draft(database, "tide", "daily", app.compile, app.settings, app.now())
    world.readers("new@x.example")
    assert _send(world, "testers") == {"in@x.example": {"Number2"}, "new@x.example": {"Number2"}}
    world.later(hours=1)
    publishing.publish(database, drafted.id, app.compile, app.settings, app.now())
    courier = ToldCourier()
    world.deliver(courier)
    assert {envelope.recipient: headlines(envelope) for envelope in courier.tried} == {"out@y.example": {"Number2"}}


def _edited_special(world: World) -> Issue:
    """A held issue for one of two readers, of whose two stories an editor has dropped the first."""
    app, database = world.app, world.app.database
    world.readers("in@x.example", "out@y.example")
    flow.add(database, "tide", "testers", "domain = x.example", FIELDS, NOW)
    world.articles(draft(1), draft(2))
    meant = flow.meaning(database, "tide", "testers", FIELDS)
    special = publishing.open_now(database, "tide", "daily", NOW, "testers", meant)
    review.hold(database, special.id, "ana", NOW)
    publishing.publish(database, special.id, app.compile, app.settings, NOW)
    number = edits.find(review.open_draft(database, special.id).content, "Number1").story_id
    review.edit(database, special.id, lambda _: [Edit(Verb.DROP, number)], app.compile, "ana", NOW)
    return special


def test_what_is_dropped_from_a_special_issue_is_dropped_for_its_readers_only(world: World) -> None:
    app, database, special = world.app, world.app.database, _edited_special(world)
    review.release(database, special.id, "ana", NOW)
    publishing.publish(database, special.id, app.compile, app.settings, NOW)
    world.deliver(ToldCourier())
    world.later(hours=1)
    assert _send(world) == {"out@y.example": {"Number1", "Number2"}}


def test_an_issue_remembers_what_its_segment_meant(world: World) -> None:
    world.readers("in@x.example", "out@y.example")
    database, app = world.app.database, world.app
    flow.add(database, "tide", "testers", "domain = x.example", FIELDS, NOW)
    meant = flow.meaning(database, "tide", "testers", FIELDS)
    opened = publishing.open_now(database, "tide", "daily", app.now(), "testers", meant)
    flow.remove(database, "tide", "testers")
    world.articles(draft(1))
    issue = publishing.publish(database, opened.id, app.compile, app.settings, app.now())
    assert issue.segment == "testers"
    assert world.counts(issue) == {DeliveryState.PENDING.value: 1}


def test_a_segment_is_counted_and_asked_about_before_it_is_sent_to(world: World) -> None:
    world.readers("in@x.example", "out@y.example")
    world.articles(draft(1))
    door = Door(app=world.app)

    def run(*arguments: str, answer: str = "") -> str:
        result = CliRunner().invoke(cli.app, arguments, obj=door, input=answer)
        return result.output + str(result.exception or "")

    assert "1 active readers" in run("segment", "add", "testers", "-e", "tide", "--where", "domain = x.example")
    refused = run("send", "tide", "--now", "--segment", "testers", answer="n\n")
    assert "1 active daily readers are in segment testers" in refused
    assert operate.progress(world.app.database) == []
    run("segment", "add", "nobody", "-e", "tide", "--where", "domain = z.example")
    assert "there are no readers to send it to" in run("send", "tide", "--now", "--segment", "nobody", "--yes")
    run("send", "tide", "--now", "--segment", "testers", "--yes")
    (progress,) = operate.progress(world.app.database)
    assert progress.issue.segment == "testers"
    assert "tide (testers)" in run("issue", "list")


def test_an_issue_for_a_segment_can_be_looked_at_before_it_goes_there(world: World, tmp_path: Path) -> None:
    app, special = world.app, _edited_special(world)

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(cli.app, ["preview", "tide", *arguments, "--json"], obj=Door(app=app))
        if isinstance(done.exception, DigestError):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.output

    def told(*arguments: str) -> set[str]:
        run(*arguments, "--out", str(tmp_path))
        return {word for word in (tmp_path / "tide.txt").read_text(encoding="utf-8").split() if "Number" in word}

    assert told("--segment", "testers") == told("--segment", "testers", "--as", "in@x.example") == {"Number2"}
    assert told() == {"Number1", "Number2"}
    said = run("--segment", "testers", "--as", "in@x.example")
    assert f'"issue": {special.id}' in said
    assert "not in segment" not in said
    assert "out@y.example is not in segment testers" in run("--segment", "testers", "--as", "out@y.example")
    for arguments in (("--segment", "others"), ("--segment", "others", "--as", "in@x.example")):
        with pytest.raises(NotFoundError, match="tide has no segment 'others'"):
            run(*arguments)
