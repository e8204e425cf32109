"""What readers do behind the links of their mails: choose, pause, move, look, take or erase their data."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from digest.app import App
from digest.flows.readers import audience, errands
from digest.flows.readers.importing import import_subscribers
from digest.outcomes import Envelope, Result
from digest.readers import addresses, tokens
from digest.readers.errands import Errand, ErrandKind
from digest.readers.subscriptions import ALL_DAYS, Subscription
from digest.settings import Settings
from digest.store import schema
from digest.store.content import editions
from digest.store.readers import consent, subscribers
from digest.store.readers import errands as errand_store
from digest.tables import read_csv
from tests.conftest import NOW, on_sqlite
from tests.flows.readers.test_signup import Post
from tests.support.morning import ADDRESS, ON_PAGES, find, publish_edition, put_issue, reader, site, token
from tests.support.served import served

__all__ = ["reader", "site", "token"]  # fixtures of the pages' own tests
NEW = "ann@new.example"
FORM = {"name": "Ann", "cadence": "daily", "sections": ["sea"]}


class Mailbox(Post):
    """A courier that takes everything and keeps the links."""

    def __init__(self) -> None:
        super().__init__(*[Result.ACCEPTED] * 50)
        self.links: dict[str, str] = {}

    def send(self, envelopes, on_wire=lambda _: None):  # type: ignore[no-untyped-def]
        for envelope in (kept := list(envelopes)):
            body = message_from_bytes(envelope.message, policy=policy.default).get_body(("plain",))
            assert body
            found = re.search(r"https://news\.example\.org(/e/\S+)", body.get_content())
            self.links[envelope.recipient] = found[1] if found else ""
        return super().send(iter(kept), on_wire)


@pytest.fixture
def evening(app: App, reader: Subscription) -> Subscription:
    """The same reader's subscription to another edition."""
    with app.database.write() as connection:
        editions.save(connection, replace(ON_PAGES, name="evening", title="Evening Post"), NOW)
    import_subscribers(app.database, "evening", read_csv(["address", ADDRESS]), NOW, source="test")
    with app.database.read() as connection:
        (_, found) = subscribers.of_address(connection, addresses.key(ADDRESS))
    return found


def states(app: App, address: str = ADDRESS) -> list[str]:
    return [str(one.state) for one in _subscriptions(app, address)]


def _subscriptions(app: App, address: str) -> list[Subscription]:
    with app.database.read() as connection:
        return subscribers.of_address(connection, addresses.key(address))


def posted(app: App) -> Mailbox:
    box = Mailbox()
    errands.send(app.database, box, app.write_errand, app.now())
    return box


# ------------------------------------------------------------------------------------------- preferences


def test_sections_come_in_the_order_of_their_numbers(app: App, site: httpx.Client, token: str) -> None:
    form = {"cadence": "daily", "sections": ["sea", "rail"], "place_sea": "2", "place_rail": "1"}
    page = site.post(f"/p/{token}", data=form).text
    found = find(app.database)
    assert found and found.choice.sections == ("rail", "sea")
    assert page.index('value="rail"') < page.index('value="sea"')
    site.post(f"/p/{token}", data={**form, "place_sea": "x", "place_rail": "²"})
    found = find(app.database)
    assert found and found.choice.sections is None, "the edition's own order"


def test_days_and_holiday_are_kept_until_a_form_speaks_of_them(app: App, site: httpx.Client, token: str) -> None:
    away = (app.now() + timedelta(days=20)).date().isoformat()
    site.post(f"/p/{token}", data={**FORM, "days": ["", "0", "4"], "pause": away, "time_zone": "Asia/Kolkata"})
    site.post(f"/p/{token}", data={**FORM, "time_zone": "Asia/Kolkata"})
    found = find(app.database)
    assert found and found.choice.days == 0b10001
    until = found.choice.paused_until
    assert until and until.isoformat()[10:16] == "T18:30", "midnight in Kolkata"
    page = site.get(f"/p/{token}").text
    assert f'value="{away}"' in page and f"nothing before {away}" in page
    assert page.count('name="days" value="0" checked') == 1 and 'name="days" value="1">' in page.replace(
        ' aria-describedby="days_hint"', ""
    )
    site.post(f"/p/{token}", data={**FORM, "days": ["", *"0123456"], "pause": ""})
    found = find(app.database)
    assert found and (found.choice.days, found.choice.paused_until) == (ALL_DAYS, None)


