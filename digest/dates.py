"""Times as an edition's readers write them: its language, its time zone."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton


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


def day(at: datetime, locale: str, zone: str) -> str:
    """``Monday, 23 November 2026`` in the words and order of ``locale``."""
    return format_date(at.astimezone(ZoneInfo(zone)), "full", locale=locale_of(locale))


def date(at: datetime, locale: str, zone: str) -> str:
    """``23 November``, for a subject line."""
    return format_skeleton("MMMMd", at.astimezone(ZoneInfo(zone)), locale=locale_of(locale))


def clock(at: datetime, locale: str, zone: str) -> str:
    """``15:45``: the hour in ``zone``."""
    return format_skeleton("Hm", at.astimezone(ZoneInfo(zone)), locale=locale_of(locale))


def moment(at: datetime, locale: str, zone: str) -> str:
    """``4 Nov 2024, 15:45 IST``: date, hour and the zone's short name, or its distance from UTC where it has none."""
    local = at.astimezone(ZoneInfo(zone))
    written = format_skeleton("yMMMd", local, locale=locale_of(locale))
    name = local.tzname() or ""
    return f"{written}, {clock(at, locale, zone)} {name if name.isalpha() else 'UTC' + name}"
