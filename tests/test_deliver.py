"""From a slot to the ledger, on both databases: who gets an issue, what each try leads to, what a crash leaves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from digest.errors import InputError, NotFoundError, StateError, UnavailableError
from digest.flows import audience, deliver, operate, publish, recover, retention
from digest.settings import DeliverSettings, RetentionSettings, Settings
from digest.smtp.courier import Answers, OnWire
from digest.states import DeliveryEvent, DeliveryState, IssueState
from digest.store import batches, deliveries, schedules, schema
from digest.store.deliveries import Settled
from digest.values import Envelope, Kind, Outcome, Result, ScheduleSpec, Stage

from .conftest import NOW
from .world import ACCEPTED, ToldCourier, World, WorldApp, draft

READERS = [f"r{number}@x.example" for number in range(7)]
GREYLISTED = Outcome(Result.TEMPORARY, "greylisted", 450, "4.2.0", Stage.RECIPIENT)
NO_SUCH_USER = Outcome(Result.PERMANENT, "no such user", 550, "5.1.1", Stage.RECIPIENT)
LOST = Outcome(Result.UNKNOWN, "connection lost", stage=Stage.MESSAGE)
NO_CONNECTION = Outcome(Result.UNSENT, "connection refused", stage=Stage.CONNECT)
NO_LOGIN = Outcome(Result.REFUSED_LOGIN, "authentication failed", 535, "5.7.8", Stage.CONNECT)


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    small = settings.model_copy(update={"deliver": DeliverSettings(batch=3, window=2)})
    app = WorldApp(small)
    world = World(app)
    world.edition()
    yield world
    app.database.dispose()


def in_line(world: World) -> list[str]:
    """``READERS`` in the order of their subscriptions, which is the order of their turns."""
    return sorted(READERS, key=lambda address: world.subscription(address).id)


def told(outcome: Outcome, *recipients: str) -> ToldCourier:
    """Says ``outcome`` of these recipients and accepts the others."""
    return ToldCourier(lambda envelope: outcome if envelope.recipient in recipients else ACCEPTED)


def headlines(envelope: Envelope) -> set[str]:
    """The numbers of the world's articles that a mail shows."""
    body = message_from_bytes(envelope.message, policy=policy.default).get_body(("plain",))
    assert body
    return {word for word in body.get_content().split() if word.startswith("Number")}


# ------------------------------------------------------------------------------------------ who gets what


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
    assert world.named(issue, DeliveryState.SKIPPED) == [("land@x.example", "nothing new in the chosen sections")]


def _without_lead() -> str:
    from .world import EDITION

    head, _, rest = EDITION.partition('[[section]]\nkey = "lead"')
    return head + rest[rest.index("[[section]]") :]


def test_unsubscribed_suppressed_and_erased_are_held_back_at_the_last_moment(world: World) -> None:
    world.articles(draft(1))
    world.readers(*READERS)
    issue = world.publish()
    left = world.subscription(READERS[0])
    audience.unsubscribe(world.app.database, left.id, NOW, issue_id=issue.id, source="one-click")
    audience.suppress(world.app.database, READERS[1], NOW)
    audience.erase(world.app.database, READERS[2], NOW)
    courier = ToldCourier()
    world.deliver(courier)
    assert sorted(courier.recipients) == READERS[3:]
    assert world.counts(issue) == {"accepted": 4, "cancelled": 2, "suppressed": 1}
    assert world.state(issue) == "sent"


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
    world.deliver(told(NO_SUCH_USER, "now@x.example"))
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
        return ACCEPTED if envelope.recipient == "a@x.example" else NO_SUCH_USER

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


# ------------------------------------------------------------------------------------------ what came of it


def test_a_temporary_refusal_is_tried_again_with_the_same_message_id(world: World) -> None:
    world.articles(draft(1))
    world.readers(*READERS)
    issue = world.publish()
    first = told(GREYLISTED, READERS[1])
    world.deliver(first)
    (refused,) = [envelope for envelope in first.tried if envelope.recipient == READERS[1]]
    assert world.counts(issue) == {"accepted": 6, "deferred": 1}
    assert world.state(issue) == "sending"
    second = ToldCourier()
    assert world.deliver(second) == 0
    world.later(minutes=7)
    assert world.deliver(second) == 1
    assert second.recipients == [READERS[1]]
    assert _message_id(second.tried[0]) == _message_id(refused)
    assert second.tried[0].sender == refused.sender
    assert world.state(issue) == "sent"


