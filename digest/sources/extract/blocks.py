"""A page as blocks of running text: where its headline is, where its article is, what stands after the one in the
other. Menus, asides, forms and footers are left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lxml.html import HtmlElement

from digest.sources.extract.said import text_of

PARAGRAPH = 60  # characters that make a block of text a paragraph
_BLOCK_NAMES = """
    address article blockquote dd div dl dt figcaption figure h1 h2 h3 h4 h5 h6 header li main ol p section table tbody
    td th tr ul
"""
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_OUTSIDE = frozenset(
    {"aside", "button", "footer", "form", "head", "nav", "noscript", "script", "select", "style", "svg", "template"}
)


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of running text and the element that shows it."""

    element: HtmlElement
    text: str


def headline(page: HtmlElement) -> HtmlElement | None:
    """The page's ``<h1>``: one inside an article if there are several."""
    found = [h1 for h1 in page.iter("h1") if text_of(h1)]
    inside = (h1 for h1 in found if any(a.tag in {"article", "main"} for a in h1.iterancestors()))
    return next(inside, found[0] if found else None)


def paragraphs(page: HtmlElement) -> list[str]:
    """The paragraphs of running text after the headline."""
    blocks = after_headline(page, headline(page))
    return [block.text for block in blocks if block.element.tag == "p" and len(block.text) >= PARAGRAPH]


def after_headline(page: HtmlElement, heading: HtmlElement | None) -> Iterator[Block]:
    """The blocks of text after the headline, in order, within the article if the page marks one."""
    started = heading is None
    for element in readable(scope(page, heading)):
        if element is heading:
            started = True
        elif started and element.tag in _BLOCKS:
            text = _own_text(element)
            if text:
                yield Block(element, text)


def scope(page: HtmlElement, heading: HtmlElement | None) -> HtmlElement:
    """The article around the headline, or the whole page if it marks none that holds text."""
    around = heading.iterancestors("article", "main") if heading is not None else page.iter("article", "main")
    return next((each for each in around if len(text_of(each)) > 5 * PARAGRAPH), page)


def readable(element: HtmlElement) -> Iterator[HtmlElement]:
    """An element and those in it that show an article's text, in the order of the page."""
    stack = [element]
    while stack:
        current = stack.pop()
        if isinstance(current.tag, str) and current.tag not in _OUTSIDE:
            yield current
            stack.extend(reversed(current))


def _own_text(element: HtmlElement) -> str:
    """The text of an element without that of the blocks in it."""
    parts = [element.text or ""]
    for child in element:
        if isinstance(child.tag, str) and child.tag not in _BLOCKS and child.tag not in _OUTSIDE:
            parts.append("".join(child.itertext()) if _is_phrase(child) else "")
        parts.append(child.tail or "")
    return " ".join("".join(parts).split())


def _is_phrase(element: HtmlElement) -> bool:
    return not any(inner.tag in _BLOCKS or inner.tag in _OUTSIDE for inner in element.iterdescendants())
