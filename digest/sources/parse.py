"""Reads feeds: RSS 0.9x, 1.0 and 2.0, Atom 0.3 and 1.0 (well-formed or not), JSON Feed 1.0 and 1.1.

Nothing is lost in silence: every entry of a document comes out as a draft or as a rejection with its reason.
"""

from __future__ import annotations

import calendar
import codecs
import io
import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import feedparser

from digest.errors import InputError
from digest.language.text import one_line, shorten
from digest.sources import bounds
from digest.sources.clean import pictures, plain, web_url
from digest.sources.feeds import ParsedFeed
from digest.values import ArticleDraft, Image, Kind, Rejected

STANDFIRST_LENGTH = 300
TITLE_LENGTH = 300
_BYLINE_LENGTH = 200
_GUID_LENGTH = 2000
_TAG_LENGTH = 80
_TAGS = 30
_LIKED_WIDTH = 600  # pixels: as wide as a mail shows a picture
_TRACKER = 2  # pixels: no picture is this small
_RAW_LENGTH = 500

_KINDS = {
    Kind.OPINION: "opinion opinions opinión opinião opinioni meinung kommentar editorial editorials op-ed tribuna",
    Kind.INTERVIEW: "interview interviews entrevista entrevistas entretien intervista",
    Kind.BLOG: "blog blogs weblog",
}
_KIND_OF = {word: kind for kind, words in _KINDS.items() for word in words.split()}


def parse(body: bytes, content_type: str, url: str) -> ParsedFeed:
    """Read the document ``body`` that ``url`` answered with ``content_type``. Raises ``InputError`` for what is no
    feed at all."""
    if not body.strip():
        raise InputError(f"{url} answered nothing", "check the feed's address")
    if "json" in content_type.lower() or body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return _json_feed(body, url)
    bounds.check_charsets(body, content_type, url)
    return _xml_feed(body, content_type, url)


def _sorted_out(title: str, entries: Iterable[tuple[str, ArticleDraft | str, object]]) -> ParsedFeed:
    """From (where, draft or why not, the entry itself) of each entry."""
    drafts: list[ArticleDraft] = []
    rejected: list[Rejected] = []
    for where, made, entry in entries:
        if isinstance(made, ArticleDraft):
            drafts.append(made)
        else:
            rejected.append(Rejected(where, made, one_line(str(entry)[:_RAW_LENGTH])))
    return ParsedFeed(title, tuple(drafts), tuple(rejected))


def _draft(title: str, standfirst: str, **rest: Any) -> ArticleDraft | str:
    """A draft within our lengths. An entry without a headline is headed by its first words; without any words it is
    nothing that can be shown."""
    if not (title or standfirst):
        return "has neither a title nor a text"
    return ArticleDraft(
        title=shorten(title or standfirst, TITLE_LENGTH),
        standfirst=shorten(standfirst, STANDFIRST_LENGTH) if title else "",
        **rest,
    )


def _tags(words: Iterable[str]) -> tuple[str, ...]:
    cleaned = (plain(word, markup=False).lower() for word in words)
    return tuple(dict.fromkeys(word for word in cleaned if word and len(word) <= _TAG_LENGTH))[:_TAGS]


def _kind(tags: Iterable[str]) -> Kind:
    return next((_KIND_OF[tag] for tag in tags if tag in _KIND_OF), Kind.NEWS)


# ------------------------------------------------------------------------------------------ RSS and Atom


def _xml_feed(body: bytes, content_type: str, url: str) -> ParsedFeed:
    body, content_type = _by_rfc_7303(body, content_type)
    bounds.check_feed(body, url)
    try:
        # A stream: given bytes or a string, feedparser would open a file or URL of that name.
        document = feedparser.parse(
            io.BytesIO(body),
            response_headers={"content-type": content_type, "content-location": url},
            sanitize_html=False,  # all markup is stripped here
            resolve_relative_uris=False,
        )
    except Exception as error:  # its parsers raise all sorts of things on broken input
        raise InputError(f"{url} can't be read as a feed ({error})", "check the feed's address") from error
    version = document.get("version", "")
    if not version and not document.entries:
        what = "an HTML page" if b"<html" in body[:2000].lower() else "no feed"
        raise InputError(f"{url} is {what}", "give the address of its RSS, Atom or JSON feed")
    literal = version.startswith("atom")  # Atom says what is markup; RSS leaves it to a guess
    language = one_line(document.feed.get("language") or "")[:20]
    return _sorted_out(
        one_line(plain(document.feed.get("title") or "")),
        (
            (f"entry {number}", _entry(entry, url, language, literal), dict(entry))
            for number, entry in enumerate(document.entries, 1)
        ),
    )


