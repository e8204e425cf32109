"""The readers' pages in Chromium: they work."""

from __future__ import annotations

import httpx
import pytest

from digest import tokens
from digest.app import App
from digest.flows import signup
from digest.states import SubscriptionState
from digest.store.subscribers import Choice

from ..test_web import _found, _mark, on_sqlite, site
from .browser import Browser

pytestmark = [pytest.mark.judge, on_sqlite]
__all__ = ["site"]  # a fixture of the pages' own tests


def test_a_reader_finds_his_way_from_signing_up_to_leaving(app: App, site: httpx.Client, browser: Browser) -> None:
    base = str(site.base_url)
    browser.open(f"{base}/s/morning")
    browser.evaluate("document.querySelector('#address').value = 'bob@example.org'")
    browser.evaluate("document.querySelector('[value=rail]').click()")
    browser.evaluate(f"document.querySelector('[name=mark]').value = '{_mark(app)}'")
    browser.press("document.querySelector('form button').click()")
    signup.answer(app.database, app.settings.sign_up, app.now())
    assert "Look into your mailbox" in browser.evaluate("document.body.innerText")
    found = _found(app, "bob@example.org")
    assert found and found.state is SubscriptionState.PENDING
    assert found.choice == Choice("daily", ("sea",))

    browser.open(f"{base}/c/{tokens.confirm(app.settings.keys, found.id, app.now())}")
    browser.press("document.querySelector('button').click()")
    browser.press("document.querySelector('main a').click()")
    browser.evaluate("document.querySelector('[value=weekly]').click(); document.querySelector('#hour').value = '7'")
    browser.press("document.querySelector('form button').click()")
    assert browser.evaluate("document.querySelector('[value=weekly]').checked")
    found = _found(app, "bob@example.org")
    assert found and (found.state, found.choice) == (SubscriptionState.ACTIVE, Choice("weekly", ("sea",), 7))

    browser.press("document.querySelector('button.second').click()")
    assert "You are unsubscribed" in browser.evaluate("document.body.innerText")
    browser.press("document.querySelector('[name=undo]').form.querySelector('button').click()")
    found = _found(app, "bob@example.org")
    assert found and found.state is SubscriptionState.ACTIVE
