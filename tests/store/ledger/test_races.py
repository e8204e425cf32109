"""Two at once on the ledger: whatever the order, nothing is lost, doubled or stuck. Only PostgreSQL lets two write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from threading import Event

import pytest
from sqlalchemy import event, update

from digest.flows.delivery import deliver
from digest.flows.issues import operate
from digest.outcomes import Outcome, Result, Stage
from digest.settings import Settings
from digest.states import DeliveryEvent
from digest.store import schema
from digest.store.database import Database
from digest.store.ledger import batches, issues
from tests.conftest import NOW
from tests.support.world import LOST, ToldCourier, World, draft, headlines, small_world

FULL = Outcome(Result.PERMANENT, "mailbox full", 552, "5.2.2", Stage.RECIPIENT)
MOMENT = 1.0  # seconds that one of two is held up for the other


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    if settings.database_url.startswith("sqlite"):
        pytest.skip("one writes at a time")
    for world in small_world(settings):
        world.articles(draft(1))
        yield world


@contextmanager
def when(database: Database, moment: str, beginning: str, does: Callable[[], object]) -> Iterator[None]:
    """At the first statement that begins so, before or after it, ``does`` comes in between."""
    came = Event()

    def between(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith(beginning) and not came.is_set():
            came.set()
            does()

    event.listen(database.engine, f"{moment}_cursor_execute", between)
    yield
    event.remove(database.engine, f"{moment}_cursor_execute", between)
    assert came.is_set()


@contextmanager
def resent_before(database: Database, issue_id: int, statement: str) -> Iterator[None]:
    """An operator resends just before the first such statement of the block, and waits until that is committed."""
    with ThreadPoolExecutor() as pool:
        resent = []

        def resend() -> None:
            resent.append(pool.submit(operate.resolve, database, issue_id, DeliveryEvent.RESEND, NOW))
            with pytest.raises(TimeoutError):
                resent[0].result(MOMENT)

        with when(database, "before", statement, resend):
            yield
        assert resent[0].result(10) == 1


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
    with resent_before(database, issue.id, "UPDATE batches SET due_at"):
        with database.write() as connection:
            batches.release(connection, lease, 0, None)
        with database.write() as connection:
            issues.finish_if_settled(connection, issue.id, NOW)
    assert world.deliver(ToldCourier()) == 1
    assert (world.counts(issue), world.state(issue)) == ({"accepted": 1}, "sent")


def test_a_resend_is_not_overlooked_by_the_one_who_ends_the_issue(world: World) -> None:
    world.readers("a@x.example")
    issue = world.publish()
    database = world.app.database
    world.deliver(ToldCourier(lambda _: LOST))
    with database.write() as connection:
        connection.execute(update(schema.issues).values(state="sending"))
    with resent_before(database, issue.id, "UPDATE issues SET state"), database.write() as connection:
        assert issues.finish_if_settled(connection, issue.id, NOW)
    assert world.deliver(ToldCourier()) == 1
    assert world.state(issue) == "sent"


def test_a_cancel_and_the_last_batch_do_not_block_each_other(world: World) -> None:
    world.readers("a@x.example")
    issue = world.publish()
    database = world.app.database
    ((_, number),) = deliver.dispatch(database, world.app.settings.deliver, 1, NOW)
    with ThreadPoolExecutor() as pool:
        ended = []

        def end() -> None:
            ended.append(pool.submit(deliver.deliver, world.app.post_office(ToldCourier()), issue.id, number))
            with pytest.raises(TimeoutError):
                ended[0].result(MOMENT)

        with when(database, "after", "UPDATE issues SET state", end):
            operate.cancel(database, issue.id, NOW)
        ended[0].result(10)
    assert world.state(issue) == "cancelled"


def test_a_reader_who_changes_his_hour_while_an_issue_is_expanded_gets_it_once(world: World) -> None:
    world.readers("a@x.example")
    world.readers("b@x.example", hour="8", time_zone="Asia/Tokyo")

    def change() -> None:
        with ThreadPoolExecutor() as pool:
            pool.submit(world.readers, "a@x.example", hour="8", time_zone="Asia/Tokyo").result(10)

    with when(world.app.database, "before", "INSERT INTO batches", change):
        issue = world.publish()
    assert world.counts(issue) == {"pending": 2}


def test_two_issues_of_an_edition_never_tell_a_reader_the_same_at_once(world: World) -> None:
    world.readers("a@x.example")
    database, rules = world.app.database, world.app.settings.deliver
    monday = world.publish()
    world.deliver(ToldCourier(lambda _: FULL))
    world.later(days=1)
    world.articles(draft(2, "land"))
    world.publish()
    operate.retry_failed(database, monday.id, world.app.now())
    one, two = deliver.dispatch(database, rules, 10, world.app.now())
    courier = ToldCourier()
    with ThreadPoolExecutor() as pool:
        second = []

        def overtake() -> None:
            second.append(pool.submit(deliver.deliver, world.app.post_office(courier), *two))
            with pytest.raises(TimeoutError):
                second[0].result(MOMENT)

        with when(database, "before", "UPDATE deliveries SET state", overtake):
            deliver.deliver(world.app.post_office(courier), *one)
        second[0].result(10)
    world.later(minutes=2)
    world.deliver(courier)
    told = [number for envelope in courier.tried for number in headlines(envelope)]
    assert sorted(told) == ["Number1", "Number2"]