def _by_rfc_7303(body: bytes, content_type: str) -> tuple[bytes, str]:
    """What feedparser needs to see to choose the encoding as RFC 7303 asks: a byte order mark before the charset that
    the server names, that before the XML declaration, and no ASCII for ``text/xml``."""
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return body.decode("utf-16", "replace").encode(), "application/xml; charset=utf-8"
    if body.startswith(codecs.BOM_UTF8):
        return body, "application/xml; charset=utf-8"
    _, semicolon, parameters = content_type.partition(";")
    return body, "application/xml" + semicolon + parameters


def _entry(entry: Any, base: str, language: str, literal: bool) -> ArticleDraft | str:
    contents = [content for content in entry.get("content", ()) if content.get("value")]
    bodies = [content for content in contents if content.get("type") != "text/plain" or "media_content" not in entry]
    title = _text(entry.get("title"), entry.get("title_detail"), literal)
    standfirst = _text(entry.get("summary"), entry.get("summary_detail"), literal) or next(
        (text for content in bodies if (text := _text(content["value"], content, literal))), ""
    )
    tags = _tags(tag.get("term") or tag.get("label") or "" for tag in entry.get("tags", ()))
    return _draft(
        title,
        standfirst,
        url=_link(entry, base),
        guid=one_line(entry.get("id") or "")[:_GUID_LENGTH],
        byline=_byline(entry),
        tags=tags,
        kind=_kind(tags),
        language=language,
        image=_entry_image(entry, contents, base),
        published=_time(entry, "published_parsed"),
        updated=_time(entry, "updated_parsed"),
    )


def _text(value: str | None, detail: Mapping[str, Any] | None, literal: bool) -> str:
    if literal and detail and detail.get("type") == "text/plain":
        return one_line(value or "")
    return plain(value or "", markup=not detail or detail.get("type") != "text/plain")


def _link(entry: Any, base: str) -> str:
    """The entry's own address, not that of a click counter in front of it."""
    return web_url(entry.get("feedburner_origlink") or "", base) or web_url(entry.get("link") or "", base)


def _byline(entry: Any) -> str:
    """The names of the authors; an address alone is nobody's byline."""
    names = [plain(author.get("name") or "") for author in entry.get("authors", ())]
    named = dict.fromkeys(name for name in names if name and "@" not in name)
    return shorten(", ".join(named), _BYLINE_LENGTH)


def _time(entry: Any, key: str) -> datetime | None:
    """A parsed date in UTC. Asked with ``in`` first: feedparser makes an ``updated`` up where there is none."""
    if key not in entry:
        return None
    parsed: tuple[int, ...] | None = entry[key]
    try:
        return datetime.fromtimestamp(calendar.timegm(parsed), UTC) if parsed else None
    except (ValueError, OverflowError, OSError):
        return None


# ------------------------------------------------------------------------------------------------ images


def _entry_image(entry: Any, contents: list[Any], base: str) -> Image | None:
    media = [item for item in entry.get("media_content", ()) if _is_image(item)]
    captions = [plain(content["value"]) for content in contents if content.get("type") == "text/plain"]
    credits = [plain(credit.get("content") or "") for credit in entry.get("media_credit", ())]
    offered = [
        _image(item.get("url"), item, base, alt=_paired(captions, media, i), credit=_paired(credits, media, i))
        for i, item in enumerate(media)
    ]
    offered += [_image(item.get("url"), item, base) for item in entry.get("media_thumbnail", ())]
    offered += [_image(item.get("href"), {}, base) for item in entry.get("enclosures", ()) if _is_image(item)]
    if not any(offered):
        offered = [_image(entry.image.get("href"), {}, base)] if "image" in entry else []
    return _best(offered) or _first_picture([entry.get("summary") or "", *(c["value"] for c in contents)], base)