@on_sqlite
@pytest.mark.parametrize("wrong", [{"days": ""}, {"days": ["", "7"]}, {"pause": "soon"}, {"pause": "9999-12-31"}])
def test_a_week_without_days_and_a_holiday_without_end_are_not_saved(
    app: App, site: httpx.Client, reader: Subscription, token: str, wrong: dict[str, object]
) -> None:
    answer = site.post(f"/p/{token}", data={**FORM, **wrong})
    assert (answer.status_code, find(app.database)) == (422, reader)


@on_sqlite
def test_a_day_that_is_past_is_no_holiday(app: App, site: httpx.Client, token: str) -> None:
    assert site.post(f"/p/{token}", data={**FORM, "pause": "0001-01-01"}).status_code == 200
    found = find(app.database)
    assert found and found.choice.paused_until is None


def test_all_of_a_readers_editions_are_on_one_page(
    app: App, site: httpx.Client, evening: Subscription, token: str
) -> None:
    page = site.get(f"/p/{token}").text
    link = re.search(r'href="\.\./p/([\w-]+)">Evening Post', page)
    assert link and tokens.read_reader(app.settings.keys, link[1]) == tokens.ReaderToken(0, evening.id)
    assert "Morning &lt;Post&gt;" in site.get(f"/p/{link[1]}").text


@on_sqlite
def test_the_pages_speak_the_readers_language(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "web" / "strings").mkdir(parents=True)
    (tmp_path / "web" / "strings" / "eo.toml").write_text('[unsubscribe]\nbutton = "Malaboni"\n', encoding="utf-8")
    app = App(settings.model_copy(update={"templates_dir": tmp_path}))
    publish_edition(app.database, ON_PAGES)
    with served(app) as client:
        import_subscribers(app.database, "morning", read_csv(["address", ADDRESS]), NOW, source="test")
        found = find(app.database)
        assert found
        token = tokens.reader(app.settings.keys, 0, found.id)
        assert '<html lang="eo"' in client.post(f"/p/{token}", data={**FORM, "language": "eo"}).text
        assert "Malaboni" in client.get(f"/u/{token}").text
        assert '<html lang="en"' in client.get("/s/morning").text
        assert '<html lang="en"' in client.post(f"/p/{token}", data={**FORM, "language": ""}).text
    app.database.dispose()


def test_a_reader_sees_what_was_sent(app: App, site: httpx.Client, reader: Subscription, token: str) -> None:
    assert "No issue" in site.get(f"/p/{token}/sent").text
    put_issue(app)
    with app.database.write() as connection:
        row = {"issue_id": 7, "subscription_id": reader.id, "batch": 0, "state": "accepted", "attempts": 1}
        connection.execute(schema.deliveries.insert().values(row))
    page = site.get(f"/p/{token}/sent").text
    link = re.search(r'href="\.\./\.\.(/v/[\w-]+)">([^<]+)', page)
    assert link and link[2] in {"A harbour opens (and 1 more)", "A boat sinks (and 1 more)"} and "November" in page
    assert site.get(link[1]).status_code == 200


# ----------------------------------------------------------------------------------------------- errands


def test_moving_is_confirmed_at_the_new_address_and_told_to_the_old(
    app: App, site: httpx.Client, evening: Subscription, token: str
) -> None:
    for _ in range(2):
        assert NEW in site.post(f"/p/{token}/move", data={"address": NEW}).text
    box = posted(app)
    assert box.sent == [NEW], "once, within the cooldown"
    assert site.get(box.links[NEW]).status_code == 200 and find(app.database)
    assert "From now on" in site.post(box.links[NEW]).text
    assert find(app.database) is None and states(app, NEW) == ["active", "active"]
    assert site.post(box.links[NEW]).status_code == 410
    box = posted(app)
    assert (box.sent, box.links[ADDRESS]) == ([ADDRESS], "")
    assert posted(app).sent == []
    with app.database.read() as connection:
        events = [event["kind"] for event in consent.events(connection, evening.id)]
    assert events[-1] == consent.MOVED
    assert site.get(f"/p/{token}").status_code == 200, "links of old mails stay good"
    errands.forget_old(app.database, app.now() + timedelta(days=8))
    with app.database.read() as connection:
        assert connection.execute(select(schema.errands)).all() == [], "the old address is forgotten"


