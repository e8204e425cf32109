"""Segments: kept by name, and looked for among an edition's readers. A tree of tests becomes an expression of the
database's own; no word of it becomes SQL."""

from __future__ import annotations

import operator as operators
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, delete, false, func, insert, not_, or_, select, update

from digest.readers.fields import Value
from digest.readers.segments import OWN, Every, Node, Not, Question, Some
from digest.settings import FieldType
from digest.states import SubscriptionState
from digest.store.schema import clicks, segments, subscribers, subscriptions
from digest.values import Edition

_COMPARED: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operators.eq,
    "<": operators.lt,
    "<=": operators.le,
    ">": operators.gt,
    ">=": operators.ge,
}


@dataclass(frozen=True, slots=True)
class Segment:
    """A named choice of an edition's readers, as it was written."""

    name: str
    where: str
    created_at: datetime


def put(connection: Connection, edition_id: int, name: str, where: str, now: datetime) -> bool:
    """Keep a segment under its name. False if there was one, whose words are replaced."""
    mine = (segments.c.edition_id == edition_id, segments.c.name == name)
    if connection.execute(update(segments).where(*mine).values(where=where)).rowcount:
        return False
    connection.execute(insert(segments).values(edition_id=edition_id, name=name, where=where, created_at=now))
    return True


def get(connection: Connection, edition_id: int, name: str) -> Segment | None:
    found = (one for one in listing(connection, edition_id) if one.name == name)
    return next(found, None)


def listing(connection: Connection, edition_id: int) -> list[Segment]:
    """An edition's segments by name."""
    query = select(segments.c.name, segments.c.where, segments.c.created_at).order_by(segments.c.name)
    return [Segment(*row) for row in connection.execute(query.where(segments.c.edition_id == edition_id))]


def remove(connection: Connection, edition_id: int, name: str) -> bool:
    """False if there is none of that name."""
    mine = (segments.c.edition_id == edition_id, segments.c.name == name)
    return connection.execute(delete(segments).where(*mine)).rowcount == 1


def count(connection: Connection, edition_id: int, chosen: ColumnElement[bool]) -> dict[str, int]:
    """How many active readers are chosen, by cadence."""
    query = (
        select(subscriptions.c.cadence, func.count())
        .join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .where(subscriptions.c.edition_id == edition_id, subscriptions.c.state == SubscriptionState.ACTIVE, chosen)
        .group_by(subscriptions.c.cadence)
        .order_by(subscriptions.c.cadence)
    )
    return {row.cadence: row[1] for row in connection.execute(query)}


def chooses(connection: Connection, edition_id: int, chosen: ColumnElement[bool], address_key: bytes) -> bool:
    """Whether the active reader of that address is chosen."""
    return bool(count(connection, edition_id, and_(chosen, subscribers.c.address_key == address_key)))


# -------------------------------------------------------------------------------------------- choosing


def condition(connection: Connection, node: Node, edition: Edition, now: datetime) -> ColumnElement[bool]:
    """What is true of the chosen among subscriptions joined with subscribers. Nothing is unknown: what a reader has not
    said is not equal to anything."""
    if isinstance(node, Not):
        return not_(condition(connection, node.part, edition, now))
    if isinstance(node, (Every, Some)):
        join = and_ if isinstance(node, Every) else or_
        return join(*(condition(connection, part, edition, now) for part in node.parts))
    return func.coalesce(_asked(node, edition, now, connection.dialect.name), false())


def _asked(test: Question, edition: Edition, now: datetime, dialect: str) -> ColumnElement[bool]:
    if test.operator == "!=":
        return not_(func.coalesce(_asked(_with(test, "="), edition, now, dialect), false()))
    if test.operator == "in":
        return or_(*(_asked(_with(test, "=", value), edition, now, dialect) for value in test.values))
    if test.operator == "within":
        return _within(test, now)
    if test.name in _ASKED:
        return _ASKED[test.name](test, edition)
    known = _known(test, edition, dialect)
    if test.operator == "empty":
        return known.is_(None) if test.kind is not FieldType.TEXT else func.coalesce(known, "") == ""
    if test.operator == "like":
        return known.ilike(_pattern(str(test.values[0])), escape="\\")
    compared: ColumnElement[bool] = _COMPARED[test.operator](known, test.values[0])
    return compared


