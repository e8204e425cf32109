"""The fields of the forms readers choose with: what is asked for, typed and stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from digest.editions import schedule
from digest.flows.readers import choices
from digest.public.embed import SHORT
from digest.readers.subscriptions import Choice, Person, Subscription
from digest.values import Edition
from digest.web.forms import Form


@dataclass(frozen=True, slots=True)
class Fields:
    """The values standing in the fields. Those behind ``time_zone`` are on the preferences page only."""

    name: str
    sections: tuple[str, ...]
    cadence: str
    hour: str = ""
    time_zone: str = ""
    days: tuple[str, ...] = tuple("0123456")
    pause: str = ""
    language: str = ""


def wanted(edition: Edition, person: Person, form: Form) -> tuple[Person, Choice]:
    """What the fields shared by both forms ask for; a short form asks for all sections. Raises ``InputError``."""
    chosen = choices.optional_sections(edition) and not form.first(SHORT)
    sections = ordered(form) if chosen else None
    choice = choices.choose(edition, form.first("cadence"), sections, form.first("hour"))
    zone = form.first("time_zone").strip()
    language = form.first("language") if "language" in form.fields else person.locale
    return choices.person(person.address, form.first("name"), language, zone), choice


def wanted_always(edition: Edition, found: Subscription, form: Form, now: datetime) -> tuple[Person, Choice]:
    """What the preferences page asks for; days and holiday stay as they are where the form does not speak of them.
    Raises ``InputError``."""
    person, choice = wanted(edition, found.person, form)
    days, until = found.choice.days, found.choice.paused_until
    if "days" in form.fields:
        days = choices.days([day for day in form.every("days") if day])
    if "pause" in form.fields:
        until = choices.pause(form.first("pause"), person.time_zone or edition.time_zone, now)
    return person, replace(choice, days=days, paused_until=until)


def ordered(form: Form) -> list[str]:
    """The sections that are ticked, by the numbers written beside them; as they stand where there are none."""

    def place(key: str) -> float:
        word = form.first(f"place_{key}").strip()
        return int(word) if word.isascii() and word.isdigit() and len(word) < 6 else float("inf")

    return sorted(form.every("sections"), key=place)


def asked(form: Form, edition: Edition) -> Fields:
    """What was typed, to be shown again beside what is wrong with it."""
    if form.first(SHORT):
        return plain(edition)
    return Fields(
        form.first("name"),
        tuple(ordered(form)),
        form.first("cadence") or edition.default_cadence,
        form.first("hour"),
        form.first("time_zone"),
        tuple(day for day in form.every("days") if day),
        form.first("pause"),
        form.first("language"),
    )


def stored(found: Subscription, edition: Edition) -> Fields:
    """What is stored."""
    choice, person = found.choice, found.person
    everything = tuple(section.key for section in choices.optional_sections(edition))
    return Fields(
        person.name,
        everything if choice.sections is None else choice.sections,
        choice.cadence,
        "" if choice.hour is None else str(choice.hour),
        person.time_zone,
        tuple(str(day) for day in range(7) if choice.days >> day & 1),
        _local_day(choice.paused_until, person.time_zone, edition),
        person.locale,
    )


def plain(edition: Edition) -> Fields:
    """What a new reader begins with: everything."""
    return Fields("", tuple(s.key for s in choices.optional_sections(edition)), edition.default_cadence)


def _local_day(moment: datetime | None, zone: str, edition: Edition) -> str:
    if moment is None:
        return ""
    return moment.astimezone(schedule.zone_of(zone, edition.time_zone)).date().isoformat()
