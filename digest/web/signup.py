"""The sign-up form. Whatever we know of an address, the answer is the same."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from digest import addresses
from digest.app import App
from digest.errors import InputError, NotFoundError
from digest.flows import audience, choices
from digest.store.subscribers import Person
from digest.values import Edition
from digest.web.forms import Form, Posted
from digest.web.guard import Limiter, network
from digest.web.pages import Pages
from digest.web.reader import READ, Fields, asked, client_ip, wanted

HONEYPOT = "website"  # people don't see this field; programs fill it in
PER_VISITOR = (20, timedelta(minutes=10))
PER_ADDRESS = (5, timedelta(hours=1))


def signup_routes(app: App, pages: Pages) -> APIRouter:
    """The routes, over one application and its pages."""
    router = APIRouter()
    visitors, mailboxes = Limiter(*PER_VISITOR), Limiter(*PER_ADDRESS)

    @router.api_route("/s/{edition}", methods=READ)
    def sign_up_page(edition: str) -> Response:
        return _form_page(pages, _edition(app, edition), Form({}))

    @router.post("/s/{edition}")
    def sign_up(edition: str, form: Posted, request: Request) -> Response:
        spec = _edition(app, edition)
        ip, now = client_ip(request), app.now()
        if not visitors.allow(network(ip), now):
            raise HTTPException(429, headers={"Retry-After": str(int(PER_VISITOR[1].total_seconds()))})
        try:
            address = addresses.normalise(form.first("address"))
            person, choice = wanted(spec, Person(address), form)
        except InputError as error:
            return _form_page(pages, spec, form, problem=str(error), status=422)
        wish = audience.SignUp(person, choice, pages.words(spec)("sign_up.consent", edition=spec.title), ip=ip)
        if not form.first(HONEYPOT) and mailboxes.allow(addresses.key(address).hex(), now):
            audience.sign_up(app.database, edition, wish, now)
        return pages.page("check_mail", spec, address=address)

    return router


def _edition(app: App, name: str) -> Edition:
    if not name.isprintable():  # PostgreSQL refuses to compare NUL
        raise HTTPException(404)
    database = app.database  # a missing database is another matter than a missing edition
    try:
        return audience.edition_of(database, name)
    except NotFoundError:
        raise HTTPException(404) from None


def _form_page(pages: Pages, edition: Edition, form: Form, *, problem: str = "", status: int = 200) -> HTMLResponse:
    sections = choices.optional_sections(edition)
    fields = (
        asked(form, edition) if form.fields else Fields("", tuple(s.key for s in sections), edition.default_cadence)
    )
    return pages.page(
        "sign_up",
        edition,
        status=status,
        sections=sections,
        fields=fields,
        zones=pages.time_zones,
        address=form.first("address"),
        honeypot=HONEYPOT,
        problem=problem,
    )
