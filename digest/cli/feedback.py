"""``digest feedback``: what comes back by mail."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from digest.cli.common import Json, get_app, say, show_json, show_table
from digest.errors import InputError, NotFoundError
from digest.flows.feedback import returned_mail as feedback
from digest.flows.feedback.returned_mail import Box
from digest.net import mailboxes

app = typer.Typer()
_EVERYTHING = sys.maxsize
_COLUMNS = ("hard", "soft", "unclear", "blocked", "bounce", "complaint", "unsubscribe")


@app.callback()
def _group() -> None:
    """What comes back by mail."""


@app.command(
    "read",
    epilog="Examples: digest feedback read\n\ndigest feedback read /var/mail/bounces\n\n"
    "digest feedback read - < mail.eml",
)
def read(
    ctx: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A Maildir, a mail or mbox file, or - for one on stdin.")
    ] = "",
    json: Json = False,
) -> None:
    """Read bounces, complaints and mails that unsubscribe, from the configured mailbox or from SOURCE. Other mail stays
    where it is."""
    door = get_app(ctx)
    boxes = [_box(source)] if source else door.boxes
    if not boxes:
        raise InputError("no mailbox is configured", "name a Maildir or a file, or set [feedback] maildir")
    count = Counter[str]()
    for box in boxes:
        count.update(feedback.listen(door.database, door.listening, box, door.now, _EVERYTHING))
    if json:
        show_json(count)
    else:
        say(feedback.told(count))


@app.command("summary", epilog="Example: digest feedback summary --days 7")
def summary(
    ctx: typer.Context,
    days: Annotated[int, typer.Option("--days", min=1, help="How many days back.")] = 30,
    json: Json = False,
) -> None:
    """What came back recently, by edition: bounces by kind, complaints, unsubscribes."""
    door = get_app(ctx)
    found = feedback.summary(door.database, door.now() - timedelta(days=days))
    if json:
        show_json(dict(found))
        return
    rows = [(name, *(counts.get(what, 0) for what in _COLUMNS)) for name, counts in found]
    used = [0, *(n for n in range(1, len(_COLUMNS) + 1) if any(row[n] for row in rows))]
    heads = ("edition", *_COLUMNS)
    show_table([heads[n] for n in used], [[row[n] for n in used] for row in rows], f"Came back within {days} days")


def _box(source: str) -> Box:
    if source == "-":
        return mailboxes.Given(sys.stdin.buffer.read(mailboxes.MOST_BYTES))
    path = Path(source)
    if not path.exists():
        raise NotFoundError(f"there is no {source}", "name a Maildir or a mail file; - reads one mail from stdin")
    return mailboxes.Maildir(path) if path.is_dir() else mailboxes.File(path)
