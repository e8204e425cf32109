"""Reads an article out of a news page: bytes in, :class:`~digest.values.ArticleDraft` out, nothing fetched.

Witnesses in the order they are believed: JSON-LD, ``<meta>``, what the page shows, and for what is still missing
trafilatura's reading.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import replace
from urllib.parse import unquote, urlsplit

import trafilatura
from lxml import etree
from lxml.html import HtmlElement, HTMLParser, document_fromstring
from trafilatura.settings import Document

from digest.errors import InputError
from digest.language import charsets
from digest.language.text import one_line, shorten
from digest.sources import bounds
from digest.sources.clean import web_url
from digest.sources.extract.blocks import paragraphs
from digest.sources.extract.metadata import from_json_ld, from_meta, kind_of
from digest.sources.extract.moments import moment
from digest.sources.extract.said import LONGEST, Said, text_of
from digest.sources.extract.shown import from_text
from digest.values import ArticleDraft, Image, Kind

_META_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w-]{2,30})""", re.I)
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_NO_DATES = {"extensive_search": False}  # they are read here, and guessing them takes seconds
_LINE_BREAK = re.compile(r"<br\b", re.I)
_XML_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_MOST_TAGS = 30


def extract(html: bytes, url: str, declared_encoding: str = "") -> ArticleDraft:
    """The article of a news page that came from ``url`` ("" for a file without one). ``declared_encoding`` is what
    the HTTP header said, if anything.

    Raises ``InputError`` naming what is missing when the page holds no article.
    """
    bounds.check_page(html, url or "the page")
    page = _parsed(html, declared_encoding, url)
    text = from_text(page)
    said = from_json_ld(page).or_else(from_meta(page))
    said = replace(said, image=_image_of(said, text), standfirst=_fuller(said.standfirst, text.standfirst)).or_else(
        text
    )
    body = paragraphs(page)
    if not (said.title and said.standfirst and said.byline and body):
        said, body = _with_trafilatura(said, page, url, body)
    said = _from_title_and_body(said, page, body)
    _check(said, body, url)
    return _draft(said, page, url)


def _check(said: Said, body: list[str], url: str) -> None:
    missing = [] if said.title else ["a headline"]
    missing += [] if said.standfirst or body else ["a text"]
    if missing:
        where = url or "the page"
        raise InputError(f"{where} is no article: {' and '.join(missing)} is missing", "give the page of one article")


# --------------------------------------------------------------------------------------------- reading


def _parsed(html: bytes, declared: str, url: str) -> HtmlElement:
    text = _XML_DECLARATION.sub("", _decoded(html, declared).replace("\x00", ""))
    text = _LINE_BREAK.sub(" <br", text)  # or the words around it would stick together
    parser = HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True)
    try:
        return document_fromstring(text.encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError):
        raise InputError(f"{url or 'the page'} is no article: it is empty", "give the page of one article") from None


def _decoded(html: bytes, declared: str) -> str:
    """The page as text. Bytes that are valid UTF-8 are UTF-8 whatever is declared: hardly any other text is valid by
    chance, and wrong declarations are common."""
    for mark, encoding in _BOMS:
        if html.startswith(mark):
            return html.decode(encoding, "replace")
    written = _META_CHARSET.search(html[:4096])
    for encoding in ("utf-8", declared, written[1].decode("ascii") if written else "", "cp1252"):
        if not charsets.is_read(encoding):
            continue
        try:
            return html.decode(_as_browsers_do(encoding))
        except UnicodeDecodeError:
            continue
    return html.decode("cp1252", "replace")


def _as_browsers_do(encoding: str) -> str:
    """What is called Latin-1 or ASCII on the web is Windows-1252 (WHATWG Encoding Standard)."""
    name = codecs.lookup(encoding).name
    return "cp1252" if name in {"iso8859-1", "ascii"} else name


# --------------------------------------------------------------------------------- filling what is missing


def _image_of(said: Said, text: Said) -> Image | None:
    """The declared picture, with the credit, description and size the page shows with its own."""
    if not said.image or not text.image:
        return said.image or text.image
    same = urlsplit(said.image.url).path == urlsplit(text.image.url).path
    return Image(
        url=said.image.url,
        alt=said.image.alt or text.image.alt,
        credit=said.image.credit or text.image.credit,
        width=said.image.width or text.image.width * same,
        height=said.image.height or text.image.height * same,
    )


def _fuller(declared: str, shown: str) -> str:
    """The shown standfirst where the declared one is its beginning, cut off."""
    beginning = declared.rstrip(" .…")
    return shown if beginning and len(shown) > len(declared) and shown.startswith(beginning) else declared


def _with_trafilatura(said: Said, page: HtmlElement, url: str, body: list[str]) -> tuple[Said, list[str]]:
    document = trafilatura.bare_extraction(
        deepcopy(page),
        url=url or None,
        with_metadata=True,
        include_comments=False,
        fast=True,
        date_extraction_params=_NO_DATES,
    )
    if not isinstance(document, Document):
        return said, body
    read = Said(standfirst=document.description or "", byline=(document.author or "").replace("; ", ", "))
    found = [line for line in (document.text or "").splitlines() if len(line) >= 60]
    return said.or_else(read), body or found


def _from_title_and_body(said: Said, page: HtmlElement, body: list[str]) -> Said:
    """``<title>`` for a page of text without a headline, the first paragraph for one without a standfirst."""
    element = page.find(".//title")
    written = text_of(element) if element is not None and body else ""
    return said.or_else(Said(title=re.split(r"\s+[|–—]\s+", written)[0], standfirst=body[0] if body else ""))


# ------------------------------------------------------------------------------------------- the article


def _draft(said: Said, page: HtmlElement, url: str) -> ArticleDraft:
    base = _base(page, url)
    american = said.language.lower().replace("_", "-") == "en-us"
    published, updated = (moment(text, month_first=american) for text in (said.published, said.updated))
    return ArticleDraft(
        title=_line("title", said.title),
        url=_address(said.url, base, url),
        standfirst=_line("standfirst", said.standfirst),
        byline=_line("byline", said.byline),
        place=_line("place", said.place),
        agency=_line("agency", said.agency),
        countries=_distinct(said.countries),
        sector=one_line(said.sector).lower()[:80],
        tags=_distinct(tag.lower() for tag in said.tags)[:_MOST_TAGS],
        kind=said.kind or kind_of(unquote(urlsplit(url or said.url).path).split("/")) or Kind.NEWS,
        language=one_line(said.language).replace("_", "-")[:20],
        image=_clean_image(said.image, base),
        published=published or updated,
        updated=updated,
    )


def _line(name: str, text: str) -> str:
    return shorten(one_line(text), LONGEST[name])


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for text in texts if (word := one_line(text))))


def _base(page: HtmlElement, url: str) -> str:
    element = page.find(".//base[@href]")
    return web_url(element.get("href") or "", url) or url if element is not None else url


def _address(canonical: str, base: str, url: str) -> str:
    """The page's own idea of its address, unless that is the site's front page, as careless templates have it."""
    address = web_url(canonical, base) if canonical else ""
    front = urlsplit(address).path in {"", "/"} and not urlsplit(address).query
    return web_url(url) if url and (not address or front) else address


def _clean_image(image: Image | None, base: str) -> Image | None:
    address = web_url(image.url, base) if image else ""
    if not image or not address:
        return None
    return replace(
        image, url=address, alt=shorten(one_line(image.alt), 400), credit=shorten(one_line(image.credit), 200)
    )
