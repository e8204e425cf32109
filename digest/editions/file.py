"""An edition as its TOML file declares it: read with every fault at once, and kept as JSON.

Its keys are in ``tables``.
"""

from __future__ import annotations

import difflib
import tomllib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from pydantic import BaseModel, ValidationError

from digest.editions import schedule
from digest.editions.checks import WORD, written_moment
from digest.editions.dress import DarkTable, LogoTable, LookTable
from digest.editions.tables import EditionFile, EditionTable, FeedTable, LinkTable, ScheduleTable, SectionTable
from digest.errors import ConfigError, InputError
from digest.values import Edition


def parse(text: str, where: str, themes: Collection[str] = ()) -> Edition:
    """The edition that ``text``, the contents of the file ``where``, declares. Raises ``ConfigError`` with every
    fault, each naming its table; with ``themes``, also for a theme that is not among them."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(where, [str(error)], "correct the TOML") from None
    faults = []
    try:
        declared = EditionFile(**raw)
    except ValidationError as error:
        faults = [_fault(item, raw) for item in error.errors()]
    faults += [*_faults_between_tables(raw), *_unknown_theme(raw, themes)]
    if faults:
        raise ConfigError(where, faults)
    return declared.value()


_MODELS: Mapping[tuple[str, ...], type[BaseModel]] = {
    (): EditionFile,
    ("edition",): EditionTable,
    ("look",): LookTable,
    ("look", "logo"): LogoTable,
    ("look", "dark"): DarkTable,
    ("feed",): FeedTable,
    ("section",): SectionTable,
    ("link",): LinkTable,
    ("schedule",): ScheduleTable,
}
_PLAINLY = {"missing": "is missing", "model_type": "must be a table", "tuple_type": "must be a list"}


def _fault(item: Any, raw: Mapping[str, Any]) -> str:
    """A fault as pydantic found it, in the words of the file."""
    place = _place(item["loc"], raw)
    kind, message = item["type"], item["msg"].removeprefix("Value error, ")
    if kind == "extra_forbidden":
        message = "unknown key" + _suggestion(item["loc"])
    elif kind == "tuple_type" and len(item["loc"]) == 1:
        message = f"a table of its own for each, in double brackets: {place}"
    elif kind in _PLAINLY:
        message = _PLAINLY[kind]
    elif kind == "string_pattern_mismatch":
        shape = "small letters, digits and hyphens" if item["ctx"]["pattern"] == WORD else "a font's name"
        message = f"{item['input']!r} must be {shape}"
    if "postal_address" in place:
        message += " (mail to many must give the sender's postal address)"
    return f"{place}: {message}"


def _place(loc: Sequence[Any], raw: Mapping[str, Any]) -> str:
    """``[edition] from`` or ``[[section]] 2 (trending) rule``."""
    table, *keys = loc
    if table not in EditionFile.model_fields:
        return str(table)
    if table in {"edition", "look"}:
        return " ".join([f"[{table}]", *map(str, keys)])
    if not keys or not isinstance(keys[0], int):
        return f"[[{table}]]"
    entry = raw[table][keys[0]]
    names = [entry[name] for name in ("key", "name", "title", "cadence") if name in entry] if keys[1:] else []
    return " ".join([f"[[{table}]] {keys[0] + 1}", *(f"({name})" for name in names[:1]), *map(str, keys[1:])])


def _suggestion(loc: Sequence[Any]) -> str:
    table = tuple(key for key in loc[:-1] if isinstance(key, str))
    known = _keys(_MODELS[table])
    close = difflib.get_close_matches(str(loc[-1]), known, n=1, cutoff=0.75)
    if close:
        return f"; did you mean {close[0]}?"
    elsewhere = [".".join(other) for other, model in _MODELS.items() if other and loc[-1] in _keys(model)]
    return f"; it belongs under [{elsewhere[0]}]" if elsewhere else f"; there are {', '.join(known)}"


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _faults_between_tables(raw: Mapping[str, Any]) -> list[str]:
    """What no table shows on its own. Looks at the raw file, so that it is told along with the other faults."""
    return [*_doubled(raw), *_schedule_faults(raw), *_fallback_faults(raw), *_absent(raw)]


def _unknown_theme(raw: Mapping[str, Any], themes: Collection[str]) -> Iterator[str]:
    look = raw.get("look")
    theme = look.get("theme") if isinstance(look, dict) else None
    if themes and isinstance(theme, str) and theme not in themes:
        yield f"[look] theme: there is no theme {theme!r}; there are {', '.join(sorted(themes))}"


def _tables(raw: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    tables = raw.get(name, [])
    return [table for table in tables if isinstance(table, dict)] if isinstance(tables, list) else []


def _head(raw: Mapping[str, Any]) -> dict[str, Any]:
    head = raw.get("edition", {})
    return head if isinstance(head, dict) else {}


def _doubled(raw: Mapping[str, Any]) -> Iterator[str]:
    mentioned = _head(raw).get("feeds", [])
    feeds = [table.get("name") for table in _tables(raw, "feed")] + (mentioned if isinstance(mentioned, list) else [])
    keys = [table.get("key") for table in _tables(raw, "section")]
    for what, names in (("[[section]] key", keys), ("feed", feeds)):
        for name, count in Counter(name for name in names if isinstance(name, str)).items():
            if count > 1:
                yield f"{what} {name!r} stands {count} times"


def _schedule_faults(raw: Mapping[str, Any]) -> Iterator[str]:
    cadences = _head(raw).get("cadences", ["daily"])
    for number, table in enumerate(_tables(raw, "schedule"), start=1):
        cadence, at = table.get("cadence"), table.get("at")
        if isinstance(cadence, str) and isinstance(cadences, list) and cadence not in cadences:
            yield f"[[schedule]] {number} cadence: {cadence!r} is not among the edition's cadences"
        if isinstance(at, (str, date)):
            try:
                schedule.parse_at(written_moment(at) or "", str(table.get("time_zone") or _head(raw).get("time_zone")))
            except InputError as error:
                if "no time zone" not in str(error):  # told where it stands
                    yield f"[[schedule]] {number} at: {error}"


def _fallback_faults(raw: Mapping[str, Any]) -> Iterator[str]:
    head = _head(raw)
    key = head.get("fallback")
    if key is None and "thin" in head:
        yield "[edition] thin: needs fallback, the key of a section"
    if key is not None and "thin" not in head:
        yield "[edition] fallback: needs thin, a number of stories"
    if isinstance(key, str):
        section = next((table for table in _tables(raw, "section") if table.get("key") == key), None)
        if section is None:
            yield f"[edition] fallback: there is no section {key!r}"
        elif section.get("optional") is False:
            yield f"[edition] fallback: everybody gets the section {key!r} as it is (optional = false)"


def _absent(raw: Mapping[str, Any]) -> Iterator[str]:
    if not raw.get("section"):
        yield "[[section]]: at least one is needed"
    if not raw.get("feed") and not _head(raw).get("feeds"):
        yield "[[feed]]: at least one is needed, or feeds = [...] under [edition]"