def _message_id(envelope: Envelope) -> str:
    return str(message_from_bytes(envelope.message)["Message-ID"])


def test_a_refusal_that_lasts_too_long_fails_with_its_reason(world: World) -> None:
    world.articles(draft(1))
    world.readers("a@x.example")
    issue = world.publish()
    courier = told(GREYLISTED, "a@x.example")
    for _ in range(60):
        world.deliver(courier)
        world.later(hours=1)
    assert world.named(issue, DeliveryState.FAILED) == [("a@x.example", "450 4.2.0 greylisted")]
    assert 10 <= len(courier.tried) <= 20
    assert world.state(issue) == "sent"


def test_a_permanent_refusal_is_that_readers_alone_and_can_be_retried_by_hand(world: World) -> None:
    world.articles(draft(1))
    world.readers(*READERS)
    issue = world.publish()
    world.deliver(told(NO_SUCH_USER, READERS[4]))
    assert world.named(issue, DeliveryState.FAILED) == [(READERS[4], "550 5.1.1 no such user")]
    assert world.subscription(READERS[4]).covered_until == issue.covers_from
    assert operate.retry_failed(world.app.database, issue.id, world.app.now()) == 1
    assert world.state(issue) == "sending"
    courier = ToldCourier()
    world.deliver(courier)
    assert courier.recipients == [READERS[4]]
    assert world.counts(issue) == {"accepted": 7}


def test_without_a_connection_nobody_is_blamed_and_the_batches_wait(world: World) -> None:
    world.articles(draft(1))
    world.readers(*READERS)
    issue = world.publish()
    down = ToldCourier(lambda _: NO_CONNECTION)
    world.deliver(down)
    assert len(down.tried) <= 2 * 3  # one group of each batch, then it waits
    assert set(world.counts(issue)) == {"pending", "deferred"}
    world.later(seconds=30)
    courier = ToldCourier()
    world.deliver(courier)
    assert sorted(courier.recipients) == READERS
    with world.app.database.read() as connection:
        assert set(connection.execute(select(schema.deliveries.c.attempts)).scalars()) == {1}


def test_a_refused_login_pauses_the_issue_and_fails_nobody(world: World) -> None:
    world.articles(draft(1))
    world.readers(*READERS)
    issue = world.publish()
    world.deliver(ToldCourier(lambda _: NO_LOGIN))
    (progress,) = operate.progress(world.app.database, [issue.id])
    assert progress.issue.state is IssueState.PAUSED
    assert "535" in progress.issue.reason
    assert DeliveryState.FAILED not in progress.counts
    operate.resume(world.app.database, issue.id, world.app.now())
    courier = ToldCourier()
    world.deliver(courier)
    assert sorted(courier.recipients) == READERS


@pytest.mark.parametrize(
    ("policy_name", "counts", "tries"),
    [
        ("hold", {"accepted": 6, "in_doubt": 1}, 0),
        ("assume-sent", {"accepted": 7}, 0),
        ("resend", {"accepted": 7}, 1),
    ],
)
def test_a_reply_never_read_is_in_doubt_and_named(
    world: World, policy_name: str, counts: dict[str, int], tries: int
) -> None:
    rules = world.app.settings.deliver.model_copy(update={"in_doubt": policy_name})
    world.app.settings = world.app.settings.model_copy(update={"deliver": rules})
    world.articles(draft(1))
    world.readers(*READERS)
    issue = world.publish()
    world.deliver(told(LOST, READERS[5]))
    world.later(minutes=1)
    again = ToldCourier()
    world.deliver(again)
    assert again.recipients.count(READERS[5]) == tries
    assert world.counts(issue) == counts
    if policy_name == "hold":
        assert world.named(issue, DeliveryState.IN_DOUBT) == [(READERS[5], "connection lost")]
        assert operate.resolve(world.app.database, issue.id, DeliveryEvent.ASSUME_SENT, NOW) == 1
        assert world.counts(issue) == {"accepted": 7}
    assert world.subscription(READERS[5]).covered_until == issue.covers_until


