"""What a news page says for machines: schema.org in JSON-LD, then OpenGraph and the older ``<meta>`` names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from html import unescape
from typing import Any

from lxml.html import HtmlElement

from digest.sources.clean import plain
from digest.sources.extract.said import Said
from digest.values import Image, Kind

_ARTICLE_TYPES = re.compile(r"(Article|Posting|NewsItem|Report)$")
_COMMENT = re.compile(r"^\s*(?:<!--|//\s*<!\[CDATA\[|<!\[CDATA\[)|(?:-->|//\s*\]\]>|\]\]>)\s*;?\s*$")
_TRAILING_COMMA = re.compile(r",(?=\s*[}\]])")
_DEEPEST = 12
_KIND_WORDS = {
    Kind.OPINION: "opinion opinions opinión opinion-blog op-ed oped editorial editorials editoriales comment"
    " commentary commentisfree column columns kommentar kommentare meinung opinião tribuna",
    Kind.INTERVIEW: "interview interviews entrevista entrevistas gespräch",
    Kind.BLOG: "blog blogs weblog",
    Kind.SHORT: "shorts devshots short-news news-in-brief briefs",
}
_KINDS = {word: kind for kind, words in _KIND_WORDS.items() for word in words.split()}


def kind_of(words: Iterable[str]) -> Kind | None:
    """The kind of piece that a section's name or a part of an address tells, if any."""
    return next((_KINDS[word] for word in (w.strip().casefold() for w in words) if word in _KINDS), None)


# --------------------------------------------------------------------------------------------- JSON-LD


def from_json_ld(page: HtmlElement) -> Said:
    """The account of the first article node in the page's JSON-LD; broken scripts are mended or passed over."""
    nodes = list(_nodes(page))
    by_id = {node["@id"]: node for node in nodes if isinstance(node.get("@id"), str) and len(node) > 1}
    article = next((node for node in nodes if _ARTICLE_TYPES.search(" ".join(_types(node)))), None)
    return _said(article, by_id) if article else Said()


def _nodes(page: HtmlElement) -> Iterator[dict[str, Any]]:
    for script in page.iter("script"):
        if "ld+json" in (script.get("type") or "").lower():
            yield from _walk(_loaded(script.text or ""), _DEEPEST)


def _loaded(source: str) -> Any:
    source = _COMMENT.sub("", _COMMENT.sub("", source))
    for attempt in (source, _TRAILING_COMMA.sub("", source)):
        try:
            return json.loads(attempt, strict=False)
        except (ValueError, RecursionError):
            continue
    return None


