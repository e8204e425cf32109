"""The preference centre: what a reader gets, when, and what we know of them. Works without JavaScript."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from digest.app import LimitedGround
from digest.editions import schedule, subjects
from digest.editorial import variants
from digest.errors import InputError
from digest.flows.issues import timetable
from digest.flows.readers import audience, blocklist, choices, errands
from digest.language import dates
from digest.language.wording import Words, language
from digest.mail.personalise import masked
from digest.readers import addresses
from digest.readers.errands import ErrandKind
from digest.readers.mailable import is_away
from digest.readers.subscriptions import Subscription
from digest.states import SubscriptionState
from digest.values import CompiledIssue, Edition
from digest.web import unsubscribing
from digest.web.fields import Fields, asked, stored, wanted_always
from digest.web.forms import Posted
from digest.web.limits import blocked, refused, too_often
from digest.web.pages import Pages
from digest.web.visitors import READ, Visitors, client_ip

_SENT_SHOWN = 10


def preference_routes(app: LimitedGround, pages: Pages) -> APIRouter:
    """The routes, over one application and its pages."""
    router = APIRouter()
    centre = _Centre(app, pages)
    visitors = centre.visitors

    @router.api_route("/p/{token}", methods=READ)
    def preferences_page(token: str) -> Response:
        return centre.page(token, *centre.subscribed(token))

    @router.post("/p/{token}")
    def preferences(token: str, form: Posted, request: Request) -> Response:
        found, edition = centre.subscribed(token)
        if visitors.has_unsubscribed(found):
            return centre.page(token, found, edition)
        try:
            person, choice = wanted_always(edition, found, form, app.now())
        except InputError as error:
            return centre.page(token, found, edition, fields=asked(form, edition), problem=error, status=422)
        saved = audience.change_preferences(
            app.database, found.id, person, choice, app.now(), source="page", ip=client_ip(request)
        )
        return centre.page(token, saved, edition, saved=True)

    @router.api_route("/p/{token}/sent", methods=READ)
    def sent(token: str) -> Response:
        return centre.sent(token, *visitors.subscribed(visitors.reader(token)))

    @router.post("/p/{token}/{kind}")
    def ask(token: str, kind: str, form: Posted, request: Request) -> Response:
        found, edition = centre.subscribed(token)
        if kind not in {ErrandKind.MOVE, ErrandKind.DATA, ErrandKind.ERASE}:
            raise HTTPException(404)
        try:
            to = addresses.normalise(form.first("address")) if kind == ErrandKind.MOVE else ""
            centre.check(to or found.person.address, client_ip(request))
        except InputError as error:
            return centre.page(token, found, edition, problem=error, status=422)
        sent_to = errands.ask(app.database, ErrandKind(kind), found.id, app.now(), to)
        return visitors.page("asked", found, edition, to=to or masked(sent_to), kind=kind, token=token)

    return router


class _Centre:
    def __init__(self, app: LimitedGround, pages: Pages) -> None:
        self._app, self.visitors, self._pages = app, Visitors(app, pages), pages

    def subscribed(self, token: str) -> tuple[Subscription, Edition]:
        """The subscription a token names, with its edition, of which no cadence is offered that never comes out."""
        found, edition = self.visitors.subscribed(self.visitors.reader(token))
        return found, timetable.offered(self._app.database, edition, found.choice.cadence)

    def check(self, address: str, ip: str) -> None:
        """A mail is to go to ``address``: within the limits of the sign-up form, and to no blocked domain."""
        if blocklist.is_blocked(self._app.database, address):
            raise blocked(address)
        if held := refused(self._app, address, ip):
            raise too_often(held)

    def page(
        self,
        token: str,
        found: Subscription,
        edition: Edition,
        *,
        fields: Fields | None = None,
        saved: bool = False,
        problem: InputError | None = None,
        status: int = 200,
    ) -> HTMLResponse:
        if self.visitors.has_unsubscribed(found):
            return unsubscribing.page(self.visitors, token, found, edition)
        shown, now = fields or stored(found, edition), self._app.now()
        words = self._pages.words(edition, found.person.locale)
        return self.visitors.page(
            "preferences",
            found,
            edition,
            status=status,
            token=token,
            pending=found.state is SubscriptionState.PENDING,
            away=is_away(found.choice.paused_until, now),
            fields=shown,
            sections=choices.optional_sections(edition, shown.sections),
            zones=self._pages.time_zones,
            languages=self._pages.languages,
            days=dates.weekdays(words.language),
            tomorrow=(now + timedelta(days=1)).date().isoformat(),
            others=self.visitors.others(found),
            saved=saved,
            next_mail=self._next_mail(found, edition, words) if saved else "",
            problem=words.fault(problem) if problem else "",
        )

    def _next_mail(self, found: Subscription, edition: Edition, words: Words) -> str:
        """When it comes, in their language and their zone; "" while none is planned."""
        mail = timetable.next_mail_of(self._app.database, found, self._app.now())
        zone = schedule.zone_of(found.person.time_zone, edition.time_zone).key
        locale = edition.locale if language(edition.locale) == words.language else words.language
        return dates.appointment(mail.due, locale, zone) if mail else ""

    def sent(self, token: str, found: Subscription, edition: Edition) -> HTMLResponse:
        """The latest issues they were sent, each with its subject and a link to it."""
        shown = []
        for issue_id, slot, tried in audience.sent_to(self._app.database, found.id, _SENT_SHOWN):
            issue = audience.compiled_issue(self._app.database, issue_id)
            if issue is None:  # swept away in this moment
                continue
            subject = _subject(issue, found, tried) or edition.title
            link = self.visitors.link(issue_id, found.id)
            shown.append((dates.day(slot, edition.locale, edition.time_zone), subject, link))
        return self.visitors.page("sent", found, edition, token=token, shown=shown)


def _subject(issue: CompiledIssue, found: Subscription, tried: str) -> str:
    """That of their mail, as far as what they choose now tells what stood in it; "" where nothing does."""
    variant = variants.choose(issue.content, found.choice.sections, None)
    ids = [story_id for _, chosen in variant.shown for story_id in chosen]
    written = tried or subjects.template(issue.content)
    return subjects.subject(written, issue, issue.content.items[ids[0]], len(ids) - 1) if ids else ""
