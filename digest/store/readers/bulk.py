"""Many readers at once: what a file says is laid beside what is known, judged row by row and written, in a handful of
statements that are the same however many rows there are. ``store/rehearsal.py`` lets them be tried out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    SmallInteger,
    String,
    Table,
    Text,
    and_,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.schema import CreateTable

from digest import states
from digest.states import SubscriptionEvent, SubscriptionState
from digest.store.database import OvertakenError
from digest.store.merged import merged
from digest.store.readers import consent
from digest.store.schema import consent_events, subscribers, subscriptions, suppressions
from digest.store.upsert import insert_into

PERSON = ("name", "locale", "time_zone")
CHOICE = ("cadence", "sections", "hour", "days")
FIELDS = "fields"
SAYS: Mapping[str, int] = {name: 1 << bit for bit, name in enumerate((*PERSON, *CHOICE, FIELDS))}
"""The bit of each column in ``Incoming.says``: what is not said stays as it was."""

_NO_FIELDS = literal("{}", Text)
_ACTIVE, _LEFT = SubscriptionState.ACTIVE, SubscriptionState.UNSUBSCRIBED


class Verdict(StrEnum):
    """What becomes of a row."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"
    SUPPRESSED = "suppressed"
    ERASED = "erased"  # suppressed, and nothing else is to be kept of him
    LEFT = "left"  # who unsubscribed comes back by his own doing only
    EXPIRED = "expired"  # and so who never confirmed


REFUSED = (Verdict.SUPPRESSED, Verdict.ERASED, Verdict.LEFT, Verdict.EXPIRED)


class Incoming(NamedTuple):
    """A row as it is laid beside what is known. ``number`` tells it from others; ``fields`` is a JSON object in which
    ``null`` takes a field away; ``says`` the sum of ``SAYS`` of what the row says itself."""

    number: int
    address_key: bytes
    address: str
    state: str
    name: str
    locale: str
    time_zone: str
    cadence: str
    sections: str | None
    hour: int | None
    days: int
    fields: str
    says: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """A subscription whose choices a row has changed, with what they are now."""

    subscription_id: int
    cadence: str
    sections: str | None
    hour: int | None
    days: int


@dataclass(frozen=True, slots=True)
class Applied:
    """What applying some rows came to: how many of each verdict, the refused ones by number, and whose choices were
    changed: the caller owes them a line of proof."""

    counts: Mapping[Verdict, int]
    refused: Sequence[tuple[int, Verdict]]
    chosen: Sequence[Chosen]


def _columns() -> Iterator[Column[Any]]:
    yield Column("number", Integer)
    yield Column("address_key", LargeBinary)
    yield Column("address", Text)
    yield Column("state", String(12))
    yield from (Column(name, subscribers.c[name].type) for name in PERSON)
    yield from (Column(name, subscriptions.c[name].type) for name in CHOICE)
    yield Column(FIELDS, subscribers.c.fields.type)
    yield Column("says", SmallInteger)


def _temporary(name: str, *columns: Column[Any]) -> Table:
    return Table(name, MetaData(), *columns, prefixes=["TEMPORARY"], postgresql_on_commit="DROP")


incoming = _temporary("incoming", *_columns())
_judged = _temporary(
    "judged",
    *_columns(),
    Column("verdict", String(12)),
    Column("subscriber_id", BigInteger),
    Column("subscription_id", BigInteger),
)


