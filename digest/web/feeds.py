"""The issues of an edition as feeds: Atom (RFC 4287) and JSON Feed 1.1."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi.responses import Response
from markupsafe import Markup

from digest.mail import intro
from digest.public.archive import Entry
from digest.values import Edition, IssueContent
from digest.web.pages import Pages

Issues = Sequence[tuple[Entry, IssueContent]]
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def atom(pages: Pages, base: str, edition: Edition, issues: Issues) -> Response:
    """The newest issues as an Atom feed, each with the editor's words and all its headlines."""
    updated = max((entry.published_at for entry, _ in issues), default=_NEVER)
    listed = [(entry, identity(entry, content), _html(pages, edition, content)) for entry, content in issues]
    xml = pages.part("archive/feed.atom", edition, home=f"{base}/a/{edition.name}", updated=updated, issues=listed)
    return Response(xml, media_type="application/atom+xml")


def json_feed(pages: Pages, base: str, edition: Edition, issues: Issues) -> Response:
    """The newest issues as a JSON Feed, each with the editor's words and all its headlines."""
    home = f"{base}/a/{edition.name}"
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": edition.title,
        "description": edition.tagline,
        "home_page_url": home,
        "feed_url": f"{home}/feed.json",
        "language": edition.locale.replace("_", "-"),
        "authors": [{"name": edition.sender[0]}],
        "items": [_item(pages, home, edition, entry, content) for entry, content in issues],
    }
    text = json.dumps({name: value for name, value in feed.items() if value != ""}, ensure_ascii=False)
    return Response(text, media_type="application/feed+json")


def identity(entry: Entry, content: IssueContent) -> str:
    """A name that stays when the archive moves to another address (RFC 4151): the sender's domain on that day."""
    domain = content.edition.sender[1].rpartition("@")[2]
    return f"tag:{domain},{entry.slot.date()}:{content.edition.name}/{entry.slug}"


def _item(pages: Pages, home: str, edition: Edition, entry: Entry, content: IssueContent) -> dict[str, Any]:
    item = {
        "id": identity(entry, content),
        "url": f"{home}/{entry.slug}",
        "title": entry.title,
        "summary": entry.summary,
        "content_html": _html(pages, edition, content),
        "image": entry.image.url if entry.image else "",
        "date_published": entry.published_at.isoformat(timespec="seconds"),
        "tags": [entry.cadence],
    }
    return {name: value for name, value in item.items() if value}


def _html(pages: Pages, edition: Edition, content: IssueContent) -> str:
    sections = [
        (section.title, [content.items[story_id] for story_id in ids])
        for section, ids in zip(content.edition.sections, content.candidates, strict=True)
    ]
    words = Markup(intro.as_html(content.intro))  # noqa: S704 - sanitised
    return pages.part("archive/feed_entry.html", edition, intro=words, sections=sections)
