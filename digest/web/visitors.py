"""What the pages behind a mail's links share: the token in the path is all the proof there is."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from digest.app import Ground
from digest.flows.readers import audience
from digest.mail.personalise import masked
from digest.readers import tokens
from digest.readers.subscriptions import Subscription
from digest.readers.tokens import ReaderToken
from digest.states import SubscriptionState
from digest.values import Edition
from digest.web.pages import Pages

READ = ["GET", "HEAD"]


def client_ip(request: Request) -> str:
    """Who asks, as far as the server knows; behind a proxy uvicorn reads what the proxy says."""
    return request.client.host[:45] if request.client else ""


class Visitors:
    """Reads tokens and finds whom they name; 404 for what is not ours, 410 for who was erased."""

    def __init__(self, app: Ground, pages: Pages) -> None:
        self.app, self.pages = app, pages

    def unsubscriber(self, token: str) -> ReaderToken:
        """Whose token it is, for unsubscribing: every key we ever signed with will do."""
        names = tokens.read_reader(self.app.settings.all_keys, token)
        if names is None:
            raise HTTPException(404)
        return names

    def reader(self, token: str) -> ReaderToken:
        """Whose token it is, for everything else."""
        names = tokens.read_reader(self.app.settings.keys, token)
        if names is None:
            raise HTTPException(404)
        return names

    def subscribed(self, names: ReaderToken) -> tuple[Subscription, Edition]:
        """The subscription a token names, with its edition."""
        found = audience.subscription_of(self.app.database, names.subscription_id)
        if found is None:
            raise HTTPException(410)
        return found, audience.edition_of(self.app.database, found.edition)

    def others(self, found: Subscription) -> list[tuple[Subscription, Edition, str]]:
        """The reader's other subscriptions, each with its edition and a token for its own page."""
        rest = [one for one in audience.all_of(self.app.database, found) if one.id != found.id]
        keys = self.app.settings.keys
        return [
            (one, audience.edition_of(self.app.database, one.edition), tokens.reader(keys, 0, one.id)) for one in rest
        ]

    def page(
        self, name: str, found: Subscription, edition: Edition, *, status: int = 200, **values: object
    ) -> HTMLResponse:
        """A page for one reader, in their language."""
        address, locale = masked(found.person.address), found.person.locale
        return self.pages.page(name, edition, status=status, locale=locale, address=address, **values)

    def link(self, issue_id: int, subscription_id: int) -> str:
        """The path of an issue's web version, from a page one level down."""
        return f"../../v/{tokens.reader(self.app.settings.keys, issue_id, subscription_id)}"

    def has_unsubscribed(self, found: Subscription) -> bool:
        return found.state is SubscriptionState.UNSUBSCRIBED
