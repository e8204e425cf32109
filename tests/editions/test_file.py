"""An edition's file: what it may say, how faults are told, and that applying it again changes nothing."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from digest.codec import codec
from digest.editions import file as editions
from digest.errors import ConfigError, InputError, NotFoundError, StateError
from digest.flows.issues import editions as flow
from digest.flows.issues import schedules as schedule_flow
from digest.flows.issues.editions import Applied
from digest.readers import addresses
from digest.store import schema
from digest.store.content import editions as edition_store
from digest.store.content import schedules as schedule_store
from digest.store.database import Database
from digest.values import Edition, FeedSpec, Kind, Rule, ScheduleSpec
from tests.conftest import NOW

HEAD = """
[edition]
name = "world"
title = "The World"
time_zone = "Asia/Kolkata"
locale = "en_IN"
from = "The World, Daily <news@Example.org>"
postal_address = "1 Press Lane, Pune 411001, India"
cadences = ["daily", "weekly"]
"""
FEEDS = """
[[feed]]
name = "wire"
url = "https://wire.example/rss"
sector = "World"
weight = 1.5
[[feed]]
name = "desk"
kind = "opinion"
"""
SECTIONS = """
[[section]]
key = "lead"
title = "Lead"
rule = "lead"
count = 1
optional = false
[[section]]
key = "health"
title = "Health"
rule = "sector"
sectors = ["Health"]
tags = ["Medicine", "health"]
[[section]]
key = "views"
title = "Opinion & Interviews"
rule = "kind"
kinds = ["opinion", "interview"]
"""
REST = """
[[link]]
role = "feedback"
title = "Tell us"
url = "mailto:desk@example.org"
[[schedule]]
cadence = "daily"
cron = "0 7 * * 1-5"
[[schedule]]
cadence = "weekly"
at = 2026-12-06T09:00:00
time_zone = "Europe/Berlin"
"""
FILE = HEAD + FEEDS + SECTIONS + REST


def parse(text: str = FILE) -> Edition:
    return editions.parse(text, "world.toml")


def test_a_file_becomes_an_edition() -> None:
    edition = parse()
    assert edition.sender == ("The World, Daily", "news@example.org")
    assert edition.locale == "en-IN"
    assert edition.default_cadence == "daily"
    assert edition.feeds == (
        FeedSpec("wire", "https://wire.example/rss", sector="world", weight=1.5),
        FeedSpec("desk", kind=Kind.OPINION),
    )
    assert [(s.key, s.rule, s.match, s.count, s.optional) for s in edition.sections] == [
        ("lead", Rule.LEAD, (), 1, False),
        ("health", Rule.SECTOR, ("health", "medicine"), 5, True),
        ("views", Rule.KIND, ("opinion", "interview"), 5, True),
    ]
    assert edition.schedules == (
        ScheduleSpec("daily", "Asia/Kolkata", "0 7 * * 1-5"),
        ScheduleSpec("weekly", "Europe/Berlin", at=datetime(2026, 12, 6, 8, tzinfo=UTC)),
    )


def test_an_edition_survives_json() -> None:
    edition = replace(parse(), reply_to=("Desk", "desk@example.org"))
    assert codec(Edition).validate_json(codec(Edition).dump_json(edition)) == edition


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('name = "world"', 'name = "The World"', r"\[edition\] name: 'The World' must be small letters"),
        ('title = "The World"', 'titel = "x"', r"\[edition\] titel: unknown key; did you mean title\?"),
        ('title = "The World"', 'title = "a\\nBcc: b"', r"\[edition\] title: must be one line"),
        ('from = "The World, Daily <news@Example.org>"', "", r"\[edition\] from: is missing"),
        ("<news@Example.org>", "<news>", r"\[edition\] from: .*e-mail address"),
        ("<news@Example.org>", "<jörg@example.org>", r"\[edition\] from: .*outside ASCII"),
        ("<news@Example.org>", "<a@example.org>, <b@example.org>", r"\[edition\] from: "),
        (
            'postal_address = "1 Press Lane, Pune 411001, India"',
            "",
            r"\[edition\] postal_address: is missing \(mail to",
        ),
        ("Asia/Kolkata", "Asia/Atlantis", r"\[edition\] time_zone: no time zone 'Asia/Atlantis'"),
        ("en_IN", "xx_YY", r"\[edition\] locale: no locale 'xx_YY'"),
        ('locale = "en_IN"', 'subject = "{weather}"', r"subject: unknown placeholder {weather}"),
        ('locale = "en_IN"', 'subject = "{edition.sender}"', r"subject: unknown placeholder"),
        ('locale = "en_IN"', 'subject = "{"', r"subject: a brace stands alone"),
        ('locale = "en_IN"', 'accent = "#0b5394"', r"\[edition\] accent: unknown key; it belongs under \[look\]"),
        ('["daily", "weekly"]', '["daily", "daily"]', r"\[edition\] cadences: 'daily' stands twice"),
        (
            "https://wire.example/rss",
            "file:///etc/passwd",
            r"\[\[feed\]\] 1 \(wire\) url: .* is not a valid http\(s\) URL",
        ),
        ('name = "desk"', 'name = "wire"', r"feed 'wire' stands 2 times"),
        ('key = "health"', 'key = "lead"', r"\[\[section\]\] key 'lead' stands 2 times"),
        ('rule = "lead"', 'rule = "best"', r"\[\[section\]\] 1 \(lead\) rule: Input should be 'lead', 'trending'"),
        ('kinds = ["opinion", "interview"]', "", r'\[\[section\]\] 3: rule = "kind" needs kinds'),
        ("count = 1", 'tags = ["x"]', r'\[\[section\]\] 1: rule = "lead" takes no tags'),
        (
            "count = 1",
            'except_kinds = ["satire"]',
            r"\[\[section\]\] 1 \(lead\) except_kinds 0: Input",
        ),
        (
            'kinds = ["op',
            'except_kinds = ["blog"]\nkinds = ["op',
            r"\[\[section\]\] 3: kinds says which",
        ),
        (
            "count = 1",
            'except_kinds = ["news", "opinion", "interview", "blog", "short"]',
            r"\[\[section\]\] 1: except_kinds leaves nothing over",
        ),
        ('["opinion", "interview"]', '["satire"]', r"\[\[section\]\] 3 \(views\) kinds 0: Input should be 'news'"),
        (
            "mailto:desk@example.org",
            "javascript:alert(1)",
            r"\[\[link\]\] 1 \(Tell us\) url: .*must begin with https://",
        ),
        ('role = "feedback"', 'role = "twitter"', r"\[\[link\]\] 1 \(Tell us\) role: Input should be 'social'"),
        ("0 7 * * 1-5", "0 25 * * *", r"\[\[schedule\]\] 1 \(daily\) cron: .*bad hour"),
        ('cadence = "weekly"', 'cadence = "hourly"', r"\[\[schedule\]\] 2 cadence: 'hourly' is not among"),
        ('cron = "0 7 * * 1-5"', "", r"\[\[schedule\]\] 1: needs either cron or at"),
        ("2026-12-06T09:00:00", "2026-03-29T02:30:00", r"\[\[schedule\]\] 2 at: .*clocks go forward"),
        ("2026-12-06T09:00:00", "7", r"\[\[schedule\]\] 2 \(weekly\) at: must be a date and time"),
        (SECTIONS, "", r"\[\[section\]\]: at least one is needed"),
        (SECTIONS, '[section]\nkey = "a"', r"\[\[section\]\]: a table of its own for each, in double brackets"),
        ("1 Press Lane,", "1 Press Lane\\u0000", r"\[edition\] postal_address: must be one line"),
        (FEEDS, "", r"\[\[feed\]\]: at least one is needed"),
        ('locale = "en_IN"', "thin = 3", r"\[edition\] thin: needs fallback"),
        ('locale = "en_IN"', 'fallback = "views"', r"\[edition\] fallback: needs thin"),
        ('locale = "en_IN"', 'thin = 3\nfallback = "sport"', r"\[edition\] fallback: there is no section 'sport'"),
        ('locale = "en_IN"', 'thin = 3\nfallback = "lead"', r"fallback: everybody gets the section 'lead'"),
        ('locale = "en_IN"', 'thin = 1\nfallback = "views"', r"\[edition\] thin: .* greater than or equal to 2"),
        (HEAD, "edition = 1\n", r"\[edition\]: must be a table"),
        ("[edition]", "[edition", r"line 2"),
    ],
)
def test_each_fault_names_its_place(old: str, new: str, told: str) -> None:
    assert old in FILE
    with pytest.raises(ConfigError, match=told):
        parse(FILE.replace(old, new, 1))


@pytest.mark.parametrize(
    "value", ["5", "-1.5", "true", '""', '"x"', "[]", "[1]", "{}", "{a = 1}", "[[]]", "1979-05-27"]
)
def test_wrong_types_anywhere_are_never_tracebacks(value: str) -> None:
    lines = FILE.splitlines()
    for number, line in enumerate(lines):
        name, equals, _ = line.partition(" = ")
        if equals:
            with suppress(ConfigError):
                parse("\n".join([*lines[:number], f"{name} = {value}", *lines[number + 1 :]]))
    for name in ("edition", "feed", "section", "link", "schedule"):
        others = "\n".join(text for text in (HEAD, FEEDS, SECTIONS, REST) if f"[{name}]" not in text)
        with suppress(ConfigError):
            parse(f"{name} = {value}\n{others}")


def test_all_faults_are_told_at_once() -> None:
    text = (
        FILE.replace("Asia/Kolkata", "Nowhere")
        .replace('rule = "lead"', 'rule = "x"')
        .replace('"health"\nt', '"lead"\nt')
    )
    with pytest.raises(ConfigError) as caught:
        parse(text.replace('cadence = "weekly"', 'cadence = "hourly"') + "[extra]\n")
    assert len(caught.value.faults) == 5
    assert caught.value.where == "world.toml"


def test_applying_again_changes_nothing(database: Database) -> None:
    first = flow.apply(database, parse(), NOW)
    assert (first.applied, first.details) == (Applied.CREATED, ())
    again = flow.apply(database, parse(), NOW + timedelta(days=1))
    assert (again.applied, again.details) == (Applied.UNCHANGED, ())
    assert flow.show(database, "world").edition == parse()
    assert [row.edition.name for row in flow.listing(database)] == ["world"]


def test_a_change_is_told_and_stored(database: Database) -> None:
    flow.apply(database, parse(), NOW)
    text = FILE.replace('"The World"', '"World Today"').replace("count = 1", "count = 2")
    text = text.replace("optional = false", 'optional = false\nexcept_kinds = ["short"]')
    text = text.replace('key = "health"', 'key = "medicine"').replace("wire.example", "wires.example")
    changed = parse(text.replace("0 7 * * 1-5", "0 8 * * *"))
    report = flow.apply(database, changed, NOW)
    assert report.applied is Applied.CHANGED
    assert set(report.details) == {
        "title: 'The World' becomes 'World Today'",
        "section health removed",
        "section medicine added",
        "section lead: count 1 becomes 2",
        "section lead: except_kinds none becomes short",
        "feed wire: url 'https://wire.example/rss' becomes 'https://wires.example/rss'",
        "schedule daily '0 7 * * 1-5' Asia/Kolkata removed",
        "schedule daily '0 8 * * *' Asia/Kolkata added",
    }
    stored = flow.show(database, "world").edition
    assert replace(stored, schedules=stored.schedules[::-1]) == changed


def test_orders_of_sections_and_links_count(database: Database) -> None:
    flow.apply(database, parse(), NOW)
    edition = parse()
    turned = replace(edition, sections=edition.sections[::-1])
    assert flow.apply(database, turned, NOW).details == ("sections are in another order",)
    assert flow.show(database, "world").edition.sections == turned.sections


def subscribe(database: Database, sections: str | None, cadence: str, state: str = "active") -> None:
    with database.write() as connection:
        address = f"{sections}{cadence}{state}@example.org"
        owner = connection.execute(
            insert(schema.subscribers)
            .values(address=address, address_key=addresses.key(address), created_at=NOW)
            .returning(schema.subscribers.c.id)
        ).scalar_one()
        values = {"sections": sections, "cadence": cadence, "state": state, "created_at": NOW}
        edition_id = edition_store.get_id(connection, "world")
        connection.execute(insert(schema.subscriptions).values(subscriber_id=owner, edition_id=edition_id, **values))


def test_readers_who_lose_what_they_chose_are_counted(database: Database) -> None:
    flow.apply(database, parse(), NOW)
    for sections in ("health", "views,health", "views", "healthy", None):
        subscribe(database, sections, "daily")
    subscribe(database, "health", "weekly")
    subscribe(database, "health", "weekly", state="unsubscribed")
    text = FILE.replace('key = "health"', 'key = "medicine"').replace('["daily", "weekly"]', '["daily"]')
    edition = parse(text.partition('[[schedule]]\ncadence = "weekly"')[0])
    assert flow.apply(database, edition, NOW).warnings == (
        "3 subscribers chose section health, which is gone",
        "1 subscribers have cadence weekly, which is gone: nothing will be sent to them",
    )
    assert flow.show(database, "world").readers == 6


def test_a_feed_known_otherwise_is_used_as_it_is(database: Database) -> None:
    flow.apply(database, parse(), NOW)
    other = FILE.replace('"world"', '"asia"').replace(FEEDS, "").replace("locale", 'feeds = ["wire"]\nlocale')
    flow.apply(database, parse(other), NOW)
    wire = replace(parse().feeds[0], weight=0.0)  # what the other edition thinks of it is its own matter
    assert flow.show(database, "asia").edition.feeds == (wire,)
    assert flow.apply(database, parse(other), NOW).applied is Applied.UNCHANGED
    with pytest.raises(NotFoundError, match="no feed named wires"):
        flow.apply(database, parse(other.replace('["wire"]', '["wires"]')), NOW)


def test_unknown_editions_are_told(database: Database) -> None:
    with pytest.raises(NotFoundError, match="no edition named mars"):
        flow.show(database, "mars")
    with database.read() as connection:
        assert edition_store.load(connection, "mars") is None
        with pytest.raises(NotFoundError):
            edition_store.get_id(connection, "mars")


# ------------------------------------------------------------------------------------- stored schedules


def test_declared_schedules_follow_the_file_and_handmade_ones_stay(database: Database) -> None:
    flow.apply(database, parse(), NOW)
    by_hand = schedule_flow.add(database, "world", ScheduleSpec("", "UTC", "0 18 * * *"), NOW)
    kept = next(item for item in schedule_flow.listing(database) if item.cadence == "weekly")
    schedule_flow.pause(database, kept.id)
    flow.apply(database, parse(FILE.replace("0 7 * * 1-5", "0 8 * * *")), NOW)
    after = {item.id: item for item in schedule_flow.listing(database)}
    assert after[by_hand.id] == by_hand
    assert after[kept.id].paused
    assert {item.cron for item in after.values()} == {"0 8 * * *", "0 18 * * *", ""}


def test_a_declared_time_that_has_passed_never_comes_out(database: Database) -> None:
    report = flow.apply(database, parse(), datetime(2027, 1, 1, tzinfo=UTC))
    assert report.warnings == ("schedule weekly 2026-12-06 09:00 Europe/Berlin is in the past and will not come out",)
    with database.read() as connection:
        assert [item.cadence for item in schedule_store.due(connection, datetime(2027, 2, 1, tzinfo=UTC))] == ["daily"]


def test_a_slot_is_handed_out_once(database: Database) -> None:
    flow.apply(database, parse(), NOW)
    slot = datetime(2026, 11, 24, 1, 30, tzinfo=UTC)
    following = slot + timedelta(days=1)
    with database.read() as connection:
        assert schedule_store.due(connection, slot - timedelta(seconds=1)) == []
    with database.write() as connection:
        (due,) = schedule_store.due(connection, slot)
        assert due.next_slot_at == slot
        assert schedule_store.advance(connection, due.id, slot, following)
        assert not schedule_store.advance(connection, due.id, slot, following)
        assert schedule_store.due(connection, slot) == []


def test_a_paused_schedule_rests_and_resumes_at_its_next_slot(database: Database) -> None:
    flow.apply(database, parse(), NOW)
    made = schedule_flow.add(database, "world", ScheduleSpec("weekly", "UTC", "0 9 * * *"), NOW)
    schedule_flow.pause(database, made.id)
    later = NOW + timedelta(days=7)
    with database.read() as connection:
        assert made.id not in {item.id for item in schedule_store.due(connection, later)}
    resumed = schedule_flow.resume(database, made.id, later)
    assert resumed.next_slot_at == later.replace(hour=9)
    assert schedule_flow.resume(database, made.id, later) == resumed


def test_a_single_slot_that_passed_while_paused_does_not_resume(database: Database) -> None:
    flow.apply(database, parse(), NOW)
    made = schedule_flow.add(database, "world", ScheduleSpec("", "UTC", at=NOW + timedelta(hours=1)), NOW)
    schedule_flow.pause(database, made.id)
    with pytest.raises(StateError, match="has passed"):
        schedule_flow.resume(database, made.id, NOW + timedelta(hours=2))
    assert schedule_flow.remove(database, made.id).id == made.id
    with pytest.raises(NotFoundError, match="no schedule"):
        schedule_flow.remove(database, made.id)


@pytest.mark.parametrize(
    ("name", "spec", "error"),
    [
        ("mars", ScheduleSpec("", "UTC", "0 7 * * *"), NotFoundError),
        ("world", ScheduleSpec("hourly", "UTC", "0 * * * *"), InputError),
        ("world", ScheduleSpec("", "UTC", at=NOW - timedelta(minutes=1)), InputError),
        ("world", ScheduleSpec("daily", "Asia/Kolkata", "0 7 * * 1-5"), InputError),
    ],
)
def test_schedules_that_make_no_sense_are_refused(
    database: Database, name: str, spec: ScheduleSpec, error: type[Exception]
) -> None:
    flow.apply(database, parse(), NOW)
    with pytest.raises(error):
        schedule_flow.add(database, name, spec, NOW)


def test_the_sample_edition_is_fine() -> None:
    sample = Path(editions.__file__).parents[1] / "cli" / "edition.sample.toml"
    edition = editions.parse(sample.read_text(encoding="utf-8"), "sample")
    assert {section.rule for section in edition.sections} == set(Rule)
