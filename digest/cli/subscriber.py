"""``digest subscriber``: readers and what they chose."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from digest import addresses
from digest.cli.common import Json, get_app, progress, say, show_json, show_table, warn
from digest.errors import InputError
from digest.flows import audience, choices
from digest.flows.audience_import import NO_SECTIONS, REQUIRED, import_subscribers
from digest.states import SubscriptionState
from digest.store.subscribers import Choice, Subscription
from digest.tables import Row, decoded, read_csv
from digest.values import ImportReport, Rejected

app = typer.Typer()
_PAGE = 1000
_COLUMNS = ("address", "name", "sections", "cadence", "hour", "time_zone", "locale", "state")

Address = Annotated[str, typer.Argument(metavar="ADDRESS")]
EditionName = Annotated[str, typer.Option("--edition", "-e", metavar="EDITION", help="The edition's name.")]
AnyEdition = Annotated[str | None, typer.Option("--edition", "-e", metavar="EDITION", help="Of this edition only.")]
Name = Annotated[str, typer.Option("--name", help="The reader's name.")]
Sections = Annotated[
    list[str] | None,
    typer.Option(
        "--section", "-s", help="A section chosen, by key or title; repeat it for more, in the reader's order."
    ),
]
Cadence = Annotated[str, typer.Option("--cadence", help="How often, one of the edition's.")]
Hour = Annotated[str, typer.Option("--hour", help="Local hour of day, 0 to 23.")]
Zone = Annotated[str, typer.Option("--tz", metavar="ZONE", help="Time zone, such as Asia/Kolkata.")]
Locale = Annotated[str, typer.Option("--locale", help="Such as en or pt-BR.")]


@app.command("add", epilog="Example: digest subscriber add ann@example.org -e world -s science --cadence weekly")
def add(
    ctx: typer.Context,
    address: Address,
    edition: EditionName,
    name: Name = "",
    section: Sections = None,
    cadence: Cadence = "",
    hour: Hour = "",
    tz: Zone = "",
    locale: Locale = "",
    ask: Annotated[bool, typer.Option("--ask", help="Send a mail to confirm first (double opt-in).")] = False,
) -> None:
    """Subscribe a reader who has agreed to it, or change the subscription there is."""
    door = get_app(ctx)
    if ask:
        spec = audience.edition_of(door.database, edition)
        person = choices.person(addresses.normalise(address), name, locale, tz)
        choice = choices.choose(spec, cadence, section, hour)
        audience.sign_up(door.database, edition, audience.SignUp(person, choice, source="operator"), door.now())
        say(f"{person.address} will be asked to confirm, unless already subscribed, asked within minutes or suppressed")
        return
    values = {"address": address, "name": name, "sections": ";".join(section or ()), "cadence": cadence}
    row = Row(1, {**values, "hour": hour, "time_zone": tz, "locale": locale}, address)
    report = import_subscribers(door.database, edition, [row], door.now(), source="operator")
    if report.rejected:
        raise InputError(f"{address} was not added", report.rejected[0].reason)
    say(f"{address}: " + ("added" if report.added else "changed" if report.changed else "as it was"))


@app.command("set", epilog="Example: digest subscriber set ann@example.org -e world --hour 7 --tz Europe/Madrid")
def set_(
    ctx: typer.Context,
    address: Address,
    edition: EditionName,
    name: Annotated[str | None, typer.Option("--name", help="The reader's name.")] = None,
    section: Sections = None,
    all_sections: Annotated[bool, typer.Option("--all-sections", help="Every section, later ones too.")] = False,
    cadence: Cadence = "",
    hour: Annotated[str | None, typer.Option("--hour", help="0 to 23, or '' for when the issue comes out.")] = None,
    tz: Annotated[str | None, typer.Option("--tz", metavar="ZONE", help="Time zone, or '' for the edition's.")] = None,
) -> None:
    """Change what a reader gets; what is not given stays."""
    door = get_app(ctx)
    (found,) = audience.of_address(door.database, address, edition)
    spec, was, now = audience.edition_of(door.database, edition), found.person, found.choice
    person = choices.person(
        was.address, was.name if name is None else name, was.locale, was.time_zone if tz is None else tz
    )
    wanted = choices.choose(spec, cadence or now.cadence, section, _hour(now) if hour is None else hour)
    sections = wanted.sections if section or all_sections else now.sections
    choice = Choice(wanted.cadence, sections, wanted.hour)
    saved = audience.change_preferences(door.database, found.id, person, choice, door.now(), source="operator")
    say(f"{saved.person.address}: {choices.described(saved.choice)}")


@app.command("list", epilog="Example: digest subscriber list -e world --state active --limit 20")
def list_(
    ctx: typer.Context,
    edition: AnyEdition = None,
    state: Annotated[SubscriptionState | None, typer.Option("--state", help="In this state only.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 100,
    after: Annotated[int, typer.Option("--after", metavar="ID", help="Go on behind this id.")] = 0,
    json: Json = False,
) -> None:
    """Subscriptions, in the order they came."""
    found = audience.listing(get_app(ctx).database, edition, state, after, limit)
    if json:
        show_json(found)
        return
    rows = [(one.id, one.person.address, one.person.name, one.edition, one.state, *_chosen(one)) for one in found]
    show_table(
        ("id", "address", "name", "edition", "state", "cadence", "sections", "hour", "time zone"), rows, "Readers"
    )
    if len(found) == limit:
        say(f"there may be more: --after {found[-1].id}")


@app.command("show", epilog="Example: digest subscriber show ann@example.org")
def show(ctx: typer.Context, address: Address, json: Json = False) -> None:
    """One reader: choices, consent, and what was sent."""
    data = audience.export(get_app(ctx).database, address)
    if json:
        show_json(data)
        return
    if data["suppression"]:
        warn(f"{address} is suppressed ({data['suppression']['reason']}) and gets no mail")
    for one in data["subscriptions"]:
        _show_subscription(one)


@app.command("export", epilog="Example: digest subscriber export -e world > readers.csv")
def export(ctx: typer.Context, address: Annotated[str, typer.Argument()] = "", edition: AnyEdition = None) -> None:
    """Everything known of ADDRESS as JSON, or all readers of an edition as CSV that can be imported again."""
    database = get_app(ctx).database
    if bool(address) == bool(edition):
        raise InputError("nothing to export", "name an ADDRESS or --edition EDITION")
    if address:
        show_json(audience.export(database, address))
        return
    writer = csv.writer(sys.stdout)
    writer.writerow(_COLUMNS)
    after = 0
    while found := audience.listing(database, edition, None, after, _PAGE):
        writer.writerows(_csv_line(one) for one in found if one.state in {"active", "unsubscribed"})
        after = found[-1].id


@app.command("unsubscribe", epilog="Example: digest subscriber unsubscribe ann@example.org")
def unsubscribe(ctx: typer.Context, address: Address, edition: AnyEdition = None) -> None:
    """End a reader's subscriptions, to all editions or one."""
    door = get_app(ctx)
    for one in audience.of_address(door.database, address, edition):
        left = audience.unsubscribe(door.database, one.id, door.now(), source="operator")
        say(
            f"{one.person.address}: "
            + (f"unsubscribed from {one.edition}" if left else f"{one.edition} was {one.state}")
        )


