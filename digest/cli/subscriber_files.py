"""``digest subscriber``: readers from files and into files."""

from __future__ import annotations

import csv
import io
import json as json_text
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from digest.app import App
from digest.cli.common import Json, get_app, progress, say, show_json, show_table, warn
from digest.errors import InputError
from digest.flows.readers import audience, domains
from digest.flows.readers import importing as audience_import
from digest.flows.readers import lists as audience_lists
from digest.flows.readers.importing import Imported
from digest.flows.readers.lists import Filters
from digest.flows.readers.rows import ADDRESSES, NOTHING, day_words
from digest.readers import fields
from digest.states import SubscriptionState
from digest.store.readers.subscribers import Choice, Subscription
from digest.tables import Table, decoded, guarded, open_csv

_BLOCK = 1 << 18  # bytes read at once
_COLUMNS = ("address", "name", "sections", "cadence", "hour", "days", "time_zone", "locale", "state")
_IMPORTED = (SubscriptionState.ACTIVE, SubscriptionState.UNSUBSCRIBED)


def register(app: typer.Typer) -> None:
    app.command(
        "import",
        epilog="Examples: digest subscriber import readers.csv -e world --consent 'asked for it at the shop'\n\n"
        "zcat old.csv.gz | digest subscriber import - -e world --consent 'old list' --map 'E-mail=address' --dry-run",
    )(import_)
    app.command("imports", epilog="Example: digest subscriber imports --json")(imports)
    app.command("rejects", epilog="Example: digest subscriber rejects 3 --csv > mend.csv")(rejects)
    app.command("check-domains", epilog="Example: digest subscriber check-domains -e world")(check_domains)
    app.command(
        "export",
        epilog="Examples: digest subscriber export -e world > readers.csv\n\n"
        "digest subscriber export -e world --tz Europe/% --since 2026-11-01 --jsonl",
    )(export)


# ---------------------------------------------------------------------------------------------- import


def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.csv|-", exists=True, dir_okay=False, allow_dash=True)],
    edition: Annotated[str, typer.Option("--edition", "-e", metavar="EDITION", help="The edition's name.")],
    consent: Annotated[
        str, typer.Option("--consent", metavar="WORDS", help="How these readers agreed, kept as proof: when and where.")
    ],
    map_: Annotated[
        list[str] | None, typer.Option("--map", metavar="THEIRS=OURS", help="What a column is called here; repeatable.")
    ] = None,
    encoding: Annotated[str, typer.Option("--encoding", help="Of the file, such as cp1252.")] = "utf-8",
    rejects_file: Annotated[
        Path | None, typer.Option("--rejects", metavar="FILE", help="Write the rejected lines there, to be mended.")
    ] = None,
    check_domains: Annotated[
        bool, typer.Option("--check-domains", help="Reject addresses at domains that take no mail, as the DNS says.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would come of it and change nothing.")] = False,
    json: Json = False,
) -> None:
    """Add or change readers from a CSV file, or from stdin (-).

    Columns, in any order: address (or email), and where you like name, sections (keys or titles, separated by ;),
    cadence, hour, days (mon;tue), time_zone, locale, state (active or unsubscribed) and the fields your settings
    declare. Comma, semicolon or tab may separate them.

    Who is known is changed where the file says something else. A blank leaves what is known as it is, - takes it back,
    and * in sections means all. An address named twice is taken at its later word. Who unsubscribed, never
    confirmed or is suppressed is not brought back: those lines are rejected.

    Rejected lines are kept with their reasons (digest subscriber rejects): mend them and import them. Importing twice
    ends the same, so an import that was cut short is simply run again; where an address stands twice with different
    words, both its lines are told as changed each time.
    """
    app, names = get_app(ctx), _names(map_ or ())
    if not consent.strip():
        raise InputError("--consent is empty", "say when and where these readers agreed")
    audience.edition_of(app.database, edition)  # told before what is wrong with the file
    name = "stdin" if str(file) == "-" else file.name
    with _opened(file, encoding) as (chunks, advance):
        advice = "say which holds the addresses, such as --map 'Contact=address'"
        table = open_csv(decoded(chunks, encoding), ["|".join(ADDRESSES)], names, advice)
        _tell_unused(app, edition, table)
        done = audience_import.import_table(
            app.database,
            edition,
            table,
            app.now(),
            source=f"import {name}",
            agreed=consent.strip(),
            declared=app.declared,
            dry_run=dry_run,
            refused=_refused(app, remember=not dry_run) if check_domains else audience_import.no_questions,
            on_progress=advance,
        )
    if rejects_file and done.number:
        _keep_rejects(app, done.number, rejects_file)
    _tell(done, dry_run=dry_run, json=json)
    if done.read and done.rejected == done.read:
        raise InputError(f"no line of {name} could be taken", "the reasons are above")


