"""``digest issue``: what was composed, and how its sending goes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from digest.cli import review, trial
from digest.cli.common import Json, Number, get_app, local, local_time, plain, say, show_json, show_table
from digest.cli.why import show_why, why_as_json
from digest.editions.outlook import outlook
from digest.editorial.changes import ChangeKind
from digest.errors import InputError
from digest.flows.delivery import trials
from digest.flows.feedback import clicks
from digest.flows.feedback.clicks import Following
from digest.flows.issues import operate
from digest.flows.issues.operate import Contents, Progress
from digest.states import DeliveryEvent, DeliveryState
from digest.values import Item

app = typer.Typer()
trial.register(app)
Last = Annotated[int, typer.Option("--last", metavar="N", min=1, help="How many issues, the newest first.")]
COLUMNS = ("id", "edition", "slot", "state", "accepted", "notes")


@app.command("list", epilog="Example: digest issue list --edition world --json")
def list_(
    ctx: typer.Context,
    edition: Annotated[str, typer.Option(help="Only issues of this edition.")] = "",
    last: Last = 20,
    json: Json = False,
) -> None:
    """The newest issues: what happens next to those under review, and the deliveries of the others by state."""
    door = get_app(ctx)
    found = operate.progress(door.database, edition=edition or None, limit=last, now=door.now())
    if json:
        show_json([coming_json(progress, door.now()) for progress in found])
    else:
        show_table(COLUMNS, [line(progress, door.now()) for progress in found], "Issues")


@app.command(
    "show", epilog="Examples: digest issue show 12\n\ndigest issue show 12 --all\n\ndigest issue show 12 --why"
)
def show(
    ctx: typer.Context,
    number: Number,
    all_: Annotated[
        bool, typer.Option("--all", help="Also the stories in reserve, which you can pin or move.")
    ] = False,
    why: Annotated[
        bool, typer.Option("--why", help="Each section's stories with rank and score, and the runners-up.")
    ] = False,
    json: Json = False,
) -> None:
    """One issue: its subject, sections and headlines, what editors changed, and its deliveries."""
    door = get_app(ctx)
    if why:
        reasons = operate.why(door.database, number, door.load)
        show_json(why_as_json(reasons)) if json else show_why(reasons)
        return
    (progress,) = operate.progress(door.database, [number], now=door.now())
    contents = operate.contents(door.database, number)
    following = clicks.following(door.database, door.load, number)
    tried = trials.standing(door.database, number)
    if json:
        read = {"clicks": plain(following), "trial": plain(tried)}
        show_json(coming_json(progress, door.now()) | contents_json(contents) | read)
        return
    show_table(COLUMNS, [line(progress, door.now())])
    show_contents(contents, all_, progress.time_zone)
    show_following(following)
    if tried:
        trial.show_trial(tried)


@app.command("pause", epilog="Example: digest issue pause 12")
def pause(ctx: typer.Context, number: Number) -> None:
    """Stop sending until you resume it. Each worker stops before its next group of messages."""
    door = get_app(ctx)
    operate.pause(door.database, number, door.now())
    say(f"issue {number} is paused; continue with `digest issue resume {number}`")


@app.command("resume", epilog="Example: digest issue resume 12")
def resume(ctx: typer.Context, number: Number) -> None:
    """Continue sending a paused issue."""
    door = get_app(ctx)
    operate.resume(door.database, number, door.now())
    say(f"issue {number} continues")


@app.command("cancel", epilog="Example: digest issue cancel 12")
def cancel(ctx: typer.Context, number: Number) -> None:
    """Cancel an issue: what is not sent yet will not be sent."""
    door = get_app(ctx)
    count = operate.cancel(door.database, number, door.now())
    say(f"issue {number} is cancelled; {count} deliveries will not be sent")


@app.command("resolve", epilog="Examples: digest issue resolve 12 --assume-sent\n\ndigest issue resolve 12 --resend")
def resolve(
    ctx: typer.Context,
    number: Number,
    resend: Annotated[
        bool, typer.Option("--resend", help="Send them again: some readers may get the mail twice.")
    ] = False,
    assume_sent: Annotated[
        bool, typer.Option("--assume-sent", help="Count them as sent: some readers may get no mail.")
    ] = False,
) -> None:
    """Decide about deliveries in doubt: the connection or worker was lost before the server's answer was read."""
    if resend == assume_sent:
        raise InputError("give either --resend or --assume-sent", "`digest report` names the readers in doubt")
    door = get_app(ctx)
    event = DeliveryEvent.RESEND if resend else DeliveryEvent.ASSUME_SENT
    count = operate.resolve(door.database, number, event, door.now())
    say(f"issue {number}: {count} deliveries are no longer in doubt: {event}")


