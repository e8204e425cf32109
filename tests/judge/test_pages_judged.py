"""The web pages of readers, in every language there are words for: other people's programs judge them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from digest import addresses, tokens
from digest.app import App
from digest.archive import public
from digest.dates import direction
from digest.flows.audience_import import import_subscribers
from digest.states import IssueState
from digest.store import archive, editions, schema, subscribers
from digest.tables import read_csv
from digest.values import Edition, Issue

from ..conftest import NOW
from ..test_web import on_sqlite, site
from . import nu
from .browser import Browser
from .mails import LANGUAGES, THEMES, Case, compiled, edition
from .report import note
from .views import CONTRAST, SCHEMES, WIDTHS, ask, axe, show

pytestmark = [pytest.mark.judge, on_sqlite]
__all__ = ["site"]  # a fixture of the pages' own tests


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def pages(app: App, site: httpx.Client, language: str) -> dict[str, str]:
    """Every page a reader can come to, by what it is."""
    publication = replace(edition(Case(THEMES[0], language)), name="post", cadences=("daily", "weekly"), public=True)
    with app.database.write() as connection:
        editions.save(connection, publication, NOW)
    import_subscribers(app.database, "post", read_csv(["address,name", "ann@example.org,Ann"]), NOW, source="test")
    with app.database.read() as connection:
        (found,) = subscribers.of_address(connection, addresses.key("ann@example.org"))
    token = tokens.reader(app.settings.keys, 7, found.id)
    _archived(app, publication, language)
    made = {
        "newsletters": site.get("/"),
        "archive": site.get("/a/post"),
        "archive, found": site.get("/a/post?q=a"),
        "archive, nothing found": site.get("/a/post?q=zzzz"),
        "archived issue": site.get(f"/a/post/{NOW.date()}"),
        "sign-up in a frame": site.get("/s/post/embed"),
        "sign-up": site.get("/s/post"),
        "sign-up with a fault": site.post("/s/post", data={"address": "no address", "name": "Ann"}),
        "look into your mailbox": site.post("/s/post", data={"address": "bob@example.org", "website": "trap"}),
        "preferences": site.get(f"/p/{token}"),
        "preferences saved": site.post(f"/p/{token}", data={"cadence": "weekly", "name": "Ann"}),
        "unsubscribe": site.get(f"/u/{token}"),
    }
    with app.database.write() as connection:
        connection.execute(update(schema.subscriptions).values(state="pending"))
    confirm = f"/c/{tokens.confirm(app.settings.keys, found.id, app.now())}"
    made |= {"confirm": site.get(confirm), "confirmed": site.post(confirm), "unsubscribed": site.post(f"/u/{token}")}
    made["no such page"] = site.get("/nowhere")
    assert all(page.status_code < 500 and "<h1" in page.text for page in made.values())
    return {f"{language} {name}": page.text for name, page in made.items()}


def _archived(app: App, publication: Edition, language: str) -> None:
    """An issue of the publication that went out."""
    content = replace(compiled(Case(THEMES[0], language), "usual").content, edition=publication, slot=NOW)
    with app.database.write() as connection:
        edition_id = editions.get_id(connection, "post")
        issue = Issue(8, edition_id, "post", "daily", NOW, IssueState.SENT, "", NOW)
        archive.put(connection, issue, public(content), NOW)


def test_they_fit_every_screen_and_every_text_stands_out(browser: Browser, pages: dict[str, str]) -> None:
    for name, page in pages.items():
        show(browser, page)
        judged, worst = 0, (99.0, "")
        for width in WIDTHS:
            for scheme in SCHEMES:
                browser.look(width, scheme)
                seen, sticking = ask(browser, "contrast"), ask(browser, "overflow")
                assert sticking["pixels"] <= 0, (name, width, sticking)
                assert seen["worst"][0] >= CONTRAST, (name, width, scheme, seen["worst"])
                assert ask(browser, "collisions") == [], (name, width)
                judged, worst = judged + seen["judged"], min(worst, tuple(seen["worst"]))
        assert browser.refused == [], f"{name} asks for nothing from elsewhere"
        note("contrast of texts on pages", name, judged, worst[0], f">= {CONTRAST}")


def test_text_twice_as_large_is_not_cut_off(browser: Browser, pages: dict[str, str]) -> None:
    for name, page in pages.items():
        for width in (375, 800):
            show(browser, page, width)
            ask(browser, "enlarge")
            assert ask(browser, "clipped") == ask(browser, "collisions") == [], (name, width)
            assert ask(browser, "overflow")["pixels"] <= 0, (name, width, ask(browser, "overflow"))
        note("pages with text at 200 %, cut off", name, 1, 0, "<= 0")


def test_axe_finds_nothing_serious(browser: Browser, pages: dict[str, str]) -> None:
    for name, page in pages.items():
        show(browser, page)
        rules, faults = axe(browser)
        assert faults == [], name
        assert ask(browser, "unnamed") == ask(browser, "astray") == [], name
        note("axe on pages, serious or critical", name, rules, 0, "<= 0")


def test_they_speak_their_language_in_its_direction(browser: Browser, pages: dict[str, str], language: str) -> None:
    for name, page in pages.items():
        if "no such" in name:
            continue  # nobody knows whose page it was to be
        show(browser, page)
        said = browser.evaluate("[document.documentElement.lang.split('-')[0], document.documentElement.dir]")
        assert said == [language, direction(language)], name


def test_the_html_checker_finds_no_error(pages: dict[str, str], tmp_path: Path) -> None:
    for name, told in nu.errors(pages, tmp_path).items():
        assert told == [], name
        note("Nu HTML checker, errors in pages", name, 1, 0, "<= 0")
