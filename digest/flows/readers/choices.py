"""What a reader may choose of an edition: words from a form or a file, checked into a ``Choice``."""

from __future__ import annotations

import calendar
from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, time, timedelta

from babel import Locale, UnknownLocaleError

from digest.editions import schedule
from digest.editorial.variants import arranged
from digest.errors import InputError
from digest.language.text import one_line
from digest.readers.subscriptions import ALL_DAYS, Choice, Person
from digest.values import Edition, Section

_NAME_LENGTH = 200
_LOCALE_LENGTH = 20
_LONGEST_PAUSE = timedelta(days=366)


def optional_sections(edition: Edition, chosen: Collection[str] | None = None) -> tuple[Section, ...]:
    """The sections a reader can switch off: those they chose in their order, then the others in the edition's."""
    optional = [section for section in edition.sections if section.optional]
    place = {key: number for number, key in enumerate(chosen or ())}
    return tuple(sorted(optional, key=lambda section: place.get(section.key, len(place))))


def choose(edition: Edition, cadence: str = "", sections: Iterable[str] | None = None, hour: str = "") -> Choice:
    """The choice these words make; "" is the edition's default cadence and the hour the issue comes out.

    ``sections`` are keys or titles in the order they want them, ``None`` for all in the edition's. Naming every
    optional one in that order means the same: all, those added later too. Raises ``InputError`` naming the first word
    that the edition does not offer.
    """
    cadence = cadence.strip().lower() or edition.default_cadence
    if cadence not in edition.cadences:
        hint = f"it has {', '.join(edition.cadences)}"
        raise InputError(f"no cadence {cadence!r} in {edition.name}", hint, fault="cadence", typed=cadence)
    return Choice(cadence, None if sections is None else _sections(edition, sections), _hour(hour))


def person(address: str, name: str = "", locale: str = "", time_zone: str = "") -> Person:
    """The owner of a normalised address. A name is one line of text. Raises ``InputError`` for an unknown zone."""
    if time_zone:
        schedule.zone(time_zone)
    if locale:
        _check_locale(locale)
    return Person(address, name_line(name), locale, time_zone)


def name_line(text: str) -> str:
    """A reader's name as it is stored: one line, and not too long."""
    return one_line(text)[:_NAME_LENGTH].rstrip()


def described(choice: Choice) -> str:
    """The choice in a line, for the proof of consent."""
    sections = "all sections" if choice.sections is None else ", ".join(choice.sections) or "no optional section"
    said = [choice.cadence, sections, "when it comes out" if choice.hour is None else f"at {choice.hour}:00"]
    if choice.days != ALL_DAYS:
        said.append("on " + ", ".join(day_names(choice.days)))
    if choice.paused_until:
        said.append(f"paused until {choice.paused_until:%Y-%m-%d %H:%M} UTC")
    return "; ".join(said)


def day_names(chosen: int) -> list[str]:
    """The days of a choice in short words: Mon, Tue …"""
    return [calendar.day_abbr[day] for day in range(7) if chosen >> day & 1]


def days(words: Iterable[str]) -> int:
    """The days of the week, given as 0 (Monday) to 6, a bit each. Raises ``InputError``, also for none at all."""
    chosen = 0
    for word in words:
        if word not in set("0123456"):
            raise InputError(f"no day {word[:20]!r}", "give 0 (Monday) to 6 (Sunday)", fault="day", typed=word)
        chosen |= 1 << int(word)
    if not chosen:
        raise InputError("no day is chosen", "choose one at least, or unsubscribe", fault="no_day")
    return chosen


def pause(word: str, time_zone: str, now: datetime) -> datetime | None:
    """The beginning of the day ``word`` (2026-12-24) in ``time_zone``; ``None`` for "" and for what is past. Raises
    ``InputError`` for what is not a valid date or more than a year away."""
    if not word.strip():
        return None
    try:
        day = date.fromisoformat(word.strip())
    except ValueError:
        raise InputError(
            f"{word[:20]!r} is not a valid date", "write it as 2026-12-24", fault="date", typed=word
        ) from None
    if day > now.date() + _LONGEST_PAUSE:
        hint = "take an earlier day, or unsubscribe"
        raise InputError(f"{day} is more than a year away", hint, fault="far", typed=str(day))
    begins = datetime.combine(max(day, now.date() - timedelta(days=2)), time(), tzinfo=schedule.zone(time_zone))
    return begins.astimezone(UTC) if begins > now else None


def _check_locale(name: str) -> None:
    try:
        if len(name) > _LOCALE_LENGTH:
            raise ValueError
        Locale.parse(name, sep="-" if "-" in name else "_")
    except (ValueError, UnknownLocaleError):
        raise InputError(
            f"no locale {name[:40]!r}", "use one such as en or pt-BR", fault="language", typed=name
        ) from None


def _sections(edition: Edition, words: Iterable[str]) -> tuple[str, ...] | None:
    by_word = {word.casefold(): section for section in edition.sections for word in (section.title, section.key)}
    chosen = list[str]()
    for word in filter(None, (word.strip() for word in words)):
        section = by_word.get(word.casefold())
        if section is None:
            raise InputError(
                f"no section {word!r} in {edition.name}",
                f"it has {', '.join(section.key for section in edition.sections)}",
                fault="section",
                typed=word,
            )
        chosen.append(section.key)
    everything = arranged(edition.sections, chosen) == arranged(edition.sections, None)
    return None if everything else tuple(dict.fromkeys(chosen))


def _hour(word: str) -> int | None:
    word = word.strip()
    if not word:
        return None
    if word.isascii() and word.isdigit() and len(word) <= 2 and int(word) <= 23:
        return int(word)
    hint = "give 0 to 23, or nothing for when the issue comes out"
    raise InputError(f"no hour {word[:20]!r}", hint, fault="hour", typed=word)