@app.command("retry", epilog="Example: digest issue retry 12")
def retry(ctx: typer.Context, number: Number) -> None:
    """Try the failed deliveries of an issue again, and only those."""
    door = get_app(ctx)
    count = operate.retry_failed(door.database, number, door.now())
    say(f"issue {number}: {count} failed deliveries are queued again")


def line(progress: Progress, now: datetime) -> tuple[object, ...]:
    """An issue as a row under ``COLUMNS``."""
    issue, counts = progress.issue, progress.counts
    name = issue.edition if issue.cadence == "daily" else f"{issue.edition} {issue.cadence}"
    name += f" ({issue.segment})" if issue.segment else ""
    accepted = f"{counts.get(DeliveryState.ACCEPTED, 0)}/{progress.total}" if progress.total else "-"
    return issue.id, name, local(issue.slot, progress.time_zone), issue.state, accepted, _notes(progress, now)


def _notes(progress: Progress, now: datetime) -> str:
    """Why an issue stands as it does, what comes next, and all its deliveries that are not simply accepted."""
    standing = [f"{n} {state}" for state, n in progress.counts.items() if state is not DeliveryState.ACCEPTED]
    deliveries = ", ".join(sorted(standing)).replace("_", " ")
    return "; ".join(
        filter(None, [progress.issue.reason, review.coming(progress, now), deliveries, _waiting(progress)])
    )


def _waiting(progress: Progress) -> str:
    """For what untried deliveries wait: ``8 wait for their hour, the next Tue 2026-11-24 07:00 CET``."""
    waiting = progress.waiting
    if waiting is None:
        return ""
    told = [
        f"{number:,} wait{'s' if number == 1 else ''} for {what}"
        for number, what in ((waiting.hour, "the hour chosen"), (waiting.trial, "the end of the trial"))
        if number
    ]
    return f"{' and '.join(told)}, the next {local_time(waiting.first, progress.time_zone)}"


def show_contents(contents: Contents, all_: bool, time_zone: str) -> None:
    """What an issue holds, for an editor: every story with the number that names it."""
    frame = [("subject", contents.subject), ("preheader", contents.preheader), ("introduction", contents.intro)]
    if contents.subject:
        show_table(("as a reader of all sections sees it", ""), [(name, text) for name, text in frame if text])
    for section in contents.sections:
        rows: list[tuple[object, ...]] = [(item.story_id, item.title, item.source) for item in section.shown]
        rows += [(item.story_id, item.title, f"{item.source} (in reserve)") for item in section.reserve if all_]
        if rows:
            show_table(("story", "headline", "source"), rows, f"{section.title} ({section.key})")
    standing = [change for change in contents.changes if change.kind is ChangeKind.EDIT and not change.undone]
    if standing:
        rows = [(change.revision, change.told, change.by, local(change.at, time_zone)) for change in standing]
        show_table(("change", "what", "by", "when"), rows, "Editors' changes")


def contents_json(contents: Contents) -> dict[str, Any]:
    """``contents`` for a program."""

    def stories(items: tuple[Item, ...]) -> list[dict[str, Any]]:
        return [{"id": item.story_id, "title": item.title, "source": item.source, "url": item.url} for item in items]

    return {
        "subject": contents.subject,
        "preheader": contents.preheader,
        "intro": contents.intro,
        "sections": [
            {"key": one.key, "title": one.title, "stories": stories(one.shown), "reserve": stories(one.reserve)}
            for one in contents.sections
        ],
        "changes": plain(contents.changes),
    }


def show_following(following: Following | None) -> None:
    """What readers followed, and how far that can be believed. Nothing, when clicks are not tracked."""
    if following is None:
        return
    show_table(("followed", "readers"), following.stories, "What readers followed")
    share = 100 * following.readers / max(1, following.accepted)
    say(
        f"{following.readers} of {following.accepted} readers followed a story ({share:.1f} %), "
        "as far as this can be measured: a slow program counts as a reader, and a very fast reader counts as a program "
        f"({following.doubtful} have only such clicks). Use it to compare stories and issues"
    )


def as_json(progress: Progress) -> dict[str, Any]:
    issue: dict[str, Any] = plain(progress.issue)
    return issue | {"deliveries": plain(progress.counts), "total": progress.total, "open": progress.open}


def coming_json(progress: Progress, now: datetime) -> dict[str, Any]:
    """``as_json`` with what comes next."""
    return as_json(progress) | {"outlook": outlook(progress.issue, progress.approval, now)}


review.register(app)
