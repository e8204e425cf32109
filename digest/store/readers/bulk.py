"""Many readers at once: what a file says is laid beside what is known, judged row by row and written, in a handful of
statements that are the same however many rows there are. ``store/readers/rehearsal.py`` lets them be tried out.

Rows that are new get their numbers while they are judged, so that storing them joins nothing: what a database knows of
its tables' sizes may be hours old, and a join planned by it takes a thousand times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Index,
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
from sqlalchemy.dialects.postgresql import REGCLASS
from sqlalchemy.schema import CreateIndex, CreateTable

from digest import states
from digest.readers.exports import standing
from digest.states import SubscriptionEvent, SubscriptionState
from digest.store.checkpoints import Checkpoint, reached
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
    BARRED = "barred"  # not suppressed before
    CHANGED = "changed"
    SAME = "same"
    SUPPRESSED = "suppressed"
    ERASED = "erased"  # suppressed, and nothing else is to be kept of them
    LEFT = "left"  # a reader who unsubscribed is not brought back by others
    EXPIRED = "expired"  # nor is one who never confirmed


REFUSED = (Verdict.SUPPRESSED, Verdict.ERASED, Verdict.LEFT, Verdict.EXPIRED)


class Incoming(NamedTuple):
    """A row as it is laid beside what is known. ``number`` tells it from others; ``state`` is a ``Standing`` (not
    unconfirmed); ``fields`` is a JSON object in which ``null`` takes a field away; ``proof`` and ``ip`` tell when and
    from where the reader agreed; ``says`` is the sum of ``SAYS`` of what the row says itself."""

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
    proof: str
    ip: str
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
    yield Column("proof", Text)
    yield Column("ip", String(45))
    yield Column("says", SmallInteger)


def _temporary(name: str, *columns: Column[Any]) -> Table:
    return Table(name, MetaData(), *columns, prefixes=["TEMPORARY"], postgresql_on_commit="DROP")


incoming = _temporary("incoming", *_columns())
_judged = _temporary(
    "judged",
    *_columns(),
    Column("verdict", String(12)),
    Column("known", SmallInteger),  # 1: from this edition or another
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
    if connection.dialect.name == "postgresql":
        # Row by row and by index, whatever is thought of the tables' sizes: one that was empty when it was last looked
        # at is otherwise read again for each row, by the checks of references too. What has to be switched off makes
        # plans look so dear that each would be compiled.
        for way in ("enable_hashjoin", "enable_mergejoin", "enable_seqscan", "enable_material", "jit"):
            connection.exec_driver_sql(f"SET LOCAL {way} = off")
    for table in (incoming, _judged):
        connection.execute(CreateTable(table, if_not_exists=True))
        connection.execute(delete(table))
    _load(connection, rows)
    prepare(connection)
    connection.execute(insert(_judged).from_select(_judged.columns.keys(), _judgement(connection, edition_id)))
    count = select(_judged.c.verdict, func.count(), func.sum(_judged.c.known)).group_by(_judged.c.verdict)
    figures = {Verdict(verdict): (number, known) for verdict, number, known in connection.execute(count)}
    counts = {verdict: number for verdict, (number, _) in figures.items()}
    new, elsewhere = figures.get(Verdict.NEW, (0, 0))
    if Verdict.BARRED in counts:
        _bar(connection, now, source)
    if new:
        _add(connection, edition_id, now, source, agreed, new, elsewhere)
    if elsewhere or Verdict.CHANGED in counts:
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


def _judgement(connection: Connection, edition_id: int) -> Select[Any]:
    """Every incoming row with its verdict and the ids of what is known or will be."""
    barred = suppressions.c.address_key.is_not(None)
    barring = incoming.c.state.in_(standing.SUPPRESSED)
    first = case(
        (and_(barred, suppressions.c.address.is_(None)), Verdict.ERASED),
        (and_(barred, barring), Verdict.SAME),
        (barring, Verdict.BARRED),
        (barred, Verdict.SUPPRESSED),
    )
    differs = case((_person_differs(incoming), 1), else_=0)
    # By themselves, for the number of rows to be known when it is planned how subscriptions are found.
    people = (
        select(*incoming.c, first.label("first"), subscribers.c.id.label("person"), differs.label("differs"))
        .select_from(
            incoming.outerjoin(suppressions, suppressions.c.address_key == incoming.c.address_key).outerjoin(
                subscribers, subscribers.c.address_key == incoming.c.address_key
            )
        )
        .cte("people")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    of_edition = subscriptions.c.edition_id + 0 == edition_id  # + 0: by no index of editions, which holds them all
    source = people.outerjoin(subscriptions, and_(subscriptions.c.subscriber_id == people.c.person, of_edition))
    comes = people.c.state == _ACTIVE
    verdict = case(
        (people.c.first.is_not(None), people.c.first),
        (subscriptions.c.id.is_(None), Verdict.NEW),
        (and_(comes, subscriptions.c.state == _LEFT), Verdict.LEFT),
        (and_(comes, subscriptions.c.state == SubscriptionState.EXPIRED), Verdict.EXPIRED),
        (or_(people.c.differs == 1, _choice_differs(people), *_moves(people)), Verdict.CHANGED),
        else_=Verdict.SAME,
    )
    known = case((people.c.person.is_(None), 0), else_=1)
    given = [people.c[column.name] for column in incoming.c]
    judged = (verdict.label("verdict"), known.label("known"), people.c.person, subscriptions.c.id.label("theirs"))
    rows = select(*given, *judged).select_from(source).subquery()
    new = rows.c.verdict == Verdict.NEW
    person = case((and_(new, rows.c.known == 0), _next_id(connection, subscribers)), else_=rows.c.person)
    subscription = case((new, _next_id(connection, subscriptions)), else_=rows.c.theirs)
    return select(*(rows.c[column.name] for column in incoming.c), rows.c.verdict, rows.c.known, person, subscription)


def _next_id(connection: Connection, table: Table) -> ColumnElement[int]:
    """A number of its own for a new row of ``table``, as the database would give it: one that never was another's."""
    if connection.dialect.name == "postgresql":
        return func.nextval(cast(literal(f"{table.name}_id_seq"), REGCLASS))
    query = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = ?), 0)"
    last = connection.exec_driver_sql(query, (table.name,)).scalar_one()
    return literal(last, BigInteger) + func.row_number().over()