def _refused(app: App, *, remember: bool) -> audience_import.Refused:
    return lambda found: domains.refused(app.database, found, app.look_up, app.now(), remember=remember)


def _names(pairs: Iterable[str]) -> Mapping[str, str]:
    names = {}
    for pair in pairs:
        theirs, separator, ours = pair.rpartition("=")
        if not separator or not theirs.strip() or not ours.strip():
            raise InputError(f"--map {pair} names no two columns", "write --map 'E-mail=address'")
        names[theirs] = ours
    return names


@contextmanager
def _opened(file: Path, encoding: str) -> Iterator[tuple[Iterator[bytes], Callable[[int], object]]]:
    """The file in pieces, and what is to be told how many rows are done. A file that can be read twice is, at first
    for its encoding alone, so that nothing is stored of one in another."""
    with ExitStack() as stack:
        source: BinaryIO = sys.stdin.buffer if str(file) == "-" else stack.enter_context(file.open("rb"))
        size = None
        if str(file) != "-" and file.is_file():
            size = file.stat().st_size
            for _ in decoded(_blocks(source), encoding):
                pass
            source.seek(0)
        yield stack.enter_context(_bar(source, size, f"Importing {file.name}"))


def _blocks(source: BinaryIO, advance: Callable[[int], object] = int) -> Iterator[bytes]:
    for block in iter(partial(source.read, _BLOCK), b""):
        advance(len(block))
        yield block


@contextmanager
def _bar(source: BinaryIO, size: int | None, title: str) -> Iterator[tuple[Iterator[bytes], Callable[[int], object]]]:
    """A bar of the bytes read with the rows done and their rate beside it; silent unless stderr is a terminal."""
    console, began, rows = Console(stderr=True, highlight=False), time.monotonic(), 0
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[done]}"))
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(title, total=size, done="")

        def advance(count: int) -> None:
            nonlocal rows
            rows += count
            bar.update(task, done=f"{rows:,} rows, {rows / (time.monotonic() - began):,.0f}/s")

        yield _blocks(source, lambda count: bar.advance(task, count)), advance


def _tell_unused(app: App, edition: str, table: Table) -> None:
    unused = audience_import.unused_columns(app.database, edition, table.columns, app.declared)
    if unused:
        warn(
            f"columns passed over: {', '.join(unused)}; --map THEIRS=OURS says what one means, and declaring it under "
            "[fields] in the configuration keeps one of your own"
        )


def _tell(done: Imported, *, dry_run: bool, json: bool) -> None:
    if json:
        counts = {name: getattr(done, name) for name in ("read", "added", "changed", "unchanged", "rejected")}
        head = {"import": done.number or None, "dry_run": dry_run}
        show_json({**head, **counts, "first_rejected": done.first_rejected})
        return
    say(
        ("a dry run, nothing is changed: " if dry_run else "")
        + f"{done.read:,} lines: {done.added:,} added, {done.changed:,} changed, {done.unchanged:,} as they were, "
        f"{done.rejected:,} rejected"
    )
    for one in done.first_rejected:
        warn(f"{one.where}: {one.reason}")
    if done.rejected > len(done.first_rejected):
        warn(f"and {done.rejected - len(done.first_rejected):,} more")
    if done.rejected and not dry_run:
        say(f"all rejected lines: `digest subscriber rejects {done.number}`, with --csv as a file to be mended")


# --------------------------------------------------------------------------------------------- rejects


def imports(
    ctx: typer.Context,
    last: Annotated[int, typer.Option("--last", metavar="N", min=1, help="How many, the newest first.")] = 20,
    json: Json = False,
) -> None:
    """Past imports and what they came to. One without an end was cut short: run it again."""
    found = audience_import.past(get_app(ctx).database, last)
    if json:
        show_json(found)
        return
    columns = ("id", "edition", "from", "begun", "ended", "added", "changed", "unchanged", "rejected", "consent")
    rows = [
        (i.id, i.edition, i.source, i.started_at, i.ended_at, i.added, i.changed, i.unchanged, i.rejected, i.consent)
        for i in found
    ]
    show_table(columns, rows, "Imports")


def rejects(
    ctx: typer.Context,
    number: Annotated[int, typer.Argument(metavar="IMPORT", help="Its number, as `digest subscriber imports` shows.")],
    as_csv: Annotated[bool, typer.Option("--csv", help="As a file to be mended and imported.")] = False,
    json: Json = False,
) -> None:
    """The lines of an import that could not be taken, and why."""
    app = get_app(ctx)
    if as_csv:
        sys.stdout.writelines(_as_csv(app, number))
        return
    _, rows = audience_import.rejects(app.database, number)
    if json:
        show_json(list(rows))
    else:
        show_table(("line", "reason", "row"), [(one.line, one.reason, one.row) for one in rows], f"Import {number}")


