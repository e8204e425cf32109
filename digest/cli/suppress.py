"""``digest suppress``: addresses that are never mailed."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from digest.cli.common import Json, get_app, say, show_json, show_table, warn
from digest.cli.files import Encoding, Map, TableFile, blocks, checked_encoding, mapped, opened
from digest.errors import InputError
from digest.flows.readers import audience
from digest.readers.exports.reading import address_columns
from digest.tables import Row, decoded, open_csv, unguarded

app = typer.Typer()
Address = Annotated[str, typer.Argument(metavar="ADDRESS")]
Note = Annotated[str, typer.Option("--note", help="Why, for your own records.")]


@app.command("add", epilog="Example: digest suppress add ann@example.org --note 'asked by phone'")
def add(ctx: typer.Context, address: Address, note: Note = "") -> None:
    """Never mail ADDRESS again, whatever it is subscribed to."""
    door = get_app(ctx)
    new = audience.suppress(door.database, address, door.now(), note=note)
    say(f"{address} is suppressed" if new else f"{address} was already suppressed")


@app.command("remove", epilog="Example: digest suppress remove ann@example.org")
def remove(ctx: typer.Context, address: Address) -> None:
    """Allow mail to ADDRESS again; its subscriptions are unchanged."""
    door = get_app(ctx)
    removed = audience.unsuppress(door.database, address, door.now())
    say(f"{address} may be mailed again" if removed else f"{address} was not suppressed")


@app.command("list", epilog="Example: digest suppress list --json")
def list_(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 100,
    after: Annotated[str, typer.Option("--after", metavar="KEY", help="Continue after this key.")] = "",
    json: Json = False,
) -> None:
    """Suppressed addresses with their reasons; of erased ones only the key is stored."""
    try:
        start = bytes.fromhex(after)
    except ValueError:
        raise InputError(f"{after!r} is not a valid key", "use one from `digest suppress list`") from None
    found = audience.suppressed(get_app(ctx).database, start, limit)
    if json:
        show_json(found)
        return
    rows = [(one.key.hex(), one.address or "(erased)", one.reason, one.note, one.at) for one in found]
    show_table(("key", "address", "reason", "note", "since"), rows, "Suppressed addresses")
    if len(found) == limit:
        say(f"there may be more: --after {found[-1].key.hex()}")


@app.command("import", epilog="Example: digest suppress import blocklist.csv --note 'from the old system'")
def import_(ctx: typer.Context, file: TableFile, note: Note = "", map_: Map = None, encoding: Encoding = "") -> None:
    """Suppress every address in a CSV file, or from stdin (-), whatever the other columns say.

    The column is called address, email or the like, or --map 'Contact=address' names it.
    """
    door = get_app(ctx)
    new = read = 0
    with opened(file) as source:
        table = open_csv(decoded(blocks(source), checked_encoding(source, encoding)))
        columns = address_columns(table.columns, mapped(map_ or ()))
        while batch := list(islice(table.records, 500)):
            read += len(batch)
            good = []
            for row in batch:
                if isinstance(row, Row):
                    found = next(filter(None, (row.values[name] for name in columns)), "")
                    good.append((f"line {row.line}", unguarded(found)))
                else:
                    warn(f"{row.where}: {row.reason}")
            added, faults = audience.suppress_all(door.database, good, door.now(), note=note)
            new += added
            for fault in faults:
                warn(fault)
    say(f"{read} lines: {new} addresses suppressed that were not before")
