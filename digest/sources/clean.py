"""Makes what a feed or page says safe to keep: plain text without markup or invisible mischief, absolute http(s) URLs.

Everything here is the words of strangers. What leaves this module holds no markup, no control characters (which
databases and mail headers choke on) and nothing that turns the direction of the text around it.
"""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import idna
import nh3

from digest.language.text import one_line

URL_LENGTH = 2000
_READ_LENGTH = 20_000  # characters of a text that are looked at: many times what is kept, and soon cleaned
_TAG = re.compile(r"<[/!?a-zA-Z][^<>]*>")
_BLOCK = re.compile(
    r"<(?=/?(?:p|br|div|li|ul|ol|h[1-6]|tr|td|th|hr|blockquote|figure|figcaption|section|article)\b)", re.IGNORECASE
)


def plain(text: str, markup: bool = True) -> str:
    """``text`` as plain text. ``markup`` says that it is HTML; else only whole tags make it so, and ``a < b`` stays."""
    text = text[:_READ_LENGTH]
    if markup or _TAG.search(text):
        text = html.unescape(nh3.clean(_BLOCK.sub(" <", text), tags=set()))
    return one_line(text)


def web_url(url: str, base: str = "") -> str:
    """``url`` made absolute, its host as A-labels (RFC 5890): mail programs show others in ways that deceive, or not at
    all. "" unless that gives an http(s) URL with a host, no credentials and a sane length."""
    reference = one_line(url).replace(" ", "%20")
    if not reference:  # which would mean the base itself
        return ""
    try:
        absolute = urljoin(base, reference)
        parts = urlsplit(absolute)
        fine = (
            parts.scheme in {"http", "https"} and parts.hostname and parts.username is None and "%" not in parts.netloc
        )
        _ = parts.port  # raises ValueError when it is not a valid number
        if fine and not parts.netloc.isascii():
            host = idna.encode(parts.hostname or "", uts46=True).decode()
            absolute = parts._replace(netloc=f"{host}:{parts.port}" if parts.port else host).geturl()
    except ValueError:  # IDNAError is one
        return ""
    return absolute if fine and len(absolute) <= URL_LENGTH else ""


class _Pictures(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.found.append({name: value or "" for name, value in attrs})


def pictures(markup: str) -> list[dict[str, str]]:
    """The attributes of each ``<img>`` in a piece of HTML, in order."""
    parser = _Pictures()
    begin = markup.lower().find("<img")
    if begin >= 0:
        parser.feed(markup[begin : begin + _READ_LENGTH])
    return parser.found
