"""The sign-up form. It says the same, and takes the same time, whether an address is known, new or never to be mailed.

What holds robots off, without cookies: a field people don't see, a signed mark of when and where the form was fetched,
limits over all web processes, and a proof by a service of the operator's choice. Who is held off by the mark has
only to press once more; so a form that stands on somebody else's page works, too.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from digest.app import LimitedGround
from digest.delivery import admission
from digest.errors import InputError, NotFoundError
from digest.flows.issues import timetable
from digest.flows.readers import audience, blocklist, choices, signup
from digest.flows.readers.signup import SignUp
from digest.public.embed import HONEYPOT, SHORT
from digest.readers import addresses, tokens
from digest.readers.subscriptions import Person
from digest.settings import SignUpSettings
from digest.values import Edition
from digest.web import captcha
from digest.web.fields import asked, plain, wanted
from digest.web.forms import Form, Posted
from digest.web.guard import policy
from digest.web.limits import blocked, refused, too_often
from digest.web.pages import Pages
from digest.web.visitors import READ, client_ip

MARK = "mark"


def signup_routes(app: LimitedGround, pages: Pages) -> APIRouter:
    """The routes, over one application and its pages. Raises ``ConfigError``."""
    router = APIRouter()
    counter = _Counter(app, pages)

    @router.api_route("/s/{edition}", methods=READ)
    def sign_up_page(edition: str, request: Request) -> Response:
        return counter.form(counter.edition(edition), Form({}), client_ip(request))

    @router.api_route("/s/{edition}/embed", methods=READ)
    def embedded(edition: str, request: Request) -> Response:
        return counter.form(counter.edition(edition), Form({}), client_ip(request), template="embed")

    @router.post("/s/{edition}")
    def sign_up(edition: str, form: Posted, request: Request) -> Response:
        return counter.take(counter.edition(edition), form, client_ip(request))

    return router


class _Counter:
    """Where forms are handed out and taken."""

    def __init__(self, app: LimitedGround, pages: Pages) -> None:
        self._app, self._pages = app, pages
        self._settings: SignUpSettings = app.settings.sign_up
        self._is_person = captcha.make_check(self._settings.captcha)

    def edition(self, name: str) -> Edition:
        if not name.isprintable():  # PostgreSQL refuses to compare NUL
            raise HTTPException(404)
        database = self._app.database  # a missing database is another matter than a missing edition
        try:
            return timetable.offered(database, audience.edition_of(database, name))
        except NotFoundError:
            raise HTTPException(404) from None

    def take(self, edition: Edition, form: Form, ip: str) -> HTMLResponse:
        """check | admit | keep. Nothing here looks whether the address is known."""
        now, words = self._app.now(), self._pages.words(edition)
        try:
            address = addresses.normalise(form.first("address"))
            person, choice = wanted(edition, Person(address), form)
            if blocklist.is_blocked(self._app.database, address):
                raise blocked(address)
        except InputError as error:
            return self.form(edition, form, ip, problem=words.fault(error), status=422)
        if not self._looks_human(form, ip, now):
            return self.form(edition, form, ip, once_more=True)
        held = refused(self._app, address, ip)
        if held and held.limit.name != admission.ADDRESS:
            raise too_often(held)
        if not held and not form.first(HONEYPOT):
            wish = SignUp(person, choice, words("sign_up.consent", edition=edition.title), ip=ip)
            signup.ask(self._app.database, edition.name, wish, now)
        return self._pages.page("check_mail", edition, address=address)

    def form(
        self,
        edition: Edition,
        form: Form,
        ip: str,
        *,
        template: str = "sign_up",
        problem: str = "",
        once_more: bool = False,
        status: int = 200,
    ) -> HTMLResponse:
        sections = choices.optional_sections(edition)
        page = self._pages.page(
            template,
            edition,
            status=status,
            sections=sections,
            fields=asked(form, edition) if form.fields else plain(edition),
            zones=self._pages.time_zones,
            address=form.first("address"),
            honeypot=HONEYPOT,
            short=SHORT,
            mark=self._mark(form, ip),
            captcha=self._settings.captcha.html,
            problem=problem,
            once_more=once_more,
        )
        page.headers["Content-Security-Policy"] = policy(
            scripts=[self._pages.zone_script_source, *self._settings.captcha.sources],
            frames=self._settings.captcha.sources,
        )
        return page

    def _mark(self, form: Form, ip: str) -> str:
        """Time counts from when the form was first fetched."""
        keys, place, now, old = self._app.settings.keys, admission.network(ip), self._app.now(), form.first(MARK)
        return old if tokens.read_form(keys, old, place, now) is not None else tokens.form(keys, place, now)

    def _looks_human(self, form: Form, ip: str, now: datetime) -> bool:
        if self._settings.form_seconds:
            age = tokens.read_form(self._app.settings.keys, form.first(MARK), admission.network(ip), now)
            if age is None or age < timedelta(seconds=self._settings.form_seconds):
                return False
        return self._is_person({name: form.first(name) for name in form.fields}, ip)