def test_an_issue_that_was_paused_for_long_is_not_too_old_for_a_first_try(world: World) -> None:
    world.articles(draft(1))
    world.readers(*READERS)
    issue = world.publish()
    operate.pause(world.app.database, issue.id, world.app.now())
    world.later(days=3)
    operate.resume(world.app.database, issue.id, world.app.now())
    world.deliver(ToldCourier(lambda _: NO_CONNECTION))
    assert "failed" not in world.counts(issue)
    world.later(minutes=1)
    world.deliver(ToldCourier(lambda _: NO_SUCH_USER))
    world.later(days=3)
    operate.retry_failed(world.app.database, issue.id, world.app.now())
    world.deliver(ToldCourier(lambda _: GREYLISTED))
    assert world.counts(issue) == {"deferred": 7}


def test_what_comes_back_from_the_wire_after_a_cancel_is_cancelled(world: World) -> None:
    world.articles(draft(1))
    world.readers("a@x.example")
    issue = world.publish()

    def cancelling(_: Envelope) -> Outcome:
        operate.cancel(world.app.database, issue.id, world.app.now())
        return GREYLISTED

    world.deliver(ToldCourier(cancelling))
    assert world.counts(issue) == {"cancelled": 1}


def test_nothing_is_put_back_in_line_that_could_never_go_out(world: World) -> None:
    world.articles(draft(1))
    world.readers(*READERS)
    issue = world.publish()
    database = world.app.database
    batch = deliver.dispatch(database, world.app.settings.deliver, 1, NOW)[0]
    deliver.deliver(world.app.post_office(ToldCourier(lambda _: NO_SUCH_USER)), *batch)
    operate.cancel(database, issue.id, NOW)
    with pytest.raises(StateError, match="is cancelled"):
        operate.retry_failed(database, issue.id, NOW)
    assert world.counts(issue) == {"failed": 3, "cancelled": 4}
    with database.write() as connection:
        connection.execute(update(schema.issues).values(state="sent"))
        connection.execute(delete(schema.issue_content))
    with pytest.raises(StateError, match="not kept any more"):
        operate.retry_failed(database, issue.id, NOW)
    assert world.state(issue) == "sent"


# ------------------------------------------------------------------------------------------ crash and race


class PowerCut(BaseException):
    """What kill -9 looks like from inside: nothing after it runs."""


def test_a_worker_that_dies_leaves_only_its_group_in_doubt(world: World) -> None:
    world.articles(draft(1))
    world.readers(*READERS)
    issue = world.publish()
    line = in_line(world)

    def die(envelope: Envelope) -> Outcome:
        if envelope.recipient == line[3]:
            raise PowerCut
        return ACCEPTED

    with pytest.raises(PowerCut):
        world.deliver(ToldCourier(die))
    assert world.counts(issue) == {"accepted": 3, "sending": 2, "pending": 2}
    courier = ToldCourier()
    world.deliver(courier)  # the others' batches go on; the dead worker's is leased
    rules = world.app.settings.deliver
    assert recover.rest(world.app.database, rules, world.app.now()) == []
    world.later(seconds=rules.lease_seconds + 1)
    assert recover.rest(world.app.database, rules, world.app.now()) == [(issue.id, 1)]
    world.deliver(courier)
    assert world.counts(issue) == {"accepted": 5, "in_doubt": 2}
    assert [address for address, _ in world.named(issue, DeliveryState.IN_DOUBT)] == line[3:5]
    assert set(courier.recipients) == set(line[5:])
    assert world.state(issue) == "sent"
    assert operate.resolve(world.app.database, issue.id, DeliveryEvent.RESEND, world.app.now()) == 2
    world.deliver(courier)
    assert world.counts(issue) == {"accepted": 7}


def test_its_journal_narrows_the_doubt_to_what_was_in_flight(world: World) -> None:
    world.articles(draft(1))
    world.readers(*READERS)
    rules = world.app.settings.deliver.model_copy(update={"batch": 7, "window": 7})
    world.app.settings = world.app.settings.model_copy(update={"deliver": rules})
    issue = world.publish()
    line = in_line(world)
    said = {line[1]: GREYLISTED, line[2]: NO_SUCH_USER}

    def die(envelope: Envelope) -> Outcome:
        if envelope.recipient == line[4]:
            raise PowerCut
        return said.get(envelope.recipient, ACCEPTED)

    with pytest.raises(PowerCut):
        world.deliver(ToldCourier(die))
    assert world.counts(issue) == {"sending": 7}
    assert world.app.replay_journals() == 1
    assert world.counts(issue) == {"accepted": 2, "deferred": 3, "failed": 1, "in_doubt": 1}
    assert [address for address, _ in world.named(issue, DeliveryState.IN_DOUBT)] == [line[4]]
    assert world.app.replay_journals() == 0
    courier = ToldCourier()
    world.deliver(courier)
    assert courier.recipients == line[5:]
    assert world.subscription(line[0]).covered_until == issue.covers_until


