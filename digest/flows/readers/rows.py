"""What a line of a readers' file says: words checked against the edition and made ready to be stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from digest.errors import InputError
from digest.flows.readers import choices
from digest.readers import addresses, fields
from digest.readers.exports.reading import IP, PROOF
from digest.readers.exports.standing import OWN
from digest.readers.subscriptions import ALL_DAYS, Choice
from digest.settings import FieldType
from digest.store.readers import subscribers
from digest.store.readers.bulk import FIELDS, SAYS, Incoming
from digest.tables import Row, unguarded
from digest.values import Edition

ADDRESSES = ("address", "email", "e-mail", "mail", "email_address", "e-mail_address", "mail_address")  # the first given
NOTHING = "-"  # as a blank means: as it was
ALL_SECTIONS = "*"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_KEPT = 20_000  # combinations of words, which many readers share


class RowReader:
    """Reads rows for one edition. ``declared`` are the publisher's own fields by name."""

    def __init__(self, edition: Edition, declared: Mapping[str, FieldType]) -> None:
        self._edition, self._declared = edition, declared
        self._choice = lru_cache(maxsize=_KEPT)(self._checked_choice)
        self._place = lru_cache(maxsize=_KEPT)(self._checked_place)

    def read(self, row: Row) -> Incoming:
        """The row, ready to be stored. A blank leaves what is known as it is, ``-`` takes it back. Raises
        ``InputError``."""
        said = row.values
        address = addresses.normalise(unguarded(next(filter(None, map(said.get, ADDRESSES)), "")))
        try:
            state = OWN.says(said.get("state", ""))
        except LookupError:
            raise InputError(f"no state {said['state']!r}", "give active or unsubscribed") from None
        name = said.get("name", "")
        locale, zone, says_place = self._place(said.get("locale", ""), said.get("time_zone", ""))
        chosen, says_choice = self._choice(
            said.get("cadence", ""), said.get("sections", ""), said.get("hour", ""), said.get("days", "")
        )
        own = self._fields(row) if self._declared else "{}"
        return Incoming(
            number=row.line,
            address_key=addresses.key(address),
            address=address,
            state=str(state),
            name="" if name == NOTHING else choices.name_line(unguarded(name)),
            locale=locale,
            time_zone=zone,
            cadence=chosen.cadence,
            sections=subscribers.columns(chosen)["sections"],
            hour=chosen.hour,
            days=chosen.days,
            fields=own,
            proof=said.get(PROOF, ""),
            ip=said.get(IP, ""),
            says=says_place | says_choice | (SAYS["name"] if name else 0) | (SAYS[FIELDS] if own != "{}" else 0),
        )

    def _checked_choice(self, cadence: str, sections: str, hour: str, days: str) -> tuple[Choice, int]:
        """The choice, and the sum of ``SAYS`` of what is said of it."""
        listed = None if sections in {"", ALL_SECTIONS} else [] if sections == NOTHING else sections.split(";")
        choice = choices.choose(self._edition, cadence, listed, "" if hour == NOTHING else hour)
        if days not in {"", NOTHING}:
            choice = replace(choice, days=choices.days(day_numbers(days)))
        return choice, _said(cadence=cadence, sections=sections, hour=hour, days=days)

    def _checked_place(self, locale: str, zone: str) -> tuple[str, str, int]:
        found = choices.person("", "", *("" if word == NOTHING else word for word in (locale, zone)))
        return found.locale, found.time_zone, _said(locale=locale, time_zone=zone)

    def _fields(self, row: Row) -> str:
        """The row's own fields as a JSON object, ``null`` where one is taken back."""
        found: dict[str, fields.Value | None] = {}
        for name, kind in self._declared.items():
            word = row.values.get(name, "")
            if word == NOTHING:
                found[name] = None
            elif word:
                try:
                    found[name] = fields.read(kind, unguarded(word))
                except InputError as error:
                    raise InputError(f"{name}: {error.message}", error.hint) from None
        return json.dumps(found)


def _said(**words: str) -> int:
    return sum(SAYS[name] for name, word in words.items() if word)


def day_words(days: int) -> str:
    """The days of a choice as a row says them; all of them need no word."""
    return "" if days == ALL_DAYS else ";".join(word for number, word in enumerate(DAYS) if days >> number & 1)


def day_numbers(words: str) -> list[str]:
    """Days of the week as words, such as ``mon;thu``, for ``choices.days``. Raises ``InputError``."""
    wanted = [word.strip().lower()[:3] for word in words.replace(",", ";").split(";")]
    if strange := [word for word in wanted if word not in DAYS]:
        raise InputError(f"no day {strange[0]!r}", f"write them like {';'.join(DAYS[:3])}")
    return [str(DAYS.index(word)) for word in wanted]
