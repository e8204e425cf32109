"""Behind the link of a mail that confirms an errand: GET shows a button, POST does it."""

from __future__ import annotations

import json

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from digest.app import Ground
from digest.flows.readers import audience, errands
from digest.mail.personalise import masked
from digest.readers import tokens
from digest.readers.errands import Errand, ErrandKind
from digest.readers.subscriptions import Subscription
from digest.web.pages import Pages
from digest.web.visitors import READ, Visitors, client_ip


def errand_routes(app: Ground, pages: Pages) -> APIRouter:
    """The routes, over one application and its pages."""
    router = APIRouter()
    visitors = Visitors(app, pages)

    def wanted(token: str) -> tuple[Errand, Subscription]:
        """The errand; 404 for a forged or old link, 410 for one that was done, replaced or lost with its reader."""
        named = tokens.read_errand(app.settings.keys, token, app.now())
        if named is None:
            raise HTTPException(404)
        found = errands.find(app.database, *named)
        if found is None or found[0].kind == ErrandKind.MOVED:
            raise HTTPException(410)
        return found

    def page(errand: Errand, found: Subscription, *, done: bool = False) -> Response:
        edition = audience.edition_of(app.database, found.edition)
        old = masked(found.person.address)
        to = errand.address if errand.kind == ErrandKind.MOVE else old  # in full: who holds the link reads its mail
        return visitors.page("errand", found, edition, kind=errand.kind, to=to, old=old, done=done)

    @router.api_route("/e/{token}", methods=READ)
    def errand_page(token: str) -> Response:
        return page(*wanted(token))

    @router.post("/e/{token}")
    def do(token: str, request: Request) -> Response:
        errand, found = wanted(token)
        if errand.kind == ErrandKind.DATA:
            data = errands.data(app.database, errand)
            if data is None:
                raise HTTPException(410)
            text = json.dumps(data, indent=2, ensure_ascii=False, default=str)
            save = {"Content-Disposition": 'attachment; filename="my-data.json"'}
            return Response(text, media_type="application/json", headers=save)
        if errand.kind == ErrandKind.ERASE:
            errands.erase(app.database, app.settings.state_dir, errand, app.now())
        elif not errands.move(app.database, errand, app.now(), client_ip(request)):
            raise HTTPException(410)
        return page(errand, found, done=True)

    return router
