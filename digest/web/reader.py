"""Behind the links of a mail: unsubscribe, preferences, web version, confirmation.

The token in the path is all the proof there is. GET and HEAD never change anything: mail scanners follow every link.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from digest import personalise, render, tokens, variants
from digest.app import App
from digest.errors import InputError
from digest.flows import audience, choices, signup
from digest.personalise import masked
from digest.states import SubscriptionState
from digest.store.subscribers import Choice, Person, Subscription
from digest.tokens import ReaderToken
from digest.values import Edition
from digest.web.forms import Form, Posted
from digest.web.guard import POLICY_WITH_IMAGES
from digest.web.pages import Pages

READ = ["GET", "HEAD"]


def reader_routes(app: App, pages: Pages) -> APIRouter:
    """The routes, over one application and its pages."""
    router = APIRouter()
    door = _Door(app, pages)

    @router.api_route("/u/{token}", methods=READ)
    def unsubscribe_page(token: str) -> Response:
        found, edition = door.subscribed(door.reader(token))
        left = found.state is SubscriptionState.UNSUBSCRIBED
        return pages.page("unsubscribe", edition, token=token, done=left, address=masked(found.person.address))

    @router.post("/u/{token}")
    def unsubscribe(token: str, form: Posted, request: Request) -> Response:
        names = door.reader(token)
        source = "one-click" if form.first("List-Unsubscribe") == "One-Click" else "page"
        audience.unsubscribe(
            app.database,
            names.subscription_id,
            app.now(),
            issue_id=names.issue_id,
            source=source,
            ip=client_ip(request),
        )
        found = audience.subscription_of(app.database, names.subscription_id)
        edition = audience.edition_of(app.database, found.edition) if found else None
        return pages.page(
            "unsubscribe", edition, token=token, done=True, address=masked(found.person.address) if found else ""
        )

    @router.api_route("/p/{token}", methods=READ)
    def preferences_page(token: str) -> Response:
        found, edition = door.subscribed(door.reader(token))
        return door.preferences(token, found, edition)

    @router.post("/p/{token}")
    def preferences(token: str, form: Posted, request: Request) -> Response:
        found, edition = door.subscribed(door.reader(token))
        if found.state is SubscriptionState.UNSUBSCRIBED:
            return door.preferences(token, found, edition)
        try:
            person, choice = wanted(edition, found.person, form)
        except InputError as error:
            return door.preferences(token, found, edition, fields=asked(form, edition), problem=str(error), status=422)
        saved = audience.change_preferences(
            app.database, found.id, person, choice, app.now(), source="page", ip=client_ip(request)
        )
        return door.preferences(token, saved, edition, saved=True)

    @router.api_route("/c/{token}", methods=READ)
    def confirm_page(token: str) -> Response:
        found, edition = door.subscribed(ReaderToken(0, door.confirmation(token)))
        return door.confirmed(found, edition)

    @router.post("/c/{token}")
    def confirm(token: str, request: Request) -> Response:
        subscription_id = door.confirmation(token)
        signup.confirm(app.database, subscription_id, app.now(), ip=client_ip(request))
        return door.confirmed(*door.subscribed(ReaderToken(0, subscription_id)))

    @router.api_route("/v/{token}", methods=READ)
    def web_version(token: str) -> Response:
        names = door.reader(token)
        found, _ = door.subscribed(names)
        return door.issue(token, names, found)

    return router


def wanted(edition: Edition, person: Person, form: Form) -> tuple[Person, Choice]:
    """What the fields shared by both forms ask for. Raises ``InputError``."""
    sections = form.every("sections") if choices.optional_sections(edition) else None
    choice = choices.choose(edition, form.first("cadence"), sections, form.first("hour"))
    zone = form.first("time_zone").strip()
    return choices.person(person.address, form.first("name"), person.locale, zone), choice


@dataclass(frozen=True, slots=True)
class Fields:
    """The values standing in the fields both forms share."""

    name: str
    sections: tuple[str, ...]
    cadence: str
    hour: str = ""
    time_zone: str = ""


def asked(form: Form, edition: Edition) -> Fields:
    """What was typed, to be shown again beside what is wrong with it."""
    sections, cadence = tuple(form.every("sections")), form.first("cadence") or edition.default_cadence
    return Fields(form.first("name"), sections, cadence, form.first("hour"), form.first("time_zone"))


def stored(found: Subscription, edition: Edition) -> Fields:
    """What is stored."""
    choice, person = found.choice, found.person
    everything = tuple(section.key for section in choices.optional_sections(edition))
    hour = "" if choice.hour is None else str(choice.hour)
    chosen = everything if choice.sections is None else choice.sections
    return Fields(person.name, chosen, choice.cadence, hour, person.time_zone)


def client_ip(request: Request) -> str:
    """Who asks, as far as the server knows; behind a proxy uvicorn reads what the proxy says."""
    return request.client.host[:45] if request.client else ""


class _Door:
    """What the routes share."""

    def __init__(self, app: App, pages: Pages) -> None:
        self._app, self._pages = app, pages

    def reader(self, token: str) -> ReaderToken:
        names = tokens.read_reader(self._app.settings.keys, token)
        if names is None:
            raise HTTPException(404)
        return names

    def confirmation(self, token: str) -> int:
        subscription_id = tokens.read_confirm(self._app.settings.keys, token, self._app.now())
        if subscription_id is None:
            raise HTTPException(404)
        return subscription_id

    def subscribed(self, names: ReaderToken) -> tuple[Subscription, Edition]:
        """The subscription a token names, with its edition; 410 when it was erased."""
        found = audience.subscription_of(self._app.database, names.subscription_id)
        if found is None:
            raise HTTPException(410)
        return found, audience.edition_of(self._app.database, found.edition)

    def preferences(
        self,
        token: str,
        found: Subscription,
        edition: Edition,
        *,
        fields: Fields | None = None,
        saved: bool = False,
        problem: str = "",
        status: int = 200,
    ) -> HTMLResponse:
        if found.state is SubscriptionState.UNSUBSCRIBED:
            return self._pages.page(
                "unsubscribe", edition, token=token, done=True, address=masked(found.person.address)
            )
        shown = fields or stored(found, edition)
        return self._pages.page(
            "preferences",
            edition,
            status=status,
            token=token,
            pending=found.state is SubscriptionState.PENDING,
            address=masked(found.person.address),
            fields=shown,
            sections=choices.optional_sections(edition, shown.sections),
            zones=self._pages.time_zones,
            saved=saved,
            problem=problem,
        )

    def confirmed(self, found: Subscription, edition: Edition) -> HTMLResponse:
        """The page of a confirmation link: a button while it is pending, then how it stands."""
        token = tokens.reader(self._app.settings.keys, 0, found.id)
        return self._pages.page(
            "confirm", edition, state=found.state.value, address=masked(found.person.address), token=token
        )

    def issue(self, token: str, names: ReaderToken, found: Subscription) -> HTMLResponse:
        """The web version: the reader's own sections of the issue, frozen as it was sent; 410 past its retention."""
        frozen = audience.compiled_issue(self._app.database, names.issue_id)
        if frozen is None:
            raise HTTPException(410 if names.issue_id else 404)
        issue = render.loads(frozen)
        variant = variants.choose(issue.content, found.choice.sections, None)
        if not variant.shown:  # he has chosen other sections since
            variant = variants.choose(issue.content, None, None)
        html = personalise.web_page(issue, variant, token, found.person.name, found.person.address)
        return HTMLResponse(html, headers={"Content-Security-Policy": POLICY_WITH_IMAGES})
