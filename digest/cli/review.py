"""``digest issue``, the editor's part: draft, change, hold, approve and send an issue."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from digest.app import App
from digest.cli.common import Json, Number, get_app, local, local_time, say, show_json, show_table, warn
from digest.editions.checks import one_line, subject_template
from digest.editions.outlook import Outlook, outlook
from digest.editorial import edits
from digest.editorial.edits import Edit, Verb
from digest.errors import InputError, NotFoundError, UnavailableError
from digest.flows.issues import review
from digest.flows.issues.operate import Progress, progress
from digest.flows.issues.review import Revised
from digest.states import IssueState
from digest.values import Issue, IssueContent

PANEL = "Before it goes out"
_INTRO_MOST = 5000
_LINE_MOST = 200

Story = Annotated[str, typer.Argument(help="Its number, as `digest issue show` shows, or words of its headline.")]
By = Annotated[str, typer.Option("--by", metavar="NAME", help="Your name for the record; by default your user name.")]
Revision = Annotated[
    int | None, typer.Option(metavar="NUMBER", help="Only if this is still the latest revision: the one you reviewed.")
]
Cadence = Annotated[str, typer.Option(help="For subscribers of this cadence; by default the edition's first.")]


def register(app: typer.Typer) -> None:
    examples: dict[Callable[..., None], tuple[str, ...]] = {
        draft: ("digest issue draft world",),
        redraft: ("digest issue redraft 12",),
        edit: (
            "digest issue edit 12 --subject 'One grid: {headline}'",
            "digest issue edit 12 --intro @hello.md --preheader ''",
        ),
        pin: ("digest issue pin 12 341", "digest issue pin 12 'power grid'"),
        drop: ("digest issue drop 12 341 342",),
        move: ("digest issue move 12 341 climate --place 2",),
        retitle: ("digest issue retitle 12 341 'Nine states, one grid'",),
        undo: ("digest issue undo 12", "digest issue undo 12 --change 3"),
        hold: ("digest issue hold 12",),
        release: ("digest issue release 12",),
        approve: ("digest issue approve 12", "digest issue approve 12 --revision 4"),
        send_now: ("digest issue send-now 12", "digest issue send-now 12 --revision 4"),
        history: ("digest issue history 12",),
    }
    for command, lines in examples.items():
        epilog = f"Example{'s' * (len(lines) > 1)}: " + "\n\n".join(lines)
        app.command(command.__name__.replace("_", "-"), epilog=epilog, rich_help_panel=PANEL)(command)


# -------------------------------------------------------------------------------------------- draft, show


def draft(
    ctx: typer.Context,
    edition: Annotated[str, typer.Argument(help="The edition's name.")],
    cadence: Cadence = "",
    json: Json = False,
) -> None:
    """Compose the issue of an edition's next slot now, to review and change it.

    It goes out by itself at its slot, as reviewed. Stories that arrive meanwhile are for the next issue, or use `digest
    issue redraft`. With review_minutes in the edition's file, every issue is drafted that many minutes before its slot.
    """
    app = get_app(ctx)
    made = review.draft(app.database, edition, cadence, app.compile, app.settings, app.now())
    if json:
        show_json(made)
    elif made.state is IssueState.SCHEDULED:
        say(f"issue {made.id} of {edition}: nothing is new yet; it {what_comes(app, made)}")
    else:
        say(f"issue {made.id} of {edition} is drafted: `digest issue show {made.id}`; it {what_comes(app, made)}")


def redraft(ctx: typer.Context, number: Number, by: By = "", json: Json = False) -> None:
    """Compose a draft again, with the stories that arrived since. Editors' changes are applied again."""
    app = get_app(ctx)
    made = review.redraft(app.database, number, app.compile, app.settings, who(by), app.now())
    _tell(app, made, json)


# ------------------------------------------------------------------------------------------------ changes


