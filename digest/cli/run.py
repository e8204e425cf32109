"""The commands that run things and show how they go: send, status, up, worker, beat, web."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from digest.app import App
from digest.cli import COMMANDS
from digest.cli import issue as issues
from digest.cli.common import Door, Json, counted, get_app, local, plain, say, show_json, show_table, warn
from digest.cli.segment import confirm_readers
from digest.editions.outlook import Outlook, outlook
from digest.errors import InputError, UnavailableError
from digest.flows.issues import operate, publish, schedules
from digest.flows.issues.publish import Foreseen
from digest.flows.readers import audience as readers
from digest.flows.readers import segments
from digest.readers.segments import Node
from digest.states import OPEN_ISSUE, DeliveryState, IssueState

_WATCH_SECONDS = 0.5
_SHOWN = 5  # issues: their deliveries are counted at each look, 0.3 s for a million
_SOON = timedelta(minutes=10)  # a slot so near is waited for
_LATE = timedelta(seconds=30)  # one longer past is not: no beat runs
_FORESEEN = {
    Foreseen.GOES_OUT: "it goes out now",
    Foreseen.WAITS_FOR_APPROVAL: "it goes out after `digest issue approve {id}`",
    Foreseen.NOTHING_NEW: "nothing is new since the previous issue, so nothing is sent",
}


def register(app: typer.Typer) -> None:
    app.command("send", epilog="Examples: digest send world --now\n\ndigest send world --now --segment testers")(send)
    app.command("status", epilog="Example: digest status --watch")(status)
    example = (
        "Examples: digest worker\n\ndigest worker --queues publish,deliver\n\ndigest worker --queues collect,listen"
    )
    app.command("worker", help=COMMANDS["worker"][1], epilog=example)(worker)
    for name in ("up", "beat", "web"):
        example = f"Example: digest --config /etc/digest.toml {name}"
        app.command(name, help=COMMANDS[name][1], epilog=example)(_process(name))


# ------------------------------------------------------------------------------------------------- send


def send(
    ctx: typer.Context,
    edition: Annotated[str, typer.Argument(help="The edition's name.")],
    now: Annotated[bool, typer.Option("--now", help="Send immediately (required).")] = False,
    cadence: Annotated[str, typer.Option(help="To subscribers of this cadence; by default the edition's first.")] = "",
    segment: Annotated[
        str, typer.Option(metavar="NAME", help="To this segment only; the others get its stories in their next issue.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask before sending to a segment.")] = False,
    json: Json = False,
) -> None:
    """Send an issue now, outside its schedule."""
    if not now:
        raise InputError(
            "`digest send` sends immediately, which you must confirm with --now",
            "add --now, or use `digest schedule add` for another time",
        )
    app = get_app(ctx)
    audience = _audience(app, edition, cadence, segment, yes=yes) if segment else None
    made = publish.open_now(app.database, edition, cadence, app.now(), segment, audience)
    foreseen = publish.foresee(app.database, made, app.settings, app.now())
    if json:
        show_json(plain(made) | {"foreseen": foreseen})
    else:
        then = _FORESEEN[foreseen].format(id=made.id)
        say(f"issue {made.id} of {edition} ({made.cadence}): {then}; follow it with `digest status --watch`")
    try:
        app.queue.poke("publish", made.id)
    except UnavailableError as error:
        warn(f"{error}. The issue is kept and goes out when the workers run")


def _audience(app: App, edition: str, cadence: str, segment: str, *, yes: bool) -> Node:
    """What the segment means now, after its readers were counted and the operator has agreed."""
    found = segments.show(app.database, edition, segment, app.declared, app.now())
    confirm_readers(found, cadence or readers.edition_of(app.database, edition).default_cadence, yes=yes)
    return segments.meaning(app.database, edition, segment, app.declared)


# ----------------------------------------------------------------------------------------------- status


def status(
    ctx: typer.Context,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Follow open issues, and slots within ten minutes, until they are sent."),
    ] = False,
    last: issues.Last = _SHOWN,
    json: Json = False,
) -> None:
    """Show processes, open and recent issues, and the next slots."""
    app = get_app(ctx)
    if watch:
        _watch(app)
    recent = operate.progress(app.database, limit=last, now=app.now())
    planned = sorted((s for s in schedules.listing(app.database) if s.next_slot_at), key=lambda s: str(s.next_slot_at))
    workers = _workers(app)
    if json:
        issues_json = [issues.coming_json(progress, app.now()) for progress in recent]
        answered = None if isinstance(workers, UnavailableError) else workers
        show_json({"workers": answered, "issues": issues_json, "schedules": plain(planned)})
        return
    if isinstance(workers, UnavailableError):
        warn(str(workers))
    elif not workers:
        warn("no worker answers; start one with `digest up` or `digest worker`")
    else:
        say(f"{counted(workers, 'worker')} at work")
    show_table(issues.COLUMNS, [issues.line(progress, app.now()) for progress in recent], "Issues")
    rows = [
        (s.id, s.edition, s.cadence, "paused" if s.paused else local(s.next_slot_at, s.edition_zone)) for s in planned
    ]
    show_table(("schedule", "edition", "cadence", "next slot"), rows, "Schedules")


def _workers(app: App) -> int | UnavailableError:
    """How many workers answer; or why the broker doesn't."""
    try:
        return app.queue.workers()
    except UnavailableError as error:
        return error


