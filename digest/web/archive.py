"""The public archive: editions, their issues, one issue, a search. Without scripts, cookies or anything personal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.exceptions import HTTPException

from digest.app import ForArchive
from digest.errors import NotFoundError
from digest.flows.issues import archive
from digest.flows.issues.archive import Opened
from digest.language import dates
from digest.mail import render
from digest.public import finding
from digest.public.archive import Entry, told
from digest.public.embed import HONEYPOT, SHORT
from digest.values import Edition
from digest.web import feeds
from digest.web.kept import kept
from digest.web.limits import search_refused, too_often
from digest.web.pages import Pages
from digest.web.visitors import READ, client_ip

_CHANGING, _SETTLED = 300, 3600  # seconds: what gets new issues; an issue that has its next one
_IN_FEED = 20
_SITEMAP_MOST = 50_000  # addresses, as sitemaps.org allows
T = TypeVar("T")


def archive_routes(app: ForArchive, pages: Pages) -> APIRouter:
    """The routes, over one application and its pages."""
    router = APIRouter()
    base = app.settings.base_url
    frame: dict[str, Any] = {"base": base, "honeypot": HONEYPOT, "short": SHORT}

    @router.api_route("/", methods=READ)
    def editions(request: Request) -> Response:
        public = archive.overview(app.database)
        if not public:
            raise HTTPException(404)
        values: dict[str, Any] = {"editions": public, "day": _day, "locale": public[0][0].locale}
        return kept(request, pages.page("archive/editions", **values, **frame), _CHANGING)

    @router.api_route("/a/{name}", methods=READ)
    def issues(request: Request, name: str, q: str = "", page: str = "") -> Response:
        number = int(page) if page.isascii() and page.isdigit() and 0 < len(page) < 6 else 1
        if q.strip():
            if held := search_refused(app, client_ip(request)):
                raise too_often(held)
            found = _there(lambda: archive.search(app.database, name, q, max(number, 1)))
            values: dict[str, Any] = {"results": found, "query": q[:200], "day": _day, "marked": finding.marked}
            return kept(request, pages.page("archive/search", found.edition, **values, **frame), _CHANGING, found=False)
        shelf = _there(lambda: archive.shelf(app.database, name, max(number, 1)))
        values = {"shelf": shelf, "months": _months(shelf.edition, shelf.issues), "day": _day, "query": ""}
        return kept(request, pages.page("archive/issues", shelf.edition, **values, **frame), _CHANGING)

    @router.api_route("/a/{name}/feed.atom", methods=READ)
    def atom(request: Request, name: str) -> Response:
        newest = _there(lambda: archive.newest(app.database, name, _IN_FEED))
        return kept(request, feeds.atom(pages, base, *newest), _CHANGING)

    @router.api_route("/a/{name}/feed.json", methods=READ)
    def json_feed(request: Request, name: str) -> Response:
        newest = _there(lambda: archive.newest(app.database, name, _IN_FEED))
        return kept(request, feeds.json_feed(pages, base, *newest), _CHANGING)

    @router.api_route("/a/{name}/{slug}", methods=READ)
    def issue(request: Request, name: str, slug: str) -> Response:
        if not slug.isprintable():  # PostgreSQL refuses to compare NUL
            raise HTTPException(404)
        opened = _there(lambda: archive.opened(app.database, name, slug))
        content = replace(opened.content, edition=replace(opened.content.edition, look=opened.edition.look))
        html = render.public_page(content, app.templates, base, _around(pages, opened, frame))
        return kept(request, Response(html, media_type="text/html"), _SETTLED if opened.after else _CHANGING)

    @router.api_route("/sitemap.xml", methods=READ)
    def sitemap(request: Request) -> Response:
        listed = [
            (f"{base}/a/{name}" + (f"/{slug}" if slug else ""), at)
            for name, issues in archive.everything(app.database)
            for slug, at in [*([("", issues[0][1])] if issues else []), *issues]
        ]
        xml = pages.part("archive/sitemap.xml", None, listed=listed[:_SITEMAP_MOST])
        return kept(request, Response(xml, media_type="application/xml"), _CHANGING)

    @router.api_route("/robots.txt", methods=READ)
    def robots(request: Request) -> Response:
        return kept(request, PlainTextResponse(f"User-agent: *\nAllow: /\nSitemap: {base}/sitemap.xml\n"), _SETTLED)

    return router


def _there(find: Callable[[], T]) -> T:
    """What ``find`` finds; 404 where that is nothing, or nothing public."""
    try:
        return find()
    except NotFoundError:
        raise HTTPException(404) from None


def _around(pages: Pages, opened: Opened, frame: dict[str, Any]) -> render.Page:
    """What stands around an issue."""
    edition, entry = opened.edition, opened.entry
    home = f"{frame['base']}/a/{edition.name}"
    values = {
        **frame,
        "opened": opened,
        "url": f"{home}/{entry.slug}",
        "day": _day,
        "date": _date,
        "data": _data(home, opened),
    }
    return render.Page(
        url=f"{home}/{entry.slug}",
        home=f"../{edition.name}",
        home_title=pages.words(edition)("archive.all"),
        head=pages.part("archive/issue_head.html", edition, **values),
        foot=pages.part("archive/issue_foot.html", edition, **values),
    )


def _data(home: str, opened: Opened) -> dict[str, Any]:
    """The issue for machines (schema.org): an issue of a periodical, and the articles elsewhere that it points to."""
    entry, edition = opened.entry, opened.edition
    links = [one.item for one in told(opened.content) if one.item.url]
    return {
        "@context": "https://schema.org",
        "@type": "PublicationIssue",
        "name": entry.title,
        "url": f"{home}/{entry.slug}",
        "datePublished": entry.published_at.isoformat(),
        "inLanguage": edition.locale.replace("_", "-"),
        "isPartOf": {"@type": "Periodical", "name": edition.title, "url": home},
        "mainEntity": {
            "@type": "ItemList",
            "itemListElement": [
                {"@type": "ListItem", "position": place, "name": item.title, "url": item.url}
                for place, item in enumerate(links, 1)
            ],
        },
    }


def _day(entry: Any, edition: Edition) -> str:
    """The day of an issue in the words of its edition."""
    return dates.day(entry.slot, edition.locale, edition.time_zone)


def _date(entry: Entry, edition: Edition) -> str:
    """The same in short."""
    return dates.date(entry.slot, edition.locale, edition.time_zone)


def _months(edition: Edition, entries: Sequence[Entry]) -> list[tuple[str, list[Entry]]]:
    """Issues under the month they are of."""
    by_month = groupby(entries, lambda entry: dates.month(entry.slot, edition.locale, edition.time_zone))
    return [(month, list(issues)) for month, issues in by_month]
