"""The pages of the Morning Post, a small publication with a reader: what every test of them begins with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import insert

from digest.app import App
from digest.codec import codec
from digest.delivery import admission
from digest.editorial import compose
from digest.flows.readers import signup
from digest.flows.readers.importing import import_subscribers
from digest.look import Colours, Look
from digest.mail import render, themes
from digest.readers import addresses, tokens
from digest.readers.subscriptions import Subscription
from digest.states import SubscriptionState
from digest.store import schema
from digest.store.content import editions
from digest.store.database import Database
from digest.store.ledger import issues
from digest.store.readers import subscribers
from digest.tables import read_csv
from digest.values import Article, ArticleDraft, CompiledIssue, Edition, FeedSpec, Rule, Section, Story
from tests.conftest import NOW
from tests.support.compiled import SHARED
from tests.support.served import served

ADDRESS = "ann@example.org"
EDITION = Edition(
    name="morning",
    title="Morning Post",
    locale="en",
    time_zone="Europe/Madrid",
    sender=("Morning Post", "post@example.org"),
    postal_address="1 Quay Street\nSampleton",
    cadences=("daily", "weekly"),
    feeds=(FeedSpec("desk"),),
    sections=(
        Section("lead", "Lead story", Rule.LEAD, 1, optional=False),
        Section("sea", "By the sea", Rule.SECTOR, 3, ("sea",)),
        Section("rail", "Railways", Rule.SECTOR, 3, ("rail",)),
    ),
)
ON_PAGES = replace(EDITION, title="Morning <Post>", locale="en-GB", look=Look(light=Colours(accent="#ffcc00")))


def publish_edition(database: Database, edition: Edition = EDITION) -> None:
    with database.write() as connection:
        editions.save(connection, edition, NOW)


@pytest.fixture
def site(app: App) -> Iterator[httpx.Client]:
    publish_edition(app.database, ON_PAGES)
    with served(app) as client:
        yield client


@pytest.fixture
def reader(app: App, site: httpx.Client) -> Subscription:
    lines = ["address,name,sections", f"{ADDRESS},Ann,By the sea"]
    import_subscribers(app.database, "morning", read_csv(lines), NOW, source="test")
    found = find(app.database)
    assert found
    return found


@pytest.fixture
def token(app: App, reader: Subscription) -> str:
    return tokens.reader(app.settings.keys, 7, reader.id)


def find(database: Database, address: str = ADDRESS) -> Subscription | None:
    with database.read() as connection:
        return next(iter(subscribers.of_address(connection, addresses.key(address))), None)


def sign_up_by_form(app: App, site: httpx.Client, address: str) -> Subscription:
    """Somebody who has filled in the form, without haste, and whose form a worker has looked at."""
    site.post("/s/morning", data={"address": address, "mark": form_mark(app), "sections": ["sea", "rail"]})
    signup.answer(app.database, app.settings.sign_up, app.now())
    found = find(app.database, address)
    assert found
    return found


def form_mark(app: App, age: float = 10, ip: str = "127.0.0.1") -> str:
    """That of a form fetched ``age`` seconds ago."""
    return tokens.form(app.settings.keys, admission.network(ip), app.now() - timedelta(seconds=age))


def state_of(app: App) -> SubscriptionState:
    found = find(app.database)
    assert found
    return found.state


def put_issue(app: App) -> None:
    drafts = [("A harbour opens", "sea"), ("A train runs", "rail"), ("A boat sinks", "sea")]
    stories = []
    for number, (title, sector) in enumerate(drafts, start=1):
        draft = ArticleDraft(title, f"https://news.example.org/{number}", sector=sector, published=NOW)
        article = Article(number, number, "desk", number, NOW, draft)
        stories.append(Story(number, number, NOW, article, (article,)))
    content = compose.compose(ON_PAGES, compose.Slot("daily", NOW), stories, compose.Standing(0, 3, {0}), NOW)
    environment = themes.environment(app.template_folders, SHARED.templates)
    compiled = render.compile_issue(content, environment, app.settings.base_url, "n0nce17", "news.example.org")
    with app.database.write() as connection:
        row = {"id": 7, "edition_id": 1, "cadence": "daily", "slot": NOW, "state": "sent", "created_at": NOW}
        connection.execute(insert(schema.issues).values(row))
        issues.save_compiled(connection, 7, codec(CompiledIssue).dump_json(compiled).decode())
