"""The audience on both databases: consent, preferences, imports, erasure, confirmations."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

import pytest

from digest.errors import NotFoundError
from digest.flows.readers import audience, choices, signup
from digest.flows.readers.importing import Imported, import_subscribers
from digest.readers.subscriptions import Choice, Person, Subscription
from digest.settings import SignUpSettings
from digest.states import SubscriptionState
from digest.store.database import Database
from digest.store.readers import consent
from digest.tables import read_csv
from tests.conftest import NOW
from tests.support.morning import ADDRESS, EDITION, find, publish_edition

ACTIVE, PENDING = SubscriptionState.ACTIVE, SubscriptionState.PENDING
UNSUBSCRIBED, EXPIRED = SubscriptionState.UNSUBSCRIBED, SubscriptionState.EXPIRED


@pytest.fixture(autouse=True)
def edition(database: Database) -> None:
    publish_edition(database)


def _wish(address: str = ADDRESS, name: str = "Ann", sections: Iterable[str] | None = None) -> signup.SignUp:
    return signup.SignUp(
        choices.person(address, name), choices.choose(EDITION, "", sections), "Yes, please.", ip="192.0.2.7"
    )


def _sign_up(database: Database, now: datetime = NOW, **words: object) -> None:
    signup.sign_up(database, SignUpSettings(), "morning", _wish(**words), now)  # type: ignore[arg-type]


def _must(database: Database, address: str = ADDRESS) -> Subscription:
    found = find(database, address)
    assert found
    return found


def _consent(database: Database, address: str = ADDRESS) -> list[str]:
    with database.read() as connection:
        return [event["kind"] for event in consent.events(connection, _must(database, address).id)]


def _import(database: Database, text: str, source: str = "import readers.csv") -> Imported:
    return import_subscribers(database, "morning", read_csv(text.splitlines(), ["address|email"]), NOW, source=source)


def _active(database: Database, address: str = ADDRESS) -> Subscription:
    assert _import(database, f"address\n{address}").added == 1
    return _must(database, address)


def test_preferences_are_saved_with_proof_once(database: Database) -> None:
    found = _active(database)
    person = choices.person(ADDRESS, " Ann\r\nLee\x00 ", time_zone="Asia/Kolkata")
    choice = choices.choose(EDITION, "weekly", ["Railways"], "7")
    for _ in range(2):
        saved = audience.change_preferences(database, found.id, person, choice, NOW, source="page")
    assert saved.person == Person(ADDRESS, "Ann Lee", "", "Asia/Kolkata")
    assert saved.choice == Choice("weekly", ("rail",), 7)
    assert _consent(database) == ["imported", "preferences"]
    with pytest.raises(NotFoundError):
        audience.change_preferences(database, 999, person, choice, NOW, source="page")


@pytest.mark.parametrize(
    ("sections", "chosen"),
    [
        (None, None),
        ([], ()),
        (["SEA"], ("sea",)),
        (["SEA", "Lead story", "sea"], ("sea", "lead")),
        (["sea", "rail"], None),
        (["rail", "sea"], ("rail", "sea")),
    ],
)
def test_naming_every_optional_section_as_the_edition_has_them_means_all(
    sections: list[str] | None, chosen: tuple[str, ...] | None
) -> None:
    assert choices.choose(EDITION, "", sections).sections == chosen


# ---------------------------------------------------------------------------------------- export


def test_an_export_holds_all_that_is_known(database: Database) -> None:
    found = _active(database)
    audience.unsubscribe(database, found.id, NOW, source="page")
    audience.suppress(database, ADDRESS, NOW, note="by phone")
    data = json.loads(json.dumps(audience.export(database, "ANN@example.org"), default=str))
    assert data["subscriber"]["address"] == ADDRESS
    assert data["suppression"]["note"] == "by phone"
    (one,) = data["subscriptions"]
    assert [event["kind"] for event in one["consent"]] == ["imported", "unsubscribed"]
    assert one["subscription"]["edition"] == "morning"
    with pytest.raises(NotFoundError):
        audience.export(database, "nobody@example.org")
