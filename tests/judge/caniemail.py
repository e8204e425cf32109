"""What of HTML and CSS a mail uses, held against caniemail.com's tables (npm: caniemail) of what mail programs know.

What a program does not know must do no harm; ``caniemail.toml`` says of each why. A feature that is not in it, or a
program that is not named there, is a new risk.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import cssutils
from lxml import etree

from tests.judge.tools import module

BASELINE = Path(__file__).with_suffix(".toml")
# The programs we answer for, by their names in the tables. Microsoft has withdrawn its `windows-mail`.
_PROGRAMS = {
    "Apple Mail": ("apple-mail.macos", "apple-mail.ios"),
    "Gmail": ("gmail.desktop-webmail", "gmail.ios", "gmail.android", "gmail.mobile-webmail"),
    "Outlook (Word)": ("outlook.windows",),
    "Outlook": ("outlook.outlook-com", "outlook.macos", "outlook.ios", "outlook.android"),
    "Yahoo": ("yahoo.desktop-webmail", "yahoo.ios", "yahoo.android"),
}
# Older than the tables, and known everywhere.
_PLAIN = {
    *(
        "html",
        "head",
        "title",
        "meta",
        "a",
        "b",
        "i",
        "em",
        "br",
        "tr",
        "td",
        "th",
        "tbody",
        "href",
        "src",
        "alt",
        "class",
    ),
    *("name", "content", "charset", "border", "bgcolor", "colspan", "color", "font-family", "font-style"),
}
_WIDER = {  # a longhand the tables have only the shorthand of, and other names
    **{f"h{n}": "h1-h6" for n in range(1, 7)},
    **dict.fromkeys(("ul", "ol", "dl", "li", "dt", "dd"), "lists"),
    **dict.fromkeys(("article", "aside", "figure", "footer", "header", "main", "nav", "section", "time"), "semantics"),
    **dict.fromkeys(("left", "right", "top", "bottom"), "left-right-top-bottom"),
    **{f"{box}-{side}": box for box in ("margin", "padding", "border") for side in ("top", "right", "bottom", "left")},
    **{f"border-{side}-color": "border" for side in ("top", "right", "bottom", "left")},
    "border-color": "border",
}
_UNITS = re.compile(r"(?<![\w#-])-?(?:\d+|\d*\.\d+)(px|em|rem|ex|ch|cm|mm|in|pc|pt|vh|vw|vmin|vmax|%)(?![\w])")
_FUNCTIONS = {
    "calc": "unit-calc",
    "var": "variables",
    "min": "function-min",
    "max": "function-max",
    "clamp": "function-clamp",
}
_COMBINED = {
    ">": "child",
    "+": "adjacent-sibling",
    "~": "general-sibling",
    "*": "universal",
    "[": "attribute",
    "#": "id",
}

Doubts = dict[str, dict[str, str]]  # feature -> program -> "not" or "partly"


@dataclass(frozen=True)
class Baseline:
    """The doubts we live with."""

    _known: Mapping[str, Mapping[str, Any]]

    @classmethod
    def load(cls) -> Self:
        known = tomllib.loads(BASELINE.read_text(encoding="utf-8"))
        assert all(entry["why"] for entry in known.values())
        return cls(known)

    @property
    def features(self) -> set[str]:
        return set(self._known)

    def unknown(self, found: Doubts) -> list[str]:
        """What of ``found`` the baseline does not name, or not as badly."""
        return [
            f"{feature}: {program} {how}"
            for feature, programs in found.items()
            for program, how in programs.items()
            if program not in self._known.get(feature, {}).get("not", [])
            and (how == "not" or program not in self._known.get(feature, {}).get("partly", []))
        ]


def doubtful(html: str) -> Doubts:
    """What ``html`` uses that some program does not know, or not wholly, or that the tables say nothing about."""
    tables, found = _tables(), defaultdict[str, dict[str, str]](dict)
    for feature in features(html):
        if feature not in tables:
            found[feature] = dict.fromkeys(_PROGRAMS, "not")
            continue
        for program, places in _PROGRAMS.items():
            support = {tables[feature].get(place, "n")[0] for place in places}
            if support - {"y"}:
                found[feature][program] = "not" if support & {"n", "u"} else "partly"
    return found


def features(html: str) -> set[str]:
    """The features ``html`` uses, as the tables call them; those they do not have, by their own names."""
    document = etree.HTML(html.encode(), etree.HTMLParser(encoding="utf-8"))
    used = {"html-doctype"} if html.lstrip().lower().startswith("<!doctype html>") else set()
    for element in document.iter(etree.Element):
        tag = str(element.tag)
        used |= {_named("html", tag), *(_named("html", str(name)) for name in element.attrib if name != "style")}
        used |= _declared(element.get("style", ""))
        if tag == "a" and element.get("href", "").startswith(("#", "mailto:")):
            used.add("html-anchor-links" if element.get("href", "").startswith("#") else "html-mailto-links")
        if tag == "meta" and element.get("name") == "color-scheme":
            used.add("html-meta-color-scheme")
        if tag == "style":
            used |= _of_rules(
                cssutils.CSSParser(fetcher=lambda _url: None).parseString(element.text or "", validate=False)
            )
    if next(document.iter(etree.Comment), None) is not None:
        used.add("html-comments")
    return used - {""}


def _of_rules(sheet: Any) -> set[str]:
    used = set[str]()
    for rule in sheet:
        if rule.type == rule.STYLE_RULE:
            used |= _declared(rule.style.cssText)
            for selector in rule.selectorList:
                used |= set(_selected(selector.selectorText))
            used |= {"css-selector-grouping"} if len(rule.selectorList) > 1 else set()
        elif rule.type == rule.MEDIA_RULE:
            said = re.findall(r"prefers-color-scheme|prefers-reduced-motion|hover|orientation", rule.media.mediaText)
            used |= {"css-at-media", *(f"css-at-media-{name}" for name in said)} | _of_rules(rule)
        elif rule.type != rule.COMMENT:
            used.add(f"css-{rule.atkeyword.replace('@', 'at-')}")
    return used


def _selected(selector: str) -> Iterator[str]:
    for pseudo in re.findall(r"::?[a-z-]+", selector):
        yield f"css-pseudo-{'element' if pseudo.startswith('::') else 'class'}-{pseudo.strip(':')}"
    plain = re.sub(r"::?[a-z-]+(\([^)]*\))?", "", selector)
    yield from (f"css-selector-{name}" for sign, name in _COMBINED.items() if sign in plain)
    parts = [part for part in re.split(r"[\s>+~]+", plain) if part]
    for part in parts:
        if part[0].isalpha():
            yield "css-selector-type"
        if "." in part:
            yield "css-selector-class"
        if part.count(".") > 1:
            yield "css-selector-chaining"
    if len(parts) > 1 and not set(">+~") & set(plain):
        yield "css-selector-descendant"


@lru_cache(maxsize=4096)
def _declared(style: str) -> frozenset[str]:
    used = set[str]()
    for found in cssutils.parseStyle(style, validate=False).getProperties(all=True) if style else ():
        name, value = found.name, found.value
        used.add(_named("css", name))
        if f"css-{name}-{value}" in _tables():  # display:none and the like
            used.add(f"css-{name}-{value}")
        used |= {f"css-unit-{'percent' if unit == '%' else unit}" for unit in _UNITS.findall(value)}
        used |= {f"css-{_FUNCTIONS.get(function, function)}" for function in re.findall(r"([a-z-]+)\(", value)}
        used |= {"css-important"} if found.priority else set()
    return frozenset(used)


def _named(kind: str, name: str) -> str:
    """``name`` as the tables call it, as it is where they do not have it; empty for what needs no table."""
    if name in _PLAIN or name.startswith("mso-"):
        return ""
    return f"{kind}-{_WIDER.get(name, name)}"


@lru_cache(maxsize=1)
def _tables() -> dict[str, dict[str, str]]:
    """Per feature and program what its newest version does: ``y``es, ``n``o, partly (``a``) or unknown (``u``)."""
    read = json.loads(module("caniemail", "data", "caniemail.json").read_text(encoding="utf-8"))
    return {
        feature["slug"]: {
            f"{family}.{platform}": list(versions.values())[-1]
            for family, platforms in feature["stats"].items()
            for platform, versions in platforms.items()
        }
        for feature in read["data"]
    }
