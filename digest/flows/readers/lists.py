"""Readers by what is known of them: listed, searched, exported, and told in figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from digest.flows.readers import segments as named
from digest.flows.readers.choices import optional_sections
from digest.readers import fields
from digest.readers import segments as language
from digest.readers.segments import Every, Node, Question
from digest.readers.subscriptions import Month, Subscription
from digest.settings import FieldType
from digest.states import SubscriptionState
from digest.store.content import editions
from digest.store.database import Database
from digest.store.readers import statistics, subscribers
from digest.store.readers.segments import condition

_PAGE = 1000
_TOP = 10


@dataclass(frozen=True, slots=True)
class Filters:
    """What readers must have in common; "" is no filter. ``since`` is a date, ``where`` words of a segment."""

    state: SubscriptionState | None = None
    section: str = ""
    cadence: str = ""
    locale: str = ""
    zone: str = ""
    since: str = ""
    segment: str = ""
    where: str = ""


@dataclass(frozen=True, slots=True)
class Statistics:
    """An edition's audience in figures. All but ``states`` and ``months`` tell of active readers; ``sections`` says how
    many get each section they could leave out."""

    states: Mapping[SubscriptionState, int]
    months: tuple[Month, ...]
    cadences: Mapping[str, int]
    sections: Mapping[str, int]
    zones: Mapping[str, int]
    locales: Mapping[str, int]
    hours: Mapping[str, int]


def readers(
    database: Database, edition: str, filters: Filters, declared: Mapping[str, FieldType], now: datetime
) -> Iterator[Subscription]:
    """All readers of an edition whom the filters leave, by rising id, fetched in pages. Raises ``NotFoundError`` and
    ``InputError`` before the first."""
    node = Every(tuple(_asked(database, edition, filters, declared)))
    with database.read() as connection:
        edition_id, spec = editions.require(connection, edition)
    named.check(node, spec)

    def pages() -> Iterator[Subscription]:
        after = 0
        while True:
            with database.read() as connection:
                chosen = condition(connection, node, spec, now) if node.parts else None
                found = subscribers.listing(connection, edition_id, filters.state, after, _PAGE, chosen)
            yield from found
            if len(found) < _PAGE:
                return
            after = found[-1].id

    return pages()


def search(database: Database, text: str, limit: int) -> list[Subscription]:
    """Subscriptions of people whose address or name has ``text`` in it."""
    with database.read() as connection:
        return subscribers.listing(connection, limit=limit, chosen=statistics.mentions(text.strip()))


def tell(database: Database, edition: str, months: int, now: datetime) -> Statistics:
    """The audience of an edition in figures, growth and churn for the last ``months``. Raises ``NotFoundError``."""
    with database.read() as connection:
        edition_id, spec = editions.require(connection, edition)
        states = subscribers.counts(connection, edition_id)
        shares = {name: statistics.shares(connection, edition_id, name) for name in statistics.SHARES}
        growth = statistics.months(connection, edition_id, states[SubscriptionState.ACTIVE], months, now)
    chosen, keys = Counter[str](), [section.key for section in optional_sections(spec)]
    for listed, number in shares["sections"].items():
        for key in keys if listed is None else filter(None, str(listed).split(",")):
            chosen[key] += number
    return Statistics(
        states,
        tuple(growth),
        {str(cadence): number for cadence, number in shares["cadence"].items()},
        {key: chosen[key] for key in keys},
        _top(shares["time_zone"], spec.time_zone),
        _top(shares["locale"], spec.locale),
        {"as it comes out" if hour is None else f"{hour}:00": number for hour, number in shares["hour"].items()},
    )


def _top(shares: Mapping[object, int], default: str) -> dict[str, int]:
    """The most frequent words, "" standing for the edition's own, the others together."""
    found = Counter[str]()
    for word, number in shares.items():
        found[str(word or default)] += number
    top = dict(found.most_common(_TOP))
    rest = sum(found.values()) - sum(top.values())
    return top | ({"others": rest} if rest else {})


def _asked(database: Database, edition: str, filters: Filters, declared: Mapping[str, FieldType]) -> Iterator[Node]:
    for name in ("section", "cadence", "locale", "zone"):
        if word := getattr(filters, name):
            yield Question(name, FieldType.TEXT, "like" if "%" in word and name != "section" else "=", (word,))
    if filters.since:
        yield Question("signed_up", FieldType.DATE, ">=", (fields.read(FieldType.DATE, filters.since),))
    if filters.segment:
        yield named.meaning(database, edition, filters.segment, declared)
    if filters.where:
        yield language.parse(filters.where, declared)
