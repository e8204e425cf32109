"""Behind the links of a mail: confirmation and web version. Leaving and preferences have modules of their own.

GET and HEAD never change anything: mail scanners follow every link.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from digest.app import Ground
from digest.editorial import variants
from digest.flows.readers import audience, signup
from digest.mail import personalise
from digest.readers import tokens
from digest.readers.subscriptions import Subscription
from digest.readers.tokens import ReaderToken
from digest.values import Edition
from digest.web.guard import POLICY_WITH_IMAGES
from digest.web.pages import Pages
from digest.web.visitors import READ, Visitors, client_ip


def reader_routes(app: Ground, pages: Pages) -> APIRouter:
    """The routes, over one application and its pages."""
    router = APIRouter()
    visitors = Visitors(app, pages)

    def confirmation(token: str) -> int:
        subscription_id = tokens.read_confirm(app.settings.keys, token, app.now())
        if subscription_id is None:
            raise HTTPException(404)
        return subscription_id

    def confirmed(found: Subscription, edition: Edition) -> HTMLResponse:
        """The page of a confirmation link: a button while it is pending, then how it stands."""
        token = tokens.reader(app.settings.keys, 0, found.id)
        return visitors.page("confirm", found, edition, state=found.state.value, token=token)

    @router.api_route("/c/{token}", methods=READ)
    def confirm_page(token: str) -> Response:
        found, edition = visitors.subscribed(ReaderToken(0, confirmation(token)))
        return confirmed(found, edition)

    @router.post("/c/{token}")
    def confirm(token: str, request: Request) -> Response:
        subscription_id = confirmation(token)
        signup.confirm(app.database, subscription_id, app.now(), ip=client_ip(request))
        return confirmed(*visitors.subscribed(ReaderToken(0, subscription_id)))

    @router.api_route("/v/{token}", methods=READ)
    def web_version(token: str) -> Response:
        names = visitors.reader(token)
        found, _ = visitors.subscribed(names)
        return _issue(app, token, names, found)

    return router


def _issue(app: Ground, token: str, names: ReaderToken, found: Subscription) -> HTMLResponse:
    """The web version: the reader's own sections of the issue, frozen as it was sent; 410 past its retention."""
    issue = audience.compiled_issue(app.database, names.issue_id)
    if issue is None:
        raise HTTPException(410 if names.issue_id else 404)
    variant = variants.choose(issue.content, found.choice.sections, None)
    if not variant.shown:  # they have chosen other sections since
        variant = variants.choose(issue.content, None, None)
    html = personalise.web_page(issue, variant, token, found.person.name, found.person.address)
    return HTMLResponse(html, headers={"Content-Security-Policy": POLICY_WITH_IMAGES})
