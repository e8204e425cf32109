"""Readers from files on both databases: who is added, changed or refused, what proves it, and what an import that is
tried out, repeated or killed leaves behind."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from digest.errors import NotFoundError
from digest.flows.readers import audience, choices, signup
from digest.flows.readers import importing as audience_import
from digest.flows.readers import lists as audience_lists
from digest.flows.readers.importing import Imported, import_subscribers, import_table
from digest.readers import addresses
from digest.readers.subscriptions import Choice, Person, Subscription
from digest.settings import FieldType, SignUpSettings
from digest.states import SubscriptionState
from digest.store import schema
from digest.store.content import editions
from digest.store.database import Database
from digest.store.readers import consent, subscribers
from digest.tables import open_csv, read_csv
from tests.conftest import NOW
from tests.support.morning import ADDRESS, EDITION

ACTIVE, PENDING = SubscriptionState.ACTIVE, SubscriptionState.PENDING
UNSUBSCRIBED, EXPIRED = SubscriptionState.UNSUBSCRIBED, SubscriptionState.EXPIRED
FIELDS = {"plan": FieldType.TEXT, "points": FieldType.NUMBER, "since": FieldType.DATE, "vip": FieldType.YES_NO}


@pytest.fixture(autouse=True)
def edition(database: Database) -> None:
    with database.write() as connection:
        editions.save(connection, EDITION, NOW)


def _import(database: Database, text: str, **more: Any) -> Imported:
    table = open_csv(io.StringIO(text), ["address|email"])
    options = {"source": "import readers.csv", "agreed": "at the shop"} | more
    return import_table(database, "morning", table, NOW, **options)


def _must(database: Database, address: str = ADDRESS) -> Subscription:
    with database.read() as connection:
        (found,) = subscribers.of_address(connection, addresses.key(address))
    return found


def _consent(database: Database, address: str = ADDRESS) -> list[tuple[str, str]]:
    with database.read() as connection:
        return [(event["kind"], event["detail"]) for event in consent.events(connection, _must(database, address).id)]


def _figures(done: Imported) -> tuple[int, int, int, int]:
    assert done.read == done.added + done.changed + done.unchanged + done.rejected
    return done.added, done.changed, done.unchanged, done.rejected


def _told(database: Database, done: Imported) -> dict[int, str]:
    return {one.line: one.reason for one in audience_import.rejects(database, done.number)[1]}


def _contents(database: Database) -> dict[str, list[Any]]:
    """All that is stored about readers, but for what tells one run from another."""
    with database.read() as connection:
        people = connection.execute(select(schema.subscribers).order_by("address_key")).all()
        names = {row.id: row.address for row in people}
        theirs = {
            row.id: (names[row.subscriber_id], row.state, row.cadence, row.sections, row.hour)
            for row in connection.execute(select(schema.subscriptions))
        }
        proof = connection.execute(select(schema.consent_events))
        return {
            "people": [(row.address, row.name, row.locale, row.time_zone, row.fields) for row in people],
            "subscriptions": sorted(map(str, theirs.values())),
            "consent": sorted((theirs[row.subscription_id][0], row.kind, row.detail) for row in proof),
        }


def test_an_import_takes_what_makes_sense_and_says_why_not(database: Database) -> None:
    _import(database, "address\nleft@example.org\n")
    audience.unsubscribe(database, _must(database, "left@example.org").id, NOW, source="page")
    audience.suppress(database, "barred@example.org", NOW)
    done = _import(
        database,
        "email;name;sections;cadence;hour;time zone;locale;state\n"
        'ann@example.org;Ann;"sea;Railways";Weekly;7;Asia/Kolkata;en-IN;active\n'
        "bob@example.org\n"
        "nowhere\n"
        "c1@example.org;;Gardens\n"
        "c2@example.org;;;hourly\n"
        "c3@example.org;;;;25\n"
        "c4@example.org;;;;;Mars/Phobos\n"
        "c5@example.org;;;;;;xx_yy_zz\n"
        "c6@example.org;;;;;;;maybe\n"
        "\n"
        "left@example.org\n"
        "barred@example.org\n"
        "gone@example.org;;;;;;;unsubscribed\n"
        'quote@example.org;"x\n',
    )
    assert _figures(done) == (3, 0, 0, 10)
    told = _told(database, done)
    wanted = {4: "@-sign", 5: "Gardens", 6: "hourly", 7: "25", 8: "Mars", 9: "xx_yy", 10: "maybe"}
    wanted |= {12: "unsubscribed", 13: "suppressed", 15: "quote"}
    assert wanted.keys() == told.keys()
    assert all(word in told[line] for line, word in wanted.items())
    ann, bob, gone = (_must(database, f"{name}@example.org") for name in ("ann", "bob", "gone"))
    assert (ann.person, ann.choice) == (Person(ADDRESS, "Ann", "en-IN", "Asia/Kolkata"), Choice("weekly", None, 7))
    assert (bob.state, bob.choice, gone.state) == (ACTIVE, Choice("daily"), UNSUBSCRIBED)
    assert _consent(database) == [("imported", "at the shop")]
    (record, _) = audience_import.past(database)
    assert (record.source, record.consent, record.added, record.rejected) == (
        "import readers.csv",
        "at the shop",
        3,
        10,
    )
    assert record.ended_at == NOW
    with pytest.raises(NotFoundError):
        audience_import.rejects(database, 99)


def test_importing_again_changes_only_what_the_file_says(database: Database) -> None:
    first = "address,name,sections,hour\nann@example.org,Ann,sea,7\nbob@example.org,Bob,,\n"
    assert _figures(_import(database, first)) == (2, 0, 0, 0)
    assert _figures(_import(database, first)) == (0, 0, 2, 0)
    second = _import(database, "address,name,cadence\nann@example.org,,weekly\nbob@example.org,Rob,\n")
    assert _figures(second) == (0, 2, 0, 0)
    ann = _must(database)
    assert (ann.person.name, ann.choice) == ("Ann", Choice("weekly", ("sea",), 7))
    assert _must(database, "bob@example.org").person.name == "Rob"
    assert _consent(database) == [("imported", "at the shop"), ("preferences", "weekly; sea; at 7:00")]


def test_a_dash_takes_back_what_is_known_and_a_star_means_all_sections(database: Database) -> None:
    _import(database, "address,name,sections,hour,time_zone\nann@example.org,Ann,sea,7,Asia/Kolkata\n")
    assert _import(database, "address,name,sections,hour,time_zone\nann@example.org,-,*,-,-\n").changed == 1
    ann = _must(database)
    assert (ann.person, ann.choice) == (Person(ADDRESS), Choice("daily"))
    _import(database, "address,sections\nann@example.org,-\n")
    assert _must(database).choice.sections == ()


def test_own_fields_are_kept_by_type_and_merged(database: Database) -> None:
    first = "address,plan,points,since,vip\nann@example.org,gold,12,2026-01-31,Yes\nbob@example.org,,many,,\n"
    done = _import(database, first, declared=FIELDS)
    assert _figures(done) == (1, 0, 0, 1) and "points" in _told(database, done)[3]
    assert _figures(_import(database, "address,vip\nann@example.org,y\n", declared=FIELDS)) == (0, 0, 1, 0)
    assert _import(database, "address,plan,points\nann@example.org,-,7.5\n", declared=FIELDS).changed == 1
    ((_, _, _, _, fields),) = _contents(database)["people"]
    assert fields == {"points": 7.5, "since": "2026-01-31", "vip": True}


def test_a_reader_of_another_edition_is_the_same_person(database: Database) -> None:
    with database.write() as connection:
        editions.save(connection, replace(EDITION, name="evening"), NOW)
    _import(database, "address,name,time_zone\nann@example.org,Ann,Asia/Kolkata")
    rows = read_csv(["address,name,cadence", "ANN@example.org,Ann Lee,weekly"])
    assert import_subscribers(database, "evening", rows, NOW, source="import").added == 1
    morning, evening = audience.of_address(database, ADDRESS)
    assert morning.person == evening.person == Person(ADDRESS, "Ann Lee", "", "Asia/Kolkata")
    assert (morning.choice.cadence, evening.choice.cadence) == ("daily", "weekly")


def test_an_import_activates_who_is_waiting_and_retires_who_left(database: Database) -> None:
    wish = signup.SignUp(choices.person(ADDRESS), choices.choose(EDITION))
    signup.sign_up(database, SignUpSettings(), "morning", wish, NOW)
    assert _import(database, f"address\n{ADDRESS}").changed == 1
    assert (_must(database).state, _must(database).confirm_due_at) == (ACTIVE, None)
    assert _import(database, f"address,state\n{ADDRESS},unsubscribed").changed == 1
    assert _must(database).state is UNSUBSCRIBED
    assert [kind for kind, _ in _consent(database)] == ["requested", "imported", "unsubscribed"]


def test_an_address_named_twice_is_taken_at_its_later_word_but_never_brought_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        "address,name,hour,state\na@x.test,A,7,\nb@x.test,B,,\nA@x.test,Ann,,\nb@x.test,,,unsubscribed\nb@x.test,Bo,,\n"
    )
    tried = _figures(_import(database, text, dry_run=True))
    together = _figures(_import(database, text))
    assert tried == together == (2, 2, 0, 1)
    ann, bob = _must(database, "a@x.test"), _must(database, "b@x.test")
    assert (ann.person.name, ann.choice.hour, bob.person.name, bob.state) == ("Ann", 7, "B", UNSUBSCRIBED)
    monkeypatch.setattr(audience_import, "CHUNK", 2)  # the same, whichever transaction a line falls into
    other = text.replace("x.test", "y.test")
    assert _figures(_import(database, other, dry_run=True)) == _figures(_import(database, other)) == together


def test_a_dry_run_comes_to_the_same_figures_and_leaves_nothing(database: Database) -> None:
    _import(database, "address,name\nann@example.org,Ann\nbob@example.org,Bob\nleft@example.org,\n")
    audience.unsubscribe(database, _must(database, "left@example.org").id, NOW, source="page")
    text = "address,name,cadence\nann@example.org,Ann Lee,\nbob@example.org,Bob,\n"
    text += "c@x.test,,weekly\nleft@example.org,\nno\n"
    before, records = _contents(database), audience_import.past(database)
    tried = _import(database, text, dry_run=True)
    assert (_contents(database), audience_import.past(database)) == (before, records)
    assert _figures(tried) == (1, 1, 1, 2) and tried.number == 0
    with database.write() as connection:  # on the connection that was rehearsed on, the real tables are seen again
        assert connection.scalar(select(func.count()).select_from(schema.subscribers)) == 3
    assert _figures(_import(database, text)) == _figures(tried)


def test_a_long_file_is_streamed_and_told_chunk_by_chunk(database: Database) -> None:
    count, told = 2 * audience_import.CHUNK + 1, list[int]()
    lines = (f"reader{n}@example.org,Reader {n},sea\n" for n in range(count))
    header = iter(["address,name,sections\n"])
    table = open_csv(line for part in (header, lines) for line in part)
    done = import_table(database, "morning", table, NOW, source="x", agreed="y", on_progress=told.append)
    assert _figures(done) == (count, 0, 0, 0)
    assert told == [audience_import.CHUNK, audience_import.CHUNK, 1]
    with database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(schema.consent_events)) == count
        page = subscribers.listing(connection, after=0, limit=3)
        assert [one.person.name for one in subscribers.listing(connection, 1, ACTIVE, page[-1].id, 2)]
        assert page[0].id < page[1].id < page[2].id


def _mixed(count: int) -> Iterator[str]:
    """A file of which one line in a hundred is bad, each in its way, and some name an address again."""
    yield "address,name,cadence,sections,hour,state\n"
    for n in range(count):
        bad = {0: "nowhere,x,,,,\n", 1: f"r{n}@x.test,x,hourly,,,\n", 2: 'q@x.test,"x,,,,\n', 3: f"r{n}@x..test,,,,,\n"}
        again = f"r{n - 40}@x.test,Again {n},weekly,,,\n"
        good = f"r{n}@x.test,Reader {n},,sea,{n % 24},{'unsubscribed' if n % 50 == 9 else ''}\n"
        yield bad[n // 100 % 4] if n % 100 == 50 else again if n % 100 == 77 else good


def test_killed_in_the_middle_and_run_again_it_comes_to_the_same(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "readers.csv"
    file.write_text("".join(_mixed(5000)), encoding="utf-8")
    arguments = [sys.executable, "-m", "tests.support.import_slowly", database_url, str(file)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environment, cwd=Path(__file__).parents[3]) as run:
        assert run.stdout
        list(islice(run.stdout, 4))  # chunks told
        run.send_signal(signal.SIGKILL)
    (cut,) = audience_import.past(database)
    assert cut.ended_at is None and 2000 <= cut.added + cut.changed + cut.unchanged + cut.rejected < 5000
    lines = iter(_mixed(5000))
    done = import_table(database, "morning", open_csv(lines), NOW, source="again", agreed="z")
    assert (done.read, done.rejected) == (5000, 50)
    assert done.unchanged and done.added
    after = _contents(database)
    for name in ("consent_events", "subscriptions", "subscribers"):
        with database.write() as connection:
            connection.execute(schema.metadata.tables[name].delete())
    once = import_table(database, "morning", open_csv(iter(_mixed(5000))), NOW, source="once", agreed="z")
    assert (once.read, once.rejected) == (5000, 50)
    whole = _contents(database)
    assert (after["people"], after["subscriptions"]) == (whole["people"], whole["subscriptions"])


def test_growth_and_churn_are_told_by_month(database: Database) -> None:
    def run(text: str, at: datetime) -> None:
        import_subscribers(database, "morning", read_csv(text.splitlines()), at, source="x")

    four = "address,sections\n" + "".join(f"r{n}@x.test,sea\n" for n in range(4))
    run(four, datetime(2026, 9, 30, 23, 30, tzinfo=UTC))
    run("address\nnew@x.test\n", datetime(2026, 11, 1, tzinfo=UTC))
    run("address,state\nr0@x.test,unsubscribed\nstranger@x.test,unsubscribed\n", NOW)
    found = audience_lists.tell(database, "morning", 3, NOW)
    assert [(m.month, m.joined, m.left, m.active, m.churn) for m in found.months] == [
        ("2026-09", 4, 0, 4, 0.0),
        ("2026-10", 0, 0, 4, 0.0),
        ("2026-11", 1, 1, 4, 25.0),
    ]
    assert (found.states[ACTIVE], found.states[UNSUBSCRIBED]) == (4, 2)
    assert (found.sections, found.cadences) == ({"sea": 4, "rail": 1}, {"daily": 4})
    assert (found.zones, found.hours) == ({"Europe/Madrid": 4}, {"as it comes out": 4})