def _says(rows: FromClause, name: str) -> ColumnElement[bool]:
    return rows.c.says.bitwise_and(SAYS[name]) != 0


def _person_differs(rows: FromClause) -> ColumnElement[bool]:
    words = [and_(_says(rows, name), subscribers.c[name] != rows.c[name]) for name in PERSON]
    before, after = (merged(subscribers.c.fields, changes) for changes in (_NO_FIELDS, rows.c.fields))
    return or_(*words, and_(_says(rows, FIELDS), cast(before, Text) != cast(after, Text)))


def _choice_differs(rows: FromClause) -> ColumnElement[bool]:
    return or_(*(and_(_says(rows, name), subscriptions.c[name].is_distinct_from(rows.c[name])) for name in CHOICE))


def _moves(rows: FromClause) -> Iterator[ColumnElement[bool]]:
    """Whether a row moves its subscription: to active, to unsubscribed."""
    for state, event in ((_ACTIVE, SubscriptionEvent.CONFIRM), (_LEFT, SubscriptionEvent.UNSUBSCRIBE)):
        sources = states.sources(states.SUBSCRIPTION, event)
        yield and_(rows.c.state == state, subscriptions.c.state.in_(sources))


def _refused(connection: Connection) -> list[tuple[int, Verdict]]:
    query = select(_judged.c.number, _judged.c.verdict).where(_judged.c.verdict.in_(REFUSED))
    return [(number, Verdict(verdict)) for number, verdict in connection.execute(query)]


# --------------------------------------------------------------------------------------------- writing


def _bar(connection: Connection, now: datetime, source: str) -> None:
    """Suppress those of whom their list says that they bounced, complained or are blocked."""
    reason = case(*((_judged.c.state == state, why) for state, why in standing.SUPPRESSED.items()))
    moment = literal(now, suppressions.c.at.type)
    rows = select(_judged.c.address_key, _judged.c.address, reason, literal(source), moment)
    rows = rows.where(_judged.c.verdict == Verdict.BARRED).order_by(_judged.c.address_key)
    statement = insert_into(connection, suppressions)
    columns = ["address_key", "address", "reason", "note", "at"]
    connection.execute(statement.from_select(columns, rows).on_conflict_do_nothing())