def test_a_journal_found_after_the_lease_ran_out_still_settles_what_it_knows(world: World) -> None:
    world.articles(draft(1))
    world.readers(*READERS)
    issue = world.publish()
    line = in_line(world)

    def die(envelope: Envelope) -> Outcome:
        if envelope.recipient == line[1]:
            raise PowerCut
        return ACCEPTED

    with pytest.raises(PowerCut):
        world.deliver(ToldCourier(die))
    world.later(seconds=world.app.settings.deliver.lease_seconds + 1)
    recover.rest(world.app.database, world.app.settings.deliver, world.app.now())
    assert world.counts(issue) == {"in_doubt": 2, "pending": 5}
    world.app.replay_journals()
    assert world.counts(issue) == {"accepted": 1, "in_doubt": 1, "pending": 5}


def test_a_slow_worker_taken_for_dead_brings_its_reply_after_all(world: World) -> None:
    world.articles(draft(1))
    world.readers("a@x.example")
    issue = world.publish()

    def slow(_: Envelope) -> Outcome:
        world.later(hours=1)
        recover.rest(world.app.database, world.app.settings.deliver, world.app.now())
        assert world.counts(issue) == {"in_doubt": 1}
        return ACCEPTED

    world.deliver(ToldCourier(slow))
    assert world.counts(issue) == {"accepted": 1}


class EagerCourier(ToldCourier):
    """Takes all there is before anything is answered, as with many connections."""

    def send(self, envelopes: Iterable[Envelope], on_wire: OnWire = lambda _: None) -> Iterator[Answers]:
        return super().send(list(envelopes), on_wire)


@pytest.mark.parametrize("courier", [ToldCourier, EagerCourier])
def test_a_slow_server_costs_no_lease(world: World, courier: type[ToldCourier]) -> None:
    rules = world.app.settings.deliver.model_copy(update={"in_doubt": "resend"})
    world.app.settings = world.app.settings.model_copy(update={"deliver": rules})
    world.articles(draft(1))
    world.readers(*READERS[:2])
    issue = world.publish()
    others = ToldCourier()

    def slow(_: Envelope) -> Outcome:
        world.later(seconds=70)  # two of these are longer than a lease
        recover.rest(world.app.database, rules, world.app.now())
        world.deliver(others)
        return ACCEPTED

    world.deliver(courier(slow))
    assert others.recipients == []
    assert world.counts(issue) == {"accepted": 2}


def test_who_lost_the_lease_changes_nothing_of_the_next_holders(world: World) -> None:
    rules = world.app.settings.deliver.model_copy(update={"in_doubt": "resend"})
    world.app.settings = world.app.settings.model_copy(update={"deliver": rules})
    world.articles(draft(1))
    world.readers("a@x.example")
    issue = world.publish()

    def too_slow(_: Envelope) -> Outcome:
        world.later(hours=1)
        recover.rest(world.app.database, rules, world.app.now())
        batch = deliver.dispatch(world.app.database, rules, 1, world.app.now())[0]
        deliver._claim(world.app.post_office(ToldCourier()), *batch)
        with world.app.database.write() as connection:
            reader = world.subscription("a@x.example").id
            assert deliveries.move(connection, issue.id, [reader], DeliveryEvent.TAKE, world.app.now())
        return GREYLISTED

    world.deliver(ToldCourier(too_slow))
    assert world.counts(issue) == {"sending": 1}


def test_a_database_that_fails_for_a_moment_puts_no_mail_in_doubt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.articles(draft(1))
    world.readers("a@x.example")
    issue = world.publish()
    batch = deliver.dispatch(world.app.database, world.app.settings.deliver, 1, NOW)[0]
    faults, waited, settle = [UnavailableError("gone"), UnavailableError("gone")], list[float](), deliveries.settle

    def failing(*arguments: Any) -> None:
        if faults:
            raise faults.pop()
        settle(*arguments)

    monkeypatch.setattr(deliveries, "settle", failing)
    office = replace(world.app.post_office(ToldCourier()), sleep=waited.append)
    deliver.deliver(office, *batch)
    assert (world.counts(issue), len(waited)) == ({"accepted": 1}, 2)


