"""Every mail of the matrix in Chromium: it can be read on each screen, light and dark, with pictures and without."""

from __future__ import annotations

import re

import pytest

from tests.judge.browser import Browser
from tests.judge.mails import CASES, DAYS, LOST, THEMES, Case, Mail, confirmation, inlining, mail
from tests.judge.report import note
from tests.judge.views import CONTRAST, SCHEMES, WIDTHS, ask, axe, show, side_by_side

pytestmark = pytest.mark.judge
every = pytest.mark.parametrize("case", CASES, ids=str)


@every
@pytest.mark.parametrize("day", DAYS)
def test_it_fits_every_screen_and_every_text_stands_out(browser: Browser, case: Case, day: str) -> None:
    read = mail(case, day)
    show(browser, read.html)
    judged, worst, wide = 0, (99.0, ""), 0
    for width in WIDTHS:
        for scheme in SCHEMES:
            browser.look(width, scheme)
            seen, sticking = ask(browser, "contrast"), ask(browser, "overflow")
            assert sticking["pixels"] <= 0, (width, sticking)
            assert seen["worst"][0] >= CONTRAST, (width, scheme, seen["worst"])
            assert ask(browser, "collisions") == [], width
            judged, worst = judged + seen["judged"], min(worst, tuple(seen["worst"]))
            wide = max(wide, sticking["pixels"])
    assert [url for url in browser.refused if LOST not in url] == [], "it asks for its pictures only"
    note("contrast of texts, light and dark", read.name, judged, worst[0], f">= {CONTRAST}")
    note("pixels that stick out at 320 to 800", read.name, len(WIDTHS) * len(SCHEMES), wide, "<= 0")


@every
@pytest.mark.parametrize("day", DAYS)
def test_it_can_be_read_where_style_elements_are_dropped(browser: Browser, case: Case, day: str) -> None:
    read = mail(case, day)
    show(browser, re.sub(r"<style.*?</style>", "", read.html, flags=re.DOTALL))
    judged, worst = 0, (99.0, "")
    for width in (375, 640, 800):
        browser.look(width, "light")
        seen, sticking = ask(browser, "contrast"), ask(browser, "overflow")
        assert sticking["pixels"] <= 0, (width, sticking)
        assert seen["worst"][0] >= CONTRAST, (width, seen["worst"])
        judged, worst = judged + seen["judged"], min(worst, tuple(seen["worst"]))
    note("contrast of texts without style elements", read.name, judged, worst[0], f">= {CONTRAST}")


@every
@pytest.mark.parametrize("day", DAYS)
def test_without_pictures_words_stand_in_their_place(browser: Browser, case: Case, day: str) -> None:
    read = mail(case, day)
    show(browser, read.html, pictures=False)
    for scheme in SCHEMES:
        for width in (320, 800):
            browser.look(width, scheme)
            assert ask(browser, "holes") == [], (width, scheme)
            assert ask(browser, "overflow")["pixels"] <= 0, (width, scheme)
    note("holes with pictures off", read.name, browser.evaluate("document.images.length"), 0, "<= 0")


@every
@pytest.mark.parametrize("day", DAYS)
def test_text_twice_as_large_is_not_cut_off(browser: Browser, case: Case, day: str) -> None:
    read = mail(case, day)
    for width in (375, 800):
        show(browser, read.html, width)
        ask(browser, "enlarge")
        assert ask(browser, "clipped") == [], width
        assert ask(browser, "collisions") == [], width
        assert ask(browser, "overflow")["pixels"] <= 0, (width, ask(browser, "overflow"))
    note("texts cut off at 200 %", read.name, ask(browser, "contrast")["judged"], 0, "<= 0")


@every
def test_axe_finds_nothing_serious(browser: Browser, case: Case) -> None:
    for read in (mail(case, "usual"), mail(case, "hard"), confirmation(case)):
        show(browser, read.html)
        rules, faults = axe(browser)
        assert faults == [], read.name
        note("axe, serious or critical", read.name, rules, 0, "<= 0")


@pytest.mark.parametrize("theme", THEMES)
def test_right_to_left_is_the_mirror_image(browser: Browser, theme: str) -> None:
    english, arabic = Case(theme, "en"), Case(theme, "ar")
    there, back = _places(browser, mail(english, "usual", "ar")), _places(browser, mail(english, "usual"))
    assert there == back
    for read in (mail(arabic, "usual"), mail(arabic, "hard"), confirmation(arabic)):
        show(browser, read.html)
        assert ask(browser, "astray") == [], read.name
    note("pictures not mirrored in Arabic", str(arabic), len(there), 0, "<= 0")


def _places(browser: Browser, read: Mail) -> list[int]:
    show(browser, read.html, 800)
    return list(ask(browser, "places"))


@pytest.mark.parametrize("case", [Case(theme, language) for theme in THEMES for language in ("en", "ar")], ids=str)
def test_inlining_changes_no_style_of_any_element(browser: Browser, case: Case) -> None:
    (before, after), judged = inlining(case), 0
    for width in (375, 800):
        for scheme in SCHEMES:
            side_by_side(browser, before, after, width, scheme)
            seen = ask(browser, "differences")
            assert seen["found"] == [], (width, scheme)
            judged += seen["judged"]
    assert judged > 500
    note("elements whose styles inlining changed", str(case), judged, 0, "<= 0")
