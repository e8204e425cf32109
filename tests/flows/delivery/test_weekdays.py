"""Days of the week and holidays: who is left out of an issue, and that they miss nothing by it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, true

from digest.editions.schedule import Wish
from digest.flows.issues import publish, review
from digest.flows.readers import audience
from digest.outcomes import Envelope, Outcome
from digest.readers.subscriptions import ALL_DAYS
from digest.store import schema
from digest.store.database import Database
from digest.store.ledger import expansion
from tests.conftest import NOW
from tests.support.world import ACCEPTED, EDITION, GREYLISTED, ToldCourier, World, draft, headlines, told

ANN = "ann@x.example"
MONDAY, TUESDAY, SUNDAY = 1, 2, 64


def _choose(world: World, address: str = ANN, days: int = ALL_DAYS, until: datetime | None = None) -> None:
    found = world.subscription(address)
    choice = replace(found.choice, days=days, paused_until=until)
    audience.change_preferences(world.app.database, found.id, found.person, choice, world.app.now(), source="page")


def _sent(world: World) -> dict[str, set[str]]:
    courier = ToldCourier()
    world.publish()
    world.deliver(courier)
    return {envelope.recipient: headlines(envelope) for envelope in courier.tried}


def test_on_other_days_a_reader_gets_nothing_and_on_their_day_all_of_it(world: World) -> None:
    world.readers(ANN, "bob@x.example")
    _choose(world, days=TUESDAY)
    world.articles(draft(1))
    assert _sent(world) == {"bob@x.example": {"Number1"}}  # a Monday
    world.later(days=1)
    world.articles(draft(2))
    assert _sent(world) == {ANN: {"Number1", "Number2"}, "bob@x.example": {"Number2"}}


SCHEDULE = '\n[[schedule]]\ncadence = "{}"\ncron = "{}"\n'
WEEKLY = EDITION + SCHEDULE.format("weekly", "30 11 * * 1")  # the clock stands there: half past eleven on a Monday
DAILY = EDITION + SCHEDULE.format("daily", "30 11 * * *")


@pytest.mark.parametrize(
    ("days", "hour", "zone", "expected"),
    [
        (MONDAY, "", "", timedelta()),
        (TUESDAY | SUNDAY, "", "", timedelta(days=1)),
        (SUNDAY, "", "", timedelta(days=6)),
        (SUNDAY, "9", "", timedelta(days=5, hours=21, minutes=30)),
        (SUNDAY, "23", "America/New_York", timedelta(days=6, hours=22)),
    ],
)
def test_what_comes_out_on_no_day_of_theirs_comes_on_the_next_they_take(
    world: World, days: int, hour: str, zone: str, expected: timedelta
) -> None:
    world.edition(WEEKLY)
    world.readers(ANN, cadence="weekly", hour=hour, time_zone=zone)
    _choose(world, days=days)
    world.articles(draft(1))
    issue = world.publish("weekly")
    courier = ToldCourier()
    if expected:
        world.later(seconds=expected.total_seconds() - 1)
        assert (world.deliver(courier), world.state(issue)) == (0, "sending")
        world.later(seconds=1)
    world.deliver(courier)
    assert (courier.recipients, world.state(issue)) == ([ANN], "sent")


def test_what_waits_for_a_readers_day_gives_way_to_what_comes_out_before_and_holds_it(world: World) -> None:
    world.edition(WEEKLY)
    world.readers(ANN, cadence="weekly")
    _choose(world, days=SUNDAY)
    world.articles(draft(1))
    first = world.publish("weekly")
    world.later(days=2)
    world.articles(draft(2))
    second = world.publish("weekly")  # an extra one, by hand
    world.later(days=4)
    courier = ToldCourier()
    world.deliver(courier)
    assert [headlines(envelope) for envelope in courier.tried] == [{"Number1", "Number2"}]
    assert (world.counts(first), world.counts(second)) == ({"cancelled": 1}, {"accepted": 1})


def test_what_waited_for_a_readers_day_is_tried_as_long_as_any(world: World) -> None:
    world.edition(WEEKLY)
    world.readers(ANN, cadence="weekly")
    _choose(world, days=SUNDAY)
    world.articles(draft(1))
    issue = world.publish("weekly")
    world.later(days=6)
    assert world.deliver(told(GREYLISTED, ANN)) == 1
    assert world.counts(issue) == {"deferred": 1}, "no give_up_hours have passed since it came due"
    world.later(hours=2)
    assert world.deliver(ToldCourier()) == 1
    assert world.counts(issue) == {"accepted": 1}


@pytest.mark.parametrize(("hour", "days"), [("", 6), ("3", 5), ("23", 6)])
def test_nothing_waits_for_a_day_on_which_another_issue_comes(world: World, hour: str, days: int) -> None:
    world.edition(DAILY)
    world.readers(ANN, hour=hour)
    _choose(world, days=SUNDAY)
    world.articles(draft(1))
    assert world.counts(world.publish()) == {}, "a Monday"
    world.later(days=days)
    world.articles(draft(2))
    world.publish()
    world.later(hours=16)
    courier = ToldCourier()
    world.deliver(courier)
    assert [headlines(envelope) for envelope in courier.tried] == [{"Number1", "Number2"}]


@pytest.mark.parametrize(
    ("zone", "hour", "day"),
    [
        ("", "", MONDAY),
        ("Pacific/Honolulu", "", SUNDAY),  # 20:00 the day before
        ("Pacific/Kiritimati", "", MONDAY),  # 20:00
        ("Pacific/Kiritimati", "7", TUESDAY),  # comes eleven hours later
        ("Pacific/Honolulu", "23", SUNDAY),
        ("Pacific/Honolulu", "1", MONDAY),
    ],
)
def test_the_day_is_the_one_on_which_it_comes_to_the_reader(world: World, zone: str, hour: str, day: int) -> None:
    world.edition(DAILY)
    world.readers("on@x.example", "off@x.example", time_zone=zone, hour=hour)
    _choose(world, "on@x.example", days=day)
    _choose(world, "off@x.example", days=ALL_DAYS - day)
    world.articles(draft(1))
    issue = world.publish()
    assert world.counts(issue) == {"pending": 1}
    world.later(hours=24)
    courier = ToldCourier()
    world.deliver(courier)
    assert courier.recipients == ["on@x.example"]


def test_an_issue_that_goes_out_late_is_for_those_who_take_it_that_day(world: World) -> None:
    app = world.app
    world.readers("monday@x.example", "tuesday@x.example")
    _choose(world, "monday@x.example", days=MONDAY)
    _choose(world, "tuesday@x.example", days=TUESDAY)
    world.articles(draft(1))
    held = publish.open_now(app.database, "tide", "daily", app.now())
    review.hold(app.database, held.id, "ana", app.now())
    publish.publish(app.database, held.id, app.compile, app.settings, app.now())
    world.later(days=1)
    review.release(app.database, held.id, "ana", app.now())
    publish.publish(app.database, held.id, app.compile, app.settings, app.now())
    courier = ToldCourier()
    world.deliver(courier)
    assert courier.recipients == ["tuesday@x.example"]


def test_a_holiday_ends_by_itself_and_what_came_out_meanwhile_is_caught_up_with(world: World) -> None:
    world.readers(ANN, "bob@x.example")
    _choose(world, until=NOW + timedelta(days=2))
    for number in (1, 2):
        world.articles(draft(number))
        assert set(_sent(world)) == {"bob@x.example"}
        world.later(days=1)
    world.articles(draft(3))
    caught_up = _sent(world)
    assert caught_up["bob@x.example"] == {"Number3"}
    assert len(caught_up[ANN]) == 3 and "Number3" in caught_up[ANN]
    world.later(days=1)
    world.articles(draft(4))
    assert _sent(world)[ANN] == {"Number4"}


def test_a_holiday_that_ends_before_the_readers_hour_does_not_cost_that_days_mail(world: World) -> None:
    world.readers(ANN, hour="16")  # 10:30 UTC
    _choose(world, until=NOW + timedelta(hours=4))
    world.articles(draft(1))
    assert world.counts(world.publish()) == {"pending": 1}


def test_who_goes_on_holiday_while_their_mail_waits_does_not_get_it(world: World) -> None:
    world.readers(ANN, hour="16")
    world.articles(draft(1))
    issue = world.publish()
    _choose(world, until=NOW + timedelta(days=1))
    world.later(hours=5)
    courier = ToldCourier()
    world.deliver(courier)
    assert (courier.tried, world.counts(issue), world.state(issue)) == ([], {"cancelled": 1}, "sent")
    world.later(days=1)
    world.articles(draft(2))
    world.publish()
    world.later(days=1)
    world.deliver(courier)
    assert headlines(courier.tried[0]) == {"Number1", "Number2"}


def test_who_leaves_while_their_group_is_being_sent_gets_nothing(world: World) -> None:
    world.readers("a@x.example", "b@x.example")  # one group
    world.articles(draft(1))
    issue = world.publish()
    left = []

    def told(envelope: Envelope) -> Outcome:
        (other,) = {"a@x.example", "b@x.example"} - {envelope.recipient}
        left.append(other)
        audience.unsubscribe(world.app.database, world.subscription(other).id, world.app.now(), source="page")
        world.later(seconds=1)
        return ACCEPTED

    courier = ToldCourier(told)
    world.deliver(courier)
    assert (len(courier.tried), len(left)) == (1, 1)
    assert world.counts(issue) == {"accepted": 1, "cancelled": 1}
    assert world.state(issue) == "sent"


def test_readers_may_wish_as_many_hours_in_as_many_zones_as_there_are(world: World) -> None:
    world.readers(ANN, time_zone="Asia/Kolkata", hour="9")
    world.articles(draft(1))
    database: Database = world.app.database
    issue = publish.open_now(database, "tide", "daily", NOW)
    issue = replace(issue, covers_from=0, covers_until=1)
    zones = [f"Zone/{number}" for number in range(600)]
    dues = {Wish(zone, hour): NOW + timedelta(hours=hour) for zone in zones for hour in range(24)}
    dues[Wish("Asia/Kolkata", 9)] = NOW + timedelta(hours=30)
    with database.write() as connection:
        assert expansion.expand(connection, issue, true(), dues, NOW, 10) == 1
    with database.read() as connection:
        (due_at,) = connection.execute(select(schema.batches.c.due_at)).scalars()
    assert due_at == NOW + timedelta(hours=30)
