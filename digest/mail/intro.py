"""An editor's words above the news: CommonMark, as HTML for a mail and as its text part.

HTML in them is shown as it was typed, not obeyed. Pictures are left out: a mail's pictures come with its stories.
"""

from __future__ import annotations

from collections.abc import Sequence

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).disable(["image", "html_block", "html_inline"])
_TAGS = {"p", "br", "a", "em", "strong", "ul", "ol", "li", "blockquote", "h3", "code", "hr"}
_SCHEMES = {"http", "https", "mailto"}
_QUOTED = "> "
_MARKS = {"bullet_list_open": "- ", "ordered_list_open": "{number}. ", "blockquote_open": _QUOTED}


def as_html(markdown: str) -> str:
    """``markdown`` as sanitised HTML: paragraphs, lists, quotations, small headings, emphasis, links."""
    tokens = _MARKDOWN.parse(markdown)
    for token in tokens:
        if token.type.startswith("heading_"):
            token.tag = "h3"
    rendered = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
    attributes = {"a": {"href"}, "ol": {"start"}}
    cleaned = nh3.clean(rendered, tags=_TAGS, attributes=attributes, url_schemes=_SCHEMES, link_rel=None)
    return cleaned.strip()


def as_text(markdown: str) -> str:
    """``markdown`` as plain text: a link's address follows its words, lists and quotations keep their marks, and items
    stand line by line unless blank lines part them there."""
    said = ""
    tight = begun = False  # the list at hand: whether its items stand line by line; whether one is written
    marks: list[str] = []  # of the lists and quotations that are open
    leads: list[str] = []  # what begins the next line, from outside in
    for token in _MARKDOWN.parse(markdown):
        if token.type in _MARKS:
            begun = begun and bool(marks)
            marks.append(_MARKS[token.type])
        if token.type in {"list_item_open", "blockquote_open"}:
            leads.append(marks[-1].format(number=token.info))
        elif token.type in {"list_item_close", "blockquote_close"}:
            leads.pop()
        elif token.type == "paragraph_open":
            tight = token.hidden
        elif token.type in {"inline", "fence", "code_block"}:
            words = _words(token.children) if token.children else token.content.rstrip()
            then = [lead if lead == _QUOTED else " " * len(lead) for lead in leads]
            between = "" if not said else "\n" if tight and begun else "\n\n"
            said += between + "".join(leads) + words.replace("\n", "\n" + "".join(then))
            leads, begun = then, bool(marks)
        if token.type in {"bullet_list_close", "ordered_list_close", "blockquote_close"}:
            marks.pop()
    return said


def _words(tokens: Sequence[Token]) -> str:
    begun, address = 0, ""
    said: list[str] = []
    for token in tokens:
        if token.type == "link_open":
            begun, address = len(said), str(token.attrs.get("href", ""))
        elif token.type == "link_close":
            words = "".join(said[begun:])
            said[begun:] = [words if address.removeprefix("mailto:") == words else f"{words} ({address})"]
        elif token.type in {"softbreak", "hardbreak"}:
            said.append(" " if token.type == "softbreak" else "\n")
        else:
            said.append(token.content)
    return "".join(said)
