"""``digest edition``: declare publications in TOML files and look at them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated

import typer

from digest.cli.common import Json, counted, get_app, say, show_json, show_table, warn
from digest.codec import codec
from digest.editions import file as editions
from digest.errors import ConfigError, InputError, NotFoundError
from digest.flows.issues import editions as flow
from digest.flows.issues.editions import ApplyReport, EditionRow
from digest.language import wording
from digest.mail import themes
from digest.public import embed
from digest.values import Edition, Section

app = typer.Typer()
Files = Annotated[list[Path], typer.Argument(metavar="FILE...", exists=True, dir_okay=False, readable=True)]
Name = Annotated[str, typer.Argument(help="The edition's name.")]

_DESK = "(desk: `digest article`)"


@app.command("apply", epilog="Example: digest edition apply world.toml india.toml")
def apply(ctx: typer.Context, files: Files, json: Json = False) -> None:
    """Store the editions that FILEs declare; apply again after each change."""
    door = get_app(ctx)
    known = themes.themes(door.template_folders)
    declared = [_read(file, known) for file in files]  # all of them, before any is stored
    reports = [flow.apply(door.database, edition, door.now()) for edition in declared]
    _warn_of_english(declared, door.template_folders)
    if json:
        show_json(reports)
        return
    for report in reports:
        _tell(report)


@app.command("check", epilog="Example: digest edition check world.toml")
def check(ctx: typer.Context, files: Files) -> None:
    """Check FILEs without storing anything; needs no configuration."""
    folders = _template_folders(ctx)
    for file in files:
        edition = _read(file)
        _warn_of_english([edition], folders)
        for line in flow.unplanned(edition, {spec.cadence for spec in edition.schedules}):
            warn(line)
        sections, feeds = counted(len(edition.sections), "section"), counted(len(edition.feeds), "feed")
        say(f"{file} is fine: edition {edition.name}, {sections}, {feeds}")


@app.command("list", epilog="Example: digest edition list --json")
def list_(ctx: typer.Context, json: Json = False) -> None:
    """All editions with their readers."""
    rows = flow.listing(get_app(ctx).database)
    if json:
        show_json([_summary(row) for row in rows])
        return
    columns = ("name", "title", "cadences", "time zone", "sections", "feeds", "readers")
    show_table(columns, [_line(row) for row in rows], "Editions")


@app.command("show", epilog="Example: digest edition show world")
def show(ctx: typer.Context, name: Name, json: Json = False) -> None:
    """One edition as it was applied."""
    row = flow.show(get_app(ctx).database, name)
    if json:
        show_json({**codec(Edition).dump_python(row.edition, mode="json"), "readers": row.readers})
        return
    edition = row.edition
    show_table(("setting", "value"), _head(row), f"Edition {name}")
    sections = [(s.key, s.title, s.rule, _taken(s), s.count, s.optional) for s in edition.sections]
    show_table(("key", "title", "rule", "of", "stories", "optional"), sections, "Sections")
    feeds = [(f.name, f.url or _DESK, f.kind, f.sector, ", ".join(f.tags), f.weight or None) for f in edition.feeds]
    show_table(("name", "address", "kind", "sector", "tags", "weight"), feeds, "Feeds")
    show_table(("schedule",), [(flow.described(spec),) for spec in edition.schedules], "Declared schedules")


@app.command("embed", epilog="Example: digest edition embed world > signup.html")
def embed_(
    ctx: typer.Context,
    name: Name,
    frame: Annotated[bool, typer.Option("--frame", help="An iframe that shows digest's own form.")] = False,
) -> None:
    """HTML that puts an edition's sign-up form on your own site."""
    door = get_app(ctx)
    edition, settings = flow.show(door.database, name).edition, door.settings
    words = wording.Words(wording.read(door.template_folders), edition.locale)
    if frame and not settings.web.embed_origins:
        warn('no site may frame it yet: name yours in [web] embed_origins = ["https://www.example.org"]')
    typer.echo((embed.frame if frame else embed.form)(edition, settings.base_url, words), nl=False)


def _read(file: Path, known: Collection[str] = ()) -> Edition:
    try:
        return editions.parse(file.read_text(encoding="utf-8"), str(file), known)
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 ({error.reason} at byte {error.start})", "save it as UTF-8") from None


def _template_folders(ctx: typer.Context) -> tuple[Path, ...]:
    """Those of the configuration; without one, ours alone."""
    try:
        return get_app(ctx).template_folders
    except (ConfigError, NotFoundError):
        # here: only a check needs it, and the application takes half of the time of a command
        from digest.app import template_folders

        return template_folders(None)


def _warn_of_english(declared: Sequence[Edition], folders: Sequence[Path]) -> None:
    """Warn of locales that have words of ours in English: a choice, so nothing is refused."""
    strings = wording.read(folders)
    for told in filter(None, (wording.untranslated(strings, one) for one in sorted({e.locale for e in declared}))):
        warn(told)


def _tell(report: ApplyReport) -> None:
    say(f"edition {report.edition}: {report.applied}")
    for line in report.details:
        say(f"  {line}")
    for line in report.warnings:
        warn(line)


def _summary(row: EditionRow) -> dict[str, object]:
    edition = row.edition
    return {
        "name": edition.name,
        "title": edition.title,
        "cadences": edition.cadences,
        "time_zone": edition.time_zone,
        "sections": [section.key for section in edition.sections],
        "feeds": [feed.name for feed in edition.feeds],
        "readers": row.readers,
    }


def _line(row: EditionRow) -> tuple[object, ...]:
    edition = row.edition
    counts = (len(edition.sections), len(edition.feeds), row.readers)
    return (edition.name, edition.title, ", ".join(edition.cadences), edition.time_zone, *counts)


def _taken(section: Section) -> str:
    return ", ".join([*section.match, *(f"not {kind}" for kind in section.except_kinds)])


def _head(row: EditionRow) -> list[tuple[str, object]]:
    edition = row.edition
    mailbox = "{} <{}>".format
    return [
        ("title", edition.title),
        ("tagline", edition.tagline),
        ("locale", edition.locale),
        ("time zone", edition.time_zone),
        ("from", mailbox(*edition.sender)),
        ("reply to", mailbox(*edition.reply_to) if edition.reply_to else None),
        ("postal address", edition.postal_address),
        ("subject", edition.subject),
        ("theme", edition.look.theme),
        ("colours", _colours(edition)),
        ("cadences", ", ".join(edition.cadences)),
        ("drafted", f"{counted(edition.review_minutes, 'minute')} before its slot" if edition.review_minutes else None),
        ("sent only if approved", edition.approval),
        ("public archive", edition.public),
        ("clicks are tracked", edition.track_clicks),
        ("thin mails", f"under {edition.thin} stories: filled from {edition.fallback}" if edition.thin else None),
        ("readers", row.readers),
    ]


def _colours(edition: Edition) -> str:
    """Those that the edition's file names, such as ``accent #c00000, dark paper #000000``."""
    look = edition.look
    named = [
        (word, getattr(of, item.name), item.name)
        for word, of in (("", look.light), ("dark ", look.dark))
        for item in fields(of)
    ]
    return ", ".join(f"{word}{name} {value}" for word, value, name in named if value)
