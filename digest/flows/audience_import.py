"""Readers from a file: line by line checked, 500 to a transaction, every line accounted for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from sqlalchemy import Connection

from digest import addresses
from digest.errors import InputError
from digest.flows import choices
from digest.states import SubscriptionEvent, SubscriptionState
from digest.store import consent, editions, subscribers, suppressions
from digest.store.database import Database
from digest.store.subscribers import Choice, Person, Subscription
from digest.tables import Row
from digest.values import Edition, ImportReport, Rejected

BATCH = 500
REQUIRED = ("address|email",)
NO_SECTIONS = "-"  # as a blank means all, or as it was
_STATES = {"": SubscriptionState.ACTIVE, "active": SubscriptionState.ACTIVE, "subscribed": SubscriptionState.ACTIVE}
_STATES |= {"unsubscribed": SubscriptionState.UNSUBSCRIBED}


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line that makes sense by itself. What it leaves blank is as it was, or the edition's default."""

    row: Row
    key: bytes
    state: SubscriptionState
    person: Person
    choice: Choice

    def over(self, found: Subscription) -> _Entry:
        """This entry with its blanks filled from the subscription there is."""
        said = self.row.values
        choice = found.choice
        for name in ("cadence", "sections", "hour"):
            if said.get(name):
                choice = replace(choice, **{name: getattr(self.choice, name)})
        return replace(self, person=self.person_over(found.person), choice=choice)

    def person_over(self, found: Person) -> Person:
        """The same for the person alone, whose address keeps its spelling."""
        for name in ("name", "locale", "time_zone"):
            if self.row.values.get(name):
                found = replace(found, **{name: getattr(self.person, name)})
        return found


def import_subscribers(
    database: Database,
    edition: str,
    rows: Iterable[Row | Rejected],
    now: datetime,
    *,
    source: str,
    on_progress: Callable[[int], object] = int,
) -> ImportReport:
    """import: rows | check each | add, change or leave | proof of consent | report.

    Columns: address (or email), name, sections (keys or titles, separated by ``;``, or ``-`` for none), cadence,
    hour, time_zone, locale, state (active or unsubscribed). Who unsubscribed, is suppressed or never confirmed is not
    brought back. ``source`` goes into the proof of consent. Batches committed before an
    interruption stay; doing it again is safe. Raises ``NotFoundError`` for an unknown edition.
    """
    with database.read() as connection:
        edition_id, spec = editions.require(connection, edition)
    seen: dict[bytes, int] = {}
    report = ImportReport()
    for batch in _batches(rows):
        entries: list[_Entry] = []
        rejected: list[Rejected] = []
        for row in batch:
            entry = row if isinstance(row, Rejected) else _checked(row, spec, seen)
            if isinstance(entry, Rejected):
                rejected.append(entry)
            else:
                entries.append(entry)
        with database.write() as connection:
            stored = _store(connection, edition_id, entries, now, source)
        report = _sum(report, stored, len(batch), rejected)
        on_progress(len(batch))
    return report


def _batches(rows: Iterable[Row | Rejected]) -> Iterator[list[Row | Rejected]]:
    source = iter(rows)
    while batch := list(islice(source, BATCH)):
        yield batch


def _sum(report: ImportReport, stored: ImportReport, read: int, rejected: list[Rejected]) -> ImportReport:
    return ImportReport(
        read=report.read + read,
        added=report.added + stored.added,
        changed=report.changed + stored.changed,
        unchanged=report.unchanged + stored.unchanged,
        rejected=(*report.rejected, *rejected, *stored.rejected),
    )


def _checked(row: Row, edition: Edition, seen: dict[bytes, int]) -> _Entry | Rejected:
    said = {name: value for name, value in row.values.items() if isinstance(value, str)}
    try:
        entry = _entry(row, said, edition)
    except InputError as error:
        return row.rejected(str(error))
    first = seen.setdefault(entry.key, row.line)
    return entry if first == row.line else row.rejected(f"the same address as line {first}")


