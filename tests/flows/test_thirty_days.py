"""Thirty days of two hundred readers who change their minds, over servers that fail: judged by the mails they received.

What each mail should hold is worked out here from times alone, knowing nothing of intakes, cut-offs or candidates.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message

import pytest
from sqlalchemy import event

from digest.flows.readers.importing import import_subscribers
from digest.flows.sources import collect
from digest.outcomes import Envelope, Outcome, Result, Stage
from digest.readers.subscriptions import Choice, Person
from digest.settings import ComposeSettings, DeliverSettings, MailSettings, Settings
from digest.states import IssueState
from digest.store.content import feeds
from digest.store.readers import subscribers
from digest.tables import Row
from tests.conftest import on_sqlite
from tests.support.press import DAYS, START, Told, press
from tests.support.world import ACCEPTED, EDITION, GREYLISTED, NO_CONNECTION, ToldCourier, World, WorldApp

pytestmark = pytest.mark.timeout(900)  # half a minute on a machine with nothing else to do

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
READERS = 200
SLOT = timedelta(hours=6)
HOUR = timedelta(hours=1)
ZONES = ("", "Europe/Madrid", "America/New_York")
KEYS = ("sea", "land", "views", "latest")
DEEP = {"lead": 1, **dict.fromkeys(KEYS, 90)}
SHORT = {"first": 1, "sea": 3, "land": 2, "views": 1, "latest": 4}
THIN, FALLBACK = 3, "land"  # where sections are short
REFUSED = Outcome(Result.PERMANENT, "mailbox full", 552, "5.2.2", Stage.RECIPIENT)
HEAD = EDITION.partition("[[")[0]


def edition(counts: dict[str, int]) -> str:
    rules = {
        "lead": 'rule = "lead"\noptional = false',
        "first": 'rule = "latest"\noptional = false',
        "sea": 'rule = "sector"\nsectors = ["sea"]',
        "land": 'rule = "sector"\nsectors = ["land"]',
        "views": 'rule = "kind"\nkinds = ["opinion"]',
        "latest": 'rule = "latest"',
    }
    parts = [f'thin = {THIN}\nfallback = "{FALLBACK}"'] if counts is SHORT else []
    parts += [f'[[feed]]\nname = "{name}"' for name in ("desk", "wire")]
    parts += [f'[[section]]\nkey = "{key}"\ntitle = "{key}"\ncount = {counts[key]}\n{rules[key]}' for key in counts]
    return "\n".join([HEAD, *parts])


# ------------------------------------------------------------------------------------------------ readers


@dataclass
class Reader:
    """A reader by their own account: what they chose, and up to when they have been served."""

    address: str
    joins: datetime
    cadence: str
    sections: tuple[str, ...] | None
    hour: int | None
    zone: str
    served: datetime | None = None
    id: int = 0
    owner: int = 0

    def row(self) -> dict[str, str]:
        sections = "" if self.sections is None else ";".join(self.sections)
        hour = "" if self.hour is None else str(self.hour)
        columns = {"sections": sections, "cadence": self.cadence, "hour": hour, "time_zone": self.zone}
        return {"address": self.address, **columns}

    def shown(self, first: str) -> list[str]:
        """The sections they get, in the edition's order; ``first`` nobody can switch off."""
        return [first, *(key for key in KEYS if self.sections is None or key in self.sections)]

    def arranged(self, first: str) -> list[str]:
        return [first, *(KEYS if self.sections is None else self.sections)]


def wish(chance: random.Random) -> tuple[str, tuple[str, ...] | None, int | None]:
    sections = None
    if chance.random() < 0.7:
        sections = tuple(chance.sample(KEYS, chance.randint(1, len(KEYS))))
    return chance.choice(["daily", "daily", "weekly"]), sections, chance.choice([None, 7, 20])


def audience(chance: random.Random) -> list[Reader]:
    made = []
    for number in range(READERS):
        joins = START + HOUR * (0 if chance.random() < 0.6 else chance.randrange(25 * 24))
        made.append(Reader(f"r{number}@x.example", joins, *wish(chance), chance.choice(ZONES)))
    return made


@dataclass(frozen=True)
class Seen:
    """A story as a mail shows it."""

    number: int
    update: bool
    version: int


# -------------------------------------------------------------------------------------------- expectation