def apply(
    connection: Connection,
    edition_id: int,
    rows: Sequence[Incoming],
    now: datetime,
    source: str,
    agreed: str,
    prepare: Callable[[Connection], None] = lambda _: None,
) -> Applied:
    """Bring an edition's readers to what ``rows`` say, each about another address. ``source`` and ``agreed`` go into
    the proof of consent. Nobody who unsubscribed, never confirmed or is suppressed is brought back. ``prepare`` is
    called when the rows lie in the table ``incoming``. Raises ``OvertakenError`` when somebody else is adding one of
    them."""
    if connection.dialect.name == "postgresql":  # by index: to scan all readers costs the more the more they are
        connection.exec_driver_sql("SET LOCAL enable_hashjoin = off")
        connection.exec_driver_sql("SET LOCAL enable_mergejoin = off")
    for table in (incoming, _judged):
        connection.execute(CreateTable(table, if_not_exists=True))
        connection.execute(delete(table))
    _load(connection, rows)
    prepare(connection)
    connection.execute(insert(_judged).from_select(_judged.columns.keys(), _judgement(edition_id)))
    count = select(_judged.c.verdict, func.count(), func.count(_judged.c.subscriber_id)).group_by(_judged.c.verdict)
    figures = {Verdict(verdict): (number, known) for verdict, number, known in connection.execute(count)}
    counts = {verdict: number for verdict, (number, _) in figures.items()}
    if Verdict.NEW in counts:
        _add(connection, edition_id, now, source, agreed, *figures[Verdict.NEW])
    if Verdict.NEW in counts or Verdict.CHANGED in counts:
        _change_people(connection)
    chosen = _change(connection, now, source, agreed) if Verdict.CHANGED in counts else []
    return Applied(counts, _refused(connection) if counts.keys() & set(REFUSED) else [], chosen)


