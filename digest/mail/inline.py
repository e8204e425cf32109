"""Styles from a page's style sheet into the style attributes that mail clients read. All that calls premailer is here,
for it has traps:

- braces in an address are rewritten (``{{ token }}`` becomes ``{{%20token%20}}``): slots are written otherwise;
- a linked style sheet is fetched unless ``allow_network`` is off, and what a sheet imports even then;
- ``:not()`` and ``:nth-child()`` are not inlined: such rules stay in a style element, which some clients drop;
- the attributes ``width`` and ``height`` are overwritten by the style, with ``auto`` too;
- ``!important`` is stripped, and media queries then lose to what was inlined.

A sheet is read once and not for every issue again."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import cssutils
from lxml import etree
from premailer import Premailer

from digest.errors import InputError

_STYLE_MOST = 8_000
_OPTIONS = {
    "allow_network": False,
    "strip_important": False,
    "disable_validation": True,
    "align_floating_images": False,
    "disable_basic_attributes": ["width", "height", "align", "valign", "bgcolor"],
}
_ONE_CLASS = re.compile(r"\.[\w-]+")
_CLASSES = re.compile(r"[\w-]+(?: [\w-]+)*")

_Rule = tuple[tuple[int, ...], str, str]  # specificity, selector, declarations

cssutils.log.setLevel(logging.CRITICAL)  # it warns of every property newer than CSS 2


def inlined(html: str) -> str:
    """``html`` with its style sheet moved into style attributes, never over the network. A style element marked
    ``data-premailer="ignore"`` (media queries) stays. Attributes stand as the template has them: premailer would
    write ``height="auto"``."""
    document = etree.HTML(html, etree.HTMLParser(huge_tree=True, encoding="utf-8"))
    if any(link.get("rel", "").lower() == "stylesheet" for link in document.iter("link")):
        raise InputError("a template links a style sheet", "mail clients load none: put it into own.css.j2")
    _Inliner(document, **_OPTIONS).transform()
    kept = sum(len(style.text or "") for style in document.iter("style"))
    if kept > _STYLE_MOST:
        raise InputError(f"the templates keep {kept} bytes of <style>", f"mail clients drop more than {_STYLE_MOST}")
    return "<!DOCTYPE html>\n" + etree.tostring(document, method="html", encoding="unicode")


class _Reader(Premailer):  # type: ignore[misc]
    """premailer, which heeds ``allow_network`` for links only: its CSS parser would fetch every ``@import``."""

    def _parse_css_string(self, css_body: str, validate: bool = True) -> cssutils.css.CSSStyleSheet:
        return cssutils.CSSParser(fetcher=lambda _url: None).parseString(css_body, validate=validate)


@lru_cache(maxsize=8)
def _read(css: str, place: int) -> tuple[list[_Rule], list[Any]]:
    """The rules of a page's style sheet number ``place``, and what can't be inlined. Reading takes longer than all the
    rest of an issue, and the sheet of an edition is the same every day."""
    rules, leftover = _Reader("", **_OPTIONS)._parse_style_rules(css, place)
    return rules, leftover


class _Inliner(Premailer):  # type: ignore[misc]
    """premailer with style sheets read before, and their classes looked up the fast way."""

    def _parse_style_rules(self, css_body: str, ruleset_index: int) -> tuple[list[_Rule], list[Any]]:
        rules, leftover = _read(css_body, ruleset_index)
        return _narrowed(rules, self.html), leftover


def _narrowed(rules: Iterable[_Rule], document: etree._Element) -> list[_Rule]:
    """``rules``, each selector that is one class written as the class attributes of ``document`` that hold it: to
    compare an attribute takes XPath half the time of looking for a word in it. What no element has is left out."""
    holding: dict[str, list[str]] = {}
    for value in dict.fromkeys(element.get("class", "") for element in document.iter(etree.Element)):
        for name in dict.fromkeys(value.split()):
            holding.setdefault(name, []).append(value)
    narrowed = []
    for specificity, selector, declarations in rules:
        if _ONE_CLASS.fullmatch(selector):
            values = holding.get(selector[1:], [])
            if all(map(_CLASSES.fullmatch, values)):
                selector = ",".join(f'[class="{value}"]' for value in values)
        if selector:
            narrowed.append((specificity, selector, declarations))
    return narrowed