def test_a_batch_has_one_holder(world: World) -> None:
    world.articles(draft(1))
    world.readers("a@x.example")
    issue = world.publish()
    until = NOW + timedelta(minutes=2)
    with world.app.database.write() as connection:
        mine = batches.claim(connection, issue.id, 0, "me", NOW, until)
        assert mine
        assert batches.claim(connection, issue.id, 0, "you", NOW, until) is None
        assert batches.renew(connection, mine, until)
        batches.recover(connection, until + timedelta(seconds=1))
        assert not batches.renew(connection, mine, until)
        assert batches.claim(connection, issue.id, 0, "you", NOW, until)


def test_a_transition_that_is_not_possible_changes_nothing(world: World) -> None:
    world.articles(draft(1))
    world.readers("a@x.example")
    issue = world.publish()
    world.deliver(ToldCourier())
    reader = world.subscription("a@x.example").id
    with world.app.database.write() as connection:
        for event in DeliveryEvent:
            if event not in {DeliveryEvent.BOUNCE, DeliveryEvent.COMPLAIN}:
                assert deliveries.move(connection, issue.id, [reader], event, NOW) == 0
        late = Settled(reader, DeliveryEvent.FAIL, 550, "late", None, 2)
        deliveries.settle(connection, issue, [late], NOW)
    assert world.counts(issue) == {"accepted": 1}


def test_a_doubled_beat_opens_a_slot_once_and_two_publishers_expand_it_once(world: World) -> None:
    world.articles(draft(1))
    world.readers(*READERS)
    from digest.flows import schedules as schedule_flow

    schedule_flow.add(world.app.database, "tide", ScheduleSpec("daily", "Asia/Kolkata", "0 12 * * *"), NOW)
    world.later(hours=1)  # noon in Kolkata is 06:30 UTC
    opened = [publish.open_due_slots(world.app.database, world.app.now()) for _ in range(2)]
    assert [len(ids) for ids in opened] == [1, 0]
    (issue_id,) = opened[0]
    for _ in range(2):
        issue = publish.publish(
            world.app.database, issue_id, world.app.compile, world.app.settings.deliver, world.app.now()
        )
    assert issue.slot == datetime.fromisoformat("2026-11-23T06:30:00+00:00")
    assert world.counts(issue) == {"pending": 7}
    with world.app.database.read() as connection:
        (planned,) = schedules.list_all(connection)
    assert planned.next_slot_at == issue.slot + timedelta(days=1)


def test_a_publisher_that_died_half_way_is_continued(world: World) -> None:
    world.articles(draft(1))
    world.readers("a@x.example")
    issue = publish.open_now(world.app.database, "tide", "daily", NOW)
    assert publish.waiting(world.app.database) == [issue.id]
    chosen = publish.choose(world.app.database, "tide", "daily", issue.slot, world.app.settings.deliver, NOW)
    publish._freeze(world.app.database, issue, chosen, world.app.compile(chosen), NOW)  # composed, not expanded
    assert publish.waiting(world.app.database) == [issue.id]
    done = publish.publish(world.app.database, issue.id, world.app.compile, world.app.settings.deliver, NOW)
    assert done.state is IssueState.SENDING
    assert publish.waiting(world.app.database) == []


def test_a_task_lost_on_the_way_is_sent_again_after_a_while(world: World) -> None:
    world.articles(draft(1))
    world.readers("a@x.example")
    issue = world.publish()
    database, rules = world.app.database, world.app.settings.deliver
    assert deliver.dispatch(database, rules, 10, NOW) == [(issue.id, 0)]
    assert deliver.dispatch(database, rules, 10, NOW + timedelta(seconds=29)) == []
    assert deliver.dispatch(database, rules, 10, NOW + timedelta(seconds=31)) == [(issue.id, 0)]


