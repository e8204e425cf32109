"""Two at once on what is known of readers: forms, files, clicks, erasing. Only PostgreSQL lets two write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from io import StringIO

import pytest
from sqlalchemy import Connection, select, update

from digest.flows import retention
from digest.flows.readers import audience, choices, erasure, errands, signup
from digest.flows.readers import importing as audience_import
from digest.readers import addresses
from digest.readers.errands import Errand, ErrandKind
from digest.readers.subscriptions import Choice
from digest.settings import RetentionSettings, Settings, SignUpSettings
from digest.store import schema
from digest.store.checkpoints import Checkpoint
from digest.store.database import Database
from digest.store.readers import consent, subscribers, suppressions
from digest.store.readers import errands as errand_store
from digest.tables import Row, open_csv
from tests.conftest import NOW
from tests.support.between import elsewhere, meanwhile, until_waiting, when
from tests.support.world import ToldCourier, World, draft, small_world

ANN, BOB = "ann@x.example", "bob@x.example"


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    if settings.database_url.startswith("sqlite"):
        pytest.skip("one writes at a time")
    yield from small_world(settings)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def _import(world: World, *lines: dict[str, str]) -> audience_import.Imported:
    rows = [Row(number, line, line["address"]) for number, line in enumerate(lines, 2)]
    return audience_import.import_subscribers(world.app.database, "tide", rows, NOW, source="x")


def _erase(world: World, address: str = ANN) -> erasure.Erased:
    return erasure.erase(world.app.database, world.app.settings.state_dir, address, NOW)


def _known(world: World, address: str = ANN) -> bool:
    with world.app.database.read() as connection:
        return bool(subscribers.find_ids(connection, [addresses.key(address)]))


@contextmanager
def holding(database: Database, address: str) -> Iterator[Connection]:
    """Somebody else is writing about this reader."""
    with database.write() as connection:
        mine = schema.subscribers.join(schema.subscriptions)
        query = select(schema.subscribers.c.id).select_from(mine).where(schema.subscribers.c.address == address)
        connection.execute(query.with_for_update(of=[schema.subscribers, schema.subscriptions]))
        yield connection


def test_two_imports_that_name_the_same_readers_in_other_orders_do_not_block_each_other(
    world: World, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digest.store.database._SECOND_TRIES", 0)
    readers = [f"r{number}@x.example" for number in range(5)]
    world.readers(*readers)
    with holding(world.app.database, readers[2]):
        both = [
            pool.submit(_import, world, *({"address": one, "name": name} for one in order))
            for name, order in (("Ann", readers), ("Bob", readers[::-1]))
        ]
        until_waiting(world.app.database, 2)
        assert not any(one.done() for one in both)
    assert [one.result(20).changed for one in both] == [5, 5]
    assert len({world.subscription(address).person.name for address in readers}) == 1


def _save(world: World) -> object:
    person, choice = choices.person(ANN, "N"), Choice("daily", hour=9)
    id_ = world.subscription(ANN).id
    return audience.change_preferences(world.app.database, id_, person, choice, NOW, source="page")


@pytest.mark.parametrize(
    "does", [_save, lambda world: _import(world, {"address": ANN, "name": "N", "hour": "9"})], ids=["page", "import"]
)
def test_who_is_ended_for_anothers_sake_begins_again(
    world: World, pool: ThreadPoolExecutor, does: Callable[[World], object]
) -> None:
    world.readers(ANN)
    with world.app.database.write() as connection:
        connection.execute(select(schema.subscriptions).with_for_update())
        done = pool.submit(does, world)
        until_waiting(world.app.database, 1)  # it holds the person, and waits for their subscription
        connection.exec_driver_sql("SET LOCAL deadlock_timeout = '1min'")  # so that it is not we who end
        connection.execute(update(schema.subscribers).values(locale="en"))
    done.result(20)
    assert (world.subscription(ANN).person.name, world.subscription(ANN).choice.hour) == ("N", 9)


def test_two_who_suppress_the_same_addresses_in_other_orders_do_not_block_each_other(
    world: World, pool: ThreadPoolExecutor
) -> None:
    named = [("line", f"r{number}@x.example") for number in range(5)]
    with world.app.database.write() as connection:
        suppressions.suppress(connection, named[2][1], "operator", NOW)
        both = [pool.submit(audience.suppress_all, world.app.database, order, NOW) for order in (named, named[::-1])]
        until_waiting(world.app.database, 2)
        assert not any(one.done() for one in both)
    assert sum(one.result(20)[0] for one in both) == 4


def test_what_another_writes_is_left_to_the_next_round(world: World) -> None:
    """Beat's rounds take many subscriptions, each its own: who waited for one could be waited for."""
    for address in (ANN, BOB):
        _sign_up(world, address)
    database, later = world.app.database, NOW + timedelta(days=8)
    with holding(database, ANN) as connection:
        connection.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
        with database.write() as another:
            claimed = subscribers.claim_confirmations(another, NOW, later, 10)
        assert [one.person.address for one in claimed] == [BOB]
        assert signup.expire_pending(database, later) == 1
    assert signup.expire_pending(database, later) == 1


def _sign_up(world: World, address: str = ANN, at: datetime = NOW) -> None:
    wish = signup.SignUp(choices.person(address), Choice("daily"))
    signup.sign_up(world.app.database, SignUpSettings(), "tide", wish, at)