def _add(
    connection: Connection, edition_id: int, now: datetime, source: str, agreed: str, wanted: int, elsewhere: int
) -> None:
    """Store the ``wanted`` who are new, ``elsewhere`` known from other editions, with the proof of their consent; in
    one order for all, so that two writers can't wait for each other."""
    new = _judged.c.verdict == Verdict.NEW
    moment = literal(now, subscribers.c.created_at.type)
    told = [_judged.c[name] for name in ("address_key", "address", *PERSON)]
    people = select(_judged.c.subscriber_id, *told, merged(_NO_FIELDS, _judged.c.fields), moment)
    people = people.where(new, _judged.c.known == 0).order_by(_judged.c.address_key)
    columns = ["id", *(column.name for column in told), FIELDS, "created_at"]
    reached(connection, Checkpoint.ADD_READERS)
    _insert(connection, insert_into(connection, subscribers).from_select(columns, people), wanted - elsewhere)
    given = [_judged.c[name] for name in ("state", *CHOICE)]
    theirs = select(_judged.c.subscription_id, _judged.c.subscriber_id, literal(edition_id), *given, moment).where(new)
    columns = ["id", "subscriber_id", "edition_id", *(column.name for column in given), "created_at"]
    statement = insert_into(connection, subscriptions).from_select(columns, theirs.order_by(_judged.c.subscriber_id))
    _insert(connection, statement, wanted)
    kind = case((_judged.c.state == _ACTIVE, "imported"), else_="unsubscribed")
    detail = case((_judged.c.proof == "", agreed), else_=literal(f"{agreed}; " if agreed else "") + _judged.c.proof)
    proof = select(_judged.c.subscription_id, kind, moment, literal(source), detail, _judged.c.ip)
    columns = ["subscription_id", "kind", "at", "source", "detail", "ip"]
    ordered = proof.where(new).order_by(_judged.c.subscription_id)
    reached(connection, Checkpoint.RECORD_CONSENT)
    connection.execute(insert(consent_events).from_select(columns, ordered))


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
    written = and_(_judged.c.known == 1, _judged.c.verdict.in_((Verdict.NEW, Verdict.CHANGED)))
    theirs = and_(_judged.c.subscriber_id == subscribers.c.id, written)
    held = select(subscribers.c.id).where(theirs, _person_differs(_judged)).order_by(subscribers.c.id)
    with _found_by(connection, "subscriber_id"):
        connection.execute(held.with_for_update(of=subscribers, key_share=True))  # in one order, as in _change
        connection.execute(update(subscribers).where(theirs, _person_differs(_judged)).values(values))


def _change(connection: Connection, now: datetime, source: str, agreed: str) -> list[Chosen]:
    """Change choices and states of those known, each by one guarded statement."""
    theirs = and_(subscriptions.c.id == _judged.c.subscription_id, _judged.c.verdict == Verdict.CHANGED)
    held = select(subscriptions.c.id).where(theirs).order_by(subscriptions.c.id)
    values = {name: case((_says(_judged, name), _judged.c[name]), else_=subscriptions.c[name]) for name in CHOICE}
    shown = [subscriptions.c[name] for name in CHOICE]
    chosen = update(subscriptions).where(theirs, _choice_differs(_judged)).values(values)
    ways = tuple(zip(_moves(_judged), (_ACTIVE, _LEFT), ("imported", "unsubscribed"), strict=True))
    with _found_by(connection, "subscription_id"):
        connection.execute(held.with_for_update(of=subscriptions))  # in the order in which workers take them
        changed = [Chosen(*row) for row in connection.execute(chosen.returning(subscriptions.c.id, *shown))]
        moved = {
            kind: list(
                connection.execute(
                    update(subscriptions)
                    .where(theirs, moves)
                    .values(state=state, confirm_due_at=None)
                    .returning(subscriptions.c.id)
                ).scalars()
            )
            for moves, state, kind in ways
        }
    for kind, ids in moved.items():
        _record(connection, ids, kind, now, source, agreed)
    return changed


@contextmanager
def _found_by(connection: Connection, column: str) -> Iterator[None]:
    """Let the judged rows be found by a column, and let them be read one after another: whichever table is read first,
    the other is not read once for each row."""
    if connection.dialect.name != "postgresql":
        yield
        return
    connection.execute(CreateIndex(Index(f"ix_judged_{column}", _judged.c[column]), if_not_exists=True))
    connection.exec_driver_sql("SET LOCAL enable_seqscan = on")
    yield
    connection.exec_driver_sql("SET LOCAL enable_seqscan = off")


def _record(connection: Connection, ids: Sequence[int], kind: str, now: datetime, source: str, agreed: str) -> None:
    """Prove that these became active or left, with what the rows say of their consent."""
    query = select(_judged.c.subscription_id, _judged.c.proof, _judged.c.ip)
    query = query.where(_judged.c.verdict == Verdict.CHANGED, or_(_judged.c.proof != "", _judged.c.ip != ""))
    more = {row.subscription_id: row for row in connection.execute(query)} if ids else {}
    consent.record(connection, [one for one in ids if one not in more], kind, now, source, agreed)
    for one in ids:
        if one in more:
            detail = "; ".join(filter(None, (agreed, more[one].proof)))
            consent.record(connection, [one], kind, now, source, detail, more[one].ip)
