"""The readers' pages in Chromium: by keyboard, without JavaScript, on a phone and a desk, judged by axe."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from digest.app import App
from digest.flows.readers import errands, signup
from digest.readers import tokens
from digest.readers.errands import ErrandKind
from digest.readers.subscriptions import Choice
from digest.settings import Settings, SignUpSettings
from digest.states import SubscriptionState
from digest.store import schema
from tests.conftest import NOW, on_sqlite
from tests.support.compiled import SHARED
from tests.support.morning import ON_PAGES, find, publish_edition, put_issue, reader, token
from tests.support.served import served
from tests.web.test_preferences import evening

__all__ = ["evening", "reader", "token"]  # fixtures of the pages' own tests
pytestmark = [on_sqlite, pytest.mark.xdist_group("browser")]
PHONE, DESK = {"width": 375, "height": 740}, {"width": 1280, "height": 900}
LONG = f"{'maximiliana' * 5}@{'quite-long' * 5}.example"  # shown in full to whom it belongs
PICTURES = os.environ.get("READER_PICTURES")  # a folder, for a look at them
SUBMIT = "main form button[type=submit] >> nth=0"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
FOCUS = """() => { const e = document.activeElement, s = getComputedStyle(e);
  return [e.id || e.name || e.tagName, s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2] }"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def app(settings: Settings) -> Iterator[App]:
    """One whose form may be filled in as fast as a program does."""
    app = App(settings.model_copy(update={"sign_up": SignUpSettings(form_seconds=0)}), SHARED)
    yield app
    app.database.dispose()


@pytest.fixture
def site(app: App) -> Iterator[httpx.Client]:
    publish_edition(app.database, ON_PAGES)
    with served(app) as client:
        yield client


@contextmanager
def _opened(chromium: Browser, **options: Any) -> Iterator[Page]:
    """A page of its own; what the browser complains of, such as a breach of the policy, fails the test."""
    context: BrowserContext = chromium.new_context(**options)
    page, said = context.new_page(), list[str]()
    page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
    yield page
    context.close()
    assert [line for line in said if "status of 4" not in line] == []


def _answered(app: App, address: str = "bob@example.org") -> str:
    """The path of the link in the confirmation mail."""
    signup.answer(app.database, app.settings.sign_up, app.now())
    found = find(app.database, address)
    assert found and found.state is SubscriptionState.PENDING
    return f"/c/{tokens.confirm(app.settings.keys, found.id, app.now())}"


@pytest.mark.parametrize(
    ("size", "script"), [(PHONE, False), (DESK, False), (DESK, True)], ids=["phone", "desk", "desk with JavaScript"]
)
def test_without_javascript_and_with_it_from_signing_up_to_leaving_and_back(
    app: App, site: httpx.Client, chromium: Browser, size: Any, script: bool
) -> None:
    with _opened(chromium, viewport=size, java_script_enabled=script) as page:
        base = str(site.base_url)
        page.goto(f"{base}/s/morning")
        page.fill("#address", "bob@example.org")
        page.get_by_label("Railways").uncheck()
        page.click(SUBMIT)
        assert "Look into your mailbox" in page.inner_text("h1")
        page.goto(base + _answered(app))
        page.click(SUBMIT)
        page.click("main a")
        page.get_by_label("Railways", exact=True).check()
        page.fill("[name=place_rail]", "1")
        page.fill("[name=place_sea]", "2")
        page.get_by_label("Every week").check()
        page.select_option("#hour", "7")
        page.get_by_label("Sunday").uncheck()
        page.click(SUBMIT)
        assert "next mail" in page.get_by_role("status").inner_text()
        found = find(app.database, "bob@example.org")
        assert found and found.choice == Choice("weekly", ("rail", "sea"), 7, 0b0111111)
        assert page.locator("[name=sections]").first.get_attribute("value") == "rail"
        page.get_by_role("button", name="Unsubscribe").first.click()
        assert "You are unsubscribed" in page.inner_text("h1")
        page.get_by_role("button", name="undo").click()
        assert "subscribed again" in page.inner_text("h1")
        found = find(app.database, "bob@example.org")
        assert found and found.state is SubscriptionState.ACTIVE


