"""Sign-up forms in line: each is taken once, the oldest first, whatever plan the database chooses."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select, text

from digest.store import schema
from digest.store.readers import sign_ups
from tests.conftest import NOW
from tests.support.world import World

# Together they leave PostgreSQL only a nested loop, which works a subquery out for each row of the outer table.
_PLAIN_PLANS = ("hashjoin", "mergejoin", "hashagg", "sort", "material", "memoize", "indexscan", "bitmapscan")


@pytest.mark.parametrize("plans", [(), _PLAIN_PLANS])
def test_one_form_is_taken_at_a_time_whatever_the_plan(world: World, plans: tuple[str, ...]) -> None:
    postgres = world.app.settings.database_url.startswith("postgresql")
    with world.app.database.write() as connection:
        edition = connection.execute(select(schema.editions.c.id).limit(1)).scalar_one()
        for number in range(5):
            sign_ups.keep(connection, edition, bytes([number]) * 32, {"number": number}, NOW)
    with world.app.database.write() as connection:
        for plan in plans if postgres else ():
            connection.execute(text(f"SET LOCAL enable_{plan} = off"))
        taken = [sign_ups.take(connection) for _ in range(2)]
        left = connection.execute(select(func.count()).select_from(schema.sign_up_requests)).scalar_one()
    assert [found and found[1]["number"] for found in taken] == [0, 1] and left == 3