def _as_csv(app: App, number: int) -> Iterator[str]:
    """The rejected rows as they were, below the file's own header, with a reason in front of each."""
    found, rows = audience_import.rejects(app.database, number)
    yield f"reason{found.separator}{found.header}\n"
    for one in rows:
        yield _quoted(f"line {one.line}: {one.reason}") + found.separator + one.row + "\n"


def _keep_rejects(app: App, number: int, target: Path) -> None:
    try:
        with target.open("w", encoding="utf-8", newline="") as out:
            out.writelines(_as_csv(app, number))
    except OSError as error:
        hint = f"the import is done; `digest subscriber rejects {number} --csv` has them"
        raise InputError(f"{target} can't be written ({error.strerror})", hint) from None


def _quoted(text: str) -> str:
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="").writerow([text])
    return line.getvalue()


# --------------------------------------------------------------------------------------------- domains


def check_domains(
    ctx: typer.Context,
    edition: Annotated[str, typer.Option("--edition", "-e", metavar="EDITION", help="The edition's name.")],
    json: Json = False,
) -> None:
    """Which domains of active readers take no mail, as the name servers say; nobody is changed.

    Refused is a domain that does not exist, that has neither mail server nor address, or that says so itself (RFC
    7505). Answers are remembered for 30 days; where none comes, the domain is believed.
    """
    app = get_app(ctx)
    with progress(None, "Asking the name servers") as advance:
        number, found = domains.dead(app.database, edition, app.look_up, app.now(), advance)
    if json:
        show_json({"domains": number, "dead": found})
        return
    rows = [(one.domain, one.readers, one.reason) for one in found]
    show_table(("domain", "readers", "why"), rows, f"Domains that take no mail, of {number:,}")


# ---------------------------------------------------------------------------------------------- export


def export(
    ctx: typer.Context,
    address: Annotated[str, typer.Argument()] = "",
    edition: Annotated[str, typer.Option("--edition", "-e", metavar="EDITION", help="Of this edition.")] = "",
    state: Annotated[SubscriptionState | None, typer.Option("--state", help="In this state only.")] = None,
    section: Annotated[str, typer.Option("--section", "-s", metavar="KEY", help="Who get this section.")] = "",
    cadence: Annotated[str, typer.Option("--cadence", help="Of this cadence.")] = "",
    locale: Annotated[str, typer.Option("--locale", help="Such as pt-BR, or pt% for all of them.")] = "",
    zone: Annotated[str, typer.Option("--tz", metavar="ZONE", help="Such as Asia/Kolkata, or Europe/%.")] = "",
    since: Annotated[str, typer.Option("--since", metavar="DATE", help="Who signed up on that day or later.")] = "",
    segment: Annotated[str, typer.Option("--segment", metavar="NAME", help="Who are in this segment.")] = "",
    where: Annotated[str, typer.Option("--where", metavar="WORDS", help="Whom a segment of these words chooses.")] = "",
    jsonl: Annotated[bool, typer.Option("--jsonl", help="A JSON object a line instead of CSV.")] = False,
) -> None:
    """Everything known of ADDRESS as JSON, or readers of an edition as CSV that can be imported again.

    Without --state those who are active or have unsubscribed: what an import takes. Values that a spreadsheet would
    take for a formula begin with an apostrophe, which the import takes off again.
    """
    app = get_app(ctx)
    if bool(address) == bool(edition):
        raise InputError("nothing to export", "name an ADDRESS or --edition EDITION")
    if address:
        show_json(audience.export(app.database, address))
        return
    filters = Filters(state, section, cadence, locale, zone, since, segment, where)
    found = audience_lists.readers(app.database, edition, filters, app.declared, app.now())
    kept = (one for one in found if state or one.state in _IMPORTED)
    if jsonl:
        for one in kept:
            record = {**_record(one, ()), "sections": one.choice.sections, **one.fields}
            sys.stdout.write(json_text.dumps(record, ensure_ascii=False) + "\n")
        return
    writer = csv.writer(sys.stdout)
    writer.writerow((*_COLUMNS, *app.declared))
    writer.writerows(map(guarded, _record(one, app.declared).values()) for one in kept)


def _record(one: Subscription, declared: Iterable[str]) -> dict[str, str]:
    person, choice = one.person, one.choice
    return {
        "address": person.address,
        "name": person.name,
        "sections": "" if choice.sections is None else ";".join(choice.sections) or NOTHING,
        "cadence": choice.cadence,
        "hour": hour_word(choice),
        "days": day_words(choice.days),
        "time_zone": person.time_zone,
        "locale": person.locale,
        "state": one.state.value,
        **{name: fields.written(one.fields[name]) if name in one.fields else "" for name in declared},
    }


def hour_word(choice: Choice) -> str:
    """A choice's hour as it is typed; "" for when the issue comes out."""
    return "" if choice.hour is None else str(choice.hour)
