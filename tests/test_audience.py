"""The audience on both databases: consent, preferences, imports, erasure, confirmations."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, insert, select

from digest import addresses
from digest.errors import InputError, NotFoundError
from digest.flows import audience, choices
from digest.flows.audience_import import import_subscribers
from digest.smtp.courier import Answers, OnWire
from digest.states import SubscriptionState
from digest.store import consent, editions, schema, subscribers, suppressions
from digest.store.database import Database
from digest.store.subscribers import Choice, Person, Subscription
from digest.tables import read_csv
from digest.values import Edition, Envelope, FeedSpec, ImportReport, Outcome, Result, Rule, Section

from .conftest import NOW

ACTIVE, PENDING = SubscriptionState.ACTIVE, SubscriptionState.PENDING
UNSUBSCRIBED, EXPIRED = SubscriptionState.UNSUBSCRIBED, SubscriptionState.EXPIRED
EDITION = Edition(
    name="morning",
    title="Morning Post",
    locale="en",
    time_zone="Europe/Madrid",
    sender=("Morning Post", "post@example.org"),
    postal_address="1 Quay Street\nSampleton",
    cadences=("daily", "weekly"),
    feeds=(FeedSpec("desk"),),
    sections=(
        Section("lead", "Lead story", Rule.LEAD, 1, optional=False),
        Section("sea", "By the sea", Rule.SECTOR, 3, ("sea",)),
        Section("rail", "Railways", Rule.SECTOR, 3, ("rail",)),
    ),
)
ADDRESS = "ann@example.org"


@pytest.fixture(autouse=True)
def edition(database: Database) -> None:
    with database.write() as connection:
        editions.save(connection, EDITION, NOW)


def _wish(address: str = ADDRESS, name: str = "Ann", sections: Iterable[str] | None = None) -> audience.SignUp:
    return audience.SignUp(
        choices.person(address, name), choices.choose(EDITION, "", sections), "Yes, please.", ip="192.0.2.7"
    )


def _sign_up(database: Database, now: datetime = NOW, **words: object) -> None:
    audience.sign_up(database, "morning", _wish(**words), now)  # type: ignore[arg-type]


def _found(database: Database, address: str = ADDRESS) -> Subscription | None:
    with database.read() as connection:
        return next(iter(subscribers.of_address(connection, addresses.key(address))), None)


def _must(database: Database, address: str = ADDRESS) -> Subscription:
    found = _found(database, address)
    assert found
    return found


def _consent(database: Database, address: str = ADDRESS) -> list[str]:
    with database.read() as connection:
        return [event["kind"] for event in consent.events(connection, _must(database, address).id)]


def _import(database: Database, text: str, source: str = "import readers.csv") -> ImportReport:
    return import_subscribers(database, "morning", read_csv(text.splitlines(), ["address|email"]), NOW, source=source)


def _active(database: Database, address: str = ADDRESS) -> Subscription:
    assert _import(database, f"address\n{address}").added == 1
    return _must(database, address)


class Post:
    """A courier that answers as told and keeps what it was given."""

    def __init__(self, *results: Result) -> None:
        self.results, self.sent = list(results), list[str]()

    def send(self, envelopes: Iterable[Envelope], on_wire: OnWire = lambda _: None) -> Iterator[Answers]:
        for index, envelope in enumerate(envelopes):
            on_wire([index])
            self.sent.append(envelope.recipient)
            yield [(index, Outcome(self.results.pop(0), "as told"))]

    def close(self) -> None: ...


def _mail(found: Subscription) -> Envelope:
    if not found.person.address.isascii():
        raise InputError("needs SMTPUTF8")
    return Envelope("post@example.org", found.person.address, b"confirm\r\n")


# ---------------------------------------------------------------------------------------- sign-up, consent


def test_double_opt_in_from_form_to_leaving(database: Database) -> None:
    _sign_up(database, sections=["sea"])
    found = _must(database)
    assert (found.state, found.confirm_due_at, found.covered_until) == (PENDING, NOW, None)
    assert found.choice == Choice("daily", ("sea",), None)
    for _ in range(2):
        confirmed = audience.confirm(database, found.id, NOW)
        assert confirmed and (confirmed.state, confirmed.confirm_due_at) == (ACTIVE, None)
    assert audience.unsubscribe(database, found.id, NOW, issue_id=3, source="one-click")
    assert not audience.unsubscribe(database, found.id, NOW, issue_id=3, source="one-click")
    late = audience.confirm(database, found.id, NOW)
    assert late and late.state is UNSUBSCRIBED
    assert _consent(database) == ["requested", "confirmed", "unsubscribed"]
    with database.read() as connection:
        (event,) = consent.feedback(connection, found.id)
        proof = consent.events(connection, found.id)[0]
    assert (event["kind"], event["issue_id"]) == ("unsubscribe", 3)
    assert (proof["at"], proof["ip"], proof["detail"]) == (
        NOW,
        "192.0.2.7",
        "Yes, please. [daily; sea; when it comes out]",
    )


def test_asking_again_soon_owes_no_second_mail_and_later_does(database: Database) -> None:
    _sign_up(database)
    assert audience.send_confirmations(database, Post(Result.ACCEPTED), _mail, NOW) == 1
    soon, later = NOW + timedelta(minutes=9), NOW + timedelta(minutes=11)
    _sign_up(database, soon, sections=["rail"])
    assert (_must(database).confirm_due_at, _must(database).choice.sections) == (None, None)
    _sign_up(database, later, sections=["rail"])
    assert (_must(database).confirm_due_at, _must(database).choice.sections) == (later, ("rail",))


def test_many_clicks_at_once_owe_one_mail(database: Database) -> None:
    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(_sign_up, database) for _ in range(12)]:
            done.result()
    assert _consent(database) == ["requested"]


def test_a_stranger_can_not_change_an_active_reader(database: Database) -> None:
    before = _active(database)
    _sign_up(database, NOW + timedelta(days=1), address="ANN@example.org", name="Mallory", sections=[])
    assert _found(database) == before


def test_who_left_may_sign_up_again(database: Database) -> None:
    audience.unsubscribe(database, _active(database).id, NOW, source="page")
    _sign_up(database)
    assert (_must(database).state, _must(database).confirm_due_at) == (PENDING, NOW)


def test_a_suppressed_address_signs_up_to_nothing(database: Database) -> None:
    assert audience.suppress(database, ADDRESS, NOW)
    assert not audience.suppress(database, "Ann@EXAMPLE.org", NOW)
    _sign_up(database)
    assert _found(database) is None
    assert audience.unsuppress(database, ADDRESS)
    _sign_up(database)
    assert _must(database).state is PENDING


def test_an_unknown_edition_is_named(database: Database) -> None:
    with pytest.raises(NotFoundError, match="evening"):
        audience.sign_up(database, "evening", _wish(), NOW)


def test_a_sign_up_nobody_confirmed_expires_after_the_last_request(database: Database) -> None:
    _sign_up(database)
    _sign_up(database, NOW + timedelta(days=6))
    assert audience.expire_pending(database, NOW + timedelta(days=8)) == 0
    assert audience.expire_pending(database, NOW + timedelta(days=14)) == 1
    assert (_must(database).state, _must(database).confirm_due_at) == (EXPIRED, None)
    assert _consent(database)[-1] == "expired"


def test_preferences_are_saved_with_proof_once(database: Database) -> None:
    found = _active(database)
    person = choices.person(ADDRESS, " Ann\r\nLee\x00 ", time_zone="Asia/Kolkata")
    choice = choices.choose(EDITION, "weekly", ["Railways"], "7")
    for _ in range(2):
        saved = audience.change_preferences(database, found.id, person, choice, NOW, source="page")
    assert saved.person == Person(ADDRESS, "Ann Lee", "", "Asia/Kolkata")
    assert saved.choice == Choice("weekly", ("rail",), 7)
    assert _consent(database) == ["imported", "preferences"]
    with pytest.raises(NotFoundError):
        audience.change_preferences(database, 999, person, choice, NOW, source="page")


@pytest.mark.parametrize(
    ("sections", "chosen"),
    [
        (None, None),
        ([], ()),
        (["SEA"], ("sea",)),
        (["SEA", "Lead story", "sea"], ("sea", "lead")),
        (["sea", "rail"], None),
        (["rail", "sea"], ("rail", "sea")),
    ],
)
def test_naming_every_optional_section_as_the_edition_has_them_means_all(
    sections: list[str] | None, chosen: tuple[str, ...] | None
) -> None:
    assert choices.choose(EDITION, "", sections).sections == chosen


# ---------------------------------------------------------------------------------------- confirmations


@pytest.mark.parametrize(
    ("result", "owed_in"),
    [
        (Result.ACCEPTED, None),
        (Result.PERMANENT, None),
        (Result.UNKNOWN, None),
        (Result.TEMPORARY, 5),
        (Result.UNSENT, 5),
        (Result.REFUSED_LOGIN, 5),
    ],
)
def test_a_confirmation_is_owed_until_the_server_has_decided(
    database: Database, result: Result, owed_in: int | None
) -> None:
    _sign_up(database)
    post = Post(result)
    assert audience.send_confirmations(database, post, _mail, NOW - timedelta(seconds=1)) == 0
    assert audience.send_confirmations(database, post, _mail, NOW) == (result is Result.ACCEPTED)
    assert _must(database).confirm_due_at == (NOW + timedelta(minutes=owed_in) if owed_in else None)
    assert post.sent == [ADDRESS]


def test_one_who_sends_while_another_does_sends_nothing_twice(database: Database) -> None:
    _sign_up(database)
    second = Post()

    def slow_mail(found: Subscription) -> Envelope:
        assert audience.send_confirmations(database, second, _mail, NOW) == 0
        return _mail(found)

    assert audience.send_confirmations(database, Post(Result.ACCEPTED), slow_mail, NOW) == 1


def test_confirmations_that_can_not_or_must_not_go_out_are_dropped(database: Database) -> None:
    for address in ("jörg@example.org", "barred@example.org", ADDRESS):
        _sign_up(database, address=address)
    audience.suppress(database, "barred@example.org", NOW)
    post = Post(Result.ACCEPTED)
    assert audience.send_confirmations(database, post, _mail, NOW) == 1
    assert post.sent == [ADDRESS]
    assert (
        _must(database, "jörg@example.org").confirm_due_at
        is _must(database, "barred@example.org").confirm_due_at
        is None
    )


# ---------------------------------------------------------------------------------------- import


def test_an_import_takes_what_makes_sense_and_says_why_not(database: Database) -> None:
    audience.unsubscribe(database, _active(database, "left@example.org").id, NOW, source="page")
    audience.suppress(database, "barred@example.org", NOW)
    report = _import(
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
        "ANN@example.org;Ann again\n"
        "left@example.org\n"
        "barred@example.org\n"
        "gone@example.org;;;;;;;unsubscribed\n"
        'quote@example.org;"x\n',
    )
    assert (report.read, report.added, report.changed, report.unchanged) == (14, 3, 0, 0)
    told = {item.where: item.reason for item in report.rejected}
    wanted = {4: "@-sign", 5: "Gardens", 6: "hourly", 7: "25", 8: "Mars", 9: "xx_yy", 10: "maybe", 11: "line 2"}
    wanted |= {12: "unsubscribed", 13: "suppressed", 15: "quote"}
    assert {f"line {line}" for line in wanted} == set(told)
    assert all(word in told[f"line {line}"] for line, word in wanted.items())
    ann, bob, gone = (_must(database, f"{name}@example.org") for name in ("ann", "bob", "gone"))
    assert (ann.person, ann.choice) == (Person(ADDRESS, "Ann", "en-IN", "Asia/Kolkata"), Choice("weekly", None, 7))
    assert (bob.state, bob.choice, gone.state) == (ACTIVE, Choice("daily"), UNSUBSCRIBED)
    with database.read() as connection:
        assert consent.events(connection, ann.id)[0]["source"] == "import readers.csv"
        assert subscribers.counts(connection, 1) == {ACTIVE: 2, UNSUBSCRIBED: 2, PENDING: 0, EXPIRED: 0}


def test_importing_again_changes_only_what_the_file_says(database: Database) -> None:
    first = "address,name,sections,hour\nann@example.org,Ann,sea,7\nbob@example.org,Bob,,\n"
    assert _import(database, first).added == 2
    assert _import(database, first).unchanged == 2
    second = _import(database, "address,name,cadence\nann@example.org,,weekly\nbob@example.org,Rob,\n")
    assert (second.added, second.changed, second.unchanged) == (0, 2, 0)
    ann = _must(database)
    assert (ann.person.name, ann.choice) == ("Ann", Choice("weekly", ("sea",), 7))
    assert _must(database, "bob@example.org").person.name == "Rob"


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
    _sign_up(database)
    assert _import(database, f"address\n{ADDRESS}").changed == 1
    assert (_must(database).state, _must(database).confirm_due_at) == (ACTIVE, None)
    assert _import(database, f"address,state\n{ADDRESS},unsubscribed").changed == 1
    assert _must(database).state is UNSUBSCRIBED
    assert _consent(database) == ["requested", "imported", "unsubscribed"]


def test_a_long_file_is_streamed_and_told_batch_by_batch(database: Database) -> None:
    count, told = 10_000 if database.dialect == "sqlite" else 2_000, list[int]()
    lines = (f"reader{n}@example.org,Reader {n},sea\n" for n in range(count))
    rows = read_csv(line for part in (["address,name,sections\n"], lines) for line in part)
    report = import_subscribers(database, "morning", rows, NOW, source="import", on_progress=told.append)
    assert (report.added, report.rejected) == (count, ())
    assert len(told) == count // 500 and sum(told) == count
    with database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(schema.consent_events)) == count
        page = subscribers.listing(connection, after=0, limit=3)
        assert [one.person.name for one in subscribers.listing(connection, 1, ACTIVE, page[-1].id, 2)]
        assert page[0].id < page[1].id < page[2].id


# ---------------------------------------------------------------------------------------- erasure, export


def test_erasing_leaves_a_hash_and_nothing_else(database: Database) -> None:
    found, other = _active(database), _active(database, "bob@example.org")
    with database.write() as connection:
        connection.execute(
            insert(schema.issues).values(id=1, edition_id=1, cadence="daily", slot=NOW, state="sent", created_at=NOW)
        )
        for one in (found, other):
            values = {
                "issue_id": 1,
                "subscription_id": one.id,
                "batch": 1,
                "state": "failed",
                "reason": f"<{ADDRESS}>?",
            }
            connection.execute(insert(schema.deliveries).values(values))
            connection.execute(
                insert(schema.feedback_events).values(
                    subscription_id=one.id, kind="bounce", at=NOW, detail=f"to {ADDRESS}"
                )
            )
    audience.suppress(database, ADDRESS, NOW, note="asked Ann")
    assert audience.erase(database, "Ann@example.org", NOW)
    assert _found(database) is None
    with database.read() as connection:
        assert suppressions.is_suppressed(connection, addresses.key(ADDRESS))
        for table in schema.metadata.sorted_tables:
            for row in connection.execute(select(table)):
                if getattr(row, "subscription_id", None) != other.id:
                    assert "ann" not in str(row).lower(), table.name
    assert _import(database, f"address\n{ADDRESS}").rejected[0].reason == "is suppressed"
    assert not audience.erase(database, "unknown@example.org", NOW)


def test_an_export_holds_all_that_is_known(database: Database) -> None:
    found = _active(database)
    audience.unsubscribe(database, found.id, NOW, source="page")
    audience.suppress(database, ADDRESS, NOW, note="by phone")
    data = json.loads(json.dumps(audience.export(database, "ANN@example.org"), default=str))
    assert data["subscriber"]["address"] == ADDRESS
    assert data["suppression"]["note"] == "by phone"
    (one,) = data["subscriptions"]
    assert [event["kind"] for event in one["consent"]] == ["imported", "unsubscribed"]
    assert one["subscription"]["edition"] == "morning"
    with pytest.raises(NotFoundError):
        audience.export(database, "nobody@example.org")
