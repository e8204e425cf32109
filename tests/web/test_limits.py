"""What holds those off who search the archive too often."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import func, select

from digest.settings import SignUpSettings, WebSettings
from digest.store import schema
from tests.conftest import on_sqlite
from tests.support.morning import form_mark
from tests.support.served import served
from tests.support.world import World, draft
from tests.web.test_archive import told, world

__all__ = ["world"]  # a fixture


@on_sqlite
def test_searching_has_limits_and_reading_has_none(world: World) -> None:
    told(world, draft(1))
    web = WebSettings(visitor_searches_per_minute=4, searches_per_minute=10)
    world.app.settings = world.app.settings.model_copy(update={"web": web})

    def ask(path: str, ip: str = "203.0.113.9") -> httpx.Response:
        return site.get(path, headers={"X-Forwarded-For": ip})

    with served(world.app, "127.0.0.1") as site:  # no Redis here: this process counts by itself
        answers = [ask("/a/tide?q=event1") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert 1 <= int(answers[2].headers["retry-after"]) <= 60
        assert "try again" in answers[2].text and answers[2].headers["cache-control"] == "no-store"
        codes = [ask("/a/tide?q=event1", f"198.51.100.{n}").status_code for n in range(4)]
        assert codes == [200, 200, 200, 429], "over all"
        assert [ask(path).status_code for path in ("/a/tide", "/a/tide?q=%20", "/a/tide/feed.atom")] == [200] * 3


@on_sqlite
@pytest.mark.parametrize(("per_hour", "most"), [(5, 2), (0, 3)], ids=["in an hour", "in a week"])
def test_a_mailbox_is_not_flooded_by_other_spellings_of_its_address(world: World, per_hour: int, most: int) -> None:
    rules = SignUpSettings(address_per_hour=per_hour, mails_per_week=3)
    world.app.settings = world.app.settings.model_copy(update={"sign_up": rules})
    with served(world.app, "127.0.0.1") as site:
        for number in range(6):
            form = {"address": f"a.n.n+{number}@gmail.com", "cadence": "daily", "mark": form_mark(world.app)}
            assert site.post("/s/tide", data=form).status_code == 200, "all get the same answer"
    with world.app.database.read() as connection:
        kept = connection.scalar(select(func.count()).select_from(schema.sign_up_requests))
    assert kept == most
