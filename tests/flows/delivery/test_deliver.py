"""From a slot to the ledger, on both databases: who gets an issue, and what stands in it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from types import SimpleNamespace

import httpx
import pytest
from sqlalchemy import Connection, update

from digest.errors import UnavailableError
from digest.flows.issues import operate
from digest.flows.readers import audience, erasure
from digest.outcomes import Envelope, Outcome
from digest.readers import tokens
from digest.smtp.courier import Answers, OnWire
from digest.states import DeliveryState, IssueState
from digest.store import schema
from digest.store.ledger import deliveries
from digest.values import Kind
from digest.web import unsubscribing
from tests.conftest import NOW
from tests.support.served import served
from tests.support.world import (
    ACCEPTED,
    NOT_WELCOME,
    READERS,
    ToldCourier,
    World,
    draft,
    headlines,
    in_line,
    told,
)


def test_an_issue_goes_once_to_every_active_reader_and_is_sent(world: World) -> None:
    world.articles(draft(1), draft(2, "land"))
    world.readers(*READERS)
    issue = world.publish()
    assert issue.state is IssueState.SENDING
    courier = ToldCourier()
    assert world.deliver(courier) == 7
    assert sorted(courier.recipients) == READERS
    assert world.counts(issue) == {"accepted": 7}
    assert world.state(issue) == "sent"
    assert world.deliver(courier) == 0


def _slow(world: World) -> ToldCourier:
    """Whose every answer takes longer than there is between two looks at who has left."""

    def answer(_: Envelope) -> Outcome:
        world.later(seconds=0.2)
        return ACCEPTED

    return ToldCourier(answer)


def test_a_slow_database_holds_up_no_mail_for_ever(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at who has left takes longer than the time after which it is due again."""
    world.articles(draft(1))
    world.readers(*READERS)
    issue = world.publish()
    still_wanted, looks = deliveries.still_wanted, []

    def slowly(connection: Connection, ids: Sequence[int], now: datetime) -> set[int]:
        looks.append(now)
        assert len(looks) < 50
        world.later(seconds=0.2)
        return still_wanted(connection, ids, now)

    monkeypatch.setattr(deliveries, "still_wanted", slowly)
    courier = _slow(world)
    world.deliver(courier)
    assert looks
    assert world.counts(issue) == {"accepted": 7}


