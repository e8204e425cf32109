"""How large the parts of a feed or page may be. Looked at before a parser sees it, by searches that take time in
proportion to its length: what parsers do with many attributes, names or open elements grows with the square.

A feed of a large newspaper has some hundred entries, 20 attributes at an element and 10 namespaces, a page 5,000
elements.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from digest.errors import InputError
from digest.language import charsets

MAX_ENTRIES = 5000
MAX_ATTRIBUTES = 200  # of one element
MAX_ENTITIES = 300  # declared; HTML has 252
MAX_NAMESPACES = 100  # prefixes, of one document
MAX_DEPTH = 200
MAX_UNCLOSED = 1000
MAX_FEED_TAGS = 400_000  # those that open and those that close
MAX_PAGE_TAGS = 100_000
_ENTRY = re.compile(rb"<(?:[A-Za-z_][\w.-]{0,40}:)?(?:item|entry)[\s/>]", re.IGNORECASE)
_TAG = re.compile(rb"<(/?)([A-Za-z_][^\s<>/]*)([^<>]*)>")
_PREFIX = re.compile(rb"\bxmlns:([^\s=<>]{1,100})")
_ENTITY = re.compile(rb"<!ENTITY", re.IGNORECASE)
_NO_SUCH_FEED = "feeds have far less; it is not read"


def check_charsets(body: bytes, content_type: str, where: str) -> None:
    """Raise ``InputError`` if it names a character set that neither mail nor feeds use."""
    for name in charsets.declared_by(body, content_type):
        if charsets.is_refused(name):
            raise InputError(f"{where} is in the character set {name[:40]}", "only those of mail and the web are read")


def check_feed(body: bytes, where: str) -> None:
    """Raise ``InputError`` if an XML feed has more of something than any feed has."""
    _check("entries", len(_ENTRY.findall(body)), MAX_ENTRIES, where)
    _check("entities", len(_ENTITY.findall(body)), MAX_ENTITIES, where)
    _check("namespaces", len(set(_PREFIX.findall(body))), MAX_NAMESPACES, where)
    markup = _without_cdata(body)
    _check("tags", markup.count(b"<"), MAX_FEED_TAGS, where)
    _check_attributes(markup, where)
    _check_nesting(markup, where)


def check_page(page: bytes, where: str) -> None:
    """Raise ``InputError`` if an HTML page has more of something than any page has."""
    _check("tags", page.count(b"<"), MAX_PAGE_TAGS, where)
    _check_attributes(page, where)


def check_entries(count: int, where: str) -> None:
    """Raise ``InputError`` for more entries than a feed can have."""
    _check("entries", count, MAX_ENTRIES, where)


def _check(what: str, found: int, most: int, where: str) -> None:
    if found > most:
        raise InputError(f"{where} has {found} {what}, more than {most}", _NO_SUCH_FEED)


def _without_cdata(body: bytes) -> bytes:
    """Without CDATA sections, which hold text."""
    return b"".join(_outside(body)) if b"<![CDATA[" in body else body


def _outside(body: bytes) -> Iterator[bytes]:
    at = 0
    while (begin := body.find(b"<![CDATA[", at)) >= 0:
        yield body[at:begin]
        end = body.find(b"]]>", begin)
        if end < 0:
            return
        at = end + 3
    yield body[at:]


def _check_attributes(markup: bytes, where: str) -> None:
    """From one ``<`` to the next there is one tag at most; what stands behind it is text and rarely has many ``=``."""
    for piece in markup.split(b"<"):
        if len(piece) > 2 * MAX_ATTRIBUTES:  # or it has no room for more
            tag = piece if b">" not in piece else piece[: piece.rfind(b">")]
            if tag.count(b"=") > MAX_ATTRIBUTES and piece[:1].isalpha():
                _check("attributes at an element", _attributes(tag), MAX_ATTRIBUTES, where)


def _attributes(tag: bytes) -> int:
    return len(re.findall(rb"[\s\"'/][^\s\"'<>/=]{1,200}\s?=\s?[\"']?", tag))


def _check_nesting(markup: bytes, where: str) -> None:
    depth = deepest = 0
    for closing, _, rest in _TAG.findall(markup):
        if closing:
            depth -= 1
        elif not rest.endswith(b"/"):
            depth += 1
            deepest = max(deepest, depth)
    _check("elements within each other or left open", deepest, MAX_UNCLOSED if depth else MAX_DEPTH, where)