def test_who_is_imported_twice_at_once_is_added_once(world: World) -> None:
    database = world.app.database

    def other() -> None:
        _import(world, {"address": ANN, "cadence": "weekly"})

    with when(database, Checkpoint.ADD_READERS, partial(elsewhere, other)):
        done = _import(world, {"address": ANN, "hour": "9"}, {"address": BOB})
    assert (done.added, done.changed) == (1, 1)
    found = world.subscription(ANN)
    assert (found.choice.cadence, found.choice.hour) == ("weekly", 9)
    with database.read() as connection:
        assert [event["kind"] for event in consent.events(connection, found.id)] == ["imported", "preferences"]


def test_who_signs_up_while_they_are_imported_is_active(world: World) -> None:
    with when(world.app.database, Checkpoint.ADD_READERS, partial(elsewhere, _sign_up, world)):
        done = _import(world, {"address": ANN})
    assert (done.added, done.changed) == (0, 1)
    assert world.subscription(ANN).state == "active"


@pytest.mark.parametrize("before", [Checkpoint.ADD_READERS, Checkpoint.RECORD_CONSENT])
@pytest.mark.parametrize(
    "writes", [_sign_up, lambda world: _import(world, {"address": ANN})], ids=["sign-up", "import"]
)
def test_who_is_erased_while_somebody_writes_about_them_is_gone(
    world: World, writes: Callable[[World], object], before: Checkpoint
) -> None:
    with meanwhile(world.app.database, before, _erase, world) as erased:
        writes(world)
    assert erased.result().known
    assert not _known(world)


def test_a_rejected_line_of_somebody_who_is_erased_meanwhile_is_gone(world: World) -> None:
    table = open_csv(StringIO(f"address,hour\n{ANN},99\n"))
    with meanwhile(world.app.database, Checkpoint.NOTE_REJECTS, _erase, world) as erased:
        audience_import.import_table(world.app.database, "tide", table, NOW, source="x", agreed="y")
    erased.result()
    with world.app.database.read() as connection:
        assert connection.execute(select(schema.import_rejects.c.row)).scalars().all() == []


def _asked_to_move(world: World) -> Errand:
    """The errand of Bob, who wants to have Ann's address."""
    world.readers(BOB)
    errands.ask(world.app.database, ErrandKind.MOVE, world.subscription(BOB).id, NOW, ANN)
    with world.app.database.read() as connection:
        errand = errand_store.get(connection, connection.execute(select(schema.errands.c.id)).scalar_one())
    assert errand
    return errand


def test_a_move_to_an_address_that_is_erased_meanwhile_leaves_nothing_of_it(world: World) -> None:
    errand = _asked_to_move(world)
    with meanwhile(world.app.database, Checkpoint.CHANGE_ADDRESS, _erase, world) as erased:
        errands.move(world.app.database, errand, NOW)
    erased.result()
    assert not _known(world)


def test_who_signs_up_at_the_address_they_move_to_is_one_reader(world: World) -> None:
    errand = _asked_to_move(world)
    with when(world.app.database, Checkpoint.CHANGE_ADDRESS, partial(elsewhere, _sign_up, world)):
        assert errands.move(world.app.database, errand, NOW)
    assert (world.subscription(ANN).state, world.subscription(BOB).state) == ("active", "unsubscribed")


def test_who_signs_up_again_while_their_past_is_swept_away_stays(world: World) -> None:
    _sign_up(world)
    signup.expire_pending(world.app.database, NOW + timedelta(days=8))
    later = NOW + timedelta(days=100)
    sweep = partial(retention.sweep, world.app.database, RetentionSettings(), later)
    with meanwhile(world.app.database, Checkpoint.RECORD_CONSENT, sweep) as swept:
        _sign_up(world, at=later)
    assert swept.result()["subscriptions"] == 0
    assert world.subscription(ANN).state == "pending"


def test_erasing_and_a_worker_who_takes_the_readers_mail_do_not_block_each_other(
    world: World, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where two issues of an edition are being sent, a worker takes subscriptions first, and then their deliveries."""
    monkeypatch.setattr("digest.store.database._SECOND_TRIES", 0)
    world.readers(ANN)
    world.articles(draft(1))
    issue = world.publish()
    deliveries = update(schema.deliveries).values(reason="server's words")
    with world.app.database.write() as connection:
        connection.execute(deliveries)
    with world.app.database.write() as connection:
        connection.execute(select(schema.subscriptions).with_for_update())
        erased = pool.submit(_erase, world)
        until_waiting(world.app.database, 1)
        connection.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
        connection.execute(deliveries)
    assert erased.result(10).known and not _known(world)
    assert world.counts(issue) == {"pending": 1}


def test_erasing_and_a_worker_who_settles_do_not_block_each_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digest.store.database._SECOND_TRIES", 0)
    world.readers(ANN, BOB)
    world.articles(draft(1))
    issue = world.publish()
    with world.app.database.write() as connection:
        connection.execute(update(schema.deliveries).values(reason="server's words"))
    with meanwhile(world.app.database, Checkpoint.SERVE_READERS, _erase, world) as erased:
        world.deliver(ToldCourier())
    assert erased.result().known and not _known(world)
    assert world.counts(issue) == {"accepted": 2}