def test_a_later_issue_takes_over_what_still_waits_of_an_earlier_one(world: World) -> None:
    world.articles(draft(1))
    world.readers("a@x.example")
    monday = world.publish()
    world.deliver(told(GREYLISTED, "a@x.example"))
    world.articles(draft(2))
    world.later(minutes=2)
    tuesday = world.publish()
    assert world.counts(monday) == {"cancelled": 1}
    courier = ToldCourier()
    world.deliver(courier)
    assert [headlines(envelope) for envelope in courier.tried] == [{"Number1", "Number2"}]
    assert (world.state(monday), world.state(tuesday)) == ("sending", "sent")
    world.later(minutes=10)
    world.deliver(courier)
    assert (world.state(monday), len(courier.tried)) == ("sent", 1)


# ------------------------------------------------------------------------------------------ the operator


def test_a_pause_reaches_a_batch_in_mid_send(world: World) -> None:
    rules = world.app.settings.deliver.model_copy(update={"batch": 7, "window": 7})
    world.app.settings = world.app.settings.model_copy(update={"deliver": rules})
    world.articles(draft(1))
    world.readers(*READERS)
    issue = world.publish()

    def pausing(envelope: Envelope) -> Outcome:
        if envelope.recipient == second:
            operate.pause(world.app.database, issue.id, world.app.now())
            world.later(seconds=1)
        return ACCEPTED

    second = in_line(world)[1]
    world.deliver(ToldCourier(pausing))
    assert world.counts(issue) == {"accepted": 2, "deferred": 5}
    operate.resume(world.app.database, issue.id, world.app.now())
    courier = ToldCourier()
    world.deliver(courier)
    assert sorted([*courier.recipients, *in_line(world)[:2]]) == READERS


def test_pause_resume_and_cancel_leave_an_exact_account(world: World) -> None:
    world.articles(draft(1))
    world.readers(*READERS)
    issue = world.publish()
    database = world.app.database
    second = in_line(world)[1]

    def pausing(envelope: Envelope) -> Outcome:
        if envelope.recipient == second:
            operate.pause(database, issue.id, world.app.now())
        return ACCEPTED

    world.deliver(ToldCourier(pausing))
    assert world.counts(issue) == {"accepted": 2, "pending": 5}
    operate.resume(database, issue.id, world.app.now())
    operate.pause(database, issue.id, world.app.now())
    assert operate.cancel(database, issue.id, world.app.now()) == 5
    assert world.counts(issue) == {"accepted": 2, "cancelled": 5}
    world.later(hours=1)
    assert world.deliver(ToldCourier()) == 0
    with pytest.raises(StateError, match="is cancelled"):
        operate.resume(database, issue.id, NOW)


def test_what_can_not_be_opened_is_said(world: World) -> None:
    database = world.app.database
    with pytest.raises(NotFoundError, match="no edition"):
        publish.open_now(database, "none", "", NOW)
    with pytest.raises(InputError, match="daily, weekly"):
        publish.open_now(database, "tide", "hourly", NOW)
    publish.open_now(database, "tide", "", NOW)
    with pytest.raises(InputError, match="already"):
        publish.open_now(database, "tide", "daily", NOW)


def test_retention_forgets_old_rows_but_never_takes_an_old_article_for_news(world: World) -> None:
    world.articles(draft(1))
    world.readers("a@x.example")
    issue = world.publish()
    world.deliver(ToldCourier())
    rules = RetentionSettings(articles_days=30, content_days=30, issues_days=60)
    database = world.app.database
    world.later(days=31)
    swept = retention.sweep(database, rules, world.app.now())
    assert (swept["issue_content"], swept["articles"], swept["stories"], swept["issues"]) == (1, 1, 1, 0)
    world.articles(draft(1))
    assert world.publish().state is IssueState.SKIPPED
    world.later(days=30)
    assert retention.sweep(database, rules, world.app.now())["issues"] >= 1
    with pytest.raises(NotFoundError):
        operate.account(database, issue.id)
    with database.read() as connection:
        assert connection.execute(select(schema.deliveries)).all() == []
        assert world.subscription("a@x.example").covered_until == issue.covers_until


def test_an_issue_whose_batches_ended_unseen_is_finished_by_beat(world: World) -> None:
    world.articles(draft(1))
    world.readers("a@x.example")
    issue = world.publish()
    world.deliver(ToldCourier())
    with world.app.database.write() as connection:  # as when two last batches ended at the same instant
        connection.execute(update(schema.issues).values(state="sending"))
    recover.rest(world.app.database, world.app.settings.deliver, NOW)
    assert world.state(issue) == "sent"
