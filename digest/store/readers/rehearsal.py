"""Trying out: what a connection writes about readers goes to temporary copies under the tables' own names, which hide
the real ones and end with it. Only the rows that are named get copied, nothing is locked, no number is used up."""

from __future__ import annotations

from functools import partial
from typing import Any

from sqlalchemy import Column, Connection, Identity, MetaData, Table, UniqueConstraint, func, select

from digest.store.readers.bulk import incoming
from digest.store.schema import consent_events, subscribers, subscriptions, suppressions
from digest.store.upsert import insert_into

_FIRST_ID = 2**40  # of new rows in the copies: beyond all that are copied
_UNIQUE = {
    subscribers: ("address_key",),
    subscriptions: ("subscriber_id", "edition_id"),
    consent_events: (),
    suppressions: ("address_key",),
}


def rehearse(connection: Connection, edition_id: int) -> partial[None]:
    """Begin a rehearsal on this connection, to be ended by giving it back without a commit. Returns what is to be
    called when rows lie in ``incoming``: it copies what the real tables hold about them."""
    home = _home(connection)
    copies = MetaData()
    for table in _UNIQUE:
        _copy_of(table, copies).create(connection, checkfirst=False)
        if connection.dialect.name == "sqlite" and "id" in table.c:
            _number_from(connection, table)
    return partial(_copy_known, edition_id=edition_id, home=home)


def _home(connection: Connection) -> str:
    """The schema that the real tables stand in."""
    if connection.dialect.name == "sqlite":
        return "main"
    return str(connection.execute(select(func.current_schema())).scalar_one())


def _copy_of(table: Table, copies: MetaData) -> Table:
    """The table without references, for those to real tables are not allowed, and without rows."""
    columns: list[Any] = []
    if "id" in table.c:
        columns = [Column("id", table.c.id.type, Identity(start=_FIRST_ID), primary_key=True)]
    for column in table.columns:
        if column.name != "id":
            default: Any = column.server_default
            columns.append(
                Column(column.name, column.type, nullable=column.nullable, server_default=default and default.arg)
            )
    columns += [UniqueConstraint(*_UNIQUE[table])] if _UNIQUE[table] else []
    return Table(table.name, copies, *columns, prefixes=["TEMPORARY"], sqlite_autoincrement="id" in table.c)


def _number_from(connection: Connection, table: Table) -> None:
    """SQLite counts on from the highest number there has been."""
    row = {column.name: "" for column in table.columns if not column.nullable} | {"id": _FIRST_ID}
    marks = ", ".join(f":{name}" for name in row)
    connection.exec_driver_sql(f"INSERT INTO temp.{table.name} ({', '.join(row)}) VALUES ({marks})", row)  # noqa: S608
    connection.exec_driver_sql(f"DELETE FROM temp.{table.name}")  # noqa: S608


def _copy_known(connection: Connection, *, edition_id: int, home: str) -> None:
    """Copy what the real tables hold about the incoming rows, where it has not been copied before."""
    metadata = MetaData()
    people = subscribers.to_metadata(metadata, schema=home)
    theirs = subscriptions.to_metadata(metadata, schema=home)
    barred = suppressions.to_metadata(metadata, schema=home)
    given = select(incoming.c.address_key)
    named = people.c.address_key.in_(given)
    joined = theirs.join(people, people.c.id == theirs.c.subscriber_id)
    for table, rows in (
        (suppressions, select(barred).where(barred.c.address_key.in_(given))),
        (subscribers, select(people).where(named)),
        (subscriptions, select(theirs).select_from(joined).where(named, theirs.c.edition_id == edition_id)),
    ):
        statement = insert_into(connection, table).from_select(table.columns.keys(), rows)
        connection.execute(statement.on_conflict_do_nothing())
