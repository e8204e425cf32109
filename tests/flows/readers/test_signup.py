"""Signing up on both databases: double opt-in, confirmations, and what holds floods off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, select

from digest.errors import InputError, NotFoundError
from digest.flows import retention
from digest.flows.readers import audience, blocklist, erasure, signup
from digest.outcomes import Envelope, Outcome, Result
from digest.readers import addresses
from digest.readers.subscriptions import Choice, Person, Subscription
from digest.settings import RetentionSettings, SignUpSettings
from digest.smtp.courier import Answers, OnWire
from digest.states import SubscriptionState
from digest.store import schema
from digest.store.content import editions
from digest.store.database import Database
from digest.store.readers import consent, subscribers
from tests.conftest import NOW
from tests.flows.readers.test_audience import _active, _consent, _must, _sign_up, _wish, edition
from tests.support.morning import ADDRESS, find

__all__ = ["edition"]  # a fixture
ACTIVE, PENDING = SubscriptionState.ACTIVE, SubscriptionState.PENDING
UNSUBSCRIBED, EXPIRED = SubscriptionState.UNSUBSCRIBED, SubscriptionState.EXPIRED
SETTINGS = SignUpSettings(remind_after_hours=0)
DAY = timedelta(days=1)


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
        confirmed = signup.confirm(database, found.id, NOW)
        assert confirmed and (confirmed.state, confirmed.confirm_due_at) == (ACTIVE, None)
    assert audience.unsubscribe(database, found.id, NOW, issue_id=3, source="one-click")
    assert not audience.unsubscribe(database, found.id, NOW, issue_id=3, source="one-click")
    late = signup.confirm(database, found.id, NOW)
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
    assert signup.send_confirmations(database, Post(Result.ACCEPTED), _mail, SETTINGS, NOW) == 1
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
    assert find(database) == before


def test_who_left_may_sign_up_again(database: Database) -> None:
    audience.unsubscribe(database, _active(database).id, NOW, source="page")
    _sign_up(database)
    assert (_must(database).state, _must(database).confirm_due_at) == (PENDING, NOW)


def test_a_suppressed_address_signs_up_to_nothing(database: Database) -> None:
    assert audience.suppress(database, ADDRESS, NOW)
    assert not audience.suppress(database, "Ann@EXAMPLE.org", NOW)
    _sign_up(database)
    assert find(database) is None
    assert audience.unsuppress(database, ADDRESS, NOW)
    _sign_up(database)
    assert _must(database).state is PENDING


def test_an_unknown_edition_is_named(database: Database) -> None:
    with pytest.raises(NotFoundError, match="evening"):
        signup.sign_up(database, SETTINGS, "evening", _wish(), NOW)


def test_a_sign_up_nobody_confirmed_expires_after_the_last_request(database: Database) -> None:
    _sign_up(database)
    _sign_up(database, NOW + timedelta(days=6))
    assert signup.expire_pending(database, NOW + timedelta(days=8)) == 0
    assert signup.expire_pending(database, NOW + timedelta(days=14)) == 1
    assert (_must(database).state, _must(database).confirm_due_at) == (EXPIRED, None)
    assert _consent(database)[-1] == "expired"


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
    assert signup.send_confirmations(database, post, _mail, SETTINGS, NOW - timedelta(seconds=1)) == 0
    assert signup.send_confirmations(database, post, _mail, SETTINGS, NOW) == (result is Result.ACCEPTED)
    assert _must(database).confirm_due_at == (NOW + timedelta(minutes=owed_in) if owed_in else None)
    assert post.sent == [ADDRESS]


def test_one_who_sends_while_another_does_sends_nothing_twice(database: Database) -> None:
    _sign_up(database)
    second = Post()

    def slow_mail(found: Subscription) -> Envelope:
        assert signup.send_confirmations(database, second, _mail, SETTINGS, NOW) == 0
        return _mail(found)

    assert signup.send_confirmations(database, Post(Result.ACCEPTED), slow_mail, SETTINGS, NOW) == 1


def test_confirmations_that_can_not_or_must_not_go_out_are_dropped(database: Database) -> None:
    for address in ("jörg@example.org", "barred@example.org", ADDRESS):
        _sign_up(database, address=address)
    audience.suppress(database, "barred@example.org", NOW)
    post = Post(Result.ACCEPTED)
    assert signup.send_confirmations(database, post, _mail, SETTINGS, NOW) == 1
    assert post.sent == [ADDRESS]
    assert (
        _must(database, "jörg@example.org").confirm_due_at
        is _must(database, "barred@example.org").confirm_due_at
        is None
    )


# ------------------------------------------------------------------------------------- floods, reminders


def test_a_form_is_answered_before_anybody_looks_whom_it_names(database: Database) -> None:
    _active(database)
    audience.suppress(database, "eve@example.org", NOW)
    for address in (ADDRESS, "new@example.org", "eve@example.org"):
        signup.ask(database, "morning", _wish(address), NOW)
    with database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(schema.sign_up_requests)) == 3
        assert connection.scalar(select(func.count()).select_from(schema.subscribers)) == 1
    assert signup.answer(database, SETTINGS, NOW) == 3
    assert signup.answer(database, SETTINGS, NOW) == 0
    assert (_must(database).state, _must(database, "new@example.org").state) == (ACTIVE, PENDING)
    assert find(database, "eve@example.org") is None


def test_erasing_empties_the_box_too(database: Database, tmp_path: Path) -> None:
    signup.ask(database, "morning", _wish(), NOW)
    erasure.erase(database, tmp_path, ADDRESS, NOW)
    assert signup.answer(database, SETTINGS, NOW) == 0


def test_one_address_is_asked_so_often_in_a_week(database: Database) -> None:
    for day in range(6):
        _sign_up(database, NOW + day * DAY)
    assert _consent(database) == ["requested"] * 3
    _sign_up(database, NOW + 7 * DAY)
    assert _consent(database) == ["requested"] * 4


def test_who_does_not_confirm_is_reminded_once(database: Database) -> None:
    settings, post, later = SignUpSettings(remind_after_hours=24), Post(*[Result.ACCEPTED] * 4), NOW + DAY
    _sign_up(database)
    for moment in (NOW, NOW + timedelta(hours=23), later, later + DAY):
        signup.send_confirmations(database, post, _mail, settings, moment)
    assert (len(post.sent), _must(database).confirm_due_at) == (2, None)
    assert _must(database).confirm_mails == 2
    _sign_up(database, later, address="bob@example.org")
    signup.send_confirmations(database, post, _mail, settings, later)
    signup.confirm(database, _must(database, "bob@example.org").id, later)
    assert signup.send_confirmations(database, post, _mail, settings, later + DAY) == 0


def test_who_never_confirmed_is_found_among_many_by_an_index(database: Database) -> None:
    """Beat looks for them every night, and they are few."""
    people = [Person(f"r{number}@example.org") for number in range(2000)]
    with database.write() as connection:
        subscribers.put_people(connection, people, NOW)
        ids = subscribers.find_ids(connection, [addresses.key(person.address) for person in people])
        wishes = dict.fromkeys(ids.values(), Choice("daily"))
        subscribers.put(connection, editions.get_id(connection, "morning"), wishes, ACTIVE, NOW)
        connection.exec_driver_sql("ANALYZE")
    asked, plan = list[tuple[str, Any]](), "EXPLAIN" if database.dialect == "postgresql" else "EXPLAIN QUERY PLAN"

    def remember(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    with database.write() as connection:
        event.listen(database.engine, "before_cursor_execute", remember)
        assert subscribers.expire(connection, NOW) == []
        event.remove(database.engine, "before_cursor_execute", remember)
        statement, parameters = asked[0]
        assert "ix_subscriptions_pending" in str(connection.exec_driver_sql(f"{plan} {statement}", parameters).all())


def test_nothing_is_kept_of_who_never_confirmed(database: Database) -> None:
    for address in (ADDRESS, "left@example.org"):
        _sign_up(database, address=address)
    left = _must(database, "left@example.org")
    signup.confirm(database, left.id, NOW)
    audience.unsubscribe(database, left.id, NOW, source="page")
    _sign_up(database, NOW + DAY, address="left@example.org")
    signup.expire_pending(database, NOW + 9 * DAY)
    retention.sweep(database, RetentionSettings(), NOW + 38 * DAY)
    assert find(database)
    retention.sweep(database, RetentionSettings(), NOW + 40 * DAY)
    assert find(database) is None
    assert _must(database, "left@example.org").state is EXPIRED, "they had consented once: that proof is kept"
    with database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(schema.subscribers)) == 1


def test_a_blocked_domain_stands_for_those_below_it(database: Database) -> None:
    named = [("line 1", "Throw.Away.test"), ("line 2", "@müll.test"), ("line 3", "no domain")]
    read, new, faults = blocklist.block(database, named, NOW)
    assert (read, new, len(faults)) == (3, 2, 1) and "line 3" in faults[0]
    assert blocklist.block(database, named[:1], NOW)[1] == 0
    for address, blocked in {
        "a@throw.away.test": True,
        "a@x.throw.away.test": True,
        "a@xn--mll-hoa.test": True,
        "a@away.test": False,
        "a@nothrow.away.test": False,
    }.items():
        assert blocklist.is_blocked(database, address) is blocked, address
    assert [one.domain for one in blocklist.listing(database)] == ["throw.away.test", "xn--mll-hoa.test"]
    assert blocklist.unblock(database, "THROW.away.test") and not blocklist.unblock(database, "throw.away.test")
