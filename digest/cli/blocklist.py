"""``digest blocklist``: domains whose addresses can't be signed up."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from digest.cli.common import Json, get_app, say, show_json, show_table, warn
from digest.errors import InputError
from digest.flows.readers import blocklist

app = typer.Typer()
Domain = Annotated[str, typer.Argument(metavar="DOMAIN")]
Note = Annotated[str, typer.Option("--note", help="Why, for your own records.")]


@app.command("add", epilog="Example: digest blocklist add mailinator.test --note 'throw-away'")
def add(ctx: typer.Context, domain: Domain, note: Note = "") -> None:
    """Refuse sign-ups from DOMAIN and its subdomains. Existing subscriptions stay."""
    door = get_app(ctx)
    name = blocklist.domain(domain)
    _, new, _ = blocklist.block(door.database, [(name, name)], door.now(), note)
    say(f"{name} is blocked" if new else f"{name} was already blocked")


@app.command("remove", epilog="Example: digest blocklist remove mailinator.test")
def remove(ctx: typer.Context, domain: Domain) -> None:
    """Allow sign-ups from DOMAIN again."""
    removed = blocklist.unblock(get_app(ctx).database, domain)
    say(f"sign-ups from {domain} are allowed again" if removed else f"{domain} was not on the block list")


@app.command("list", epilog="Example: digest blocklist list --json")
def list_(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 100,
    after: Annotated[str, typer.Option("--after", metavar="DOMAIN", help="Continue after this domain.")] = "",
    json: Json = False,
) -> None:
    """Blocked domains in alphabetical order."""
    found = blocklist.listing(get_app(ctx).database, after, limit)
    if json:
        show_json(found)
        return
    show_table(("domain", "note", "since"), [(one.domain, one.note, one.at) for one in found], "Blocked domains")
    if len(found) == limit:
        say(f"there may be more: --after {found[-1].domain}")


@app.command("import", epilog="Example: digest blocklist import disposable.txt --note 'throw-away, November'")
def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True)],
    note: Note = "",
) -> None:
    """Block every domain in FILE, one per line; text after # is ignored."""
    door = get_app(ctx)
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{file} is not UTF-8 text", "save it as such") from None
    named = [(f"line {n}", text) for n, line in enumerate(lines, 1) if (text := line.partition("#")[0].strip())]
    read, new, faults = blocklist.block(door.database, named, door.now(), note)
    for fault in faults:
        warn(fault)
    say(f"{read} domains: {new} blocked that were not before")
