"""Editions in the store: the head as JSON, sections and feeds in tables of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, insert, literal, select, update

from digest.codec import codec
from digest.errors import NotFoundError
from digest.states import SubscriptionState
from digest.store.content import feeds as feed_store
from digest.store.content import schedules as schedule_store
from digest.store.schema import edition_feeds, editions, feeds, sections, subscriptions
from digest.values import Edition, FeedSpec, Kind, Rule, Section

_ELSEWHERE = {"sections", "feeds", "schedules"}
_LIVING = (SubscriptionState.PENDING, SubscriptionState.ACTIVE)


def save(connection: Connection, edition: Edition, now: datetime) -> int:
    """Insert or replace the edition of that name, with its sections and feeds (made where they are new), but without
    its schedules. Returns its id."""
    spec = codec(Edition).dump_python(edition, mode="json", exclude=_ELSEWHERE)
    edition_id: int | None = connection.scalar(select(editions.c.id).where(editions.c.name == edition.name))
    if edition_id is None:
        statement = insert(editions).values(name=edition.name, spec=spec, applied_at=now).returning(editions.c.id)
        edition_id = int(connection.execute(statement).scalar_one())
    else:
        connection.execute(update(editions).where(editions.c.id == edition_id).values(spec=spec, applied_at=now))
    _save_sections(connection, edition_id, edition.sections)
    _save_feeds(connection, edition_id, edition.feeds)
    return edition_id


def load(connection: Connection, name: str) -> tuple[int, Edition] | None:
    """The edition's id and the edition as it was applied; ``None`` when there is none of that name."""
    row = connection.execute(select(editions.c.id, editions.c.spec).where(editions.c.name == name)).one_or_none()
    return (row.id, _edition(connection, row.id, row.spec)) if row else None


def load_all(connection: Connection) -> list[tuple[int, Edition]]:
    """Every edition with its id, by name."""
    rows = connection.execute(select(editions.c.id, editions.c.spec).order_by(editions.c.name)).all()
    return [(row.id, _edition(connection, row.id, row.spec)) for row in rows]


def get(connection: Connection, name: str) -> Edition:
    """The edition of that name. Raises ``NotFoundError``."""
    return require(connection, name)[1]


def get_id(connection: Connection, name: str) -> int:
    """The id of the edition of that name. Raises ``NotFoundError``."""
    edition_id: int | None = connection.scalar(select(editions.c.id).where(editions.c.name == name))
    if edition_id is None:
        raise _unknown(name)
    return edition_id


def require(connection: Connection, name: str) -> tuple[int, Edition]:
    """``load``, but raises ``NotFoundError`` where there is no such edition."""
    found = load(connection, name)
    if found is None:
        raise _unknown(name)
    return found


def feed_ids(connection: Connection, edition_id: int) -> list[int]:
    """The feeds the edition draws on, in its order."""
    statement = select(edition_feeds.c.feed_id).where(edition_feeds.c.edition_id == edition_id)
    return list(connection.scalars(statement.order_by(edition_feeds.c.position)))


def review_minutes(connection: Connection) -> dict[int, int]:
    """How long before their slots the issues of each edition, by its id, can be looked at."""
    rows = connection.execute(select(editions.c.id, editions.c.spec))
    return {row.id: row.spec.get("review_minutes", 0) for row in rows}


def time_zones(connection: Connection) -> dict[str, str]:
    """Each edition's time zone, by its name."""
    return {row.name: row.spec["time_zone"] for row in connection.execute(select(editions.c.name, editions.c.spec))}


def readers(connection: Connection) -> dict[int, int]:
    """Active subscriptions per edition id."""
    statement = (
        select(subscriptions.c.edition_id, func.count())
        .where(subscriptions.c.state == SubscriptionState.ACTIVE)
        .group_by(subscriptions.c.edition_id)
    )
    return {row[0]: row[1] for row in connection.execute(statement)}


def count_choosing(connection: Connection, edition_id: int, section: str) -> int:
    """How many pending or active subscriptions name ``section`` among those they chose."""
    chosen = literal(",") + subscriptions.c.sections + literal(",")
    return _count(connection, edition_id, chosen.contains(f",{section},", autoescape=True))


def count_cadence(connection: Connection, edition_id: int, cadence: str) -> int:
    """How many pending or active subscriptions have ``cadence``."""
    return _count(connection, edition_id, subscriptions.c.cadence == cadence)


def _unknown(name: str) -> NotFoundError:
    return NotFoundError(f"no edition named {name}", "see `digest edition list`")


def _count(connection: Connection, edition_id: int, condition: Any) -> int:
    statement = select(func.count()).where(
        subscriptions.c.edition_id == edition_id, subscriptions.c.state.in_(_LIVING), condition
    )
    return connection.execute(statement).scalar_one()


def _save_sections(connection: Connection, edition_id: int, wanted: Sequence[Section]) -> None:
    connection.execute(delete(sections).where(sections.c.edition_id == edition_id))
    rows = [
        {
            "edition_id": edition_id,
            "position": position,
            "key": section.key,
            "title": section.title,
            "rule": section.rule,
            "count": section.count,
            "match": list(section.match),
            "optional": int(section.optional),
            "except_kinds": list(section.except_kinds),
        }
        for position, section in enumerate(wanted)
    ]
    connection.execute(insert(sections), rows)


def _save_feeds(connection: Connection, edition_id: int, wanted: Sequence[FeedSpec]) -> None:
    connection.execute(delete(edition_feeds).where(edition_feeds.c.edition_id == edition_id))
    rows = [
        {
            "edition_id": edition_id,
            "feed_id": feed_store.ensure(connection, feed),
            "position": position,
            "weight": feed.weight,
        }
        for position, feed in enumerate(wanted)
    ]
    connection.execute(insert(edition_feeds), rows)


def _edition(connection: Connection, edition_id: int, spec: dict[str, Any]) -> Edition:
    of_sections = select(sections).where(sections.c.edition_id == edition_id).order_by(sections.c.position)
    of_feeds = (
        select(feeds, edition_feeds.c.weight)
        .join(edition_feeds, edition_feeds.c.feed_id == feeds.c.id)
        .where(edition_feeds.c.edition_id == edition_id)
        .order_by(edition_feeds.c.position)
    )
    return replace(
        codec(Edition).validate_python(spec),
        sections=tuple(_section(row) for row in connection.execute(of_sections).mappings()),
        feeds=tuple(_feed(row) for row in connection.execute(of_feeds).mappings()),
        schedules=tuple(item.spec for item in schedule_store.of_edition(connection, edition_id) if item.declared),
    )


def _section(row: RowMapping) -> Section:
    return Section(
        row["key"],
        row["title"],
        Rule(row["rule"]),
        row["count"],
        tuple(row["match"]),
        bool(row["optional"]),
        tuple(row["except_kinds"]),
    )


def _feed(row: RowMapping) -> FeedSpec:
    known = (row["name"], row["url"], row["title"], row["sector"], Kind(row["kind"]), tuple(row["tags"]))
    return FeedSpec(*known, weight=row["weight"])
