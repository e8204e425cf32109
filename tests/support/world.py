"""A small publisher to test with: an edition, articles at its desk, readers; a courier that is told its outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email import message_from_bytes, policy

from digest.app import App, Compiled
from digest.editions import file as edition_files
from digest.flows.delivery import deliver
from digest.flows.issues import editions as edition_flow
from digest.flows.issues import operate, publish
from digest.flows.readers import importing as audience_import
from digest.flows.sources import articles
from digest.outcomes import Envelope, Outcome, Result, Stage
from digest.readers.subscriptions import Subscription
from digest.settings import DeliverSettings, Settings
from digest.smtp.courier import Answers, Courier, OnWire
from digest.states import DeliveryState
from digest.store.readers import subscribers
from digest.tables import Row
from digest.values import ArticleDraft, Issue, Kind
from tests.conftest import NOW
from tests.support.compiled import SHARED

EDITION = """
[edition]
name = "tide"
title = "The Tide"
locale = "en"
time_zone = "Asia/Kolkata"
from = "The Tide <news@tide.example>"
postal_address = "The Tide, 4 Quay Street, Harbourtown"
cadences = ["daily", "weekly"]

[[feed]]
name = "desk"

[[section]]
key = "lead"
title = "Top story"
rule = "lead"
count = 1
optional = false

[[section]]
key = "sea"
title = "Sea"
rule = "sector"
sectors = ["sea"]
count = 2

[[section]]
key = "land"
title = "Land"
rule = "sector"
sectors = ["land"]
count = 2

[[section]]
key = "opinion"
title = "Opinion"
rule = "kind"
kinds = ["opinion"]
count = 2
"""

ACCEPTED = Outcome(Result.ACCEPTED, "taken", 250, "2.0.0")
READERS = [f"r{number}@x.example" for number in range(7)]
GREYLISTED = Outcome(Result.TEMPORARY, "greylisted", 450, "4.2.0", Stage.RECIPIENT)
NOT_WELCOME = Outcome(Result.PERMANENT, "not from you", 550, "5.7.1", Stage.RECIPIENT)
NO_SUCH_USER = Outcome(Result.PERMANENT, "no such user", 550, "5.1.1", Stage.RECIPIENT)
LOST = Outcome(Result.UNKNOWN, "connection lost", stage=Stage.MESSAGE)
NO_CONNECTION = Outcome(Result.UNSENT, "connection refused", stage=Stage.CONNECT)
NO_LOGIN = Outcome(Result.REFUSED_LOGIN, "authentication failed", 535, "5.7.8", Stage.CONNECT)
WORDS = [
    "ferry",
    "glacier",
    "orchard",
    "violin",
    "harvest",
    "tunnel",
    "comet",
    "bakery",
    "lighthouse",
    "monsoon",
    "railway",
    "senate",
    "vaccine",
    "archive",
    "desert",
    "bridge",
    "whale",
    "pepper",
    "turbine",
    "castle",
]


def draft(number: int, sector: str = "sea", kind: Kind = Kind.NEWS) -> ArticleDraft:
    """An invented article unlike the others: no two share enough words to be one story."""
    a, b = WORDS[number % len(WORDS)], WORDS[(number * 7 + 3) % len(WORDS)]
    return ArticleDraft(
        title=f"Number{number} {a} {b}{number} event{number}",
        url=f"https://tide.example/{number}",
        guid=str(number),
        standfirst=f"About{number} the {b}{number * 3} and what{number} came of it{number}.",
        sector=sector,
        kind=kind,
        published=NOW - timedelta(hours=1),
    )


@dataclass
class ToldCourier:
    """The courier of the tests: says what it is told of each recipient, and remembers every try."""

    outcome: Callable[[Envelope], Outcome] = lambda _: ACCEPTED
    tried: list[Envelope] = field(default_factory=list)

    def send(self, envelopes: Iterable[Envelope], on_wire: OnWire = lambda _: None) -> Iterator[Answers]:
        for index, envelope in enumerate(envelopes):
            on_wire([index])
            self.tried.append(envelope)
            yield [(index, self.outcome(envelope))]

    def close(self) -> None:
        """Nothing to end."""

    @property
    def recipients(self) -> list[str]:
        return [envelope.recipient for envelope in self.tried]


class WorldApp(App):
    """An application whose clock the test sets."""

    def __init__(self, settings: Settings, shared: Compiled = SHARED) -> None:
        super().__init__(settings, shared)
        self.time = NOW

    def now(self) -> datetime:
        return self.time


@dataclass
class World:
    app: WorldApp

    def edition(self, text: str = EDITION) -> None:
        edition_flow.apply(self.app.database, edition_files.parse(text, "edition.toml"), self.app.now())

    def articles(self, *drafts: ArticleDraft) -> None:
        articles.import_drafts(self.app.database, "desk", drafts, self.app.now())

    def readers(self, *addresses: str, **columns: str) -> None:
        rows = [Row(line, {"address": a, **columns}, a) for line, a in enumerate(addresses, 2)]
        report = audience_import.import_subscribers(self.app.database, "tide", rows, self.app.now(), source="test")
        assert not report.rejected

    def subscription(self, address: str) -> Subscription:
        from digest.readers import addresses

        with self.app.database.read() as connection:
            (found,) = subscribers.of_address(connection, addresses.key(address))
        return found

    def publish(self, cadence: str = "daily") -> Issue:
        """An issue for now, as far as it goes without sending."""
        issue = publish.open_now(self.app.database, "tide", cadence, self.app.now())
        return publish.publish(self.app.database, issue.id, self.app.compile, self.app.settings, self.app.now())

    def deliver(self, courier: Courier) -> int:
        """Everything that is due now, as workers would. Returns how many deliveries were due."""
        done = 0
        while due := deliver.dispatch(self.app.database, self.app.settings, 100, self.app.now()):
            done += sum(deliver.deliver(self.app.post_office(courier), *batch) for batch in due)
        return done

    def later(self, **duration: float) -> None:
        self.app.time += timedelta(**duration)

    def counts(self, issue: Issue) -> dict[str, int]:
        (progress,) = operate.progress(self.app.database, [issue.id])
        return {str(state): count for state, count in progress.counts.items()}

    def named(self, issue: Issue, state: DeliveryState) -> list[tuple[str, str]]:
        from digest.store.ledger import deliveries

        with self.app.database.read() as connection:
            return deliveries.named(connection, issue.id, state)

    def state(self, issue: Issue) -> str:
        (progress,) = operate.progress(self.app.database, [issue.id])
        return str(progress.issue.state)


def small_world(settings: Settings) -> Iterator[World]:
    """A world whose batches and groups are small enough that a few readers fill several."""
    world = World(WorldApp(settings.model_copy(update={"deliver": DeliverSettings(batch=3, window=2)})))
    world.edition()
    yield world
    world.app.database.dispose()


def in_line(world: World) -> list[str]:
    """``READERS`` in the order of their subscriptions, which is the order in which they are sent to."""
    return sorted(READERS, key=lambda address: world.subscription(address).id)


def told(outcome: Outcome, *recipients: str) -> ToldCourier:
    """Says ``outcome`` of these recipients and accepts the others."""
    return ToldCourier(lambda envelope: outcome if envelope.recipient in recipients else ACCEPTED)


def headlines(envelope: Envelope) -> set[str]:
    """The numbers of the world's articles that a mail shows."""
    body = message_from_bytes(envelope.message, policy=policy.default).get_body(("plain",))
    assert body
    return {word for word in body.get_content().split() if word.startswith("Number")}
