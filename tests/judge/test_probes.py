"""The probes find what they are there to find."""

from __future__ import annotations

import pytest

from tests.judge import caniemail
from tests.judge.browser import Browser
from tests.judge.views import ask, axe, show, side_by_side

pytestmark = pytest.mark.judge
PAGE = (
    '<!DOCTYPE html><html lang="en"><meta name="viewport" content="width=device-width"><title>Page</title>'
    '<body style="margin:0">{}</body></html>'
)
PALE = (
    '<p style="background:#777777"><span style="background:rgba(255,255,255,.5);color:#777777">Hard to read</span></p>'
)
CUT = '<div style="width:60px;height:20px;overflow:hidden;font-size:16px">Words</div>'
SHORE = '<p style="font-size:20px;height:20px;margin:0;line-height:20px">Over</p>'


@pytest.mark.parametrize(
    ("question", "body", "clean"),
    [
        ("overflow", '<div style="width:500px">Wide</div>', '<div style="width:300px">Narrow</div>'),
        (
            "holes",
            '<img src="x.png" width="300" height="200">',
            '<img src="x.png" alt="A ship" width="300" height="200">',
        ),
        ("holes", '<img src="x.png" alt="A ship" style="color:#eee">', '<img src="x.png" alt="" width="1" height="1">'),
        ("astray", '<p style="text-align:right">Text</p>', "<p>Text</p>"),
        ("collisions", f'{SHORE}<p style="margin:-16px 0 0">Under</p>', f"{SHORE}<p>Under</p>"),
        ("unnamed", '<input name="a">', '<label>A <input name="a"></label>'),
    ],
)
def test_a_probe_tells_bad_from_good(browser: Browser, question: str, body: str, clean: str) -> None:
    def found(of: str) -> bool:
        show(browser, PAGE.format(of), pictures=False)
        told = ask(browser, question)
        return told["pixels"] > 0 if question == "overflow" else bool(told)

    assert found(body)
    assert not found(clean)


def test_contrast_is_that_of_all_layers(browser: Browser) -> None:
    show(browser, PAGE.format(PALE))
    assert ask(browser, "contrast") == {"judged": 1, "worst": [pytest.approx(2.3, abs=0.1), "Hard to read"]}
    assert any("color-contrast" in fault for fault in axe(browser)[1])


def test_large_text_is_seen_to_be_cut_off(browser: Browser) -> None:
    show(browser, PAGE.format(CUT))
    assert ask(browser, "clipped") == []
    ask(browser, "enlarge")
    assert ask(browser, "clipped") == ["div. Words"]


def test_one_changed_style_is_found(browser: Browser) -> None:
    one, other = (PAGE.format(f'<p style="{style}">Text</p>') for style in ("margin:0", "margin:0 0 1px"))
    side_by_side(browser, one, other, 375, "light")
    assert "p. Text: margin-bottom 0px -> 1px" in ask(browser, "differences")["found"]


def test_features_are_found_wherever_they_hide() -> None:
    style = "@media (prefers-color-scheme: dark) { td > a:hover, .a.b { gap: calc(1rem + 2vw) } }"
    style += "@font-face { src: url(x) }"
    body = f'<style>{style}</style><div style="display:flex;margin-inline-start:1px">x</div><h2><a href="#x">y</a></h2>'
    used = caniemail.features(PAGE.format(body))
    assert used >= {
        *("css-at-media-prefers-color-scheme", "css-selector-child", "css-pseudo-class-hover", "css-selector-chaining"),
        *(
            "css-gap",
            "css-unit-calc",
            "css-unit-rem",
            "css-unit-vw",
            "css-at-font-face",
            "css-display-flex",
            "html-h1-h6",
        ),
        *("css-margin-inline-start", "html-anchor-links", "html-style", "html-lang", "html-doctype"),
    }
    assert {"css-gap", "css-margin-inline-start", "css-display-flex"} <= caniemail.doubtful(body).keys()