def edit(
    ctx: typer.Context,
    number: Number,
    subject: Annotated[
        str | None, typer.Option(help="For all readers. May contain {headline}, {more}, {edition}, {date}.")
    ] = None,
    preheader: Annotated[str | None, typer.Option(help="The text shown after the subject in a list of mails.")] = None,
    intro: Annotated[
        str | None, typer.Option(metavar="MARKDOWN|@FILE", help="Text above the stories: Markdown, or @FILE.")
    ] = None,
    by: By = "",
    json: Json = False,
) -> None:
    """Change the subject line, the preheader or the introduction. An empty text restores the composed one."""
    wanted = []
    if subject is not None:
        wanted.append(Edit(Verb.SUBJECT, text=_subject(subject)))
    if preheader is not None:
        wanted.append(Edit(Verb.PREHEADER, text=_one_line(preheader, "--preheader")))
    if intro is not None:
        wanted.append(Edit(Verb.INTRO, text=_intro(intro)))
    if not wanted:
        raise InputError("nothing to change", "give --subject, --preheader or --intro; or see `digest issue --help`")
    _edit(ctx, number, lambda _: wanted, by, json)


def pin(ctx: typer.Context, number: Number, story: Story, by: By = "", json: Json = False) -> None:
    """Put a story at the top of the issue."""
    _edit(ctx, number, lambda content: [_about(Verb.PIN, content, story)], by, json)


def drop(
    ctx: typer.Context,
    number: Number,
    stories: Annotated[list[str], typer.Argument(metavar="STORY…", help="Their numbers, or words of their headlines.")],
    by: By = "",
    json: Json = False,
) -> None:
    """Leave stories out; the next best replace them. Readers who catch up later do not get them either."""
    _edit(ctx, number, lambda content: [_about(Verb.DROP, content, story) for story in stories], by, json)


def move(
    ctx: typer.Context,
    number: Number,
    story: Story,
    section: Annotated[str, typer.Argument(help="The section's key.")],
    place: Annotated[int, typer.Option(help="Its place in that section.")] = 1,
    by: By = "",
    json: Json = False,
) -> None:
    """Move a story to another section, or to another place in its own. It then appears in no other section."""

    def wanted(content: IssueContent) -> list[Edit]:
        item = edits.find(content, story)
        one = Edit(Verb.MOVE, item.story_id, item.title, section=section, place=place)
        edits.check(content, one)
        return [one]

    _edit(ctx, number, wanted, by, json)


def retitle(
    ctx: typer.Context,
    number: Number,
    story: Story,
    title: Annotated[str, typer.Argument(help="The new headline.")],
    by: By = "",
    json: Json = False,
) -> None:
    """Give a story another headline in this issue."""
    title = _one_line(title, "the headline")
    if not title:
        raise InputError("a headline can't be empty", "write one, or drop the story")
    _edit(ctx, number, lambda content: [_about(Verb.RETITLE, content, story, title)], by, json)


def undo(
    ctx: typer.Context,
    number: Number,
    change: Annotated[
        int,
        typer.Option(
            metavar="NUMBER", help="The change's number, as `digest issue history` shows; by default the latest."
        ),
    ] = 0,
    by: By = "",
    json: Json = False,
) -> None:
    """Undo a change, the latest or any other; the others stay."""
    app = get_app(ctx)
    _tell(app, review.undo(app.database, number, change, app.compile, who(by), app.now()), json)


def _edit(ctx: typer.Context, number: int, wanted: review.Wanted, by: str, json: bool) -> None:
    app = get_app(ctx)
    _tell(app, review.edit(app.database, number, wanted, app.compile, who(by), app.now()), json)


def _about(verb: Verb, content: IssueContent, story: str, text: str = "") -> Edit:
    item = edits.find(content, story)
    return Edit(verb, item.story_id, item.title, text)


# --------------------------------------------------------------------------------- hold, release, approve


def hold(ctx: typer.Context, number: Number, by: By = "", json: Json = False) -> None:
    """Hold an issue, even past its slot, until you release it. The edition's next issue does not wait for it."""
    app = get_app(ctx)
    _told(app, review.hold(app.database, number, who(by), app.now()), json)


def release(ctx: typer.Context, number: Number, by: By = "", json: Json = False) -> None:
    """Release a held issue: it goes out at its slot, or at once if that has passed."""
    app = get_app(ctx)
    _told(app, review.release(app.database, number, who(by), app.now()), json)


def approve(
    ctx: typer.Context,
    number: Number,
    revision: Revision = None,
    by: By = "",
    json: Json = False,
) -> None:
    """Approve an issue as it is, if the edition requires it. After another change, approve it again."""
    app = get_app(ctx)
    _told(app, review.approve(app.database, number, revision, who(by), app.now()), json)