def _moved(app: App, site: httpx.Client, token: str, address: str) -> Mailbox:
    site.post(f"/p/{token}/move", data={"address": address})
    site.post(posted(app).links[address])
    return posted(app)


def test_who_was_forwarded_a_mail_gets_no_data_by_moving_its_reader(
    app: App, site: httpx.Client, reader: Subscription, token: str
) -> None:
    for stranger in (NEW, "eve@other.example"):
        assert _moved(app, site, token, stranger).sent == [ADDRESS], "the reader is told, however often"
        with app.database.write() as connection:
            connection.execute(schema.errands.delete().where(schema.errands.c.kind == "data"))
        assert NEW not in site.post(f"/p/{token}/data").text
        box = posted(app)
        assert box.sent == [ADDRESS], "the old address has its say for a week"
    assert json.loads(site.post(box.links[ADDRESS]).text)["subscriber"]["address"] == "eve@other.example"
    assert _moved(app, site, token, ADDRESS).sent == []
    assert find(app.database) == reader, "and moves back"
    site.post(f"/p/{token}/erase")
    assert posted(app).sent == [ADDRESS]


def test_moving_to_a_readers_address_takes_along_what_that_reader_has_not(
    app: App, site: httpx.Client, evening: Subscription, token: str
) -> None:
    import_subscribers(app.database, "morning", read_csv(["address,cadence", f"{NEW},weekly"]), NOW, source="test")
    site.post(f"/p/{token}/move", data={"address": NEW})
    site.post(posted(app).links[NEW])
    assert states(app) == ["unsubscribed", "unsubscribed"]
    with app.database.read() as connection:
        theirs = subscribers.of_address(connection, addresses.key(NEW))
    assert [(one.edition, str(one.state), one.choice.cadence) for one in theirs] == [
        ("morning", "active", "weekly"),
        ("evening", "active", "daily"),
    ]


@pytest.mark.parametrize(("old", "new", "then"), [(7, 5, 7), (5, 7, 7), (5, None, 5), (None, 7, 7), (None, None, None)])
def test_moving_to_where_one_once_read_repeats_nothing(
    app: App, site: httpx.Client, token: str, old: int | None, new: int | None, then: int | None
) -> None:
    import_subscribers(app.database, "morning", read_csv(["address", NEW]), NOW, source="test")
    (there,) = _subscriptions(app, NEW)
    audience.unsubscribe(app.database, there.id, NOW, source="page")
    with app.database.write() as connection:
        table = schema.subscriptions
        connection.execute(table.update().values(covered_until=old))
        connection.execute(table.update().where(table.c.id == there.id).values(covered_until=new))
    site.post(f"/p/{token}/move", data={"address": NEW})
    site.post(posted(app).links[NEW])
    assert [(str(one.state), one.covered_until) for one in _subscriptions(app, NEW)] == [("active", then)]


def test_a_move_tells_nobody_whom_we_know(app: App, site: httpx.Client, token: str) -> None:
    audience.suppress(app.database, "eve@example.org", NOW)
    page = site.post(f"/p/{token}/move", data={"address": "eve@example.org"}).text
    other = site.post(f"/p/{token}/move", data={"address": "bob@example.org"}).text
    assert page.replace("eve", "bob") == other
    assert posted(app).sent == ["bob@example.org"]