@app.command("erase", epilog="Example: digest subscriber erase ann@example.org --yes")
def erase(
    ctx: typer.Context, address: Address, yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False
) -> None:
    """Forget a person for good; only a hash stays, so that no import brings the address back."""
    door = get_app(ctx)
    if not yes:
        typer.confirm(f"Delete everything known of {address}?", abort=True, err=True)
    known = audience.erase(door.database, address, door.now())
    say(f"{address} is forgotten" if known else f"{address} was not known; it is suppressed now")


@app.command("import", epilog="Example: digest subscriber import readers.csv -e world")
def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", exists=True, dir_okay=False, readable=True)],
    edition: EditionName,
    encoding: Annotated[str, typer.Option("--encoding", help="Of the file, such as latin-1.")] = "utf-8",
    json: Json = False,
) -> None:
    """Add or change readers from a CSV file.

    Columns: address (or email), and where you like name, sections (keys or titles, separated by ;, or - for none),
    cadence, hour, time_zone, locale, state (active or unsubscribed). Lines that can't be taken go to
    FILE.rejected.csv with the reason in front; mend them there and import that file. Importing twice changes nothing.
    """
    door = get_app(ctx)
    total = sum(
        1 for _ in read_csv(_lines(file, encoding), REQUIRED)
    )  # also finds a wrong encoding before anything is stored
    with progress(total, f"Importing {file.name}") as advance:
        rows = read_csv(_lines(file, encoding), REQUIRED)
        report = import_subscribers(
            door.database, edition, rows, door.now(), source=f"import {file.name}", on_progress=advance
        )
    refused = _write_rejected(file, encoding, report.rejected) if report.rejected else None
    if json:
        show_json({**_plain(report), "rejected_file": refused and str(refused)})
    else:
        say(f"{report.read} lines: {report.added} added, {report.changed} changed, {report.unchanged} as they were")
        _tell_rejected(report, refused)
    if report.read and len(report.rejected) == report.read:
        raise InputError(f"no line of {file} could be taken", f"the reasons are in {refused}")


