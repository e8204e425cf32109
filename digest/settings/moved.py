"""Settings that have moved: an old name is still read, as the new one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MOVED = {
    ("deliver", "catch_up_days"): ("compose", "catch_up_days"),
    ("deliver", "size_budget"): ("mail", "size_budget"),
    ("deliver", "soft_bounces"): ("suppress", "soft_bounces"),
    ("deliver", "soft_bounce_days"): ("suppress", "soft_bounce_days"),
}
"""Old table and name: new table and name."""


def holds(raw: Mapping[str, Any], place: tuple[str, str]) -> bool:
    """Whether the setting at ``place`` is given in ``raw``."""
    table = raw.get(place[0])
    return isinstance(table, Mapping) and place[1] in table


def found(raw: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """The old and the new place of each setting that is given under its old name."""
    return ((old, new) for old, new in MOVED.items() if holds(raw, old))


def renamed(raw: Mapping[str, Any]) -> dict[str, Any]:
    """``raw`` with new names in place of old ones. A table that is none is left for the check of types to report."""
    tables = {name: dict(value) if isinstance(value, Mapping) else value for name, value in raw.items()}
    for old, new in list(found(raw)):
        if isinstance(tables.setdefault(new[0], {}), dict):
            tables[new[0]].setdefault(new[1], tables[old[0]].pop(old[1]))
    return tables