def fresh(stories: list[Told], served: datetime, until: datetime) -> list[tuple[datetime, Told, Seen]]:
    """What is new to one who was served up to ``served`` in an issue of ``until``, the latest first."""
    found = []
    for story in stories:
        again = [at for at in story.again if at <= until]
        if served < story.at <= until:
            found.append((story.at, story, Seen(story.number, False, len(again))))
        elif story.at <= served and again and again[-1] > served:
            found.append((again[-1], story, Seen(story.number, True, len(again))))
    return sorted(found, key=lambda one: one[0], reverse=True)


def expected(reader: Reader, stories: list[Told], until: datetime, counts: dict[str, int]) -> list[Seen]:
    """What an issue of ``until`` should hold for them, by section, as they chose; one more if that is little."""
    new = fresh(stories, reader.served or LONG_AGO, until)
    taken: set[Seen] = set()
    first, shown = next(iter(counts)), dict[str, list[Seen]]()

    def show(key: str) -> None:
        shown[key] = [seen for _, story, seen in new if story.fits(key) and seen not in taken][: counts[key]]
        taken.update(shown[key])

    for key in reader.shown(first):
        show(key)
    order = reader.arranged(first)
    if 0 < len(taken) < THIN and FALLBACK not in shown:
        show(FALLBACK)
        order.append(FALLBACK)
    return [seen for key in order for seen in shown[key]]


# ------------------------------------------------------------------------------------------------ the month


class Month:
    """The simulation: each hour what is printed, what readers change, what comes out and what is delivered."""

    def __init__(self, world: World, seed: int, counts: dict[str, int]) -> None:
        self.chance = random.Random(seed)
        self.world, self.counts, self.cut = world, counts, counts is SHORT
        self.press, self.readers = press(self.chance, copied=not self.cut), audience(self.chance)
        self.by_address = {reader.address: reader for reader in self.readers}
        self.issues: dict[str, list[datetime]] = defaultdict(list)
        self.received: dict[str, list[Seen]] = defaultdict(list)
        self.tally: Counter[str] = Counter()
        self.calm = False

    def live(self) -> None:
        app = self.world.app
        app.time = START
        self.world.edition(edition(self.counts))
        with app.database.read() as connection:
            self.feeds = {feed.name: feed.id for feed in feeds.every(connection)}
        courier = ToldCourier(self.outcome)
        for hour in range(DAYS * 24 + 7):
            now = START + hour * HOUR
            self.print_until(now)
            app.time = now
            self.change(now)
            self.calm = hour >= DAYS * 24 - 24
            if now - START >= SLOT and (now - START - SLOT) % timedelta(days=1) == timedelta(0):
                self.come_out("daily", now)
                if (now - START).days % 7 == 2 or self.calm:
                    self.come_out("weekly", now)
            if hour % 3 == 0:
                self.world.deliver(courier)
        app.time += timedelta(days=1, hours=12)
        self.world.deliver(courier)

    def print_until(self, now: datetime) -> None:
        while self.press.printed and self.press.printed[0][0] <= now:
            at, feed, draft = self.press.printed.pop(0)
            with self.world.app.database.write() as connection:
                collect.store_drafts(connection, self.feeds[feed], [draft], at)

    def change(self, now: datetime) -> None:
        """Some join, some change their minds."""
        changed: dict[int, Choice] = {}
        people: dict[int, Person] = {}
        for reader in self.readers:
            if reader.id and self.chance.random() < 1 / 200:
                reader.cadence, reader.sections, reader.hour = wish(self.chance)
                reader.zone = self.chance.choice(ZONES)
                changed[reader.id] = Choice(reader.cadence, reader.sections, reader.hour)
                people[reader.owner] = Person(reader.address, "", "", reader.zone)
        self.join([reader for reader in self.readers if reader.joins == now])
        self.tally["changes"] += len(changed)
        if changed:
            with self.world.app.database.write() as connection:
                subscribers.change_choices(connection, changed)
                subscribers.change_people(connection, people)

    def join(self, readers: list[Reader]) -> None:
        rows = [Row(line, reader.row(), reader.address) for line, reader in enumerate(readers, 2)]
        if not rows:
            return
        report = import_subscribers(self.world.app.database, "tide", rows, self.world.app.now(), source="test")
        assert report.added == len(rows)
        for reader in readers:
            found = self.world.subscription(reader.address)
            reader.id, reader.owner = found.id, found.subscriber_id

    def come_out(self, cadence: str, now: datetime) -> None:
        """From their first issue on, a reader is owed what came after the issue before it."""
        if self.world.publish(cadence).state is IssueState.SKIPPED:
            return
        for reader in self.readers:
            if reader.id and reader.cadence == cadence and reader.served is None:
                reader.served = self.issues[cadence][-1] if self.issues[cadence] else LONG_AGO
        self.issues[cadence].append(now)

    def outcome(self, envelope: Envelope) -> Outcome:
        """What the server says: now and then it has no time, the mailbox is full for days, nobody answers."""
        reader = self.by_address[envelope.recipient]
        hour = (self.world.app.time - START) // HOUR
        day = random.Random(f"{reader.address} {hour // 48}").random()
        said = ACCEPTED
        if not self.calm:
            if day < 0.06:
                said = GREYLISTED
            elif day < 0.08:
                said = REFUSED
            elif random.Random(f"{hour}").random() < 0.02:
                said = NO_CONNECTION
            elif random.Random(f"{reader.address} {hour}").random() < 0.1:
                said = GREYLISTED
        self.tally[said.text] += 1
        if said is ACCEPTED:
            self.receive(reader, message_from_bytes(envelope.message))
        return said

    def receive(self, reader: Reader, mail: Message) -> None:
        until = datetime.strptime(mail["Feedback-ID"].partition(":")[0], "%Y%m%dT%H%M").replace(tzinfo=UTC)
        got, in_html = (seen(part) for part in list(mail.walk())[1:])
        assert set(got) == set(in_html), "both parts tell the same"
        assert reader.served is not None and until > reader.served, "an issue they have had, or one before it"
        wanted = expected(reader, self.press.stories, until, self.counts)
        if self.cut:
            assert got == wanted
        else:
            self.check_whole(reader, got, until)
        self.received[reader.address] += got
        reader.served = until
        self.tally["updates"] += sum(one.update for one in got)

    def check_whole(self, reader: Reader, got: list[Seen], until: datetime) -> None:
        """All that fits their sections, as they chose, and beside it at most the leading story, which may be of any."""
        assert len(got) == len(set(got))
        new = fresh(self.press.stories, reader.served or LONG_AGO, until)
        fitting = {one: [key for key in reader.shown("lead")[1:] if story.fits(key)] for _, story, one in new}
        due = {one for one, keys in fitting.items() if keys}
        assert due <= set(got)
        assert set(got) - due <= {story_seen for _, story, story_seen in new if story.fits("lead")}
        assert set(got) - due <= set(got[:1])
        places = [reader.arranged("lead").index(fitting[one][0]) for one in got[1:]]
        assert places == sorted(places)


