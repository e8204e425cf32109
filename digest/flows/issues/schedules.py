"""Schedules made by hand: add, pause, resume, remove."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection

from digest.editions.schedule import Schedule, next_slot
from digest.errors import InputError, NotFoundError, StateError
from digest.flows.issues.editions import first_slot
from digest.store.content import editions, schedules
from digest.store.database import Database
from digest.store.ledger import issues
from digest.values import Issue, ScheduleSpec


def add(database: Database, edition_name: str, spec: ScheduleSpec, now: datetime) -> Schedule:
    """Schedule an edition; an empty cadence means its first. Raises ``NotFoundError`` for an unknown edition and
    ``InputError`` for a cadence it does not have, a time that has passed or a schedule it has already."""
    with database.write() as connection:
        edition_id, edition = editions.require(connection, edition_name)
        spec = ScheduleSpec(spec.cadence or edition.default_cadence, spec.time_zone, spec.cron, spec.at)
        if spec.cadence not in edition.cadences:
            known = ", ".join(edition.cadences)
            raise InputError(f"edition {edition_name} has no cadence {spec.cadence}", f"there are {known}")
        for other in schedules.of_edition(connection, edition_id):
            if other.spec == spec:
                raise InputError(f"edition {edition_name} has that schedule already", f"it is number {other.id}")
        slot = first_slot(spec, now)
        if slot is None:
            raise InputError("that time has passed", "choose a later one, or `digest send` now")
        schedule_id = schedules.add(connection, edition_id, spec, slot, now)
        return _get(connection, schedule_id)


def listing(database: Database) -> list[Schedule]:
    """All schedules, the next slot first."""
    with database.read() as connection:
        return schedules.list_all(connection)


def pause(database: Database, schedule_id: int) -> Schedule:
    """Let a schedule rest. Slots that pass meanwhile do not come out later."""
    with _changing(database, schedule_id) as (connection, _):
        schedules.pause(connection, schedule_id)
        return _get(connection, schedule_id)


def drafted(database: Database, plan: Schedule) -> int | None:
    """The issue that is composed or to be composed for the schedule's next slot already: it goes out all the same."""
    with database.read() as connection:
        return issues.waiting_at(connection, plan.edition_id, plan.cadence, plan.next_slot_at)


def resume(database: Database, schedule_id: int, now: datetime) -> Schedule:
    """Wake a schedule for its next slot from ``now`` on. Raises ``StateError`` when it has none any more."""
    with _changing(database, schedule_id) as (connection, schedule):
        if not schedule.paused:
            return schedule
        slot = first_slot(schedule.spec, now)
        if slot is None:
            raise StateError(f"the time of schedule {schedule_id} has passed", "remove it and add another")
        schedules.resume(connection, schedule_id, slot)
        return _get(connection, schedule_id)


def remove(database: Database, schedule_id: int) -> Schedule:
    """Forget a schedule and return what it was. One that an edition's file declares comes back when that file
    is applied again."""
    with _changing(database, schedule_id) as (connection, schedule):
        schedules.remove(connection, schedule_id)
        return schedule


def use_up(connection: Connection, issue: Issue) -> None:
    """Let nothing wait for the slot of an issue that went out, or was ended, before it had come."""
    for plan in schedules.of_edition(connection, issue.edition_id):
        if plan.cadence == issue.cadence and plan.next_slot_at == issue.slot:
            following = next_slot(plan.cron, plan.time_zone, issue.slot) if plan.cron else None
            schedules.advance(connection, plan.id, issue.slot, following)


@contextmanager
def _changing(database: Database, schedule_id: int) -> Iterator[tuple[Connection, Schedule]]:
    with database.write() as connection:
        yield connection, _get(connection, schedule_id)


def _get(connection: Connection, schedule_id: int) -> Schedule:
    found = schedules.get(connection, schedule_id)
    if found is None:
        raise NotFoundError(f"no schedule {schedule_id}", "see `digest schedule list`")
    return found
