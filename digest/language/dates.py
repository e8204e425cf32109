"""Times, numbers and lists as an edition's readers write them: its language, its numerals, its time zone."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton, get_datetime_format
from babel.lists import format_list

# The zero of each numbering system a locale may write by default (CLDR); its other digits follow it in Unicode.
_ZEROS = {"arab": "\u0660", "arabext": "\u06f0", "beng": "\u09e6", "deva": "\u0966", "mymr": "\u1040", "tibt": "\u0f20"}


@lru_cache(maxsize=64)
def locale_of(name: str) -> Locale:
    """The locale ``name`` (``pt-BR``, ``pt_BR``), or the nearest one known, at last English."""
    full = name.replace("-", "_")
    for candidate in (full, full.partition("_")[0]):
        try:
            return Locale.parse(candidate)
        except (UnknownLocaleError, ValueError):
            continue
    return Locale("en")


def direction(locale: str) -> str:
    """``ltr`` or ``rtl``, for the ``dir`` attribute."""
    return "rtl" if locale_of(locale).character_order == "right-to-left" else "ltr"


def has_italics(locale: str) -> bool:
    """Whether the script that ``locale`` writes has italics. Those that have none also need more leading."""
    name = locale_of(locale).language_name or ""
    return unicodedata.name(name[:1] or "a").startswith(("LATIN", "GREEK", "CYRILLIC", "ARMENIAN"))


def numerals(text: str, locale: str) -> str:
    """``text`` with its digits in the numerals that ``locale`` writes by default; Babel's dates keep European ones."""
    zero = _ZEROS.get(locale_of(locale).default_numbering_system)
    return text.translate({ord("0") + digit: ord(zero) + digit for digit in range(10)}) if zero else text


def listed(names: Sequence[str], locale: str) -> str:
    """``A, B and C``."""
    return format_list(names, locale=locale_of(locale))


def written_direction(text: str) -> str:
    """``ltr`` or ``rtl`` by the first letter that has a direction, "" without one."""
    kinds = (unicodedata.bidirectional(char) for char in text)
    return next(({"L": "ltr"}.get(kind, "rtl") for kind in kinds if kind in {"L", "R", "AL"}), "")


def weekdays(locale: str) -> list[tuple[str, str]]:
    """The days of the week as a number from 0 and a name, in the order of the locale, Monday being 0."""
    found = locale_of(locale)
    names, first = found.days["stand-alone"]["wide"], found.first_week_day
    return [(str(day % 7), names[day % 7]) for day in range(first, first + 7)]


def day(at: datetime, locale: str, zone: str) -> str:
    """``Monday, 23 November 2026`` in the words and order of ``locale``."""
    return numerals(format_date(at.astimezone(ZoneInfo(zone)), "full", locale=locale_of(locale)), locale)


def appointment(at: datetime, locale: str, zone: str) -> str:
    """``Saturday, 28 November 2026, 07:00``."""
    return _joined(day(at, locale, zone), clock(at, locale, zone), locale)


def date(at: datetime, locale: str, zone: str) -> str:
    """``23 November``, for a subject line."""
    return format_skeleton("MMMMd", at.astimezone(ZoneInfo(zone)), locale=locale_of(locale))


def month(at: datetime, locale: str, zone: str) -> str:
    """``November 2026``."""
    return format_skeleton("yMMMM", at.astimezone(ZoneInfo(zone)), locale=locale_of(locale))


def clock(at: datetime, locale: str, zone: str) -> str:
    """``15:45``: the hour in ``zone``."""
    return numerals(format_skeleton("Hm", at.astimezone(ZoneInfo(zone)), locale=locale_of(locale)), locale)


def briefly(at: datetime, now: datetime, locale: str, zone: str) -> str:
    """``15:45`` of the same day as ``now``, ``22 Nov`` of another."""
    local, today = at.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone))
    if local.date() == today.date():
        return clock(at, locale, zone)
    return numerals(format_skeleton("MMMd", local, locale=locale_of(locale)), locale)


def lately(at: datetime, now: datetime, locale: str, zone: str) -> str:
    """``15:45`` of the same day as ``now``; ``22 Nov, 15:45`` of another; with the year, if that is another too."""
    local, today = at.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone))
    if local.date() == today.date():
        return clock(at, locale, zone)
    written = format_skeleton("MMMd" if local.year == today.year else "yMMMd", local, locale=locale_of(locale))
    return _joined(numerals(written, locale), clock(at, locale, zone), locale)


def moment(at: datetime, locale: str, zone: str) -> str:
    """``4 Nov 2024, 15:45 IST``: date, hour and the zone's short name, or its distance from UTC where it has none."""
    local = at.astimezone(ZoneInfo(zone))
    written = numerals(format_skeleton("yMMMd", local, locale=locale_of(locale)), locale)
    name = local.tzname() or ""
    return _joined(written, f"{clock(at, locale, zone)} {name if name.isalpha() else 'UTC' + name}", locale)


def _joined(date: str, time: str, locale: str) -> str:
    pattern = str(get_datetime_format("medium", locale=locale_of(locale)))
    return pattern.replace("'", "").format(time, date)