def _walk(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    """Every object in a JSON value, the outer before the inner."""
    if depth and isinstance(value, dict):
        yield value
    if depth and isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _walk(inner, depth - 1)


def _types(node: dict[str, Any]) -> list[str]:
    return [kind for kind in _list(node.get("@type")) if isinstance(kind, str)]


def _said(node: dict[str, Any], by_id: dict[str, dict[str, Any]]) -> Said:
    def named(key: str) -> tuple[str, ...]:
        return tuple(filter(None, (_name(by_id.get(_id(item), item)) for item in _list(node.get(key)))))

    sections = named("articleSection")
    places = [
        by_id.get(_id(item), item) for key in ("contentLocation", "locationCreated") for item in _list(node.get(key))
    ]
    page = by_id.get(_id(node.get("mainEntityOfPage")), node.get("mainEntityOfPage"))
    return Said(
        title=_name(node.get("headline")) or _name(node.get("name")),
        standfirst=_name(node.get("description")),
        byline=", ".join(dict.fromkeys(named("author"))),
        place=next(iter(named("dateline")), "") or next(filter(None, map(_name, places)), ""),
        countries=tuple(dict.fromkeys(filter(None, map(_country, places)))),
        sector="" if kind_of(sections) else next(iter(sections), ""),
        tags=tuple(tag for words in named("keywords") for tag in words.split(",")),
        kind=_kind_of_types(_types(node)) or kind_of(sections),
        language=next(iter(named("inLanguage")), ""),
        url=_name(node.get("url")) or _id(page) or (page if isinstance(page, str) else ""),
        image=next(filter(None, (_image(by_id.get(_id(item), item)) for item in _list(node.get("image")))), None),
        published=_name(node.get("datePublished")) or _name(node.get("dateCreated")),
        updated=_name(node.get("dateModified")),
    )


def _kind_of_types(types: list[str]) -> Kind | None:
    words = " ".join(types)
    if "Opinion" in words:
        return Kind.OPINION
    return Kind.BLOG if "BlogPosting" in words and "LiveBlog" not in words else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _id(value: Any) -> str:
    found = value.get("@id") if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""


def _name(value: Any) -> str:
    """A text, or the name of a thing."""
    if isinstance(value, list):
        value = value[0] if value else ""
    if isinstance(value, dict):
        value = value.get("name") or value.get("@value") or ""
    return plain(unescape(str(value)), markup=False) if isinstance(value, (str, int, float)) else ""


def _country(place: Any) -> str:
    if not isinstance(place, dict):
        return ""
    if "Country" in _types(place):
        return _name(place)
    address = place.get("address")
    return _name(address.get("addressCountry")) if isinstance(address, dict) else ""


def _image(value: Any) -> Image | None:
    if isinstance(value, str):
        return Image(value)
    if not isinstance(value, dict):
        return None
    url = next((_name(value[key]) for key in ("url", "contentUrl", "@id") if value.get(key)), "")
    credit = next((_name(value[key]) for key in ("creditText", "copyrightHolder", "creator") if value.get(key)), "")
    alt = _name(value.get("caption")) or _name(value.get("alternateName"))
    return Image(url, alt, credit, pixels(value.get("width")), pixels(value.get("height"))) if url else None


def pixels(value: Any) -> int:
    """A width or height as written (``1200``, ``"1200 px"``, a QuantitativeValue); 0 when it says nothing."""
    if isinstance(value, dict):
        value = value.get("value")
    found = re.match(r"\s*(\d{1,5})(?:\.\d+)?\s*(?:px)?\s*$", str(value))
    return int(found[1]) if found else 0


# ---------------------------------------------------------------------------------------- meta elements


def from_meta(page: HtmlElement) -> Said:
    """The account of OpenGraph, ``article:``, Twitter and plain ``<meta>`` names, and of ``<html lang>``."""
    meta = _meta(page)

    def first(*names: str) -> str:
        return next((meta[name][0] for name in names if meta.get(name)), "")

    sections = [first("article:section", "section", "parsely-section", "og:article:section")]
    return Said(
        title=without_site(first("og:title", "twitter:title", "dc.title", "headline"), first("og:site_name")),
        standfirst=first("og:description", "twitter:description", "description", "dc.description"),
        byline=_authors(meta),
        place=first("dateline", "geo.placename"),
        countries=tuple(filter(None, [first("geo.country", "country")])),
        sector="" if kind_of(sections) else sections[0],
        tags=tuple(meta.get("article:tag", ())) or tuple(first("news_keywords", "keywords").split(",")),
        kind=kind_of(sections),
        language=_language(page) or first("content-language", "dc.language") or first("og:locale"),
        url=_canonical(page) or first("og:url"),
        image=_open_graph_image(first),
        published=first(
            "article:published_time", "og:article:published_time", "datepublished", "parsely-pub-date", "pubdate",
            "publishdate", "publish-date", "dc.date.issued", "dcterms.created", "date",
        ),
        updated=first("article:modified_time", "og:article:modified_time", "datemodified", "og:updated_time"),
    )  # fmt: skip


def without_site(title: str, site: str) -> str:
    """A headline without the site's name that many pages append to it."""
    found = re.match(r"(.+\S)\s+[|–—·»-]\s+(.+)$", title)
    return found[1] if found and site and found[2].casefold() == site.casefold() else title


def _meta(page: HtmlElement) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for element in page.iter("meta"):
        content = plain(element.get("content") or "", markup=False)
        for attribute in ("property", "name", "itemprop", "http-equiv"):
            name = (element.get(attribute) or "").strip().lower()
            if name and content and content not in found.get(name, ()):
                found.setdefault(name, []).append(content)
    return found


def _authors(meta: dict[str, list[str]]) -> str:
    for name in ("author", "article:author", "byl", "dc.creator", "parsely-author", "sailthru.author"):
        authors = [author for author in meta.get(name, ()) if "://" not in author]
        if authors:
            return ", ".join(authors)
    return ""


def _language(page: HtmlElement) -> str:
    root = page.getroottree().getroot()
    return root.get("lang") or root.get("xml:lang") or ""


def _canonical(page: HtmlElement) -> str:
    for link in page.iter("link"):
        if "canonical" in (link.get("rel") or "").lower().split():
            return link.get("href") or ""
    return ""


def _open_graph_image(first: Any) -> Image | None:
    url = first("og:image:secure_url", "og:image:url", "og:image", "twitter:image", "twitter:image:src")
    alt = first("og:image:alt", "twitter:image:alt")
    size = pixels(first("og:image:width")), pixels(first("og:image:height"))
    return Image(url, alt, "", *size) if url else None
