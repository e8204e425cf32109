"""``digest suppress``: addresses that are never mailed."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from digest.cli.common import Json, get_app, say, show_json, show_table, warn
from digest.errors import InputError
from digest.flows.readers import audience
from digest.tables import Row, decoded, read_csv

app = typer.Typer()
Address = Annotated[str, typer.Argument(metavar="ADDRESS")]
Note = Annotated[str, typer.Option("--note", help="Why, for your own records.")]


@app.command("add", epilog="Example: digest suppress add ann@example.org --note 'asked by phone'")
def add(ctx: typer.Context, address: Address, note: Note = "") -> None:
    """Never mail ADDRESS again, whatever it is subscribed to."""
    door = get_app(ctx)
    new = audience.suppress(door.database, address, door.now(), note=note)
    say(f"{address} is suppressed" if new else f"{address} was suppressed before")


@app.command("remove", epilog="Example: digest suppress remove ann@example.org")
def remove(ctx: typer.Context, address: Address) -> None:
    """Let ADDRESS be mailed again; its subscriptions are as they were."""
    door = get_app(ctx)
    removed = audience.unsuppress(door.database, address, door.now())
    say(f"{address} may be mailed again" if removed else f"{address} was not suppressed")


@app.command("list", epilog="Example: digest suppress list --json")
def list_(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 100,
    after: Annotated[str, typer.Option("--after", metavar="KEY", help="Go on behind this key.")] = "",
    json: Json = False,
) -> None:
    """Suppressed addresses with their reasons; of erased ones only the key is known."""
    try:
        start = bytes.fromhex(after)
    except ValueError:
        raise InputError(f"{after!r} is no key", "give one that the list shows") from None
    found = audience.suppressed(get_app(ctx).database, start, limit)
    if json:
        show_json(found)
        return
    rows = [(one.key.hex(), one.address or "(erased)", one.reason, one.note, one.at) for one in found]
    show_table(("key", "address", "reason", "note", "since"), rows, "Suppressed addresses")
    if len(found) == limit:
        say(f"there may be more: --after {found[-1].key.hex()}")


@app.command("import", epilog="Example: digest suppress import blocklist.csv --note 'from the old system'")
def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", exists=True, dir_okay=False, readable=True)],
    note: Note = "",
    encoding: Annotated[str, typer.Option("--encoding", help="Of the file, such as latin-1.")] = "utf-8",
) -> None:
    """Suppress every address in the column address (or email) of a CSV file."""
    door = get_app(ctx)
    new = read = 0
    with file.open("rb") as source:
        rows = read_csv(decoded(source, encoding), ["address|email"])
        while batch := list(islice(rows, 500)):
            read += len(batch)
            good = []
            for row in batch:
                if isinstance(row, Row):
                    good.append((f"line {row.line}", row.values.get("address") or row.values.get("email", "")))
                else:
                    warn(f"{row.where}: {row.reason}")
            added, faults = audience.suppress_all(door.database, good, door.now(), note=note)
            new += added
            for fault in faults:
                warn(fault)
    say(f"{read} lines: {new} addresses suppressed that were not before")
