"""The audience on both databases: consent, preferences, imports, erasure, confirmations."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert, select

from digest import addresses
from digest.errors import InputError, NotFoundError
from digest.flows import audience, choices
from digest.flows.audience_import import Imported, import_subscribers
from digest.smtp.courier import Answers, OnWire
from digest.states import SubscriptionState
from digest.store import consent, editions, schema, subscribers, suppressions
from digest.store.database import Database
from digest.store.subscribers import Choice, Person, Subscription
from digest.tables import read_csv
from digest.values import Edition, Envelope, FeedSpec, Outcome, Result, Rule, Section

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


def _import(database: Database, text: str, source: str = "import readers.csv") -> Imported:
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
    assert _import(database, f"address\n{ADDRESS}").first_rejected[0].reason == "is suppressed"
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
