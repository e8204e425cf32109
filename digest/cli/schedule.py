"""``digest schedule``: when editions come out."""

from __future__ import annotations

from typing import Annotated

import typer

from digest.app import App
from digest.cli.common import Json, get_app, local, local_time, say, show_json, show_table, warn
from digest.editions import schedule as slots
from digest.editions.schedule import Schedule
from digest.errors import InputError
from digest.flows.issues import schedules as flow
from digest.flows.issues.editions import show as show_edition
from digest.values import ScheduleSpec

app = typer.Typer()
Number = Annotated[int, typer.Argument(metavar="ID", help="The schedule's number, as `digest schedule list` shows.")]


@app.command(
    "add",
    epilog="Examples: digest schedule add world --cron '0 7 * * 1-5' --tz Asia/Kolkata\n\n"
    "digest schedule add world --at 2026-12-01T07:00",
)
def add(
    ctx: typer.Context,
    edition: Annotated[str, typer.Argument(help="The edition's name.")],
    cron: Annotated[str, typer.Option(help="Minute, hour, day of month, month, day of week.")] = "",
    at: Annotated[str, typer.Option(help="Once, at this local time.", metavar="YYYY-MM-DDTHH:MM")] = "",
    time_zone: Annotated[str, typer.Option("--tz", help="IANA time zone; by default the edition's.")] = "",
    cadence: Annotated[str, typer.Option(help="For subscribers of this cadence; by default the edition's first.")] = "",
    json: Json = False,
) -> None:
    """Schedule an edition, repeatedly or once."""
    if bool(cron) == bool(at):
        raise InputError("give either --cron or --at", "see `digest schedule add --help`")
    if cron:
        slots.check_cron(cron)
    door = get_app(ctx)
    time_zone = time_zone or show_edition(door.database, edition).edition.time_zone
    slots.zone(time_zone)
    moment = slots.parse_at(at, time_zone) if at else None
    made = flow.add(door.database, edition, ScheduleSpec(cadence, time_zone, cron, moment), door.now())
    _tell(made, f"first comes out on {_next(made)}", json)


@app.command("list", epilog="Example: digest schedule list --json")
def list_(ctx: typer.Context, json: Json = False) -> None:
    """All schedules with their next slot, in their editions' time zones."""
    schedules = flow.listing(get_app(ctx).database)
    if json:
        show_json(schedules)
        return
    columns = ("id", "edition", "cadence", "when", "next slot", "state")
    show_table(columns, [_line(schedule) for schedule in schedules], "Schedules")


@app.command("pause", epilog="Example: digest schedule pause 3")
def pause(ctx: typer.Context, number: Number, json: Json = False) -> None:
    """Pause a schedule; slots that pass meanwhile are not sent later."""
    door = get_app(ctx)
    paused = flow.pause(door.database, number)
    _tell(paused, "is paused", json)
    _warn_of_draft(door, paused)


@app.command("resume", epilog="Example: digest schedule resume 3")
def resume(ctx: typer.Context, number: Number, json: Json = False) -> None:
    """Resume a paused schedule from its next slot."""
    door = get_app(ctx)
    resumed = flow.resume(door.database, number, door.now())
    _tell(resumed, f"next comes out on {_next(resumed)}", json)


@app.command("remove", epilog="Example: digest schedule remove 3")
def remove(ctx: typer.Context, number: Number, json: Json = False) -> None:
    """Remove a schedule; its issues stay."""
    door = get_app(ctx)
    removed = flow.remove(door.database, number)
    _warn_of_draft(door, removed)
    _tell(removed, "is removed" + ("; applying its edition's file brings it back" * removed.declared), json)


def _warn_of_draft(door: App, schedule: Schedule) -> None:
    if issue := flow.drafted(door.database, schedule):
        warn(f"issue {issue} is already drafted and will still go out; to stop it: `digest issue cancel {issue}`")


def _tell(schedule: Schedule, what: str, json: bool) -> None:
    if json:
        show_json(schedule)
    else:
        say(f"schedule {schedule.id} ({schedule.edition}, {schedule.cadence}) {what}")


def _next(schedule: Schedule) -> str:
    return local_time(schedule.next_slot_at, schedule.edition_zone)


def _line(schedule: Schedule) -> tuple[object, ...]:
    when = f"{schedule.cron} {schedule.time_zone}" if schedule.cron else "once"
    state = "paused" if schedule.paused else "ended" if schedule.next_slot_at is None else "active"
    slot = local(schedule.next_slot_at, schedule.edition_zone)
    return (schedule.id, schedule.edition, schedule.cadence, when, slot, state)
