"""``digest issue trial``: two subjects on a part of the audience, the better one for the rest."""

from __future__ import annotations

from typing import Annotated

import typer

from digest.app import App
from digest.cli.common import Number, get_app, local_time, say, show_table
from digest.cli.review import PANEL, By, what_comes, who
from digest.errors import InputError
from digest.feedback.trials import Arm, Trial
from digest.flows.delivery import trials
from digest.flows.delivery.trials import Standing
from digest.flows.issues.operate import progress
from digest.states import IssueState

COLUMNS = ("arm", "subject", "accepted", "followed a story", "rate")


def register(app: typer.Typer) -> None:
    app.command(
        "trial",
        epilog='Examples: digest issue trial 12 --a "{headline}" --b "Good morning: {headline}" --share 20\n\n'
        "digest issue trial 12 --pick b",
        rich_help_panel=PANEL,
    )(trial)


def trial(
    ctx: typer.Context,
    number: Number,
    a: Annotated[str, typer.Option(help="The first subject; by default the issue's own.")] = "",
    b: Annotated[str, typer.Option(help="The second subject. Placeholders as in the edition's file.")] = "",
    share: Annotated[
        int, typer.Option(min=1, max=100, help="Percentage of the audience, half of it for each subject.")
    ] = 20,
    hours: Annotated[float, typer.Option(min=0.1, max=24, help="How long clicks are counted.")] = 2.0,
    pick: Annotated[Arm | None, typer.Option(help="End the trial now and send this subject to the rest.")] = None,
    off: Annotated[bool, typer.Option("--off", help="Remove the trial, before the issue goes out.")] = False,
    by: By = "",
) -> None:
    """Try two subjects on part of the audience; the rest waits and gets the subject that more readers clicked."""
    door = get_app(ctx)
    if sum((bool(a or b), pick is not None, off)) > 1:
        raise InputError("give a subject to try, or --pick, or --off")
    if pick:
        trials.pick(door.database, number, pick, who(by), door.now())
        say(f"issue {number}: the rest gets subject {pick.upper()}")
    elif off:
        was = trials.drop(door.database, number, who(by), door.now())
        say(f"issue {number} goes out {'without its trial' if was else 'without a trial, as it would have'}")
        if was:
            _say_what_comes(door, number)
    elif a or b:
        tried = Trial(number, (a.strip(), b.strip()), share, round(hours * 60))
        trials.plan(door.database, tried, who(by), door.now())
        time = f"{hours:g} hour{'s' * (hours != 1)}"
        rest = f"the rest waits {time}" if share < 100 else f"the better one is known in {time}"
        say(f"issue {number}: {share} % of its audience gets one of two subjects, {rest}")
        _say_what_comes(door, number)
    else:
        found = trials.standing(door.database, number)
        if found is None:
            raise InputError(f"issue {number} has no trial", 'set one with --a "…" --b "…"')
        show_trial(found)


def _say_what_comes(app: App, number: int) -> None:
    """The approval of the issue was for other subjects."""
    (found,) = progress(app.database, [number])
    say(f"issue {number} {what_comes(app, found.issue)}")


def show_trial(standing: Standing) -> None:
    """What was tried, what came of it, and how it was decided."""
    of = standing.trial
    rows = [
        (arm.upper(), subject or "(the issue's own)", tally.accepted, tally.followed, f"{100 * tally.rate:.2f} %")
        for arm, subject, tally in zip(Arm, of.subjects, (standing.a, standing.b), strict=True)
    ]
    show_table(COLUMNS, rows, f"Trial of two subjects on {of.share} % of the audience, by readers who followed a story")
    say(verdict(standing))


def verdict(standing: Standing) -> str:
    """How the trial was or will be decided, and for whom."""
    of = standing.trial
    if of.winner and of.decided_at:
        gets = (
            f"the rest gets {of.winner.upper()}"
            if standing.has_rest
            else "no reader was left to get the better subject"
        )
        return f"decided {local_time(of.decided_at, standing.time_zone)}: {gets}. {of.why}"
    if standing.state is IssueState.CANCELLED:
        return "never decided: the issue was cancelled"
    if of.decide_at is None:
        return f"to be decided {of.minutes} minutes after the issue goes out"
    first = ", or when the issue goes on if that is later" if standing.state is IssueState.PAUSED else ""
    none = "" if standing.has_rest else "; no reader is left to get the better subject"
    return f"to be decided {local_time(of.decide_at, standing.time_zone)}{first}{none}"
