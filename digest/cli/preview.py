"""``digest preview`` and ``digest test-send``: look at a digest before anybody gets it."""

from __future__ import annotations

import webbrowser
from contextlib import closing
from email import message_from_bytes, policy
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.cli.common import Json, get_app, local, plain, say, show_json, show_table, warn
from digest.cli.why import show_why, why_as_json
from digest.errors import InputError, UnavailableError
from digest.flows.issues.prospect import Prospect, prospect
from digest.flows.readers import choices
from digest.outcomes import Envelope, Result

if TYPE_CHECKING:
    from digest.app import App

Edition = Annotated[str, typer.Argument(help="The edition's name.")]
Reader = Annotated[str, typer.Option("--as", metavar="ADDRESS", help="As this subscriber would receive it.")]
Segment = Annotated[str, typer.Option(metavar="NAME", help="As an issue for this segment.")]
NOBODY = "reader@example.org"


def register(app: typer.Typer) -> None:
    app.command("preview", epilog="Examples: digest preview world --as ana@example.org\n\ndigest preview world --open")(
        preview
    )
    app.command(
        "test-send",
        epilog="Examples: digest test-send world me@example.org\n\n"
        "digest test-send world me@example.org --segment testers",
    )(test_send)


def preview(
    ctx: typer.Context,
    edition: Edition,
    reader: Reader = "",
    segment: Segment = "",
    open_: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for the files.")] = None,
    json: Json = False,
) -> None:
    """What a reader gets next and why. With --open or --out, or without a reader: the mail as html, text and eml.

    Nothing is sent or stored."""
    app = get_app(ctx)
    _look_at(app, segment, edition, reader)
    if reader and not (open_ or out):
        found = prospect(app.database, edition, reader, app.load, app.settings, app.now(), segment)
        show_json(_as_json(found)) if json else _show(found)
        return
    envelope = _made(app, edition, reader, reader or NOBODY, segment)
    folder = out or app.settings.state_dir / "preview"
    try:
        files = _written(envelope, folder, edition)
    except OSError as error:
        raise InputError(f"can't write to {folder} ({error.strerror})", "give another --out DIR") from None
    subject = message_from_bytes(envelope.message, policy=policy.default)["subject"]
    say(f"{subject} ({len(envelope.message) / 1000:,.0f} kB as sent)")
    for path in files.values():
        typer.echo(path)
    if open_:
        webbrowser.open(files["html"].resolve().as_uri())


def test_send(
    ctx: typer.Context,
    edition: Edition,
    to: Annotated[str, typer.Argument(metavar="ADDRESS", help="The recipient's address.")],
    reader: Reader = "",
    segment: Segment = "",
) -> None:
    """Send an edition's next mail, or its issue under review, to one address through the real mail server."""
    # here: only `test-send` sends
    from digest.smtp.courier import in_order

    app = get_app(ctx)
    _look_at(app, segment, edition, reader)
    envelope = _made(app, edition, reader, to, segment)
    with closing(app.courier()) as courier:
        (outcome,) = in_order(courier.send([envelope]))
    where = " or ".join(f"{route.host}:{route.port}" for route in app.settings.routes)
    if outcome.result is not Result.ACCEPTED:
        hint = "check [smtp] in the configuration" if not app.settings.embedded_mailbox else "start it: `digest up`"
        raise UnavailableError(f"{where} rejected the mail ({outcome.reason})", hint)
    say(f"{where} accepted the mail for {to}: {outcome.reason}")


def _show(found: Prospect) -> None:
    reader = found.reader
    rows = [
        ("reader", reader.person.address),
        ("state", reader.state),
        ("choice", choices.described(reader.choice)),
        ("next slot", local(found.slot, found.time_zone)),
        ("due", local(found.due, reader.person.time_zone or found.time_zone)),
        ("issue", found.issue or "composed when its slot has come"),
    ]
    show_table(("", ""), rows, f"What {reader.person.address} gets next of {reader.edition}")
    show_why({_heading(found, title): placed for title, placed in found.sections if placed})
    left = [(title, "nothing new") for title, placed in found.sections if not any(one.place for one in placed)]
    left += [(title, f"not chosen; {count} stories there") for title, count in found.not_chosen]
    show_table(("section", "left out because"), left, "Left out")
    if found.had:
        show_table(("headline", "issue"), found.had, "Had already")
    for warning in found.warnings:
        warn(warning)


def _heading(found: Prospect, title: str) -> str:
    return f"{title} (not chosen; it fills a thin mail)" if title == found.filler else title


def _as_json(found: Prospect) -> dict[str, Any]:
    data: dict[str, Any] = plain(found)
    return data | {
        "sections": why_as_json(dict(found.sections)),
        "not_chosen": [{"section": title, "stories": count} for title, count in found.not_chosen],
        "had": [{"title": title, "issue": issue} for title, issue in found.had],
    }


def _look_at(app: App, segment: str, edition: str, reader: str) -> None:
    """Raise what is wrong with the segment, and say whether the reader is left out of it."""
    if not segment:
        return
    # here: few previews are of a segment
    from digest.flows.readers import segments

    if not reader:
        segments.meaning(app.database, edition, segment, app.declared)
    elif not segments.chooses(app.database, edition, segment, reader, app.declared, app.now()):
        warn(f"{reader} is not in segment {segment} and does not get its issues")


def _made(app: App, edition: str, reader: str, recipient: str, segment: str) -> Envelope:
    # here: composing takes the templates, which `preview --as` does without
    from digest.flows.issues import preview as flow

    wanted = flow.Wanted(edition, recipient, reader, segment)
    made = flow.preview(app.database, wanted, app.compiled, app.write, app.settings, app.now())
    if made.draft:
        say(f"this is issue {made.draft.id} as it stands; see `digest issue show {made.draft.id}`")
    if made.repeated:
        warn("nothing is new since the last issue: this shows the stories already sent")
    return made.envelope


def _written(envelope: Envelope, folder: Path, name: str) -> dict[str, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    mail = message_from_bytes(envelope.message, policy=policy.default)
    contents = {"eml": envelope.message}
    for kind, part in (("html", "html"), ("txt", "plain")):
        body = mail.get_body((part,))
        assert body
        contents[kind] = body.get_content().encode()
    files = {kind: folder / f"{name}.{kind}" for kind in contents}
    for kind, path in files.items():
        path.write_bytes(contents[kind])
    return files
