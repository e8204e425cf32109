"""apply : edition file | parse | compare | store. Applying the same file again changes nothing and says so."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from dataclasses import fields as fields_of
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection

from digest.editions import schedule
from digest.store.content import editions, feeds, schedules
from digest.store.database import Database
from digest.store.ledger import issues
from digest.values import Edition, FeedSpec, ScheduleSpec


class Applied(StrEnum):
    """What applying an edition came to."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """``details`` says what changed, a line each; ``warnings`` what readers will miss by it."""

    edition: str
    applied: Applied
    details: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EditionRow:
    """An edition with how many readers it has."""

    edition: Edition
    readers: int


def apply(database: Database, edition: Edition, now: datetime) -> ApplyReport:
    """Bring the stored edition of that name to what ``edition`` says. The schedules of its file replace those declared
    before; hand-made ones stay. Raises ``NotFoundError`` for a feed that is only named and not known."""
    with database.write() as connection:
        wanted = replace(edition, feeds=_known(connection, edition.feeds))
        found = editions.load(connection, edition.name)
        details = tuple(differences(found[1], wanted)) if found else ()
        if found and not details:
            return ApplyReport(edition.name, Applied.UNCHANGED, (), tuple(_unplanned(connection, found[0], wanted)))
        warnings = tuple(_missed(connection, found[0], found[1], wanted)) if found else ()
        edition_id = editions.save(connection, wanted, now)
        past = _declare(connection, edition_id, wanted.schedules, now)
        told = (*warnings, *past, *_unplanned(connection, edition_id, wanted))
        return ApplyReport(edition.name, Applied.CHANGED if found else Applied.CREATED, details, told)


def unplanned(edition: Edition, planned: Collection[str]) -> list[str]:
    """What is to be told of the cadences that no schedule brings out while others are ``planned``: without any, issues
    are sent by hand."""
    forgotten = [one for one in edition.cadences if one not in planned]
    return [
        f"cadence {one} has no schedule: nothing comes out for who chose it, and the pages do not offer it; add a "
        f"[[schedule]], or `digest schedule add {edition.name} --cadence {one}`"
        for one in (forgotten if planned else [])
    ]


def show(database: Database, name: str) -> EditionRow:
    """One edition. Raises ``NotFoundError``."""
    with database.read() as connection:
        edition_id, edition = editions.require(connection, name)
        return EditionRow(edition, editions.readers(connection).get(edition_id, 0))


def listing(database: Database) -> list[EditionRow]:
    """All editions, by name."""
    with database.read() as connection:
        readers = editions.readers(connection)
        return [EditionRow(edition, readers.get(id_, 0)) for id_, edition in editions.load_all(connection)]


def differences(old: Edition, new: Edition) -> Iterator[str]:
    """What ``new`` changes in ``old``, a line each."""
    for item in fields_of(Edition):
        before, after = getattr(old, item.name), getattr(new, item.name)
        if item.name in {"sections", "feeds"}:
            identity = "key" if item.name == "sections" else "name"
            yield from _listed(item.name.removesuffix("s"), identity, before, after)
        elif item.name == "schedules":
            yield from (f"schedule {described(spec)} removed" for spec in before if spec not in after)
            yield from (f"schedule {described(spec)} added" for spec in after if spec not in before)
        elif item.name == "links":
            yield from (f"link {link.title} ({link.role}) removed" for link in before if link not in after)
            yield from (f"link {link.title} ({link.role}) added" for link in after if link not in before)
            if before != after and set(before) == set(after):
                yield "links are in another order"
        elif before != after:
            yield f"{item.name}: {_shown(before)} becomes {_shown(after)}"


def described(spec: ScheduleSpec) -> str:
    """``daily '0 7 * * 1-5' Asia/Kolkata``."""
    zone = schedule.zone(spec.time_zone)
    when = f"'{spec.cron}'" if spec.at is None else f"{spec.at.astimezone(zone):%Y-%m-%d %H:%M}"
    return f"{spec.cadence} {when} {spec.time_zone}"


def first_slot(spec: ScheduleSpec, now: datetime) -> datetime | None:
    """When a schedule made at ``now`` comes out first; ``None`` for a single slot that has passed."""
    if spec.at is not None:
        return spec.at if spec.at > now else None
    return schedule.next_slot(spec.cron, spec.time_zone, now)


def _listed(what: str, identity: str, before: Any, after: Any) -> Iterator[str]:
    old = {getattr(item, identity): item for item in before}
    new = {getattr(item, identity): item for item in after}
    yield from (f"{what} {key} removed" for key in old if key not in new)
    yield from (f"{what} {key} added" for key in new if key not in old)
    for key in (key for key in new if key in old):
        for item in fields_of(new[key]):
            was, now = getattr(old[key], item.name), getattr(new[key], item.name)
            if was != now:
                yield f"{what} {key}: {item.name} {_shown(was)} becomes {_shown(now)}"
    kept = [key for key in old if key in new]
    if kept != [key for key in new if key in old]:
        yield f"{what}s are in another order"


def _shown(value: object) -> str:
    """As the edition's file has it, where that is short."""
    if isinstance(value, bool | int | float):
        return str(value).lower()
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple) else repr(str(value))


