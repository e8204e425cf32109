"""Unsubscribing: one-click (RFC 8058), by a page, from one edition or from all, and back within the hour.

It needs the database and nothing else, never expires, and is committed before the answer goes out.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response

from digest.app import Ground
from digest.flows.readers import audience
from digest.language.text import one_line
from digest.readers import tokens
from digest.readers.subscriptions import Subscription, Unsubscription
from digest.readers.tokens import ReaderToken
from digest.states import SubscriptionState
from digest.values import Edition
from digest.web.forms import Form, Posted
from digest.web.pages import Pages
from digest.web.together import Together
from digest.web.visitors import READ, Visitors, client_ip

_PATIENCE_SECONDS = 5.0
_POLL_SECONDS = 0.2
REASONS = ("often", "dull", "never", "elsewhere", "other")


def unsubscribing_routes(app: Ground, pages: Pages) -> APIRouter:
    """The routes, over one application and its pages."""
    router = APIRouter()
    visitors = Visitors(app, pages)
    clicks = Together[Unsubscription, bool](lambda asked: audience.unsubscribe_many(app.database, asked, app.now()))

    @router.api_route("/u/{token}", methods=READ)
    def unsubscribe_page(token: str) -> Response:
        return page(visitors, token, *visitors.subscribed(visitors.unsubscriber(token)))

    @router.post("/u/{token}")
    def unsubscribe(token: str, form: Posted, request: Request) -> Response:
        names, ip, now = visitors.unsubscriber(token), client_ip(request), app.now()
        if form.first("List-Unsubscribe") == "One-Click":  # a program asks: no page, so that it costs little
            if clicks.do(Unsubscription(names.subscription_id, names.issue_id, ip)):
                _after_the_mail(app, [names.subscription_id])
            return PlainTextResponse("You are unsubscribed.\n")
        restored, thanked, ended = False, False, list[int]()
        if ticket := form.first("undo"):
            restored = audience.restore(app.database, tokens.read_undo(app.settings.keys, ticket, now), now, ip) > 0
        elif said := _said(form):
            audience.say_why(app.database, names.subscription_id, said)
            thanked = True
        else:
            ended = _unsubscribe(app, names, form, "page", ip)
            _after_the_mail(app, ended)
            if audience.subscription_of(app.database, names.subscription_id) is None:  # erased: they get nothing more
                return pages.page("unsubscribe", restored=False)
        return page(visitors, token, *visitors.subscribed(names), ended=ended, restored=restored, thanked=thanked)

    return router


def _after_the_mail(app: Ground, ended: Sequence[int]) -> None:
    """Whose mail is on the wire at this moment is answered after it, so that nobody gets one after their answer; but a
    server that is slow to take it must not keep them."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while audience.being_mailed(app.database, ended) and time.monotonic() < until:
        time.sleep(_POLL_SECONDS)


def _unsubscribe(app: Ground, names: ReaderToken, form: Form, source: str, ip: str) -> list[int]:
    """Unsubscribe as the form says. Returns the subscriptions that ended by it."""
    subscription_id, issue_id, now = names.subscription_id, names.issue_id, app.now()
    if form.first("all"):
        return audience.unsubscribe_all(app.database, subscription_id, now, issue_id=issue_id, source=source, ip=ip)
    new = audience.unsubscribe(app.database, subscription_id, now, issue_id=issue_id, source=source, ip=ip)
    return [subscription_id] if new else []


def _said(form: Form) -> str:
    reason = form.first("reason")
    return ": ".join(filter(None, (reason if reason in REASONS else "", one_line(form.first("words")))))


def page(
    visitors: Visitors,
    token: str,
    found: Subscription,
    edition: Edition,
    *,
    ended: Sequence[int] = (),
    restored: bool = False,
    thanked: bool = False,
) -> HTMLResponse:
    """How the subscription stands, and what can be done. ``ended``: the subscriptions that ended just now; that can
    be undone."""
    return visitors.page(
        "unsubscribe",
        found,
        edition,
        token=token,
        gone=visitors.has_unsubscribed(found),
        others=[its for one, its, _ in visitors.others(found) if one.state is SubscriptionState.ACTIVE],
        choosable=tokens.read_reader(visitors.app.settings.keys, token) is not None,
        restored=restored,
        thanked=thanked,
        reasons=REASONS,
        undo=tokens.undo(visitors.app.settings.keys, ended, visitors.app.now()) if ended else "",
    )