def test_a_database_that_is_gone_when_it_is_asked_who_has_left_ends_no_sending(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.articles(draft(1))
    world.readers(*READERS)
    issue = world.publish()

    def gone(*_: object) -> set[int]:
        raise UnavailableError("the database does not answer")

    monkeypatch.setattr(deliveries, "still_wanted", gone)
    world.deliver(_slow(world))
    assert world.counts(issue) == {"accepted": 7}


def test_the_next_issue_repeats_nothing_and_misses_nothing(world: World) -> None:
    world.articles(draft(1), draft(2))
    world.readers("a@x.example")
    first, second = ToldCourier(), ToldCourier()
    world.publish()
    world.deliver(first)
    world.articles(draft(2), draft(3), draft(4, "land"))
    world.later(days=1)
    world.publish()
    world.deliver(second)
    assert headlines(first.tried[0]) == {"Number1", "Number2"}
    assert headlines(second.tried[0]) == {"Number3", "Number4"}


def test_an_issue_with_nothing_new_is_skipped_and_says_so(world: World) -> None:
    world.articles(draft(1))
    world.readers("a@x.example")
    world.publish()
    world.later(days=1)
    issue = world.publish()
    assert (issue.state, issue.reason) == (IssueState.SKIPPED, "nothing new since the issue before")


def test_a_reader_gets_only_the_sections_chosen(world: World) -> None:
    world.articles(draft(1, "sea"), draft(2, "land"), draft(3, "land"), draft(4, "", Kind.OPINION))
    world.readers("a@x.example", sections="land")
    world.readers("b@x.example", sections="opinion")
    courier = ToldCourier()
    world.publish()
    world.deliver(courier)
    shown = {envelope.recipient: headlines(envelope) for envelope in courier.tried}
    lead = shown["a@x.example"] & shown["b@x.example"]
    assert len(lead - {"Number4"}) <= 1
    assert "Number4" in shown["b@x.example"]
    assert "Number4" not in shown["a@x.example"] - lead


def test_nobody_is_sent_a_digest_without_stories(world: World) -> None:
    world.edition(_without_lead())
    world.articles(draft(1, "sea"))
    world.readers("sea@x.example", sections="sea")
    world.readers("land@x.example", sections="land")
    courier = ToldCourier()
    issue = world.publish()
    world.deliver(courier)
    assert courier.recipients == ["sea@x.example"]
    assert world.named(issue, DeliveryState.SKIPPED) == [("land@x.example", "nothing new in land")]


def _without_lead() -> str:
    from tests.support.world import EDITION

    head, _, rest = EDITION.partition('[[section]]\nkey = "lead"')
    return head + rest[rest.index("[[section]]") :]


def test_unsubscribed_suppressed_and_erased_are_held_back_at_the_last_moment(world: World) -> None:
    world.articles(draft(1))
    world.readers(*READERS)
    issue = world.publish()
    left = world.subscription(READERS[0])
    audience.unsubscribe(world.app.database, left.id, NOW, issue_id=issue.id, source="one-click")
    audience.suppress(world.app.database, READERS[1], NOW)
    erasure.erase(world.app.database, world.app.settings.state_dir, READERS[2], NOW)
    courier = ToldCourier()
    world.deliver(courier)
    assert sorted(courier.recipients) == READERS[3:]
    assert world.counts(issue) == {"accepted": 4, "cancelled": 2, "suppressed": 1}
    assert world.state(issue) == "sent"


class LastMoment(ToldCourier):
    """A courier in whose hands a group is when somebody does something."""

    def __init__(self, done: Callable[[], object]) -> None:
        super().__init__()
        self.done = done

    def send(self, envelopes: Iterable[Envelope], on_wire: OnWire = lambda _: None) -> Iterator[Answers]:
        self.done()
        yield from super().send(envelopes, on_wire)


def test_who_leaves_when_their_group_is_taken_already_is_not_mailed_either(world: World) -> None:
    world.articles(draft(1))
    world.readers(*READERS)
    issue = world.publish()
    first, *others = in_line(world)
    left, seen = world.subscription(first), list[bool]()

    def leave() -> None:
        audience.unsubscribe(world.app.database, left.id, NOW, issue_id=issue.id, source="one-click")
        seen.append(audience.being_mailed(world.app.database, [left.id]))

    courier = LastMoment(leave)
    world.deliver(courier)
    assert seen[0], "for all the worker can know"
    assert sorted(courier.recipients) == sorted(others)
    assert world.counts(issue) == {"accepted": 6, "cancelled": 1}
    assert not audience.being_mailed(world.app.database, [left.id])


def test_who_leaves_while_their_mail_is_on_the_wire_is_answered_after_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.articles(draft(1))
    world.readers(*READERS)
    issue = world.publish()
    link = tokens.reader(world.app.settings.keys, issue.id, world.subscription(READERS[0]).id)
    waits = threading.Event()
    monkeypatch.setattr(unsubscribing, "time", SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: waits.set()))
    answers: list[Future[httpx.Response]] = []

    def outcome(envelope: Envelope) -> Outcome:
        if envelope.recipient == READERS[0]:
            answers.append(pool.submit(client.post, f"/u/{link}", data={"List-Unsubscribe": "One-Click"}))
            assert waits.wait(30)
            assert not answers[0].done()
        return ACCEPTED

    with served(world.app) as client, ThreadPoolExecutor(1) as pool:
        world.deliver(ToldCourier(outcome))
        assert answers[0].result(30).status_code == 200
    assert world.counts(issue) == {"accepted": 7}


