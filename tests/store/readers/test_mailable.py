"""Whether a reader may be mailed: rows and values give the same answer, whatever stands in the row."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import product

import pytest
from sqlalchemy import select, update

from digest.readers import addresses
from digest.readers.mailable import Bar, bar, is_away, is_served
from digest.states import SubscriptionState
from digest.store.readers import mailable, subscribers, suppressions
from digest.store.schema import subscribers as people
from digest.store.schema import subscriptions
from tests.conftest import NOW
from tests.support.world import World

INSTANT = timedelta(microseconds=1)
ENDS = (None, NOW - timedelta(days=1), NOW - INSTANT, NOW, NOW + INSTANT, NOW + timedelta(days=1))
CASES = list(product(SubscriptionState, (False, True), ENDS))


def test_rows_and_values_agree_on_every_case(world: World) -> None:
    names = [f"{number}@x.example" for number in range(len(CASES))]
    world.readers(*names)
    keys = [addresses.key(name) for name in names]
    with world.app.database.write() as connection:
        ids = subscribers.find_ids(connection, keys)
        for (state, suppressed, until), name, key in zip(CASES, names, keys, strict=True):
            mine = subscriptions.c.subscriber_id == ids[key]
            connection.execute(update(subscriptions).where(mine).values(state=state, paused_until=until))
            if suppressed:
                suppressions.suppress(connection, name, "operator", NOW)
    both = subscriptions.join(people, people.c.id == subscriptions.c.subscriber_id)
    asked = (people.c.address_key, mailable.mailable(NOW), mailable.active(), mailable.here(NOW))
    with world.app.database.read() as connection:
        found = {row[0]: tuple(map(bool, row[1:])) for row in connection.execute(select(*asked).select_from(both))}
    assert len(CASES) == 48
    assert {key: found[key] for key in keys} == {
        key: (bar(*case, NOW) is None, case[0] is SubscriptionState.ACTIVE, not is_away(case[2], NOW))
        for case, key in zip(CASES, keys, strict=True)
    }


@pytest.mark.parametrize("covered", [None, 0, 6, 7, 8])
def test_rows_and_values_agree_on_who_is_served(world: World, covered: int | None) -> None:
    world.readers("ann@x.example")
    with world.app.database.write() as connection:
        connection.execute(update(subscriptions).values(covered_until=covered))
        assert connection.execute(select(mailable.unserved(7))).scalar_one() != is_served(covered, 7)


ACTIVE, LATER = SubscriptionState.ACTIVE, NOW + timedelta(days=1)


@pytest.mark.parametrize(
    ("state", "suppressed", "until", "expected"),
    [
        (None, False, None, Bar.ERASED),
        (ACTIVE, True, LATER, Bar.SUPPRESSED),
        (SubscriptionState.UNSUBSCRIBED, True, LATER, Bar.SUPPRESSED),
        (SubscriptionState.PENDING, False, LATER, Bar.NOT_ACTIVE),
        (ACTIVE, False, LATER, Bar.AWAY),
        (ACTIVE, False, NOW, None),
        (ACTIVE, False, None, None),
    ],
)
def test_the_first_bar_is_the_one_that_is_told(
    state: SubscriptionState | None, suppressed: bool, until: datetime | None, expected: Bar | None
) -> None:
    assert bar(state, suppressed, until, NOW) is expected
