"""prospect : reader | next slot | choose | explain: what one reader gets next, and why. Nothing is stored or sent."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from sqlalchemy import Connection

from digest.editions import schedule
from digest.editorial.compose import Slot
from digest.editorial.variants import arranged, choose
from digest.editorial.why import Placed, explained
from digest.errors import NotFoundError
from digest.flows.issues import selection, timetable
from digest.flows.issues.selection import Purpose
from digest.flows.issues.timetable import NextMail
from digest.readers import addresses
from digest.readers.mailable import is_away
from digest.readers.subscriptions import Subscription
from digest.settings import Settings
from digest.states import IssueState, SubscriptionState
from digest.store.content import editions
from digest.store.database import Database
from digest.store.ledger import issues
from digest.store.readers import consent, subscribers, suppressions
from digest.values import CompiledIssue, Edition, IssueContent

_HAD = 10  # stories named that they have had


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a reader gets next. ``slot`` of the issue and when it is ``due`` to them, ``None`` if none is to come;
    ``issue`` where it is composed already; ``sections`` in their order, and behind them ``filler``, the title of the
    one that fills a thin mail ("": none does); ``not_chosen``: how many stories wait in sections that they switched
    off; ``had``: stories that others still get, with the issue in which they got them; ``time_zone``: the edition's."""

    reader: Subscription
    slot: datetime | None
    due: datetime | None
    issue: int | None
    sections: tuple[tuple[str, tuple[Placed, ...]], ...]
    filler: str
    not_chosen: tuple[tuple[str, int], ...]
    had: tuple[tuple[str, int], ...]
    warnings: tuple[str, ...]
    time_zone: str


def prospect(
    database: Database,
    edition_name: str,
    address: str,
    load: Callable[[int], CompiledIssue],
    settings: Settings,
    now: datetime,
    segment: str = "",
) -> Prospect:
    """What the subscriber ``address`` gets next of ``edition_name``; or of its issue for a ``segment``, if that were
    sent now. Raises ``NotFoundError``."""
    with database.read() as connection:
        edition_id, edition = editions.require(connection, edition_name)
        reader = find_reader(connection, edition_id, edition_name, address)
        mail = _next(connection, edition_id, edition, reader, segment, now)
        planned = next(timetable.coming(connection, edition_id, reader.choice.cadence, now), None)
        served = consent.served(connection, reader.id)
        suppressed = suppressions.find(connection, addresses.key(reader.person.address))
    content = (
        load(mail.issue).content
        if mail and mail.issue
        else selection.choose(
            database,
            edition_name,
            Slot(reader.choice.cadence, now, segment),
            settings,
            now,
            Purpose(explained=reader.covered_until),
        )
    )
    variant, offered = choose(content, reader.choice.sections, reader.covered_until), content.edition.sections
    own = arranged(offered, reader.choice.sections)
    filler = [index for index, _ in variant.shown if index not in own]
    found = explained(content, variant)
    return Prospect(
        reader=reader,
        slot=mail.slot if mail else None,
        due=mail.due if mail else None,
        issue=mail.issue if mail else None,
        sections=tuple((offered[index].title, tuple(found.get(index, ()))) for index in (*own, *filler)),
        filler=offered[filler[0]].title if filler else "",
        not_chosen=_not_chosen(content, reader, {*own, *filler}),
        had=_had(content, reader, served),
        warnings=tuple(_warnings(reader, suppressed.reason if suppressed else "", mail, planned, edition, now)),
        time_zone=edition.time_zone,
    )


def find_reader(connection: Connection, edition_id: int, edition: str, address: str) -> Subscription:
    """The subscription of ``address``. Raises ``NotFoundError``."""
    for spelling in (str.strip, addresses.normalise):  # the first finds nearly all, with nothing to check
        key = addresses.key(spelling(address))
        if found := subscribers.find(connection, edition_id, [key]).get(key):
            return found
    raise NotFoundError(f"{address} does not subscribe to {edition}", "see `digest subscriber list`")


def _next(
    connection: Connection, edition_id: int, edition: Edition, reader: Subscription, segment: str, now: datetime
) -> NextMail | None:
    """Their next mail; or the one of the issue for ``segment``, if its draft goes out, or it is sent, at ``now``."""
    if not segment:
        return timetable.next_mail(connection, edition_id, edition, reader, now)
    waiting = issues.waiting(connection, edition_id, reader.choice.cadence)
    draft = next((one for one in waiting if one.state is IssueState.COMPOSED and one.segment == segment), None)
    slot = draft.slot if draft else now
    then = timetable.coming(connection, edition_id, reader.choice.cadence, max(slot, now))
    found = timetable.first_for(reader, edition, [slot, *islice(then, 1)], now)
    return replace(found, issue=draft.id if draft else None) if found and found.slot == slot else None


def _not_chosen(content: IssueContent, reader: Subscription, own: Collection[int]) -> tuple[tuple[str, int], ...]:
    everything = dict(choose(content, None, reader.covered_until).shown)
    return tuple(
        (section.title, len(everything.get(index, ())))
        for index, section in enumerate(content.edition.sections)
        if index not in own
    )


def _had(content: IssueContent, reader: Subscription, served: Sequence[tuple[int, int]]) -> tuple[tuple[str, int], ...]:
    """What readers who stand where the last issue ended still get, and they have had; with the issue that had it."""
    if reader.covered_until is None or not served:
        return ()
    untils = [until for until, _ in served]
    given = [
        (item.title, served[min(bisect_left(untils, item.intake), len(served) - 1)][1])
        for item in content.items.values()
        if item.is_for(content.covers_from) and item.intake <= reader.covered_until
    ]
    return tuple(given[:_HAD])


def _warnings(
    reader: Subscription,
    suppressed: str,
    mail: NextMail | None,
    planned: datetime | None,
    edition: Edition,
    now: datetime,
) -> Iterator[str]:
    if suppressed:
        yield f"the address is suppressed ({suppressed}): nothing is sent to it"
    if reader.state is SubscriptionState.PENDING:
        yield "the subscription is not confirmed yet: nothing is sent before"
    elif reader.state is not SubscriptionState.ACTIVE:
        yield f"the subscription is {reader.state}: nothing is sent"
    until = reader.choice.paused_until
    if until and is_away(until, now):
        zone = schedule.zone(reader.person.time_zone or edition.time_zone)
        yield f"paused until {until.astimezone(zone):%Y-%m-%d %H:%M %Z}"
    if planned is None and (mail is None or mail.issue is None):
        yield f"no {reader.choice.cadence} slot is to come: see `digest schedule list`"
    elif mail is None:
        yield "no coming slot reaches this reader: see their weekdays and their holiday"