def _entry(row: Row, said: dict[str, str], edition: Edition) -> _Entry:
    address = addresses.normalise(said.get("address") or said.get("email") or "")
    state = _STATES.get(said.get("state", "").lower())
    if state is None:
        raise InputError(f"no state {said['state']!r}", "give active or unsubscribed")
    listed = said.get("sections", "")
    sections = None if not listed else [] if listed == NO_SECTIONS else listed.split(";")
    choice = choices.choose(edition, said.get("cadence", ""), sections, said.get("hour", ""))
    person = choices.person(address, said.get("name", ""), said.get("locale", ""), said.get("time_zone", ""))
    return _Entry(row, addresses.key(address), state, person, choice)


# ----------------------------------------------------------------------------------------------- storing


def _store(connection: Connection, edition_id: int, entries: list[_Entry], now: datetime, source: str) -> ImportReport:
    keys = [entry.key for entry in entries]
    barred = suppressions.among(connection, keys)
    found = subscribers.find(connection, edition_id, keys)
    allowed: list[_Entry] = []
    rejected: list[Rejected] = []
    for entry in entries:
        reason = "is suppressed" if entry.key in barred else _barred(entry, found.get(entry.key))
        if reason:
            rejected.append(entry.row.rejected(reason))
        else:
            allowed.append(entry)
    fresh = [entry for entry in allowed if entry.key not in found]
    _add(connection, edition_id, fresh, now, source)
    known = [(found[entry.key], entry.over(found[entry.key])) for entry in allowed if entry.key in found]
    changed = sum(_change(connection, one, entry, now, source) for one, entry in known)
    return ImportReport(added=len(fresh), changed=changed, unchanged=len(known) - changed, rejected=tuple(rejected))


def _barred(entry: _Entry, found: Subscription | None) -> str:
    """Why this file can't bring that reader back; "" if there is nothing to bring back."""
    if found is None or entry.state is SubscriptionState.UNSUBSCRIBED:
        return ""
    if found.state is SubscriptionState.UNSUBSCRIBED:
        return "has unsubscribed; only the reader can sign up again"
    if found.state is SubscriptionState.EXPIRED:
        return "never confirmed a sign-up; only the reader can sign up again"
    return ""


def _add(connection: Connection, edition_id: int, entries: list[_Entry], now: datetime, source: str) -> None:
    known = subscribers.find_people(connection, [entry.key for entry in entries])  # from other editions
    people = {known[entry.key][0]: entry.person_over(known[entry.key][1]) for entry in entries if entry.key in known}
    subscribers.change_people(connection, people)
    subscribers.put_people(connection, [entry.person for entry in entries if entry.key not in known], now)
    owners = subscribers.find_ids(connection, [entry.key for entry in entries])
    for state, kind in ((SubscriptionState.ACTIVE, "imported"), (SubscriptionState.UNSUBSCRIBED, "unsubscribed")):
        wanted = {owners[entry.key]: entry.choice for entry in entries if entry.state is state}
        new = subscribers.put(connection, edition_id, wanted, state, now)
        consent.record(connection, new, kind, now, source)


def _change(connection: Connection, found: Subscription, entry: _Entry, now: datetime, source: str) -> bool:
    """Bring one subscription to what its line says; whether that changed anything."""
    moved = _move(connection, found, entry.state, now, source)
    if entry.person != found.person:
        subscribers.change_people(connection, {found.subscriber_id: entry.person})
    if entry.choice != found.choice:
        subscribers.change_choices(connection, {found.id: entry.choice})
        consent.record(connection, [found.id], "preferences", now, source, choices.described(entry.choice))
    return moved or (entry.person, entry.choice) != (found.person, found.choice)


def _move(connection: Connection, found: Subscription, state: SubscriptionState, now: datetime, source: str) -> bool:
    if state is SubscriptionState.ACTIVE:
        event, kind = SubscriptionEvent.CONFIRM, "imported"
    else:
        event, kind = SubscriptionEvent.UNSUBSCRIBE, "unsubscribed"
    moved = subscribers.transition(connection, found.id, event)
    if moved:
        consent.record(connection, [found.id], kind, now, source)
    return moved
