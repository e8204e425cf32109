"""Mails before the browser, as a reader's program shows them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.judge.browser import Answer, Browser
from tests.judge.mails import LOST, PICTURES
from tests.judge.scenes import picture
from tests.judge.tools import module

WIDTHS = (320, 375, 640, 800)
SCHEMES = ("light", "dark")
CONTRAST = 4.5
_PROBES = (Path(__file__).parent / "probes.js").read_text(encoding="utf-8")
_HOST = "https://mail.example.org/"


def show(browser: Browser, page: str, width: int = 375, scheme: str = "light", pictures: bool = True) -> None:
    """Open ``page``. It may ask for its pictures and for nothing else."""
    _open(browser, {"mail": page}, width, scheme, pictures)


def side_by_side(browser: Browser, one: str, other: str, width: int, scheme: str) -> None:
    """Open two pages in frames of the same ``width``."""
    frames = "".join(f'<iframe src="{place}" width="{width}" height="9000"></iframe>' for place in ("one", "other"))
    _open(browser, {"mail": frames, "one": one, "other": other}, 2 * width + 100, scheme, pictures=True)


def _open(browser: Browser, pages: Mapping[str, str], width: int, scheme: str, pictures: bool) -> None:
    def answer(url: str) -> Answer | None:
        page = pages.get(url.removeprefix(_HOST))
        if page is not None:
            return "text/html; charset=utf-8", page.encode()
        drawn = url.removeprefix(PICTURES).removesuffix(".svg")
        known = pictures and url.startswith(PICTURES) and drawn != LOST
        return ("image/svg+xml", picture(drawn)) if known else None

    browser.answers = answer
    browser.look(width, scheme)
    browser.open(f"{_HOST}mail")
    browser.evaluate(_PROBES.replace("const probes", "globalThis.probes", 1))


def ask(browser: Browser, question: str) -> Any:
    """What a probe says about the page that is open."""
    return browser.evaluate(f"probes.{question}()")


def axe(browser: Browser) -> tuple[int, list[str]]:
    """How many of axe's rules found something to look at, and the serious and critical faults they found: all rules in
    the light, those of colours in the dark too."""
    browser.evaluate(module("axe-core", "axe.min.js").read_text(encoding="utf-8") + ";0")
    judged, faults = 0, list[str]()
    for scheme, rules in (("light", "{}"), ("dark", "{runOnly: ['color-contrast']}")):
        browser.look(375, scheme)
        found = browser.evaluate(
            f"axe.run(document, {{resultTypes: ['violations'], ...{rules}}}).then(({{passes, violations}}) => ({{"
            "judged: passes.length + violations.length, faults: violations"
            ".filter(v => ['serious', 'critical'].includes(v.impact))"
            ".map(v => `${v.id}: ${v.nodes[0].html.slice(0, 160)} (${v.nodes.length})`)}))"
        )
        judged += found["judged"]
        faults += [f"{scheme}: {fault}" for fault in found["faults"]]
    return judged, faults