def send_now(
    ctx: typer.Context,
    number: Number,
    revision: Revision = None,
    by: By = "",
    json: Json = False,
) -> None:
    """Send a draft at once, before its slot and even if it is held. Nothing else is sent at that slot.

    Readers who chose an hour get it at that hour. If the edition requires approval, approve first.
    """
    app = get_app(ctx)
    sent = review.send_now(app.database, number, revision, app.settings, who(by), app.now())
    if json:
        show_json(sent)
    else:
        say(f"issue {number} goes out now; follow it with `digest status --watch`")
    _poke(app, number)


def history(ctx: typer.Context, number: Number, json: Json = False) -> None:
    """Who changed what in an issue, and when."""
    app = get_app(ctx)
    found = review.history(app.database, number)
    if json:
        show_json(found)
        return
    (issue,) = progress(app.database, [number])
    rows = [
        (one.revision, local(one.at, issue.time_zone), one.by, one.told + " (undone)" * one.undone) for one in found
    ]
    show_table(("change", "when", "by", "what"), rows, f"Changes of issue {number}")


# ------------------------------------------------------------------------------------------------ telling


def _tell(app: App, revised: Revised, json: bool) -> None:
    if json:
        show_json(revised)
        return
    for change in revised.made:
        say(f"change {change.revision} of issue {revised.issue.id}: {change.told}")
    for edit_ in revised.left_out:
        warn(f"skipped, because its story or section is no longer in the issue:  {edit_}")
    say(f"issue {revised.issue.id} {what_comes(app, revised.issue)}")


def _told(app: App, issue: Issue, json: bool) -> None:
    (found,) = progress(app.database, [issue.id])
    if outlook(issue, found.approval, app.now()) is Outlook.DUE:
        _poke(app, issue.id)
    if json:
        show_json(issue)
    else:
        say(f"issue {issue.id} {what_comes(app, issue)}")


def coming(found: Progress, now: datetime) -> str:
    """What comes next of an issue that is not on its way: ``goes out Tue 2026-11-24 07:00 IST unless held``."""
    issue = found.issue
    when = local_time(issue.slot, found.time_zone)
    match outlook(issue, found.approval, now):
        case Outlook.HELD:
            return f"held: goes out after `digest issue release {issue.id}`"
        case Outlook.UNAPPROVED:
            return f"waits for approval: `digest issue approve {issue.id} --revision {issue.revision}`"
        case Outlook.AT_SLOT if issue.state is IssueState.SCHEDULED:
            return f"is composed {when}"
        case Outlook.AT_SLOT:
            return f"{'approved, ' if found.approval else ''}goes out {when} unless held"
    return ""


def what_comes(app: App, issue: Issue) -> str:
    """What comes next of an issue that editors may change, as the end of a sentence."""
    (found,) = progress(app.database, [issue.id])
    return coming(found, app.now()) or "goes out now"


def _poke(app: App, issue_id: int) -> None:
    """What is due now need not wait for beat."""
    try:
        app.queue.poke("publish", issue_id)
    except UnavailableError as error:
        warn(f"{error}. The issue goes out when the workers run")


def who(by: str) -> str:
    """Whose doing a change is, for the record."""
    try:
        return by.strip() or getpass.getuser()
    except (KeyError, OSError):  # a container without names for its users
        return "unknown"


def _one_line(text: str, what: str, most: int = _LINE_MOST) -> str:
    text = text.strip()
    try:
        one_line(text)
    except ValueError as error:
        raise InputError(f"{what} {error}", "leave them out") from None
    if len(text) > most:
        raise InputError(f"{what} has {len(text)} characters", f"at most {most}")
    return text


def _subject(text: str) -> str:
    text = _one_line(text, "--subject")
    try:
        return subject_template(text)
    except ValueError as error:
        raise InputError(f"--subject: {error}", "write {{ for a brace") from None


def _intro(text: str) -> str:
    if text.startswith("@"):
        path = Path(text[1:])
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise NotFoundError(f"no file {path} ({error.strerror})", "give --intro @FILE") from None
        except UnicodeDecodeError:
            raise InputError(f"{path} is not UTF-8", "save it as UTF-8") from None
    if len(text) > _INTRO_MOST:
        raise InputError(f"the introduction has {len(text)} characters", f"at most {_INTRO_MOST}")
    return text.strip()
