"""``digest segment``: readers chosen by what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from digest.cli.common import Json, get_app, say, show_json, show_table
from digest.errors import InputError
from digest.flows.readers import segments
from digest.flows.readers.segments import Counted

app = typer.Typer()
Name = Annotated[str, typer.Argument(help="The segment's name.")]
EditionName = Annotated[str, typer.Option("--edition", "-e", metavar="EDITION", help="The edition's name.")]
Where = Annotated[str, typer.Option("--where", metavar="WORDS", help="Conditions, such as 'cadence = daily'.")]
_EXAMPLE = "digest segment add northern -e world --where 'cadence = daily and zone like Europe/%'"


@app.command("add", epilog=f"Example: {_EXAMPLE}")
def add(ctx: typer.Context, name: Name, edition: EditionName, where: Where, json: Json = False) -> None:
    """Save a segment under a name, or change its conditions.

    WORDS are conditions joined by and, or, not and brackets, on: cadence, section, locale, zone, hour, name, domain (of
    the address), signed_up, clicked, and fields.NAME for the fields your settings declare. Compare with =, !=, <, <=,
    >, >=, in (a, b), like (% stands for anything) or is empty; signed_up and clicked also with: within 30 days. Put
    values with spaces in "quotes".
    """
    app_ = get_app(ctx)
    _tell(segments.add(app_.database, edition, name, where, app_.declared, app_.now()), json=json)


@app.command("list", epilog="Example: digest segment list -e world")
def list_(ctx: typer.Context, edition: EditionName, json: Json = False) -> None:
    """The segments of an edition and how many active readers each has now."""
    app_ = get_app(ctx)
    found = segments.listing(app_.database, edition, app_.declared, app_.now())
    if json:
        show_json([_plain(one) for one in found])
        return
    rows = [(one.segment.name, one.total, one.fault or _by_cadence(one.readers), one.segment.where) for one in found]
    show_table(("name", "readers", "of these", "where"), rows, f"Segments of {edition}")


@app.command("show", epilog="Example: digest segment show northern -e world --json")
def show(ctx: typer.Context, name: Name, edition: EditionName, json: Json = False) -> None:
    """One segment and how many active readers it has now."""
    app_ = get_app(ctx)
    _tell(segments.show(app_.database, edition, name, app_.declared, app_.now()), json=json)


@app.command("count", epilog="Example: digest segment count -e world 'not clicked within 90 days'")
def count(
    ctx: typer.Context,
    edition: EditionName,
    words: Annotated[str, typer.Argument(metavar="[WORDS]", help="Conditions, such as 'cadence = daily'.")] = "",
    where: Annotated[str, typer.Option("--where", metavar="WORDS", help="The same.")] = "",
    json: Json = False,
) -> None:
    """How many active readers WORDS match now; nothing is saved."""
    where = words or where
    if not where:
        raise InputError("there are no conditions to count by", "`digest segment add --help` lists the conditions")
    app_ = get_app(ctx)
    found = segments.count(app_.database, edition, where, app_.declared, app_.now())
    if json:
        show_json({"readers": sum(found.values()), "by_cadence": found})
    else:
        say(f"{sum(found.values()):,} readers ({_by_cadence(found) or 'none'})")


@app.command("remove", epilog="Example: digest segment remove northern -e world")
def remove(ctx: typer.Context, name: Name, edition: EditionName) -> None:
    """Remove a segment; issues made for it keep its meaning."""
    segments.remove(get_app(ctx).database, edition, name)
    say(f"segment {name} of {edition} is removed")


def confirm_readers(found: Counted, cadence: str, *, yes: bool) -> None:
    """Say how many an issue to this segment is for, and ask. Raises ``InputError`` when it is for nobody."""
    number = found.readers.get(cadence, 0)
    line = f"{number:,} active {cadence} readers are in segment {found.segment.name} ({found.segment.where})"
    if not number:
        raise InputError(line, "there are no readers to send it to")
    say(line)
    if not yes:
        typer.confirm("Send it to them now?", abort=True, err=True)


def _tell(found: Counted, *, json: bool) -> None:
    if json:
        show_json(_plain(found))
        return
    say(f"{found.segment.name}: {found.segment.where}")
    say(f"{found.total:,} active readers now ({_by_cadence(found.readers) or 'none'})")


def _plain(one: Counted) -> dict[str, object]:
    named = {"name": one.segment.name, "where": one.segment.where, "created_at": one.segment.created_at}
    return {**named, "readers": one.total, "by_cadence": one.readers, "fault": one.fault}


def _by_cadence(readers: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {cadence}" for cadence, number in readers.items())
