"""What imports came to: their figures as they go, and the rows that could not be taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update

from digest.store.checkpoints import Checkpoint, reached
from digest.store.schema import editions, import_rejects, imports

_MOST_KEPT = 10_000  # characters of a rejected row


@dataclass(frozen=True, slots=True)
class Import:
    """An import that was begun; ``ended_at`` is ``None`` while it runs, and for good if it was cut short. ``header`` is
    the first line of its file and ``separator`` what stands between values there."""

    id: int
    edition: str
    source: str
    consent: str
    header: str
    separator: str
    started_at: datetime
    ended_at: datetime | None
    added: int
    changed: int
    unchanged: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that could not be taken: where its record begins in the file, why, and the row as it stands there."""

    line: int
    reason: str
    row: str


def begin(
    connection: Connection, edition_id: int, source: str, consent: str, header: str, separator: str, now: datetime
) -> int:
    """A new import; its number."""
    values = {"edition_id": edition_id, "source": source, "consent": consent, "started_at": now}
    statement = insert(imports).values(**values, header=_kept(header), separator=separator)
    return int(connection.execute(statement.returning(imports.c.id)).scalar_one())


def advance(connection: Connection, import_id: int, figures: Mapping[str, int], rejects: Sequence[Reject]) -> None:
    """Add to an import's figures (added, changed, unchanged, rejected) and to its rejected rows."""
    values = {imports.c[name]: imports.c[name] + number for name, number in figures.items()}
    connection.execute(update(imports).where(imports.c.id == import_id).values(values))
    if rejects:
        rows = [
            {"import_id": import_id, "line": one.line, "reason": _kept(one.reason), "row": _kept(one.row)}
            for one in rejects
        ]
        reached(connection, Checkpoint.NOTE_REJECTS)
        connection.execute(insert(import_rejects), rows)


def end(connection: Connection, import_id: int, now: datetime) -> None:
    connection.execute(update(imports).where(imports.c.id == import_id).values(ended_at=now))


def get(connection: Connection, import_id: int) -> Import | None:
    row = connection.execute(_query().where(imports.c.id == import_id)).one_or_none()
    return _import(row) if row else None


def newest(connection: Connection, limit: int = 20) -> list[Import]:
    """The latest imports, the newest first."""
    return [_import(row) for row in connection.execute(_query().order_by(imports.c.id.desc()).limit(limit))]


def rejects(connection: Connection, import_id: int) -> Iterator[Reject]:
    """The rejected rows of an import as they stand in its file, fetched as they are taken."""
    query = select(import_rejects.c.line, import_rejects.c.reason, import_rejects.c.row)
    query = query.where(import_rejects.c.import_id == import_id).order_by(import_rejects.c.line)
    for row in connection.execute(query.execution_options(yield_per=1000)):
        yield Reject(*row)


def _query() -> Select[Any]:
    columns = [column for column in imports.c if column.name != "edition_id"]
    named = imports.join(editions, editions.c.id == imports.c.edition_id)
    return select(*columns, editions.c.name.label("edition")).select_from(named)


def _import(row: Row[Any]) -> Import:
    return Import(**row._asdict())


def _kept(text: str) -> str:
    """As a database takes it: PostgreSQL knows no NUL."""
    return text[:_MOST_KEPT].replace("\0", "\ufffd")
