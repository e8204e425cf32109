"""``digest subscriber import``: readers from a list, also as other products write it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from digest.app import App
from digest.cli.common import Json, get_app, say, show_json, show_table, warn
from digest.cli.files import Encoding, Map, TableFile, blocks, checked_encoding, mapped, name_of, opened
from digest.cli.subscriber_files import keep_rejects
from digest.errors import InputError
from digest.flows.readers import audience, domains, importing
from digest.flows.readers.importing import Imported
from digest.readers.exports.products import PRODUCTS
from digest.readers.exports.reading import CSV, Plan, plan
from digest.readers.exports.standing import Standing
from digest.tables import decoded, open_csv

_BECAME = {
    Standing.ACTIVE: "may be mailed, unless they unsubscribed here or are suppressed",
    Standing.UNSUBSCRIBED: "not mailed: unsubscribed from this edition",
    Standing.UNCONFIRMED: "not mailed and not stored",
    Standing.BOUNCED: "never mailed: suppressed as bounced",
    Standing.COMPLAINED: "never mailed: suppressed for a complaint",
    Standing.BLOCKED: "never mailed: suppressed",
}


def register(app: typer.Typer) -> None:
    app.command(
        "import",
        epilog="Examples: digest subscriber import readers.csv -e world --consent 'asked for it at the shop'\n\n"
        "digest subscriber import export.csv -e world --from listmonk --consent 'our listmonk list' --dry-run\n\n"
        "zcat old.csv.gz | digest subscriber import - -e world --consent 'old list' --map 'Contact=address'",
    )(import_)


def import_(
    ctx: typer.Context,
    file: TableFile,
    edition: Annotated[str, typer.Option("--edition", "-e", metavar="EDITION", help="The edition's name.")],
    consent: Annotated[
        str, typer.Option("--consent", metavar="WORDS", help="When and where these readers agreed; kept as proof.")
    ],
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="PRODUCT",
            help=f"Whose export it is: {', '.join((*PRODUCTS, CSV))}. Detected by its columns.",
        ),
    ] = "",
    map_: Map = None,
    map_value: Annotated[
        list[str] | None,
        typer.Option(
            "--map-value",
            metavar="COLUMN.VALUE=STATE",
            help=f"What a value says about a reader, such as status.ok=active: {', '.join(Standing)}; repeatable.",
        ),
    ] = None,
    encoding: Encoding = "",
    rejects_file: Annotated[
        Path | None,
        typer.Option("--rejects", metavar="FILE", help="Write the rejected lines to this file, to correct them."),
    ] = None,
    check_domains: Annotated[
        bool, typer.Option("--check-domains", help="Reject addresses at domains that accept no mail, according to DNS.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would happen and change nothing.")] = False,
    json: Json = False,
) -> None:
    """Add or change readers from a CSV file, or from stdin (-).

    Columns, in any order: address (or email) and, optionally, name, sections (keys or titles, separated by ;), cadence,
    hour, days (mon;tue), time_zone, locale, state and the fields your settings declare. Comma, semicolon or tab may
    separate them. Exports of other products are detected by their columns, see docs/moving/.

    If a column seems to say which readers may be mailed and is not understood, nothing is imported: explain a value
    with --map-value, or ignore the column with --map COLUMN=-. Readers who unsubscribed there are unsubscribed here;
    those who bounced, complained or were blocked are suppressed; those who did not confirm are left out.

    Existing readers are updated where the file differs. A blank keeps what is known, - removes it, * in sections means
    all. The last row of an address wins. Readers who unsubscribed here, never confirmed or are suppressed are not
    brought back: those lines are rejected, and kept with their reasons (digest subscriber rejects).

    Importing is idempotent: run an interrupted import again.
    """
    app, names, meanings = get_app(ctx), mapped(map_ or ()), _meanings(map_value or ())
    if not consent.strip():
        raise InputError("--consent is empty", "say when and where these readers agreed")
    audience.edition_of(app.database, edition)  # told before what is wrong with the file
    name = name_of(file)
    with opened(file) as source_file:
        found = checked_encoding(source_file, encoding)
        table = open_csv(decoded(blocks(source_file), found))
        how = plan(table.columns, app.declared, product=source, names=names, meanings=meanings, file=name)
        _tell_plan(how, asked=bool(source))
        if how.signs:
            how.unknown(table.records)
        source_file.seek(0)
        with _bar(source_file, f"Importing {name}") as (chunks, advance):
            done = importing.import_table(
                app.database,
                edition,
                open_csv(decoded(chunks, found)),
                app.now(),
                source=f"import {name}",
                agreed=consent.strip(),
                declared=app.declared,
                how=how,
                dry_run=dry_run,
                refused=_refused(app, remember=not dry_run) if check_domains else importing.no_questions,
                on_progress=advance,
            )
    if rejects_file and done.number:
        keep_rejects(app, done.number, rejects_file)
    _tell(done, dry_run=dry_run, json=json)
    if done.read and done.rejected == done.read and done.states.keys() != {Standing.UNCONFIRMED}:
        raise InputError(f"no line of {name} could be imported", "the reasons are above")


def _refused(app: App, *, remember: bool) -> importing.Refused:
    return lambda found: domains.refused(app.database, found, app.look_up, app.now(), remember=remember)


def _meanings(pairs: Sequence[str]) -> Mapping[tuple[str, str], str]:
    """What ``--map-value`` says: states by column and value."""
    found = {}
    for pair in pairs:
        said, equals, state = pair.rpartition("=")
        column, dot, value = said.partition(".")
        if not equals or not dot or not column.strip() or not state.strip():
            raise InputError(
                f"--map-value {pair} is not a valid column and value", "write --map-value status.ok=active"
            )
        found[column.strip(), value.strip()] = state
    return found


@contextmanager
def _bar(source: BinaryIO, title: str) -> Iterator[tuple[Iterator[bytes], Callable[[int], object]]]:
    """A bar of the bytes read with the rows done and their rate beside it; silent unless stderr is a terminal."""
    console, began, rows = Console(stderr=True, highlight=False), time.monotonic(), 0
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[done]}"))
    size = source.seek(0, os.SEEK_END)
    source.seek(0)
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(title, total=size, done="")

        def advance(count: int) -> None:
            nonlocal rows
            rows += count
            bar.update(task, done=f"{rows:,} rows, {rows / (time.monotonic() - began):,.0f}/s")

        yield blocks(source, lambda count: bar.advance(task, count)), advance


def _tell_plan(how: Plan, *, asked: bool) -> None:
    if how.title and not asked:
        warn(f"read as an export of {how.title}, detected by its columns; for a plain list give --from {CSV}")
    if how.unused:
        warn(
            f"columns ignored: {', '.join(how.unused)}; use --map THEIRS=OURS for those you need, "
            "or declare your own under [fields] in the configuration"
        )


def _tell(done: Imported, *, dry_run: bool, json: bool) -> None:
    if json:
        counts = {name: getattr(done, name) for name in ("read", "added", "changed", "unchanged", "rejected")}
        head = {"import": done.number or None, "dry_run": dry_run}
        states = {state.value: done.states.get(state, 0) for state in Standing}
        show_json({**head, **counts, "states": states, "first_rejected": done.first_rejected})
        return
    if done.states:
        rows = [(state.value, f"{number:,}", _BECAME[state]) for state, number in done.states.items()]
        show_table(("state in the file", "lines", "here"), rows)
    say(
        ("dry run, nothing is changed: " if dry_run else "")
        + f"{done.read:,} lines: {done.added:,} added, {done.changed:,} changed, {done.unchanged:,} unchanged, "
        f"{done.rejected:,} rejected"
    )
    for one in done.first_rejected:
        warn(f"{one.where}: {one.reason}")
    if done.rejected > len(done.first_rejected):
        warn(f"and {done.rejected - len(done.first_rejected):,} more")
    if done.rejected and not dry_run:
        say(f"all rejected lines: `digest subscriber rejects {done.number}`, with --csv as a file to correct")