def _known(connection: Connection, wanted: Sequence[FeedSpec]) -> tuple[FeedSpec, ...]:
    """``wanted`` with the feeds the edition only names as they were declared elsewhere."""
    names = [feed.name for feed in wanted if feed.existing]
    known = {feed.name: feed.spec for feed in feeds.named(connection, names)}
    return tuple(known.get(feed.name, feed) for feed in wanted)


def _unplanned(connection: Connection, edition_id: int, edition: Edition) -> list[str]:
    return unplanned(edition, {plan.cadence for plan in schedules.of_edition(connection, edition_id)})


def _missed(connection: Connection, edition_id: int, old: Edition, new: Edition) -> Iterator[str]:
    """Which readers lose something they chose."""
    keys = {section.key for section in new.sections}
    for section in old.sections:
        if section.key not in keys:
            count = editions.count_choosing(connection, edition_id, section.key)
            if count:
                yield f"{count} subscribers chose section {section.key}, which is gone"
    for cadence in old.cadences:
        if cadence not in new.cadences:
            count = editions.count_cadence(connection, edition_id, cadence)
            stays = [plan for plan in schedules.of_edition(connection, edition_id) if plan.cadence == cadence]
            by_hand = [str(plan.id) for plan in stays if not plan.declared]
            if by_hand:
                yield (
                    f"cadence {cadence} is gone, but comes out by schedule {', '.join(by_hand)}, made by hand: "
                    f"`digest schedule remove {by_hand[0]}`"
                )
            elif count:
                yield f"{count} subscribers have cadence {cadence}, which is gone: nothing will be sent to them"


def _declare(connection: Connection, edition_id: int, wanted: tuple[ScheduleSpec, ...], now: datetime) -> list[str]:
    """Replace the declared schedules; one that is declared as before keeps its slot and stays paused if it was. Returns
    what is to be told of it."""
    declared = [item for item in schedules.of_edition(connection, edition_id) if item.declared]
    told = []
    for item in declared:
        if item.spec not in wanted:
            schedules.remove(connection, item.id)
            if issue := issues.waiting_at(connection, edition_id, item.cadence, item.next_slot_at):
                told.append(
                    f"issue {issue} is already drafted for schedule {described(item.spec)} and will still go out"
                )
    for spec in wanted:
        if spec not in [item.spec for item in declared]:
            slot = first_slot(spec, now)
            schedules.add(connection, edition_id, spec, slot, now, declared=True)
            told += [] if slot else [f"schedule {described(spec)} is in the past and will not come out"]
    return told
