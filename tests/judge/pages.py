"""The pages of the web application, each in the state in which a reader meets it."""

from __future__ import annotations

from dataclasses import replace

import httpx
from sqlalchemy import select, update

from digest.app import App
from digest.flows.readers.importing import import_subscribers
from digest.mail import themes
from digest.public.archive import public
from digest.readers import addresses, tokens
from digest.states import IssueState
from digest.store import schema
from digest.store.content import archive, editions
from digest.store.readers import subscribers
from digest.tables import read_csv
from digest.values import Edition, Issue
from tests.conftest import NOW
from tests.judge.mails import Case, compiled, edition


def every_page(app: App, client: httpx.Client, language: str) -> dict[str, str]:
    """The HTML of every page that readers of an edition in ``language`` can come to, by what it is."""
    publication = replace(edition(Case(themes.BASE, language)), name="post", cadences=("daily", "weekly"), public=True)
    with app.database.write() as connection:
        editions.save(connection, publication, NOW)
    import_subscribers(app.database, "post", read_csv(["address,name", "ann@example.org,Ann"]), NOW, source="test")
    with app.database.read() as connection:
        (found,) = subscribers.of_address(connection, addresses.key("ann@example.org"))
    _archived(app, publication, language)
    token = tokens.reader(app.settings.keys, 7, found.id)
    made = {
        "newsletters": client.get("/"),
        "archive": client.get("/a/post"),
        "archive, found": client.get("/a/post?q=a"),
        "archive, nothing found": client.get("/a/post?q=zzzz"),
        "archived issue": client.get(f"/a/post/{NOW.date()}"),
        "sign-up in a frame": client.get("/s/post/embed"),
        "sign-up": client.get("/s/post"),
        "sign-up with a fault": client.post("/s/post", data={"address": "no address", "name": "Ann"}),
        "look into your mailbox": client.post("/s/post", data={"address": "bob@example.org", "website": "trap"}),
        "preferences": client.get(f"/p/{token}"),
        "preferences saved": client.post(f"/p/{token}", data={"cadence": "weekly", "name": "Ann"}),
        "what was sent": client.get(f"/p/{token}/sent"),
        "erasure asked for": client.post(f"/p/{token}/erase"),
        "errand": client.get(_errand(app)),
        "unsubscribe": client.get(f"/u/{token}"),
    }
    with app.database.write() as connection:
        connection.execute(update(schema.subscriptions).values(state="pending"))
    confirm = f"/c/{tokens.confirm(app.settings.keys, found.id, app.now())}"
    made |= {"confirm": client.get(confirm), "confirmed": client.post(confirm)}
    made["unsubscribed"] = client.post(f"/u/{token}")
    assert {page.status_code for page in made.values()} == {200, 422}
    made["no such page"] = client.get("/nowhere")
    return {name: page.text for name, page in made.items()}


def _errand(app: App) -> str:
    """The link of the one that was asked for."""
    with app.database.read() as connection:
        (row,) = connection.execute(select(schema.errands))
    return f"/e/{tokens.errand(app.settings.keys, row.id, row.asked_at)}"


def _archived(app: App, publication: Edition, language: str) -> None:
    """Put an issue of the publication that went out into the archive."""
    content = replace(compiled(Case(themes.BASE, language), "usual").content, edition=publication, slot=NOW)
    with app.database.write() as connection:
        edition_id = editions.get_id(connection, publication.name)
        issue = Issue(8, edition_id, publication.name, "daily", NOW, IssueState.SENT, "", NOW)
        archive.put(connection, issue, public(content), NOW)
