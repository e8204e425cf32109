"""Two at once on the ledger: whatever the order, nothing is lost, doubled or stuck. Only PostgreSQL lets two write."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import update

from digest.flows.delivery import deliver
from digest.flows.issues import operate
from digest.outcomes import Outcome, Result, Stage
from digest.settings import Settings
from digest.states import DeliveryEvent
from digest.store import schema
from digest.store.checkpoints import Checkpoint
from digest.store.database import Database
from digest.store.ledger import batches, issues
from tests.conftest import NOW
from tests.support.between import elsewhere, meanwhile, when
from tests.support.world import LOST, ToldCourier, World, draft, headlines, small_world

FULL = Outcome(Result.PERMANENT, "mailbox full", 552, "5.2.2", Stage.RECIPIENT)


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    if settings.database_url.startswith("sqlite"):
        pytest.skip("one writes at a time")
    for world in small_world(settings):
        world.articles(draft(1))
        yield world


def _resend(database: Database, issue_id: int) -> int:
    return operate.resolve(database, issue_id, DeliveryEvent.RESEND, NOW)


def test_a_resend_is_not_overlooked_by_a_worker_that_gives_its_batch_back(world: World) -> None:
    world.readers("a@x.example")
    issue = world.publish()
    database = world.app.database
    world.deliver(ToldCourier(lambda _: LOST))
    with database.write() as connection:
        connection.execute(update(schema.batches).values(due_at=NOW))
        connection.execute(update(schema.issues).values(state="sending"))
        lease = batches.claim(connection, issue.id, 0, "me", NOW, NOW + timedelta(hours=1))
    assert lease
    with meanwhile(database, Checkpoint.RELEASE_BATCH, _resend, database, issue.id) as resent:
        with database.write() as connection:
            batches.release(connection, lease, 0, None)
        with database.write() as connection:
            issues.finish_if_settled(connection, issue.id, NOW)
    assert resent.result() == 1
    assert world.deliver(ToldCourier()) == 1
    assert (world.counts(issue), world.state(issue)) == ({"accepted": 1}, "sent")


def test_a_resend_is_not_overlooked_by_the_one_who_ends_the_issue(world: World) -> None:
    world.readers("a@x.example")
    issue = world.publish()
    database = world.app.database
    world.deliver(ToldCourier(lambda _: LOST))
    with database.write() as connection:
        connection.execute(update(schema.issues).values(state="sending"))
    with (
        meanwhile(database, Checkpoint.MOVE_ISSUE, _resend, database, issue.id) as resent,
        database.write() as connection,
    ):
        assert issues.finish_if_settled(connection, issue.id, NOW)
    assert resent.result() == 1
    assert world.deliver(ToldCourier()) == 1
    assert world.state(issue) == "sent"


def test_a_cancel_and_the_last_batch_do_not_block_each_other(world: World) -> None:
    world.readers("a@x.example")
    issue = world.publish()
    database = world.app.database
    ((_, number),) = deliver.dispatch(database, world.app.settings, 1, NOW)
    office = world.app.post_office(ToldCourier())
    with meanwhile(database, Checkpoint.ISSUE_HAS_MOVED, deliver.deliver, office, issue.id, number) as ended:
        operate.cancel(database, issue.id, NOW)
    ended.result()
    assert world.state(issue) == "cancelled"


def test_a_reader_who_changes_their_hour_while_an_issue_is_expanded_gets_it_once(world: World) -> None:
    world.readers("a@x.example")
    world.readers("b@x.example", hour="8", time_zone="Asia/Tokyo")

    def change() -> None:
        world.readers("a@x.example", hour="8", time_zone="Asia/Tokyo")

    with when(world.app.database, Checkpoint.CREATE_BATCHES, partial(elsewhere, change)):
        issue = world.publish()
    assert world.counts(issue) == {"pending": 2}


def test_two_issues_of_an_edition_never_tell_a_reader_the_same_at_once(world: World) -> None:
    world.readers("a@x.example")
    database, rules = world.app.database, world.app.settings
    monday = world.publish()
    world.deliver(ToldCourier(lambda _: FULL))
    world.later(days=1)
    world.articles(draft(2, "land"))
    world.publish()
    operate.retry_failed(database, monday.id, world.app.now())
    one, two = deliver.dispatch(database, rules, 10, world.app.now())
    courier = ToldCourier()
    office = world.app.post_office(courier)
    with meanwhile(database, Checkpoint.MOVE_DELIVERIES, deliver.deliver, office, *two) as second:
        deliver.deliver(world.app.post_office(courier), *one)
    second.result()
    world.later(minutes=2)
    world.deliver(courier)
    told = [number for envelope in courier.tried for number in headlines(envelope)]
    assert sorted(told) == ["Number1", "Number2"]
