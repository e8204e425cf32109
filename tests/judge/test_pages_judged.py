"""The web pages of readers, in every language there are words for: other people's programs judge them."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from digest.app import App
from digest.language.dates import direction
from tests.conftest import on_sqlite
from tests.judge import nu
from tests.judge.browser import Browser
from tests.judge.mails import LANGUAGES
from tests.judge.pages import every_page
from tests.judge.report import note
from tests.judge.views import CONTRAST, SCHEMES, WIDTHS, ask, axe, show
from tests.support.morning import site

pytestmark = [pytest.mark.judge, on_sqlite]
__all__ = ["site"]  # a fixture of the pages' own tests


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def pages(app: App, site: httpx.Client, language: str) -> dict[str, str]:
    return {f"{language} {name}": page for name, page in every_page(app, site, language).items()}


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