def seen(part: Message) -> list[Seen]:
    """The stories of a part, in the order they stand in it."""
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    text = " ".join(payload.decode().split())
    found = re.findall(r"(Update: )?Number(\d+) version(\d+)", text)
    return [Seen(int(number), bool(update), int(version)) for update, number, version in found]


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    changed = {
        "compose": ComposeSettings(catch_up_days=45),
        "mail": MailSettings(size_budget=900_000),
        "deliver": DeliverSettings(give_up_hours=24),
    }
    world = World(WorldApp(settings.model_copy(update=changed)))
    engine = world.app.database.engine
    if engine.dialect.name == "sqlite":  # nothing here must survive a power cut
        event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))
    yield world
    world.app.database.dispose()


def never_twice(month: Month) -> None:
    for address, got in month.received.items():
        assert len(got) == len(set(got)), address
        versions = defaultdict(list)
        for one in got:
            versions[one.number].append(one.version)
        assert all(each == sorted(set(each)) for each in versions.values()), address
        assert all(one.update for number in versions for one in [o for o in got if o.number == number][1:])


def everybody_is_served(month: Month) -> None:
    last = {cadence: issues[-1] for cadence, issues in month.issues.items()}
    assert all(reader.served == last[reader.cadence] for reader in month.readers)


def it_was_a_month(month: Month) -> None:
    """It happened what was to happen: changes, failures of every kind, updates."""
    assert month.tally["changes"] > 2 * READERS
    assert month.tally["taken"] > 10 * READERS
    assert min(month.tally[each.text] for each in (GREYLISTED, REFUSED, NO_CONNECTION)) > 20
    assert month.tally["updates"] > 500


def live_through(world: World, seed: int, counts: dict[str, int]) -> None:
    month = Month(world, seed, counts)
    month.live()
    never_twice(month)
    everybody_is_served(month)
    it_was_a_month(month)


@pytest.mark.parametrize("database_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.judge)], indirect=True)
def test_nothing_is_sent_twice_or_missed_where_sections_show_all_that_is_new(world: World) -> None:
    live_through(world, 1, DEEP)


@on_sqlite
def test_where_sections_are_short_each_shows_the_best_of_what_its_reader_has_not_had(world: World) -> None:
    live_through(world, 2, SHORT)
