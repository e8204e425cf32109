"""What each try leads to, and what an operator does about it, on both databases."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes

import pytest
from sqlalchemy import delete, select, update

from digest.errors import InputError, NotFoundError, StateError
from digest.flows import retention
from digest.flows.delivery import deliver, recover
from digest.flows.issues import operate, publish
from digest.outcomes import Envelope, Outcome
from digest.settings import RetentionSettings
from digest.states import DeliveryEvent, DeliveryState, IssueState
from digest.store import schema
from digest.store.ledger import deliveries
from tests.conftest import NOW
from tests.support.world import (
    ACCEPTED,
    GREYLISTED,
    LOST,
    NO_CONNECTION,
    NO_LOGIN,
    NO_SUCH_USER,
    NOT_WELCOME,
    READERS,
    ToldCourier,
    World,
    draft,
    in_line,
    told,
)


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
    world.deliver(told(NOT_WELCOME, READERS[4]))
    assert world.named(issue, DeliveryState.FAILED) == [(READERS[4], "550 5.7.1 not from you")]
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
    rules = world.app.settings.model_copy(
        update={"deliver": world.app.settings.deliver.model_copy(update={"in_doubt": policy_name})}
    )
    world.app.settings = rules
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
    world.deliver(ToldCourier(lambda _: NOT_WELCOME))
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
    batch = deliver.dispatch(database, world.app.settings, 1, NOW)[0]
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


# ------------------------------------------------------------------------------------------ the operator


def test_a_pause_reaches_a_batch_in_mid_send(world: World) -> None:
    rules = world.app.settings.model_copy(
        update={"deliver": world.app.settings.deliver.model_copy(update={"batch": 7, "window": 7})}
    )
    world.app.settings = rules
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


def test_the_report_has_the_most_frequent_reasons_of_each_state_and_counts_the_rest(world: World) -> None:
    world.articles(draft(1))
    addresses = [f"r{number}@x.example" for number in range(20)]
    world.readers(*addresses)
    issue = world.publish()
    refusals = {name: replace(NO_SUCH_USER, text=f"no user {n // 2}") for n, name in enumerate(addresses[:10])}
    later = replace(GREYLISTED, text="try later")
    world.deliver(ToldCourier(lambda envelope: refusals.get(envelope.recipient, later)))
    with world.app.database.read() as connection:
        found = deliveries.reasons(connection, issue.id, limit=3)
    assert [(state, count) for state, _, count in found] == [
        (DeliveryState.DEFERRED, 10),
        *[(DeliveryState.FAILED, count) for count in (4, 2, 2, 2)],
    ]
    assert [reason for _, reason, _ in found][:3] == ["450 4.2.0 try later", "2 other reasons", "550 5.1.1 no user 0"]


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
    recover.rest(world.app.database, world.app.settings, NOW)
    assert world.state(issue) == "sent"
