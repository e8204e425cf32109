"""What a crash leaves, and who wins when two want the same, on both databases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from types import MappingProxyType
from typing import Any

import pytest

from digest.editorial.compose import Slot
from digest.errors import UnavailableError
from digest.flows.delivery import deliver, recover
from digest.flows.issues import operate, publish, selection
from digest.outcomes import Envelope, Outcome
from digest.smtp.courier import Answers, OnWire
from digest.smtp.journal import Journal
from digest.states import DeliveryEvent, DeliveryState, IssueState
from digest.store.content import schedules
from digest.store.ledger import batches, deliveries
from digest.store.ledger.deliveries import Settled
from digest.values import ScheduleSpec
from tests.conftest import NOW
from tests.support.world import (
    ACCEPTED,
    GREYLISTED,
    NO_SUCH_USER,
    READERS,
    ToldCourier,
    World,
    draft,
    headlines,
    in_line,
    told,
)


class PowerCut(BaseException):
    """What kill -9 looks like from inside: nothing after it runs."""


def dying_at(last: str, said: Mapping[str, Outcome] = MappingProxyType({})) -> ToldCourier:
    """A courier whose worker is killed when it comes to ``last``; ``said`` is what comes of others, else all is
    well."""

    def outcome(envelope: Envelope) -> Outcome:
        if envelope.recipient == last:
            raise PowerCut
        return said.get(envelope.recipient, ACCEPTED)

    return ToldCourier(outcome)


def test_a_worker_that_dies_leaves_only_its_group_in_doubt(world: World) -> None:
    world.articles(draft(1))
    world.readers(*READERS)
    issue = world.publish()
    line = in_line(world)
    with pytest.raises(PowerCut):
        world.deliver(dying_at(line[3]))
    assert world.counts(issue) == {"accepted": 3, "sending": 2, "pending": 2}
    courier = ToldCourier()
    world.deliver(courier)  # the others' batches go on; the dead worker's is leased
    rules = world.app.settings
    assert recover.rest(world.app.database, rules, world.app.now()) == []
    world.later(seconds=rules.deliver.lease_seconds + 1)
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
    rules = world.app.settings.model_copy(
        update={"deliver": world.app.settings.deliver.model_copy(update={"batch": 7, "window": 7})}
    )
    world.app.settings = rules
    issue = world.publish()
    line = in_line(world)
    said = {line[1]: GREYLISTED, line[2]: NO_SUCH_USER}
    with pytest.raises(PowerCut):
        world.deliver(dying_at(line[4], said))
    assert world.counts(issue) == {"sending": 7}
    assert world.app.replay_journals() == 1
    assert world.counts(issue) == {"accepted": 2, "deferred": 3, "failed": 1, "in_doubt": 1}
    assert [address for address, _ in world.named(issue, DeliveryState.IN_DOUBT)] == [line[4]]
    assert world.app.replay_journals() == 0
    courier = ToldCourier()
    world.deliver(courier)
    assert courier.recipients == line[5:]
    assert world.subscription(line[0]).covered_until == issue.covers_until


@pytest.mark.parametrize("method", ["wire", "heard"])
def test_where_the_journal_can_not_be_written_what_was_read_is_settled(
    world: World, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    world.articles(draft(1))
    world.readers(*READERS)
    rules = world.app.settings.model_copy(
        update={"deliver": world.app.settings.deliver.model_copy(update={"batch": 7, "window": 7})}
    )
    world.app.settings = rules
    issue = world.publish()
    line, calls, write = in_line(world), count(1), getattr(Journal, method)

    def full_at_the_fourth(journal: Journal, said: Any) -> None:
        if next(calls) == 4:
            raise UnavailableError("the disk is full", "make room")
        write(journal, said)

    monkeypatch.setattr(Journal, method, full_at_the_fourth)
    courier = ToldCourier()
    with pytest.raises(UnavailableError):
        world.deliver(courier)
    known = 4 if method == "heard" else 3
    assert world.counts(issue) == {"accepted": known, "sending": 7 - known}
    assert world.app.replay_journals() == 1
    assert world.counts(issue) == {"accepted": known, "deferred": 7 - known}, "nothing is in doubt"
    world.deliver(courier)
    assert sorted(courier.recipients) == sorted(line)


def test_a_journal_that_can_not_be_settled_holds_up_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.articles(draft(1))
    world.readers(*READERS)
    issue = world.publish()
    with pytest.raises(PowerCut):
        world.deliver(dying_at(in_line(world)[1]))

    def fails(*_: object) -> None:
        raise LookupError("nobody thought of that")

    with monkeypatch.context() as patched:
        patched.setattr(recover, "_settle", fails)
        assert world.app.replay_journals() == 0
    assert [path.suffix for path in world.app.journals.iterdir()] == [".broken"]
    world.later(seconds=world.app.settings.deliver.lease_seconds + 1)
    recover.rest(world.app.database, world.app.settings, world.app.now())
    assert world.counts(issue)["in_doubt"] == 2


def test_a_journal_found_after_the_lease_ran_out_still_settles_what_it_knows(world: World) -> None:
    world.articles(draft(1))
    world.readers(*READERS)
    issue = world.publish()
    line = in_line(world)
    with pytest.raises(PowerCut):
        world.deliver(dying_at(line[1]))
    world.later(seconds=world.app.settings.deliver.lease_seconds + 1)
    recover.rest(world.app.database, world.app.settings, world.app.now())
    assert world.counts(issue) == {"in_doubt": 2, "pending": 5}
    world.app.replay_journals()
    assert world.counts(issue) == {"accepted": 1, "in_doubt": 1, "pending": 5}


def test_a_slow_worker_taken_for_dead_brings_its_reply_after_all(world: World) -> None:
    world.articles(draft(1))
    world.readers("a@x.example")
    issue = world.publish()

    def slow(_: Envelope) -> Outcome:
        world.later(hours=1)
        recover.rest(world.app.database, world.app.settings, world.app.now())
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
    rules = world.app.settings.model_copy(
        update={"deliver": world.app.settings.deliver.model_copy(update={"in_doubt": "resend"})}
    )
    world.app.settings = rules
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
    rules = world.app.settings.model_copy(
        update={"deliver": world.app.settings.deliver.model_copy(update={"in_doubt": "resend"})}
    )
    world.app.settings = rules
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
    batch = deliver.dispatch(world.app.database, world.app.settings, 1, NOW)[0]
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
    from digest.flows.issues import schedules as schedule_flow

    schedule_flow.add(world.app.database, "tide", ScheduleSpec("daily", "Asia/Kolkata", "0 12 * * *"), NOW)
    world.later(hours=1)  # noon in Kolkata is 06:30 UTC
    opened = [publish.open_due_slots(world.app.database, world.app.now()) for _ in range(2)]
    assert [len(ids) for ids in opened] == [1, 0]
    (issue_id,) = opened[0]
    for _ in range(2):
        issue = publish.publish(world.app.database, issue_id, world.app.compile, world.app.settings, world.app.now())
    assert issue.slot == datetime.fromisoformat("2026-11-23T06:30:00+00:00")
    assert world.counts(issue) == {"pending": 7}
    with world.app.database.read() as connection:
        (planned,) = schedules.list_all(connection)
    assert planned.next_slot_at == issue.slot + timedelta(days=1)


def test_a_publisher_that_died_half_way_is_continued(world: World) -> None:
    world.articles(draft(1))
    world.readers("a@x.example")
    issue = publish.open_now(world.app.database, "tide", "daily", NOW)
    assert publish.waiting(world.app.database, world.app.now()) == [issue.id]
    chosen = selection.choose(world.app.database, "tide", Slot.of(issue), world.app.settings, NOW)
    publish._freeze(world.app.database, issue, chosen, world.app.compile(chosen), NOW)  # composed, not expanded
    assert publish.waiting(world.app.database, world.app.now()) == [issue.id]
    done = publish.publish(world.app.database, issue.id, world.app.compile, world.app.settings, NOW)
    assert done.state is IssueState.SENDING
    assert publish.waiting(world.app.database, world.app.now()) == []


def test_a_task_lost_on_the_way_is_sent_again_after_a_while(world: World) -> None:
    world.articles(draft(1))
    world.readers("a@x.example")
    issue = world.publish()
    database, rules = world.app.database, world.app.settings
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
    assert (world.state(monday), world.state(tuesday)) == ("sent", "sent")
    world.later(minutes=10)
    world.deliver(courier)
    assert len(courier.tried) == 1