def test_by_keyboard_alone(app: App, site: httpx.Client, chromium: Browser) -> None:
    with _opened(chromium, viewport=DESK) as page:
        page.goto(f"{site.base_url}/s/morning")
        seen = []
        for _ in range(30):
            page.keyboard.press("Tab")
            name, visible = page.evaluate(FOCUS)
            assert visible, f"where the focus is can be seen: {name}"
            seen.append(name)
            if name == "address":
                page.keyboard.type("bob@example.org")
            elif name == "sections" and seen.count("sections") == 1:
                page.keyboard.press("Space")
            elif name == "BUTTON":
                page.keyboard.press("Enter")
                break
        assert seen[0] == "address" and "website" not in seen, "the trap is not on the way"
        page.wait_for_selector("[role=status]")
        page.goto(str(site.base_url) + _answered(app))
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_selector("main a")
        found = find(app.database, "bob@example.org")
        assert found and (found.state, found.choice.sections) == (SubscriptionState.ACTIVE, ("rail",))
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_selector("#hour")


def test_the_browser_guesses_the_time_zone_and_the_reader_corrects_it(
    app: App, site: httpx.Client, chromium: Browser
) -> None:
    with _opened(chromium, viewport=PHONE, timezone_id="Asia/Kolkata") as page:
        page.goto(f"{site.base_url}/s/morning")
        assert page.input_value("#time_zone") in {"Asia/Kolkata", "Asia/Calcutta"}
        page.fill("#time_zone", "America/Lima")
        page.fill("#address", "bob@example.org")
        page.click(SUBMIT)
        _answered(app)
        found = find(app.database, "bob@example.org")
        assert found and found.person.time_zone == "America/Lima"


@pytest.fixture
def pages(app: App, site: httpx.Client, token: str, evening: Any) -> dict[str, tuple[str, bool]]:
    """Every page there is, as (path, whether its first form is to be sent)."""
    put_issue(app)
    found = find(app.database)
    assert found
    with app.database.write() as connection:
        row = {"issue_id": 7, "subscription_id": found.id, "batch": 0, "state": "accepted", "attempts": 1}
        connection.execute(schema.deliveries.insert().values(row))
    keys = app.settings.keys
    site.post("/s/morning", data={"address": "bob@example.org"})
    confirm = _answered(app)
    links = {}
    for kind in (ErrandKind.MOVE, ErrandKind.DATA, ErrandKind.ERASE):
        errands.ask(app.database, kind, found.id, NOW, LONG if kind is ErrandKind.MOVE else "")
    with app.database.read() as connection:
        for row_ in connection.execute(schema.errands.select()):
            links[row_.kind] = f"/e/{tokens.errand(keys, row_.id, row_.asked_at)}"
    return {
        "sign up": ("/s/morning", False),
        "sign up, wrong": ("/s/morning", True),
        "confirm": (confirm, False),
        "welcome": (confirm, True),
        "preferences": (f"/p/{token}", False),
        "saved": (f"/p/{token}", True),
        "sent": (f"/p/{token}/sent", False),
        **{f"errand {kind}": (link, False) for kind, link in links.items()},
        "leave": (f"/u/{token}", False),
        "left": (f"/u/{token}", True),
        "nothing here": ("/nowhere", False),
    }


@pytest.mark.parametrize(
    ("size", "scheme"), [(PHONE, "light"), (DESK, "dark"), ({"width": 320, "height": 700}, "dark")], ids=str
)
def test_axe_finds_nothing_serious_and_nothing_sticks_out(
    site: httpx.Client, chromium: Browser, pages: dict[str, tuple[str, bool]], size: Any, scheme: Any
) -> None:
    with _opened(chromium, viewport=size, color_scheme=scheme, reduced_motion="reduce") as page:
        for name, (path, sent) in pages.items():
            page.goto(f"{site.base_url}{path}")
            if sent:
                page.evaluate("document.querySelector('main form').noValidate = true")
                with page.expect_navigation():
                    page.click(SUBMIT)
            if PICTURES:
                page.screenshot(path=Path(PICTURES) / f"{name}-{size['width']}-{scheme}.png", full_page=True)
            assert page.evaluate(OVERFLOW) <= 0, name
            found = Axe().run(page).response["violations"]
            bad = [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]
            assert bad == [], (name, "not one violation, serious or not")
