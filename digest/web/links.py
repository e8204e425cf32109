"""Behind the story links of editions that track clicks: count, then on to the article.

A link leads only where its issue leads: the address names a story of it, never a target.
"""

from __future__ import annotations

from contextlib import suppress

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from digest.app import ForLinks
from digest.errors import UnavailableError
from digest.flows.feedback import clicks
from digest.readers import tokens

_DIGITS = 18  # of a number that a database can hold
_UNASKED = ("purpose", "sec-purpose", "x-moz")  # headers by which browsers say that they only fetch ahead
_UNWATCHED = ("dnt", "sec-gpc")  # and that their user wishes not to be tracked


def link_routes(app: ForLinks) -> APIRouter:
    """The route, over one application."""
    router = APIRouter()

    @router.api_route("/l/{token}/{story}", methods=["GET", "HEAD"])
    def follow(token: str, story: str, request: Request) -> Response:
        names = tokens.read_reader(app.settings.keys, token)
        if names is None or not (story.isascii() and story.isdecimal() and len(story) <= _DIGITS):
            raise HTTPException(404)
        story_id = int(story)
        found = clicks.target(app.database, app.load, names, story_id, app.settings.base_url)
        if found is None:
            raise HTTPException(404)
        if found.known and request.method == "GET" and _by_hand(request):
            with suppress(UnavailableError):  # the reader gets their story, counted or not
                clicks.remember(app.database, names, story_id, app.now())
        return RedirectResponse(found.url, 302)

    return router


def _by_hand(request: Request) -> bool:
    """Whether the request does not say itself that it should not be counted."""
    headers = request.headers
    ahead = any("prefetch" in headers.get(name, "") for name in _UNASKED)
    return not ahead and not any(headers.get(name) == "1" for name in _UNWATCHED)
