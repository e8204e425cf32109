"""Times as news pages write them: ISO 8601, ``04-11-2024 15:45 IST``, ``4. November 2024, 15.45 Uhr MEZ``.

A time without a zone is no instant, and no zone is guessed: it is left out.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

# Abbreviations in news pages that mean one thing. IST is India's (an Irish or Israeli page would be read wrongly:
# they write GMT+1 and give ISO dates); BST, CST and the like mean several and are left out but for America's CDT.
_HOURS = {
    "UTC": 0.0, "GMT": 0.0, "Z": 0.0, "WET": 0.0, "WEST": 1.0, "CET": 1.0, "CEST": 2.0, "MEZ": 1.0, "MESZ": 2.0,
    "EET": 2.0, "EEST": 3.0, "MSK": 3.0, "GST": 4.0, "PKT": 5.0, "IST": 5.5, "NPT": 5.75, "WIB": 7.0, "ICT": 7.0,
    "SGT": 8.0, "HKT": 8.0, "PHT": 8.0, "MYT": 8.0, "AWST": 8.0, "JST": 9.0, "KST": 9.0, "ACST": 9.5, "AEST": 10.0,
    "AEDT": 11.0, "NZST": 12.0, "NZDT": 13.0, "SAST": 2.0, "EAT": 3.0, "WAT": 1.0, "CAT": 2.0, "BRT": -3.0,
    "ART": -3.0, "CLT": -4.0, "COT": -5.0, "PET": -5.0, "EST": -5.0, "EDT": -4.0, "CDT": -5.0, "MST": -7.0,
    "MDT": -6.0, "PST": -8.0, "PDT": -7.0, "AKST": -9.0, "AKDT": -8.0, "HST": -10.0,
}  # fmt: skip
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan enero ene januar jänner janeiro janvier",
            "february feb febrero februar fevereiro fev février",
            "march mar marzo märz mär março mars",
            "april apr abril abr avril",
            "may mayo mai maio",
            "june jun junio juni junho juin",
            "july jul julio juli julho juillet",
            "august aug agosto ago août",
            "september sep sept septiembre setembro set septembre",
            "october oct octubre oktober okt outubro out octobre",
            "november nov noviembre novembro novembre",
            "december dec diciembre dic dezember dez dezembro décembre",
        ),
        start=1,
    )
    for name in names.split()
}
_CLOCK = (
    r"(?P<hour>\d{1,2})[:.h](?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.\d+)?)?"
    r"(?:\s*(?P<half>[apAP])\.?[mM]\b\.?)?(?:\s*(?:Uhr|h|hs|hrs)\b)?"
)
_ZONE = r"\s*\(?(?P<zone>(?:(?:GMT|UTC)\s*)?[+−-]\d{1,2}(?::?\d{2})?|[A-Z]{1,4}\b)\)?"
_BETWEEN = r"(?:[\sT,|–—-]|\b(?:at|um|a las|às|à)\b)*?"
_DATES = (
    r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})",
    r"(?P<day>\d{1,2})(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<year>\d{4})",
    r"(?P<day>\d{1,2})(?:st|nd|rd|th|\.|º)?\s+(?:de\s+)?(?P<name>[^\W\d]{3,10})\.?,?\s+(?:de\s+|del\s+)?(?P<year>\d{4})",
    r"(?P<name>[^\W\d]{3,10})\.?\s+(?P<day>\d{1,2})(?:st|nd|rd|th)?,?\s+(?P<year>\d{4})",
)
_DATE_FIRST = [re.compile(date + _BETWEEN + _CLOCK + _ZONE) for date in _DATES]
_CLOCK_FIRST = [re.compile(_CLOCK + _ZONE + r"[\s,|–—-]*(?:on\s+|[^\W\d]{2,9}\.?,?\s+)?" + date) for date in _DATES]


def moment(text: str, *, month_first: bool = False) -> datetime | None:
    """The first instant ``text`` tells, in the zone it names; ``None`` if there is none or it has no zone.

    ``04-11-2024`` is the 4th of November; ``month_first`` reads ``11/04/2024`` the American way.
    """
    try:
        return _checked(datetime.fromisoformat(text.strip()))
    except ValueError:
        pass
    found = [match for pattern in (*_DATE_FIRST, *_CLOCK_FIRST) for match in pattern.finditer(text)]
    moments = (_built(match, month_first) for match in sorted(found, key=lambda match: match.start()))
    return next((each for each in moments if each), None)


def _checked(value: datetime) -> datetime | None:
    return value if value.tzinfo else None


def _built(match: re.Match[str], month_first: bool) -> datetime | None:
    part = match.groupdict()
    offset = _offset(part["zone"])
    month = _MONTHS.get(part["name"].casefold(), 0) if part.get("name") else int(part["month"])
    day, hour = int(part["day"]), int(part["hour"])
    if (month_first and part.get("mark") == "/" and day <= 12) or (month > 12 >= day):
        day, month = month, day
    if part["half"]:
        hour = hour % 12 + 12 * (part["half"].lower() == "p")
    try:
        naive = datetime(int(part["year"]), month, day, hour, int(part["minute"]), int(part["second"] or 0))  # noqa: DTZ001
    except ValueError:
        return None
    return naive.replace(tzinfo=timezone(offset)) if offset is not None else None


def _offset(zone: str) -> timedelta | None:
    """``IST``, ``+0530``, ``GMT+5:30`` as a difference from UTC."""
    number = re.fullmatch(r"(?:GMT|UTC)?\s*([+−-])(\d{1,2}):?(\d{2})?", zone)
    if not number:
        return timedelta(hours=_HOURS[zone]) if zone in _HOURS else None
    size = timedelta(hours=int(number[2]), minutes=int(number[3] or 0))
    if size >= timedelta(hours=24):
        return None
    return size if number[1] == "+" else -size