def test_a_newer_wish_takes_the_place_of_an_older(app: App, site: httpx.Client, reader: Subscription) -> None:
    errands.ask(app.database, ErrandKind.MOVE, reader.id, app.now() - timedelta(minutes=11), "first@example.org")
    first = posted(app).links["first@example.org"]
    late = app.now() + timedelta(seconds=2)
    errands.ask(app.database, ErrandKind.MOVE, reader.id, late, "second@example.org")
    assert site.post(first).status_code == 410
    assert find(app.database) == reader


def test_the_link_of_a_late_mail_does_not_confirm_a_newer_wish(
    app: App, site: httpx.Client, reader: Subscription
) -> None:
    """Who may have read a mail that was forwarded could else move its reader to anybody."""

    def asked_again_before_it_leaves(errand: Errand) -> Envelope:
        errands.ask(app.database, ErrandKind.MOVE, reader.id, app.now(), "victim@example.org")
        return app.write_errand(errand)

    errands.ask(app.database, ErrandKind.MOVE, reader.id, app.now() - timedelta(minutes=11), "eve@example.org")
    box = Mailbox()
    errands.send(app.database, box, asked_again_before_it_leaves, app.now())
    assert box.sent == ["eve@example.org"]
    assert site.post(box.links["eve@example.org"]).status_code == 410
    assert find(app.database) == reader
    assert "From now on" in site.post(posted(app).links["victim@example.org"]).text


def test_a_wish_that_is_replaced_between_link_and_deed_is_not_done(app: App, reader: Subscription) -> None:
    errands.ask(app.database, ErrandKind.MOVE, reader.id, app.now() - timedelta(minutes=11), "eve@example.org")
    with app.database.read() as connection:
        old = errand_store.of_kind(connection, reader.subscriber_id, ErrandKind.MOVE)
    errands.ask(app.database, ErrandKind.MOVE, reader.id, app.now(), "victim@example.org")
    assert old and not errands.move(app.database, old, app.now())
    assert find(app.database) == reader


def test_data_is_given_out_to_the_address_alone(app: App, site: httpx.Client, token: str) -> None:
    answer = site.post(f"/p/{token}/data")
    assert (ADDRESS not in answer.text and "a*" in answer.text.replace("a•", "a*")) or "…" in answer.text
    link = posted(app).links[ADDRESS]
    assert ADDRESS not in site.get(link).text
    for _ in range(2):
        saved = site.post(link)
        assert saved.headers["content-disposition"] == 'attachment; filename="my-data.json"'
        assert json.loads(saved.text)["subscriber"]["address"] == ADDRESS


def test_erasing_takes_a_second_step_in_the_readers_own_mailbox(app: App, site: httpx.Client, token: str) -> None:
    site.post(f"/p/{token}/erase")
    link = posted(app).links[ADDRESS]
    assert "can" in site.get(link).text and find(app.database)
    assert "forgotten" in site.post(link).text
    assert find(app.database) is None
    assert site.post(link).status_code == site.get(f"/p/{token}").status_code == 410
    with app.database.read() as connection:
        for table in schema.metadata.sorted_tables:
            assert ADDRESS not in str(connection.execute(select(table)).all()), table.name


@on_sqlite
def test_errands_have_links_of_their_own(app: App, site: httpx.Client, reader: Subscription, token: str) -> None:
    site.post(f"/p/{token}/erase")
    keys, now = app.settings.keys, app.now()
    with app.database.read() as connection:
        (errand,) = connection.execute(select(schema.errands))
    link = f"/e/{tokens.errand(keys, errand.id, errand.asked_at)}"
    assert site.get(link).status_code == 200
    for other in (token, tokens.confirm(keys, errand.id, now), tokens.undo(keys, [errand.id], now)):
        assert site.post(f"/e/{other}").status_code == 404
    assert site.post(f"/c/{tokens.errand(keys, reader.id, now)}").status_code == 404
    assert site.post(f"/e/{tokens.errand(keys, errand.id, now - timedelta(days=8))}").status_code == 404
    assert site.post(f"/p/{token}/moved").status_code == site.post(f"/p/{token}/else").status_code == 404
    assert find(app.database) == reader
    errands.forget_old(app.database, now + timedelta(days=8))
    assert site.post(link).status_code == 410