def _with(test: Question, operator: str, *values: Value) -> Question:
    return Question(test.name, test.kind, operator, values or test.values)


def _within(test: Question, now: datetime) -> ColumnElement[bool]:
    since = now - timedelta(days=int(test.values[0]))
    if test.name == "signed_up":
        return subscriptions.c.created_at >= since
    theirs = and_(clicks.c.subscription_id == subscriptions.c.id, clicks.c.counts == 1, clicks.c.at >= since)
    return select(clicks.c.subscription_id).where(theirs).exists()


def _section(test: Question, edition: Edition) -> ColumnElement[bool]:
    """Readers who get the section: those who want all, or name it; one that is not optional everybody gets."""
    key = str(test.values[0])
    if any(section.key == key and not section.optional for section in edition.sections):
        return subscriptions.c.id.is_not(None)
    listed = "," + subscriptions.c.sections + ","
    return or_(subscriptions.c.sections.is_(None), listed.contains(f",{key},", autoescape=True))


def _domain(test: Question, _: Edition) -> ColumnElement[bool]:
    wanted = str(test.values[0])
    if test.operator == "like":
        return subscribers.c.address.ilike(f"%@{_pattern(wanted)}", escape="\\")
    return subscribers.c.address.iendswith(f"@{wanted}", autoescape=True)


def _signed_up(test: Question, _: Edition) -> ColumnElement[bool]:
    """Days begin at midnight UTC."""
    began = datetime.combine(date.fromisoformat(str(test.values[0])), time(), UTC)
    ended, moment = began + timedelta(days=1), subscriptions.c.created_at
    return {
        "=": and_(moment >= began, moment < ended),
        "<": moment < began,
        "<=": moment < ended,
        ">": moment >= ended,
        ">=": moment >= began,
    }[test.operator]


_ASKED: Mapping[str, Callable[[Question, Edition], ColumnElement[bool]]] = {
    "section": _section,
    "domain": _domain,
    "signed_up": _signed_up,
}


def _known(test: Question, edition: Edition, dialect: str) -> ColumnElement[Any]:
    """What is known of a reader; their locale and zone are the edition's unless they said otherwise."""
    if test.name.startswith(OWN):
        return _field(test.name.removeprefix(OWN), test.kind, dialect)
    columns: Mapping[str, ColumnElement[Any]] = {
        "cadence": subscriptions.c.cadence,
        "hour": subscriptions.c.hour,
        "name": subscribers.c.name,
        "locale": func.coalesce(func.nullif(subscribers.c.locale, ""), edition.locale),
        "zone": func.coalesce(func.nullif(subscribers.c.time_zone, ""), edition.time_zone),
    }
    return columns[test.name]


def _field(name: str, kind: FieldType, dialect: str) -> ColumnElement[Any]:
    """One of the publisher's own fields, as far as what is stored is of its type: that may have been declared anew."""
    kept = subscribers.c.fields[name]
    if dialect == "sqlite":
        stored = func.json_type(subscribers.c.fields, f"$.{name}")
        truth = case((stored == "true", True), (stored == "false", False))
    else:
        stored = func.json_typeof(kept)
        truth = case((stored == "boolean", kept.as_string() == "true"))
    if kind is FieldType.YES_NO:
        return truth
    if kind is FieldType.NUMBER:
        return case((stored.in_(("integer", "real", "number")), kept.as_float()))
    return case((stored.in_(("text", "string")), kept.as_string()))


def _pattern(text: str) -> str:
    """``%`` stands for anything, all else for itself."""
    return text.replace("\\", "\\\\").replace("_", "\\_")
