"""``digest subscriber``: readers from files and into files."""

from __future__ import annotations

import csv
import io
import json as json_text
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from digest.app import App
from digest.cli.common import Json, get_app, progress, show_json, show_table
from digest.errors import InputError
from digest.flows.readers import audience, domains
from digest.flows.readers import importing as audience_import
from digest.flows.readers import lists as audience_lists
from digest.flows.readers.lists import Filters
from digest.flows.readers.rows import NOTHING, day_words
from digest.readers import fields
from digest.readers.subscriptions import Choice, Subscription
from digest.states import SubscriptionState
from digest.tables import guarded

_COLUMNS = ("address", "name", "sections", "cadence", "hour", "days", "time_zone", "locale", "state")
_IMPORTED = (SubscriptionState.ACTIVE, SubscriptionState.UNSUBSCRIBED)


def register(app: typer.Typer) -> None:
    app.command("imports", epilog="Example: digest subscriber imports --json")(imports)
    app.command("rejects", epilog="Example: digest subscriber rejects 3 --csv > mend.csv")(rejects)
    app.command("check-domains", epilog="Example: digest subscriber check-domains -e world")(check_domains)
    app.command(
        "export",
        epilog="Examples: digest subscriber export -e world > readers.csv\n\n"
        "digest subscriber export -e world --tz Europe/% --since 2026-11-01 --jsonl",
    )(export)


# --------------------------------------------------------------------------------------------- rejects


def imports(
    ctx: typer.Context,
    last: Annotated[int, typer.Option("--last", metavar="N", min=1, help="How many, the newest first.")] = 20,
    json: Json = False,
) -> None:
    """Past imports and their results. One without an end was interrupted: run it again."""
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
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV, to correct and import again.")] = False,
    json: Json = False,
) -> None:
    """The lines that an import rejected, and why."""
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


def keep_rejects(app: App, number: int, target: Path) -> None:
    """Write the rejected rows of an import to a file."""
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
    """List domains of active readers that accept no mail, according to DNS. No reader is changed.

    These are domains that do not exist, that have neither a mail server nor an address, or that declare it (RFC 7505).
    Answers are cached for 30 days. A domain without an answer is not listed.
    """
    app = get_app(ctx)
    with progress(None, "Asking the name servers") as advance:
        number, found = domains.dead(app.database, edition, app.look_up, app.now(), advance)
    if json:
        show_json({"domains": number, "dead": found})
        return
    rows = [(one.domain, one.readers, one.reason) for one in found]
    show_table(("domain", "readers", "why"), rows, f"Domains that accept no mail, of {number:,}")


# ---------------------------------------------------------------------------------------------- export


def export(
    ctx: typer.Context,
    address: Annotated[str, typer.Argument()] = "",
    edition: Annotated[str, typer.Option("--edition", "-e", metavar="EDITION", help="Of this edition.")] = "",
    state: Annotated[SubscriptionState | None, typer.Option("--state", help="In this state only.")] = None,
    section: Annotated[str, typer.Option("--section", "-s", metavar="KEY", help="Readers who get this section.")] = "",
    cadence: Annotated[str, typer.Option("--cadence", help="Of this cadence.")] = "",
    locale: Annotated[str, typer.Option("--locale", help="Such as pt-BR, or pt% for all of them.")] = "",
    zone: Annotated[str, typer.Option("--tz", metavar="ZONE", help="Such as Asia/Kolkata, or Europe/%.")] = "",
    since: Annotated[
        str, typer.Option("--since", metavar="DATE", help="Readers who signed up on that day or later.")
    ] = "",
    segment: Annotated[str, typer.Option("--segment", metavar="NAME", help="Readers in this segment.")] = "",
    where: Annotated[str, typer.Option("--where", metavar="WORDS", help="Readers who match these conditions.")] = "",
    jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object per line, instead of CSV.")] = False,
) -> None:
    """Everything known about ADDRESS as JSON, or the readers of an edition as CSV that you can import again.

    Without --state: readers who are active or have unsubscribed, as an import accepts. Values that a spreadsheet would
    read as a formula begin with an apostrophe, which the import removes.
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
