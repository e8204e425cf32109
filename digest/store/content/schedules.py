"""Schedules in the store: when the next slot of each is due, and who moves it on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, delete, insert, select, update

from digest.editions.schedule import Schedule
from digest.store.schema import editions, schedules
from digest.values import ScheduleSpec


def add(
    connection: Connection,
    edition_id: int,
    spec: ScheduleSpec,
    next_slot_at: datetime | None,
    now: datetime,
    *,
    declared: bool = False,
) -> int:
    """Store a schedule; returns its id."""
    statement = insert(schedules).values(
        edition_id=edition_id,
        cadence=spec.cadence,
        cron=spec.cron,
        at=spec.at,
        time_zone=spec.time_zone,
        declared=int(declared),
        next_slot_at=next_slot_at,
        created_at=now,
    )
    return int(connection.execute(statement.returning(schedules.c.id)).scalar_one())


def get(connection: Connection, schedule_id: int) -> Schedule | None:
    """The schedule of that id."""
    row = connection.execute(_all().where(schedules.c.id == schedule_id)).mappings().one_or_none()
    return _schedule(row) if row else None


def list_all(connection: Connection) -> list[Schedule]:
    """Every schedule, the next slot first, those that have run their course last."""
    order = (schedules.c.next_slot_at.is_(None), schedules.c.next_slot_at, schedules.c.id)
    return _read(connection, _all().order_by(*order))


def of_edition(connection: Connection, edition_id: int) -> list[Schedule]:
    """The schedules of an edition, oldest first."""
    return _read(connection, _all().where(schedules.c.edition_id == edition_id).order_by(schedules.c.id))


def due(connection: Connection, now: datetime) -> list[Schedule]:
    """The schedules whose next slot has come, unless they are paused."""
    condition = (schedules.c.next_slot_at <= now) & (schedules.c.paused == 0)
    return _read(connection, _all().where(condition).order_by(schedules.c.next_slot_at, schedules.c.id))


def upcoming(connection: Connection, after: datetime, until: datetime) -> list[Schedule]:
    """The schedules whose next slot comes in that time, unless they are paused."""
    condition = (schedules.c.next_slot_at > after) & (schedules.c.next_slot_at <= until) & (schedules.c.paused == 0)
    return _read(connection, _all().where(condition).order_by(schedules.c.next_slot_at, schedules.c.id))


def advance(connection: Connection, schedule_id: int, expected: datetime, following: datetime | None) -> bool:
    """Move the next slot from ``expected`` to ``following``. False: somebody else was first."""
    condition = (schedules.c.id == schedule_id) & (schedules.c.next_slot_at == expected)
    return connection.execute(update(schedules).where(condition).values(next_slot_at=following)).rowcount == 1


def pause(connection: Connection, schedule_id: int) -> None:
    """Let the schedule rest until it is resumed."""
    _set(connection, schedule_id, paused=1)


def resume(connection: Connection, schedule_id: int, next_slot_at: datetime | None) -> None:
    """Wake the schedule, to come out next at ``next_slot_at``."""
    _set(connection, schedule_id, paused=0, next_slot_at=next_slot_at)


def remove(connection: Connection, schedule_id: int) -> None:
    """Forget the schedule; the issues that came of it stay."""
    connection.execute(delete(schedules).where(schedules.c.id == schedule_id))


def _set(connection: Connection, schedule_id: int, **values: Any) -> None:
    connection.execute(update(schedules).where(schedules.c.id == schedule_id).values(**values))


def _all() -> Select[Any]:
    zone = editions.c.spec["time_zone"].as_string()
    return select(schedules, editions.c.name.label("edition"), zone.label("edition_zone")).join(
        editions, editions.c.id == schedules.c.edition_id
    )


def _read(connection: Connection, statement: Select[Any]) -> list[Schedule]:
    return [_schedule(row) for row in connection.execute(statement).mappings()]


def _schedule(row: RowMapping) -> Schedule:
    return Schedule(
        row["id"],
        row["edition_id"],
        row["edition"],
        row["cadence"],
        row["cron"],
        row["at"],
        row["time_zone"],
        bool(row["declared"]),
        bool(row["paused"]),
        row["next_slot_at"],
        row["edition_zone"],
    )
