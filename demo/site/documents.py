"""The newspapers' documents: RSS 2.0, Atom 1.0, JSON Feed 1.1, pages, and the file the newsroom hands in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from email.utils import format_datetime
from html import escape
from zoneinfo import ZoneInfo

from demo.site.articles import Piece
from demo.site.pictures import HEIGHT, WIDTH

_INVENTED = "The paper, its people and everything it reports are invented."
_LOCAL = ZoneInfo("Asia/Kolkata")


def rss(title: str, home: str, pieces: Sequence[Piece]) -> str:
    """RSS 2.0 with Media RSS for the pictures."""
    items = "".join(_rss_item(piece) for piece in pieces)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<rss version="2.0" xmlns:media="http://search.yahoo.com/mrss/"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/">\n<channel>\n'
        f"<title>{escape(title)}</title>\n<link>{home}</link>\n<description>{_INVENTED}</description>\n"
        f"<language>en</language>\n{items}</channel>\n</rss>\n"
    )


def _rss_item(piece: Piece) -> str:
    tags = "".join(f"<category>{escape(tag)}</category>" for tag in piece.tags)
    picture = (
        f'<media:content url="{piece.picture}" medium="image" type="image/png" width="{WIDTH}" height="{HEIGHT}">'
        f"<media:credit>{escape(piece.credit)}</media:credit></media:content>"
        if piece.picture
        else ""
    )
    return (
        f'<item><title>{escape(piece.title)}</title><link>{piece.url}</link><guid isPermaLink="true">{piece.url}</guid>'
        f"<description>{escape(piece.standfirst)}</description><dc:creator>{escape(piece.byline)}</dc:creator>"
        f"<pubDate>{format_datetime(piece.published)}</pubDate>{tags}{picture}</item>\n"
    )


def atom(title: str, home: str, pieces: Sequence[Piece]) -> str:
    """Atom 1.0."""
    entries = "".join(_atom_entry(piece) for piece in pieces)
    newest = max(piece.published for piece in pieces).isoformat()
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en">\n'
        f'<title>{escape(title)}</title><id>{home}</id><updated>{newest}</updated><link href="{home}"/>\n'
        f"{entries}</feed>\n"
    )


def _atom_entry(piece: Piece) -> str:
    tags = "".join(f'<category term="{escape(tag)}"/>' for tag in piece.tags)
    picture = f'<link rel="enclosure" type="image/png" href="{piece.picture}"/>' if piece.picture else ""
    moment = piece.published.isoformat()
    return (
        f'<entry><title>{escape(piece.title)}</title><id>{piece.url}</id><link href="{piece.url}"/>{picture}'
        f"<author><name>{escape(piece.byline)}</name></author><published>{moment}</published>"
        f"<updated>{moment}</updated>{tags}<summary>{escape(piece.standfirst)}</summary></entry>\n"
    )


def json_feed(title: str, home: str, pieces: Sequence[Piece]) -> str:
    """JSON Feed 1.1."""
    items = [
        {
            "id": piece.url,
            "url": piece.url,
            "title": piece.title,
            "content_text": piece.standfirst,
            "date_published": piece.published.isoformat(),
        }
        for piece in pieces
    ]
    feed = {"version": "https://jsonfeed.org/version/1.1", "title": title, "home_page_url": home, "language": "en"}
    return json.dumps(feed | {"items": items}, ensure_ascii=False, indent=1)


def json_lines(pieces: Sequence[Piece]) -> str:
    """The file for ``digest article import``."""
    return "".join(json.dumps(_record(piece), ensure_ascii=False) + "\n" for piece in pieces)


def _record(piece: Piece) -> dict[str, object]:
    record: dict[str, object] = {
        "title": piece.title,
        "url": piece.url,
        "standfirst": piece.standfirst,
        "byline": piece.byline,
        "place": piece.place,
        "agency": piece.agency,
        "countries": [piece.country] if piece.country else [],
        "tags": list(piece.tags),
        "language": "en",
        "published": piece.published.isoformat(),
    }
    if piece.picture:
        image = {"url": piece.picture, "alt": piece.title, "credit": piece.credit, "width": WIDTH, "height": HEIGHT}
        record["image"] = image
    return record


def page(piece: Piece, paper: str) -> str:
    """An article's page, its times as its desk writes them."""
    at = f"{piece.published.astimezone(_LOCAL):%d-%m-%Y %H:%M} IST"
    about = " | ".join(part for part in (piece.byline, piece.place, f"Updated: {at}", f"Created: {at}") if part)
    picture = (
        f'<figure><img src="{piece.picture}" alt="{escape(piece.title)}" width="{WIDTH}" height="{HEIGHT}">'
        f"<figcaption>Image credit: {escape(piece.credit)}</figcaption></figure>"
        if piece.picture
        else ""
    )
    country = f"<ul><li>Country:</li><li>{escape(piece.country)}</li></ul>" if piece.country else ""
    return _html(
        f"{piece.title} | {paper}",
        f'<article><h1>{escape(piece.title)}</h1><p class="standfirst">{escape(piece.standfirst)}</p>'
        f"<p>{escape(about)}</p>{picture}<p>{escape(piece.standfirst)} {escape(piece.more)}</p>"
        f"<p>{escape(piece.agency)}</p>{country}</article>",
    )


def front(paper: str, pieces: Sequence[Piece]) -> str:
    """A page that lists what is out; it serves for sectors and all other links of the frame as well."""
    items = "".join(f'<li><a href="{piece.url}">{escape(piece.title)}</a></li>' for piece in pieces)
    return _html(paper, f"<h1>{escape(paper)}</h1><ul>{items}</ul>")


def _html(title: str, body: str) -> str:
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width"><style>body{font:18px/1.5 Georgia,serif;max-width:640px;'
        "margin:2em auto;padding:0 1em}img{max-width:100%;height:auto}</style></head>"
        f"<body>{body}<footer><p><small>{_INVENTED}</small></p></footer></body></html>\n"
    )
