"""``digest feedback``: what comes back by mail."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from digest import leave_mail
from digest.cli.common import get_app, say
from digest.errors import InputError, NotFoundError
from digest.flows import audience

app = typer.Typer()


@app.callback()
def _group() -> None:
    """What comes back by mail."""


@app.command(
    "read", epilog="Example: digest feedback read /var/mail/leave\n\nOr from a pipe: digest feedback read - < mail.eml"
)
def read(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="MAILDIR|-", help="A Maildir's new mails, or one mail on stdin.")],
) -> None:
    """Unsubscribe who asked for it by mail to leave_address. Mails that ask for something else stay where they are."""
    door = get_app(ctx)
    read_, left = 0, 0
    for mail, path in _mails(source):
        read_ += 1
        names = leave_mail.reader_of(door.settings.all_keys, mail)
        if names is None:
            continue
        left += 1
        audience.unsubscribe(door.database, names.subscription_id, door.now(), issue_id=names.issue_id, source="mail")
        if path:  # committed: whoever reads the folder next need not look again
            path.rename(path.parents[1] / "cur" / f"{path.name.partition(':')[0]}:2,S")
    say(f"{read_} mails read, {left} unsubscribed their reader")


def _mails(source: str) -> Iterator[tuple[bytes, Path | None]]:
    if source == "-":
        yield sys.stdin.buffer.read(), None
        return
    folder = Path(source)
    if not (folder / "new").is_dir():
        raise NotFoundError(f"{source} is no Maildir", "it should have folders new, cur and tmp; - reads one mail")
    (folder / "cur").mkdir(exist_ok=True)
    for path in sorted((folder / "new").iterdir()):
        try:
            yield path.read_bytes(), path
        except FileNotFoundError:
            continue  # somebody else has taken it
        except OSError as error:
            raise InputError(f"can't read {path} ({error.strerror})", "check its permissions") from None