def _paired(texts: list[str], media: list[Any], index: int) -> str:
    """The caption or credit of one of several pictures: its own if each has one, else the first serves all."""
    if not texts:
        return ""
    return texts[index] if len(texts) == len(media) else texts[0]


def _is_image(item: Mapping[str, Any]) -> bool:
    kind = item.get("medium") or (item.get("type") or "").partition("/")[0]
    if kind:
        return bool(kind == "image")
    address = str(item.get("url") or item.get("href") or "").partition("?")[0].lower()
    return address.endswith((".jpg", ".jpeg", ".png", ".gif", ".webp", ".avif"))


def _image(url: str | None, sizes: Mapping[str, Any], base: str, alt: str = "", credit: str = "") -> Image | None:
    address = web_url(url, base) if url else ""
    width, height = _pixels(sizes.get("width")), _pixels(sizes.get("height"))
    if not address or 0 < width <= _TRACKER or 0 < height <= _TRACKER:
        return None
    return Image(address, shorten(alt, STANDFIRST_LENGTH), shorten(credit, _BYLINE_LENGTH), width, height)


def _pixels(value: object) -> int:
    digits = str(value or "").strip().removesuffix("px").partition(".")[0]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 6 else 0


def _best(offered: Iterable[Image | None]) -> Image | None:
    """The picture that suits a mail best: landscape, and as near as can be to the width it is shown at."""
    return min((image for image in offered if image), key=_unfitness, default=None)


def _unfitness(image: Image) -> tuple[bool, float]:
    portrait = image.height > image.width
    return portrait, abs(math.log((image.width or 2 * _LIKED_WIDTH) / _LIKED_WIDTH))


def _first_picture(markups: Iterable[str], base: str) -> Image | None:
    found = (
        _image(picture.get("src"), picture, base, alt=one_line(picture.get("alt", "")))
        for markup in markups
        for picture in pictures(markup)
    )
    return next((image for image in found if image), None)


# --------------------------------------------------------------------------------------------- JSON Feed


def _json_feed(body: bytes, url: str) -> ParsedFeed:
    """https://www.jsonfeed.org/version/1.1/; a reader must also take version 1 and ids that are numbers."""
    try:
        document = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{url} is not readable JSON ({error})", "check the feed's address") from None
    items = document.get("items") if isinstance(document, dict) else None
    if not isinstance(items, list):
        raise InputError(f"{url} is JSON, but no JSON Feed: it has no list of items", "check the feed's address")
    bounds.check_entries(len(items), url)
    language = one_line(_string(document.get("language")))[:20]
    return _sorted_out(
        one_line(_string(document.get("title"))),
        ((f"entry {number}", _item(item, url, language), item) for number, item in enumerate(items, 1)),
    )


def _item(item: object, base: str, language: str) -> ArticleDraft | str:
    if not isinstance(item, dict):
        return "is not an object"
    tags = _tags(tag for tag in _list(item.get("tags")) if isinstance(tag, str))
    content = _string(item.get("content_html"))
    picture = _string(item.get("image")) or _string(item.get("banner_image"))
    authors = [*_list(item.get("authors")), item.get("author")]
    names = (one_line(_string(author.get("name"))) for author in authors if isinstance(author, dict))
    return _draft(
        one_line(_string(item.get("title"))),
        one_line(_string(item.get("summary")) or _string(item.get("content_text"))) or plain(content),
        url=web_url(_string(item.get("url")), base) or web_url(_string(item.get("external_url")), base),
        guid=one_line(_string(item.get("id")))[:_GUID_LENGTH],
        byline=shorten(", ".join(dict.fromkeys(name for name in names if name)), _BYLINE_LENGTH),
        tags=tags,
        kind=_kind(tags),
        language=one_line(_string(item.get("language")))[:20] or language,
        image=_image(picture, {}, base) or _first_picture([content], base),
        published=_iso_time(_string(item.get("date_published"))),
        updated=_iso_time(_string(item.get("date_modified"))),
    )


def _string(value: object) -> str:
    """A JSON string, or a number written as one; anything else is as good as absent."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _iso_time(text: str) -> datetime | None:
    """RFC 3339, to UTC. Without a zone it is no moment in time, so it is left out."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