def _watch(app: App) -> None:
    """Bars for the open issues until none is left to send and no slot is near (or Ctrl-C)."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bars: dict[int, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True)) as shown:
        while True:
            near = _slot_is_near(app)  # asked first: a slot that comes now is an issue by the next line
            found = operate.progress(app.database, limit=_SHOWN)
            for progress in found:
                if progress.issue.id not in bars and progress.issue.state in OPEN_ISSUE:
                    bars[progress.issue.id] = shown.add_task("", total=None)
                if progress.issue.id in bars:
                    total = progress.total or None
                    text = f"issue {progress.issue.id} {progress.issue.edition}: {_standing(progress)}"
                    shown.update(bars[progress.issue.id], description=text, total=total, completed=progress.settled)
            if not near and not any(_goes_on(progress, app) for progress in found):
                return
            time.sleep(_WATCH_SECONDS)


def _goes_on(progress: operate.Progress, app: App) -> bool:
    """Whether something will happen to the issue by itself, and soon."""
    issue, now = progress.issue, app.now()
    coming = outlook(issue, progress.approval, now)
    return issue.state in OPEN_ISSUE - {IssueState.PAUSED} and (
        coming in {None, Outlook.DUE} or (coming is Outlook.AT_SLOT and _is_near(issue.slot, now))
    )


def _slot_is_near(app: App) -> bool:
    planned = (s.next_slot_at for s in schedules.listing(app.database) if not s.paused)
    return any(_is_near(slot, app.now()) for slot in planned if slot)


def _is_near(slot: datetime, now: datetime) -> bool:
    return -_LATE < slot - now < _SOON


def _standing(progress: operate.Progress) -> str:
    waiting = progress.counts.get(DeliveryState.DEFERRED, 0)
    return f"{progress.issue.state}, {waiting} deferred" if waiting else str(progress.issue.state)


# --------------------------------------------------------------------------------------------- processes


def _process(name: str) -> Callable[..., None]:
    """A command that becomes one of the long-running processes of ``workers``."""

    def become(ctx: typer.Context) -> None:
        _become(ctx, name)

    return become


def worker(
    ctx: typer.Context,
    queues: Annotated[
        str,
        typer.Option(metavar="NAMES", help="Only these queues, comma-separated: publish, deliver, collect, listen."),
    ] = "",
) -> None:
    # here: Celery takes half a second
    from digest.queue import QUEUES

    wanted = [name.strip() for name in queues.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in QUEUES]:
        raise InputError(f"there is no queue {unknown[0]}", f"name some of {', '.join(QUEUES)}")
    _become(ctx, "worker", *([",".join(wanted)] if wanted else []))


def _become(ctx: typer.Context, name: str, *words: str) -> None:
    door = ctx.ensure_object(Door)
    get_app(ctx)  # a faulty configuration is told before anything starts
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", "workers", name, str(door.config), *words])  # noqa: S606