def _load(connection: Connection, rows: Sequence[Incoming]) -> None:
    columns = ", ".join(Incoming._fields)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(Incoming._fields))
        connection.exec_driver_sql(f"INSERT INTO incoming ({columns}) VALUES ({marks})", list(rows))  # noqa: S608
        return
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY incoming ({columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


# --------------------------------------------------------------------------------------------- judging


def _judgement(edition_id: int) -> Select[Any]:
    """Every incoming row with its verdict and the ids of what is known."""
    theirs = and_(subscriptions.c.subscriber_id == subscribers.c.id, subscriptions.c.edition_id == edition_id)
    source = (
        incoming.outerjoin(suppressions, suppressions.c.address_key == incoming.c.address_key)
        .outerjoin(subscribers, subscribers.c.address_key == incoming.c.address_key)
        .outerjoin(subscriptions, theirs)
    )
    comes = incoming.c.state == _ACTIVE
    verdict = case(
        (and_(suppressions.c.address_key.is_not(None), suppressions.c.address.is_(None)), Verdict.ERASED),
        (suppressions.c.address_key.is_not(None), Verdict.SUPPRESSED),
        (subscriptions.c.id.is_(None), Verdict.NEW),
        (and_(comes, subscriptions.c.state == _LEFT), Verdict.LEFT),
        (and_(comes, subscriptions.c.state == SubscriptionState.EXPIRED), Verdict.EXPIRED),
        (or_(_person_differs(incoming), _choice_differs(incoming), *_moves(incoming)), Verdict.CHANGED),
        else_=Verdict.SAME,
    )
    return select(*incoming.c, verdict, subscribers.c.id, subscriptions.c.id).select_from(source)


def _says(rows: Table, name: str) -> ColumnElement[bool]:
    return rows.c.says.bitwise_and(SAYS[name]) != 0


def _person_differs(rows: Table) -> ColumnElement[bool]:
    words = [and_(_says(rows, name), subscribers.c[name] != rows.c[name]) for name in PERSON]
    before, after = (merged(subscribers.c.fields, changes) for changes in (_NO_FIELDS, rows.c.fields))
    return or_(*words, and_(_says(rows, FIELDS), cast(before, Text) != cast(after, Text)))


def _choice_differs(rows: Table) -> ColumnElement[bool]:
    return or_(*(and_(_says(rows, name), subscriptions.c[name].is_distinct_from(rows.c[name])) for name in CHOICE))


def _moves(rows: Table) -> Iterator[ColumnElement[bool]]:
    """Whether a row moves its subscription: to active, to unsubscribed."""
    for state, event in ((_ACTIVE, SubscriptionEvent.CONFIRM), (_LEFT, SubscriptionEvent.UNSUBSCRIBE)):
        sources = states.sources(states.SUBSCRIPTION, event)
        yield and_(rows.c.state == state, subscriptions.c.state.in_(sources))


def _refused(connection: Connection) -> list[tuple[int, Verdict]]:
    query = select(_judged.c.number, _judged.c.verdict).where(_judged.c.verdict.in_(REFUSED))
    return [(number, Verdict(verdict)) for number, verdict in connection.execute(query)]


# --------------------------------------------------------------------------------------------- writing


def _add(
    connection: Connection, edition_id: int, now: datetime, source: str, agreed: str, wanted: int, elsewhere: int
) -> None:
    """Store the ``wanted`` who are new, ``elsewhere`` known from other editions, with the proof of their consent; in
    one order for all, so that two writers can't wait for each other."""
    new = _judged.c.verdict == Verdict.NEW
    moment = literal(now, subscribers.c.created_at.type)
    fields = merged(_NO_FIELDS, _judged.c.fields)
    known = [_judged.c[name] for name in ("address_key", "address", *PERSON)]
    people = select(*known, fields, moment).where(new, _judged.c.subscriber_id.is_(None)).order_by(known[0])
    columns = [column.name for column in known] + [FIELDS, "created_at"]
    _insert(connection, insert_into(connection, subscribers).from_select(columns, people), wanted - elsewhere)
    joined = _judged.join(subscribers, subscribers.c.address_key == _judged.c.address_key)
    given = [_judged.c[name] for name in ("state", *CHOICE)]
    theirs = select(subscribers.c.id, literal(edition_id), *given, moment).select_from(joined).where(new)
    columns = ["subscriber_id", "edition_id", *(column.name for column in given), "created_at"]
    statement = insert_into(connection, subscriptions).from_select(columns, theirs.order_by(subscribers.c.id))
    _insert(connection, statement, wanted)
    mine = and_(subscriptions.c.subscriber_id == subscribers.c.id, subscriptions.c.edition_id == edition_id)
    kind = case((_judged.c.state == _ACTIVE, "imported"), else_="unsubscribed")
    proof = select(subscriptions.c.id, kind, moment, literal(source), literal(agreed))
    proof = proof.select_from(joined.join(subscriptions, mine)).where(new).order_by(subscriptions.c.id)
    columns = ["subscription_id", "kind", "at", "source", "detail"]
    connection.execute(insert(consent_events).from_select(columns, proof))


def _insert(connection: Connection, statement: Any, wanted: int) -> None:
    done = connection.execute(statement.on_conflict_do_nothing(), execution_options={"preserve_rowcount": True})
    if done.rowcount < wanted:  # some are new no more, and to be judged anew
        raise OvertakenError("somebody else is adding the same readers at this moment", "try again")


def _change_people(connection: Connection) -> None:
    """Give those known already, from this edition or another, the name, locale, zone and fields that rows say."""
    values: dict[str, Any] = {
        name: case((_says(_judged, name), _judged.c[name]), else_=subscribers.c[name]) for name in PERSON
    }
    values[FIELDS] = case(
        (_says(_judged, FIELDS), merged(subscribers.c.fields, _judged.c.fields)), else_=subscribers.c.fields
    )
    theirs = and_(_judged.c.subscriber_id == subscribers.c.id, _judged.c.verdict.in_((Verdict.NEW, Verdict.CHANGED)))
    held = select(subscribers.c.id).where(theirs, _person_differs(_judged)).order_by(subscribers.c.id)
    connection.execute(held.with_for_update(of=subscribers, key_share=True))  # in one order, as in _change
    connection.execute(update(subscribers).where(theirs, _person_differs(_judged)).values(values))


def _change(connection: Connection, now: datetime, source: str, agreed: str) -> list[Chosen]:
    """Change choices and states of those known, each by one guarded statement."""
    theirs = and_(subscriptions.c.id == _judged.c.subscription_id, _judged.c.verdict == Verdict.CHANGED)
    held = select(subscriptions.c.id).where(theirs).order_by(subscriptions.c.id)
    connection.execute(held.with_for_update(of=subscriptions))  # in the order in which workers take them
    values = {name: case((_says(_judged, name), _judged.c[name]), else_=subscriptions.c[name]) for name in CHOICE}
    shown = [subscriptions.c[name] for name in CHOICE]
    chosen = update(subscriptions).where(theirs, _choice_differs(_judged)).values(values)
    changed = [Chosen(*row) for row in connection.execute(chosen.returning(subscriptions.c.id, *shown))]
    for moves, state, kind in zip(_moves(_judged), (_ACTIVE, _LEFT), ("imported", "unsubscribed"), strict=True):
        moved = update(subscriptions).where(theirs, moves).values(state=state, confirm_due_at=None)
        ids = list(connection.execute(moved.returning(subscriptions.c.id)).scalars())
        consent.record(connection, ids, kind, now, source, agreed)
    return changed
