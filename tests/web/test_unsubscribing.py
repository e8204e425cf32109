"""Leaving and coming back on the pages behind the links of mails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import select

from digest.app import App
from digest.flows.readers import signup
from digest.flows.readers.signup import SignUp
from digest.readers import tokens
from digest.readers.subscriptions import Choice, Person, Subscription
from digest.states import SubscriptionState
from digest.store import schema
from tests.support.morning import ADDRESS, find, reader, site, token
from tests.web.test_preferences import evening, states

__all__ = ["evening", "reader", "site", "token"]  # fixtures


def _ticket(page: str) -> str:
    found = re.search(r'name="undo" value="([\w-]+)"', page)
    assert found, page
    return found[1]


def test_leaving_can_be_taken_back_within_the_hour(app: App, site: httpx.Client, token: str) -> None:
    ticket = _ticket(site.post(f"/u/{token}").text)
    assert states(app) == ["unsubscribed"]
    assert "subscribed again" in site.post(f"/u/{token}", data={"undo": ticket}).text
    assert states(app) == ["active"]
    assert 'name="undo"' in site.post(f"/u/{token}").text
    assert 'name="undo"' not in site.post(f"/u/{token}").text, "nothing was left just now"
    found = find(app.database)
    assert found
    old = tokens.undo(app.settings.keys, [found.id], app.now() - timedelta(minutes=61))
    for bad in (old, ticket[:-2] + "AA", token):
        assert "You are unsubscribed" in site.post(f"/u/{token}", data={"undo": bad}).text
    assert states(app) == ["unsubscribed"]


def test_what_was_never_confirmed_is_not_brought_back(app: App, site: httpx.Client, reader: Subscription) -> None:
    with app.database.write() as connection:
        connection.execute(schema.consent_events.delete())
        connection.execute(schema.subscriptions.update().values(state="pending"))
    token = tokens.reader(app.settings.keys, 0, reader.id)
    site.post(f"/u/{token}", data={"undo": _ticket(site.post(f"/u/{token}").text)})
    assert states(app) == ["unsubscribed"]


def test_what_a_stranger_asked_for_anew_is_not_brought_back(app: App, site: httpx.Client, token: str) -> None:
    """With a mail that its reader forwarded and has unsubscribed from, somebody could sign the reader up, unsubscribe
    them and take it back."""
    site.post(f"/u/{token}")
    signup.sign_up(app.database, app.settings.sign_up, "morning", SignUp(Person(ADDRESS), Choice("daily")), app.now())
    assert states(app) == ["pending"]
    site.post(f"/u/{token}", data={"undo": _ticket(site.post(f"/u/{token}").text)})
    assert states(app) == ["unsubscribed"]


def test_leaving_everything(app: App, site: httpx.Client, evening: Subscription, token: str) -> None:
    assert "You also get Evening Post" in site.get(f"/u/{token}").text
    page = site.post(f"/u/{token}").text
    assert "You still get Evening Post" in page and states(app) == ["unsubscribed", "active"]
    ticket = _ticket(site.post(f"/u/{token}", data={"all": "1"}).text)
    assert states(app) == ["unsubscribed"] * 2
    site.post(f"/u/{token}", data={"undo": ticket})
    assert states(app) == ["unsubscribed", "active"], "what was left just now"


def test_a_reason_is_kept_beside_the_unsubscription(app: App, site: httpx.Client, token: str) -> None:
    site.post(f"/u/{token}")
    assert "Thank you" in site.post(f"/u/{token}", data={"reason": "often", "words": "too\r\nmany " + "x" * 900}).text
    with app.database.read() as connection:
        (event,) = connection.execute(select(schema.feedback_events))
    assert event.detail.startswith("often: too many x") and len(event.detail) == 500
    assert states(app) == [SubscriptionState.UNSUBSCRIBED]


@pytest.fixture
def rotated(app: App) -> Iterator[None]:
    """The keys as after a leak: a new one signs, the old one is good for leaving only."""
    was = app.settings
    app.settings = was.model_copy(update={"secret_keys": (_secret("b"),), "old_keys": was.secret_keys})
    yield
    app.settings = was


def _secret(kid: str) -> SecretStr:
    return SecretStr(f"{kid}:" + "f" * 40)


def test_a_retired_key_still_lets_a_reader_leave_and_nothing_else(
    app: App, site: httpx.Client, token: str, rotated: None
) -> None:
    assert site.get(f"/p/{token}").status_code == site.post(f"/p/{token}/data").status_code == 404
    assert site.get(f"/v/{token}").status_code == 404
    page = site.get(f"/u/{token}").text
    assert "/p/" not in page
    assert site.post(f"/u/{token}", data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert states(app) == ["unsubscribed"]