def test_weekly_readers_are_left_alone_by_a_daily_issue_and_catch_up_when_they_change(world: World) -> None:
    world.articles(draft(1))
    world.readers("day@x.example")
    world.readers("week@x.example", cadence="weekly")
    courier = ToldCourier()
    world.publish()
    world.deliver(courier)
    assert courier.recipients == ["day@x.example"]
    world.articles(draft(2))
    world.readers("day@x.example", cadence="weekly")
    world.later(days=1)
    world.publish("weekly")
    world.deliver(courier)
    shown = {envelope.recipient: headlines(envelope) for envelope in courier.tried[1:]}
    assert shown == {"day@x.example": {"Number2"}, "week@x.example": {"Number1", "Number2"}}


def test_mail_goes_out_at_each_readers_own_hour(world: World) -> None:
    world.articles(draft(1))
    world.readers("now@x.example")
    world.readers("tokyo@x.example", hour="16", time_zone="Asia/Tokyo")  # 07:00 UTC, an hour after the slot
    world.readers("edition@x.example", hour="13")  # in the edition's zone: 07:30 UTC
    courier = ToldCourier()
    issue = world.publish()
    sent_at = []
    for _ in range(4):
        world.deliver(courier)
        sent_at.append(len(courier.tried))
        world.later(minutes=31)
    assert sent_at == [1, 1, 2, 3]  # at 06:00, 06:31, 07:02, 07:33
    assert courier.recipients == ["now@x.example", "tokyo@x.example", "edition@x.example"]
    assert world.state(issue) == "sent"


def test_a_paused_issue_goes_on_at_each_readers_own_hour_still(world: World) -> None:
    world.articles(draft(1))
    world.readers("now@x.example")
    world.readers("tokyo@x.example", hour="16", time_zone="Asia/Tokyo")  # 07:00 UTC, an hour after the slot
    issue = world.publish()
    world.deliver(told(NOT_WELCOME, "now@x.example"))
    operate.pause(world.app.database, issue.id, world.app.now())
    operate.resume(world.app.database, issue.id, world.app.now())
    operate.retry_failed(world.app.database, issue.id, world.app.now())
    courier = ToldCourier()
    world.deliver(courier)
    assert courier.recipients == ["now@x.example"]
    world.later(hours=1)
    world.deliver(courier)
    assert courier.recipients == ["now@x.example", "tokyo@x.example"]


def test_who_missed_more_than_is_caught_up_with_gets_that_much(world: World) -> None:
    def only_a(envelope: Envelope) -> Outcome:
        return ACCEPTED if envelope.recipient == "a@x.example" else NOT_WELCOME

    world.readers("a@x.example", "b@x.example")
    for number, days in ((1, 0), (2, 7)):
        world.later(days=days)
        world.articles(draft(number, "land"))
        world.publish()
        world.deliver(ToldCourier(only_a))
    world.later(days=2)
    world.articles(draft(3, "land"))
    world.publish()
    courier = ToldCourier()
    world.deliver(courier)
    shown = {envelope.recipient: headlines(envelope) for envelope in courier.tried}
    assert shown == {"a@x.example": {"Number3"}, "b@x.example": {"Number2", "Number3"}}


def test_a_time_zone_that_is_no_more_holds_nobody_up(world: World) -> None:
    world.articles(draft(1))
    world.readers(*READERS)
    world.readers("late@x.example", hour="13", time_zone="Asia/Tokyo")
    with world.app.database.write() as connection:
        gone = update(schema.subscribers).where(schema.subscribers.c.time_zone == "Asia/Tokyo")
        connection.execute(gone.values(time_zone="US/Pacific-New"))
    world.publish()
    courier = ToldCourier()
    world.deliver(courier)
    assert sorted(courier.recipients) == READERS
    world.later(hours=2)  # 13:00 in the edition's zone is 07:30 UTC
    world.deliver(courier)
    assert courier.recipients[-1] == "late@x.example"