def _lines(file: Path, encoding: str) -> Iterator[str]:
    with file.open("rb") as source:
        yield from decoded(source, encoding)


def _write_rejected(file: Path, encoding: str, rejected: tuple[Rejected, ...]) -> Path:
    """The rejected lines as they were, below the file's own header, with a reason in front of each."""
    target = file.with_suffix(".rejected.csv")
    header = next(line for line in _lines(file, encoding) if line.strip()).rstrip("\r\n")
    separator = max(",;\t", key=header.count)
    with target.open("w", encoding="utf-8", newline="") as out:
        out.write(f"reason{separator}{header}\n")
        for item in rejected:
            out.write(_quoted(f"{item.where}: {item.reason}") + separator + item.raw + "\n")
    return target


def _quoted(text: str) -> str:
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="").writerow([text])
    return line.getvalue()


def _tell_rejected(report: ImportReport, refused: Path | None) -> None:
    for item in report.rejected[:10]:
        warn(f"{item.where}: {item.reason}")
    if refused:
        more = len(report.rejected) - 10
        warn((f"and {more} more; " if more > 0 else "") + f"{len(report.rejected)} rejected lines are in {refused}")


def _plain(report: ImportReport) -> dict[str, Any]:
    counts = {"read": report.read, "added": report.added, "changed": report.changed, "unchanged": report.unchanged}
    return {**counts, "rejected": report.rejected}


def _show_subscription(data: dict[str, Any]) -> None:
    one = data["subscription"]
    person, choice = one["person"], one["choice"]
    sections = "all" if choice["sections"] is None else ", ".join(choice["sections"]) or "none"
    rows = [
        ("address", person["address"]),
        ("name", person["name"]),
        ("state", one["state"]),
        ("cadence", choice["cadence"]),
        ("sections", sections),
        ("hour", choice["hour"]),
        ("time zone", person["time_zone"] or "the edition's"),
        ("since", one["created_at"]),
    ]
    show_table(("", ""), rows, f"Subscription {one['id']} to {one['edition']}")
    consent = [(event["at"], event["kind"], event["source"], event["detail"]) for event in data["consent"]]
    show_table(("at", "what", "how", "detail"), consent, "Consent")
    sent = [(i["issue_id"], i["cadence"], i["slot"], i["state"], i["at"], i["reason"]) for i in data["sent"]]
    show_table(("issue", "cadence", "slot", "state", "at", "reason"), sent, "Deliveries")


def _chosen(one: Subscription) -> tuple[object, ...]:
    sections = one.choice.sections
    return (
        one.choice.cadence,
        "all" if sections is None else ", ".join(sections),
        one.choice.hour,
        one.person.time_zone,
    )


def _csv_line(one: Subscription) -> tuple[str, ...]:
    person, choice = one.person, one.choice
    sections = "" if choice.sections is None else ";".join(choice.sections) or NO_SECTIONS
    zone, locale = person.time_zone, person.locale
    return person.address, person.name, sections, choice.cadence, _hour(choice), zone, locale, one.state


def _hour(choice: Choice) -> str:
    return "" if choice.hour is None else str(choice.hour)
