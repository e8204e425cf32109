"""``digest subscriber``: readers and what they chose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

import typer

from digest.cli import subscriber_files, subscriber_import, subscriber_stats
from digest.cli.common import Json, get_app, local, say, show_json, show_table, warn
from digest.cli.subscriber_files import hour_word
from digest.errors import InputError
from digest.flows.readers import audience, choices, erasure, signup
from digest.flows.readers import lists as audience_lists
from digest.flows.readers.importing import import_subscribers
from digest.flows.readers.rows import day_numbers
from digest.readers import addresses, fields
from digest.readers.subscriptions import ALL_DAYS, Subscription
from digest.states import SubscriptionState
from digest.tables import Row

app = typer.Typer()
subscriber_import.register(app)
subscriber_files.register(app)
subscriber_stats.register(app)

Address = Annotated[str, typer.Argument(metavar="ADDRESS")]
EditionName = Annotated[str, typer.Option("--edition", "-e", metavar="EDITION", help="The edition's name.")]
AnyEdition = Annotated[str | None, typer.Option("--edition", "-e", metavar="EDITION", help="For this edition only.")]
Name = Annotated[str, typer.Option("--name", help="The reader's name.")]
Sections = Annotated[
    list[str] | None,
    typer.Option("--section", "-s", help="A chosen section, by key or title; repeatable, in the reader's order."),
]
Cadence = Annotated[str, typer.Option("--cadence", help="How often, one of the edition's.")]
Hour = Annotated[str, typer.Option("--hour", help="Local hour of day, 0 to 23.")]
Zone = Annotated[str, typer.Option("--tz", metavar="ZONE", help="Time zone, such as Asia/Kolkata.")]
Locale = Annotated[str, typer.Option("--locale", help="Such as en or pt-BR.")]

Days = Annotated[str, typer.Option("--days", metavar="DAYS", help="Days of the week, such as mon,thu.")]


@app.command("add", epilog="Example: digest subscriber add ann@example.org -e world -s science --cadence weekly")
def add(
    ctx: typer.Context,
    address: Address,
    edition: EditionName,
    name: Name = "",
    section: Sections = None,
    cadence: Cadence = "",
    hour: Hour = "",
    days: Days = "",
    tz: Zone = "",
    locale: Locale = "",
    ask: Annotated[bool, typer.Option("--ask", help="Send a mail to confirm first (double opt-in).")] = False,
) -> None:
    """Subscribe a reader who has agreed to it, or update their subscription."""
    door = get_app(ctx)
    if ask:
        spec = audience.edition_of(door.database, edition)
        person = choices.person(addresses.normalise(address), name, locale, tz)
        choice = choices.choose(spec, cadence, section, hour)
        choice = replace(choice, days=choices.days(day_numbers(days))) if days else choice
        wish = signup.SignUp(person, choice, source="operator")
        signup.sign_up(door.database, door.settings.sign_up, edition, wish, door.now())
        say(f"{person.address} will be asked to confirm, unless already subscribed, asked within minutes or suppressed")
        return
    values = {"address": address, "name": name, "sections": ";".join(section or ()), "cadence": cadence}
    row = Row(1, {**values, "hour": hour, "days": days, "time_zone": tz, "locale": locale}, address)
    report = import_subscribers(door.database, edition, [row], door.now(), source="operator")
    if report.rejected:
        raise InputError(f"{address} was not added", report.first_rejected[0].reason)
    say(f"{address}: " + ("added" if report.added else "changed" if report.changed else "as it was"))


@app.command("set", epilog="Example: digest subscriber set ann@example.org -e world --hour 7 --tz Europe/Madrid")
def set_(
    ctx: typer.Context,
    address: Address,
    edition: EditionName,
    name: Annotated[str | None, typer.Option("--name", help="The reader's name.")] = None,
    section: Sections = None,
    all_sections: Annotated[bool, typer.Option("--all-sections", help="Every section, including future ones.")] = False,
    cadence: Cadence = "",
    hour: Annotated[
        str | None, typer.Option("--hour", help="0 to 23, or '' for as soon as the issue goes out.")
    ] = None,
    days: Annotated[
        str | None, typer.Option("--days", metavar="DAYS", help="Days of the week, such as mon,thu, or '' for all.")
    ] = None,
    holiday: Annotated[
        str | None,
        typer.Option(
            "--holiday", metavar="DATE", help="Send nothing before this day, such as 2026-12-24; '' ends the holiday."
        ),
    ] = None,
    tz: Annotated[str | None, typer.Option("--tz", metavar="ZONE", help="Time zone, or '' for the edition's.")] = None,
    locale: Annotated[
        str | None, typer.Option("--locale", help="Language of the pages, such as pt-BR, or '' for the edition's.")
    ] = None,
) -> None:
    """Change a reader's choices; those you do not give stay."""
    door = get_app(ctx)
    (found,) = audience.of_address(door.database, address, edition)
    spec, was, now = audience.edition_of(door.database, edition), found.person, found.choice
    person = choices.person(
        was.address,
        was.name if name is None else name,
        was.locale if locale is None else locale,
        was.time_zone if tz is None else tz,
    )
    wanted = choices.choose(spec, cadence or now.cadence, section, hour_word(now) if hour is None else hour)
    sections = wanted.sections if section or all_sections else now.sections
    choice = replace(now, cadence=wanted.cadence, sections=sections, hour=wanted.hour)
    if days is not None:
        choice = replace(choice, days=choices.days(day_numbers(days)) if days.strip() else ALL_DAYS)
    if holiday is not None:
        zone = person.time_zone or spec.time_zone
        choice = replace(choice, paused_until=choices.pause(holiday, zone, door.now()))
    saved = audience.change_preferences(door.database, found.id, person, choice, door.now(), source="operator")
    say(f"{saved.person.address}: {choices.described(saved.choice)}")


