"""segment : words | parse | check against the edition | keep, count, use for an issue."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from digest.errors import InputError, NotFoundError
from digest.readers import addresses
from digest.readers import segments as language
from digest.readers.segments import Node, questions
from digest.settings import FieldType
from digest.store.content import editions
from digest.store.database import Database
from digest.store.readers import segments
from digest.store.readers.segments import Segment
from digest.values import Edition

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
Declared = Mapping[str, FieldType]


@dataclass(frozen=True, slots=True)
class Counted:
    """A segment with how many active readers it has, by cadence. ``fault``: why its words make no sense any more, as
    when a field or a section is gone."""

    segment: Segment
    readers: Mapping[str, int]
    fault: str = ""

    @property
    def total(self) -> int:
        return sum(self.readers.values())


def add(database: Database, edition: str, name: str, where: str, declared: Declared, now: datetime) -> Counted:
    """Keep a segment, or other words under its name. Raises ``InputError`` for words that make no sense."""
    if not _NAME.fullmatch(name):
        raise InputError(f"{name[:40]!r} can't name a segment", "use letters a-z, digits and -, 40 at most")
    with database.write() as connection:
        edition_id, spec = editions.require(connection, edition)
        _parsed(where, spec, declared)
        segments.put(connection, edition_id, name, where.strip(), now)
        return _counted(connection, edition_id, spec, name, declared, now)


def listing(database: Database, edition: str, declared: Declared, now: datetime) -> list[Counted]:
    """An edition's segments, counted now, those at fault too."""
    with database.read() as connection:
        edition_id, spec = editions.require(connection, edition)
        found = list[Counted]()
        for one in segments.listing(connection, edition_id):
            try:
                found.append(_counted(connection, edition_id, spec, one.name, declared, now))
            except InputError as error:
                found.append(Counted(one, {}, error.message))
        return found


def show(database: Database, edition: str, name: str, declared: Declared, now: datetime) -> Counted:
    """One segment, counted now. Raises ``NotFoundError``."""
    with database.read() as connection:
        edition_id, spec = editions.require(connection, edition)
        return _counted(connection, edition_id, spec, name, declared, now)


def count(database: Database, edition: str, where: str, declared: Declared, now: datetime) -> Mapping[str, int]:
    """How many active readers ``where`` chooses, by cadence, without keeping it."""
    with database.read() as connection:
        edition_id, spec = editions.require(connection, edition)
        chosen = segments.condition(connection, _parsed(where, spec, declared), spec, now)
        return segments.count(connection, edition_id, chosen)


def remove(database: Database, edition: str, name: str) -> None:
    """Issues made for it keep what it meant. Raises ``NotFoundError``."""
    with database.write() as connection:
        edition_id, _ = editions.require(connection, edition)
        if not segments.remove(connection, edition_id, name):
            raise _unknown(name, edition)


def meaning(database: Database, edition: str, name: str, declared: Declared) -> Node:
    """The tests a segment stands for now: what an issue made for it remembers. Raises ``NotFoundError``."""
    with database.read() as connection:
        edition_id, spec = editions.require(connection, edition)
        found = segments.get(connection, edition_id, name)
    if found is None:
        raise _unknown(name, edition)
    return _parsed(found.where, spec, declared)


def chooses(database: Database, edition: str, name: str, address: str, declared: Declared, now: datetime) -> bool:
    """Whether a segment chooses the active reader of that address. Raises ``NotFoundError``."""
    node = meaning(database, edition, name, declared)
    with database.read() as connection:
        edition_id, spec = editions.require(connection, edition)
        chosen = segments.condition(connection, node, spec, now)
        return segments.chooses(connection, edition_id, chosen, addresses.key(addresses.normalise(address)))


def _counted(
    connection: Connection, edition_id: int, spec: Edition, name: str, declared: Declared, now: datetime
) -> Counted:
    found = segments.get(connection, edition_id, name)
    if found is None:
        raise _unknown(name, spec.name)
    chosen = segments.condition(connection, _parsed(found.where, spec, declared), spec, now)
    return Counted(found, segments.count(connection, edition_id, chosen))


def _parsed(where: str, spec: Edition, declared: Declared) -> Node:
    node = language.parse(where, declared)
    check(node, spec)
    return node


def check(node: Node, spec: Edition) -> None:
    """What an edition lists is looked up there: a slip would choose nobody. Raises ``InputError``."""
    known = {"cadence": spec.cadences, "section": [section.key for section in spec.sections]}
    for test in questions(node):
        offered = known.get(test.name, ())
        for value in test.values if test.operator in {"=", "!=", "in"} and test.name in known else ():
            if value not in offered:
                raise InputError(f"{spec.name} has no {test.name} {value!r}", f"it has {', '.join(offered)}")


def _unknown(name: str, edition: str) -> NotFoundError:
    return NotFoundError(f"{edition} has no segment {name!r}", f"see `digest segment list -e {edition}`")