@app.command("list", epilog="Example: digest subscriber list -e world --state active --limit 20")
def list_(
    ctx: typer.Context,
    edition: AnyEdition = None,
    state: Annotated[SubscriptionState | None, typer.Option("--state", help="In this state only.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Show at most this many.")] = 100,
    after: Annotated[int, typer.Option("--after", metavar="ID", help="Continue after this ID.")] = 0,
    json: Json = False,
) -> None:
    """List subscriptions by ID."""
    found = audience.listing(get_app(ctx).database, edition, state, after, limit)
    _show_list(found, json=json, of_one_edition=bool(edition))
    if not json and len(found) == limit:
        say(f"there may be more: --after {found[-1].id}")


@app.command("search", epilog="Example: digest subscriber search lindqvist")
def search(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="A part of the address or name.")],
    limit: Annotated[int, typer.Option("--limit", min=1, help="Show at most this many.")] = 100,
    json: Json = False,
) -> None:
    """Readers whose address or name contains TEXT."""
    _show_list(audience_lists.search(get_app(ctx).database, text, limit), json=json)


def _show_list(found: Sequence[Subscription], *, json: bool, of_one_edition: bool = False) -> None:
    if json:
        show_json(found)
        return
    rows = [
        (
            one.id,
            one.person.address,
            one.person.name,
            None if of_one_edition else one.edition,
            one.state,
            one.choice.cadence,
            _section_words(one.choice.sections),
            one.choice.hour,
            one.person.time_zone,
        )
        for one in found
    ]
    columns = ("id", "address", "name", "edition", "state", "cadence", "sections", "hour", "time zone")
    show_table(columns, rows, "Readers")


def _section_words(sections: Sequence[str] | None) -> str:
    return "all" if sections is None else ", ".join(sections) or "none"


@app.command("show", epilog="Example: digest subscriber show ann@example.org")
def show(ctx: typer.Context, address: Address, json: Json = False) -> None:
    """One reader: choices, consent, and what was sent."""
    door = get_app(ctx)
    data = audience.export(door.database, address)
    if json:
        show_json(data)
        return
    if data["suppression"]:
        why = ": ".join(filter(None, [data["suppression"]["reason"], data["suppression"]["note"]]))
        warn(f"{address} is suppressed ({why}) and gets no mail")
    for one in data["subscriptions"]:
        edition = audience.edition_of(door.database, one["subscription"]["edition"])
        _show_subscription(one, edition.time_zone)


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
    """Delete a person's data for good: from tables, kept mails, previews and rejected lines. Only a hash stays, so that
    no import brings the address back. Check your own files, exports and backups yourself."""
    door = get_app(ctx)
    if not yes:
        typer.confirm(f"Delete everything known about {address}?", abort=True, err=True)
    done = erasure.erase(door.database, door.settings.state_dir, address, door.now())
    files = f", and {done.files} files with it" if done.files else ""
    say(f"{address} is erased{files}" if done.known else f"{address} was not known; it is suppressed now{files}")
    if not done.log_is_clean:
        warn("the database's write-ahead log was in use and may still hold the address; run this command again later")


def _show_subscription(data: dict[str, Any], edition_zone: str) -> None:
    """A reader's times are shown in their own zone, or the edition's if they named none; a slot in the edition's."""
    one = data["subscription"]
    person, choice = one["person"], one["choice"]
    zone = person["time_zone"] or edition_zone
    rows = [
        ("address", person["address"]),
        ("name", person["name"]),
        ("state", one["state"]),
        ("cadence", choice["cadence"]),
        ("sections", _section_words(choice["sections"])),
        ("hour", "when it comes out" if choice["hour"] is None else f"{choice['hour']}:00"),
        ("days", ", ".join(choice["days"]) if len(choice["days"]) < 7 else "every day"),
        ("on holiday until", local(choice["paused_until"], zone)),
        ("time zone", person["time_zone"] or f"the edition's, {edition_zone}"),
        ("page language", person["locale"] or "the edition's"),
        *((name, fields.written(value)) for name, value in one["fields"].items()),
        ("since", local(one["created_at"], zone)),
    ]
    show_table(("", ""), rows, f"Subscription {one['id']} to {one['edition']}")
    consent = [(local(e["at"], zone), e["kind"], e["source"], e["detail"], e["ip"]) for e in data["consent"]]
    show_table(("at", "what", "how", "detail", "from"), consent, "Consent")
    sent = [
        (i["issue_id"], i["cadence"], local(i["slot"], edition_zone), i["state"], local(i["at"], zone), i["reason"])
        for i in data["sent"]
    ]
    show_table(("issue", "cadence", "slot", "state", "at", "reason"), sent, "Deliveries")
    back = [
        (local(e["at"], zone), f"{e['grade']} {e['kind']}".strip(), e["issue_id"], e["detail"])
        for e in data["feedback"]
    ]
    if back:
        show_table(("at", "what", "issue", "detail"), back, "What came back")
    if data["clicks"]:
        followed = [
            [local(value, zone) if isinstance(value, datetime) else value for value in click.values()]
            for click in data["clicks"]
        ]
        show_table(tuple(data["clicks"][0]), followed, "Stories followed")
