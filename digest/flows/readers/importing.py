"""Readers from a file: each line checked by itself, thousands to a transaction, every line accounted for.

Cut short at any moment, an import can be run again: what it had stored is found unchanged, and the end is the same.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import islice
from types import MappingProxyType

from sqlalchemy import Connection

from digest.errors import InputError, NotFoundError
from digest.flows.readers import choices
from digest.flows.readers.rows import RowReader
from digest.readers import addresses
from digest.readers.exports.reading import Plan, plan
from digest.readers.exports.standing import Standing
from digest.readers.subscriptions import Choice
from digest.settings import FieldType
from digest.store.content import editions
from digest.store.database import Database
from digest.store.readers import bulk, consent, forgetting, imports, suppressions
from digest.store.readers.bulk import Chosen, Incoming, Verdict
from digest.store.readers.imports import Import, Reject
from digest.store.readers.rehearsal import rehearse
from digest.store.readers.subscribers import sections_of
from digest.tables import Row, Table
from digest.values import Rejected

CHUNK = 10_000
_SHOWN = 10
_FIGURES = {
    Verdict.NEW: "added",
    Verdict.BARRED: "added",
    Verdict.CHANGED: "changed",
    Verdict.SAME: "unchanged",
}
_UNCONFIRMED = "has not confirmed in the list they come from, so is not mailed; only the reader can sign up"
_REASONS = {
    Verdict.SUPPRESSED: "is suppressed",
    Verdict.ERASED: "was erased, so nothing of the line is kept",
    Verdict.LEFT: "has unsubscribed; only the reader can sign up again",
    Verdict.EXPIRED: "never confirmed a sign-up; only the reader can sign up again",
}
Prepare = Callable[[Connection], None]
Stored = tuple[Counter[str], list[Reject]]
Refused = Callable[[Collection[str]], Mapping[str, str]]
"""Those of some domains that take no mail, with the reason."""


def no_questions(_: Collection[str]) -> Mapping[str, str]:
    """Believes every domain."""
    return {}


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import came to: ``read`` = added + changed + unchanged + rejected, always. ``number`` names its record, 0
    if there is none; ``states`` counts the rows that could be read by what they say of their readers;
    ``first_rejected`` are some of the rejected rows."""

    number: int = 0
    read: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: int = 0
    states: Mapping[Standing, int] = field(default_factory=dict)
    first_rejected: tuple[Rejected, ...] = field(default=())

    def plus(self, figures: Mapping[str, int], rejects: Sequence[Reject], states: Mapping[Standing, int]) -> Imported:
        shown = [
            Rejected(f"line {one.line}", one.reason, one.row) for one in rejects[: _SHOWN - len(self.first_rejected)]
        ]
        sums = {name: getattr(self, name) + number for name, number in figures.items()}
        read = self.read + sum(figures.values())
        counted = {one: self.states.get(one, 0) + states.get(one, 0) for one in Standing}
        kept = {one: number for one, number in counted.items() if number}
        return replace(self, read=read, states=kept, first_rejected=(*self.first_rejected, *shown), **sums)


@dataclass(frozen=True, slots=True)
class _Task:
    """What stays the same from chunk to chunk."""

    edition_id: int
    reader: RowReader
    now: datetime
    source: str
    agreed: str
    number: int = 0
    begin: Prepare = forgetting.hold_off
    prepare: Prepare = lambda _: None
    refused: Refused = no_questions


def import_subscribers(
    database: Database,
    edition: str,
    rows: Iterable[Row | Rejected],
    now: datetime,
    *,
    source: str,
    agreed: str = "",
    declared: Mapping[str, FieldType] = MappingProxyType({}),
) -> Imported:
    """import: rows | check each | add, change or leave | proof of consent | report, without a record of its own.

    What a row says of columns and states: docs/subscribers.md. ``source`` (where from) and ``agreed`` (how the reader
    agreed) go into the proof of consent. Raises ``NotFoundError`` for an unknown edition.
    """
    with database.read() as connection:
        edition_id, spec = editions.require(connection, edition)
    task = _Task(edition_id, RowReader(spec, declared), now, source, agreed)
    return _run(task, rows, database.persist, int)


def import_table(
    database: Database,
    edition: str,
    table: Table,
    now: datetime,
    *,
    source: str,
    agreed: str,
    declared: Mapping[str, FieldType] = MappingProxyType({}),
    how: Plan | None = None,
    dry_run: bool = False,
    refused: Refused = no_questions,
    on_progress: Callable[[int], object] = int,
) -> Imported:
    """import: file | record | rows as ``import_subscribers`` has them. Rejected rows are kept with the record.

    ``how`` says what the table's columns mean, ``None``: as they are called. A ``dry_run`` comes to the same figures
    and leaves nothing behind. ``refused`` is asked for each chunk's domains.
    """
    records = (how or plan(table.columns, declared)).rows(table.records)
    with database.read() as connection:
        edition_id, spec = editions.require(connection, edition)
    task = _Task(edition_id, RowReader(spec, declared), now, source, agreed, refused=refused)
    if dry_run:
        with database.read() as connection:
            rehearsed = replace(task, begin=lambda _: None, prepare=rehearse(connection, edition_id))
            return _run(rehearsed, records, lambda store: store(connection), on_progress)
    with database.write() as connection:
        number = imports.begin(connection, edition_id, source, agreed, table.header, table.separator, now)
    done = _run(replace(task, number=number), records, database.persist, on_progress)
    with database.write() as connection:
        imports.end(connection, number, now)
    return done


def past(database: Database, limit: int = 20) -> list[Import]:
    """The newest imports."""
    with database.read() as connection:
        return imports.newest(connection, limit)


def rejects(database: Database, number: int) -> tuple[Import, Iterator[Reject]]:
    """An import with its rejected rows, read as they are taken. Raises ``NotFoundError``."""

    def rows() -> Iterator[Reject]:
        with database.read() as connection:
            yield from imports.rejects(connection, number)

    with database.read() as connection:
        found = imports.get(connection, number)
    if found is None:
        raise NotFoundError(f"no import {number}", "see `digest subscriber imports`")
    return found, rows()


def _run(
    task: _Task,
    rows: Iterable[Row | Rejected],
    persist: Callable[[Callable[[Connection], Stored]], Stored],
    on_progress: Callable[[int], object],
) -> Imported:
    done = Imported(task.number)
    for chunk in _chunks(task.reader, rows):
        faulty = list(chunk.faulty)
        rounds = _rounds(task, chunk, faulty)
        figures, rejected = persist(partial(_store_chunk, task=task, rounds=rounds, raw=chunk.raw, faulty=faulty))
        done = done.plus(figures, sorted(rejected, key=lambda one: one.line), chunk.states)
        on_progress(chunk.size)
    return done


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Rows that belong into one transaction: those that make sense by themselves, the others with what is wrong, the
    text of each by its line, and how many of each state."""

    size: int
    entries: Sequence[Incoming]
    faulty: Sequence[Reject]
    raw: Mapping[int, str]
    states: Counter[Standing]


def _chunks(reader: RowReader, rows: Iterable[Row | Rejected]) -> Iterator[_Chunk]:
    source = iter(rows)
    while chunk := _chunk(reader, source):
        yield chunk


def _chunk(reader: RowReader, source: Iterator[Row | Rejected]) -> _Chunk | None:
    taken = list(islice(source, CHUNK))
    if not taken:
        return None
    faulty = list[Reject]()
    entries = [entry for row in taken if (entry := _entry(reader, row, faulty))]
    counted = Counter(one.state for one in entries)
    states = Counter({Standing(state): number for state, number in counted.items()})
    raw = {row.line: row.raw for row in taken if isinstance(row, Row)}
    return _Chunk(len(taken), entries, faulty, raw, states)


def _store_chunk(
    connection: Connection,
    task: _Task,
    rounds: Sequence[dict[bytes, Incoming]],
    raw: Mapping[int, str],
    faulty: Sequence[Reject],
) -> Stored:
    """Store what makes sense of a chunk. Returns its figures and all its rejected rows."""
    task.begin(connection)
    figures, rejected = Counter[str](), _without_erased(connection, faulty)
    for entries in rounds:
        figures += _store(connection, task, entries, raw, rejected)
    figures["rejected"] = len(rejected)
    if task.number:
        imports.advance(connection, task.number, figures, rejected)
    return figures, rejected


def _without_erased(connection: Connection, rejected: Sequence[Reject]) -> list[Reject]:
    """Nothing is kept of a line that names somebody who was erased, whatever else is wrong with it."""
    named = [addresses.keys_in(f"{one.reason} {one.row}") for one in rejected]
    erased = suppressions.erased_among(connection, set().union(*named))
    return [
        Reject(one.line, _REASONS[Verdict.ERASED], "") if keys & erased else one
        for one, keys in zip(rejected, named, strict=True)
    ]


def _rounds(task: _Task, chunk: _Chunk, rejected: list[Reject]) -> list[dict[bytes, Incoming]]:
    """The rows that make sense, in rounds with each address once: of a file that names one twice, the last row wins.
    What is refused joins ``rejected``."""
    refused = task.refused({_domain(entry) for entry in chunk.entries}) if task.refused is not no_questions else {}
    rounds: list[dict[bytes, Incoming]] = []
    times = Counter[bytes]()
    for entry in chunk.entries:
        if entry.state == Standing.UNCONFIRMED:
            rejected.append(Reject(entry.number, _UNCONFIRMED, chunk.raw[entry.number]))
            continue
        if refused and (reason := refused.get(_domain(entry))):
            rejected.append(Reject(entry.number, f"{_domain(entry)} {reason}", chunk.raw[entry.number]))
            continue
        nth = times[entry.address_key]
        times[entry.address_key] += 1
        if nth == len(rounds):
            rounds.append({})
        rounds[nth][entry.address_key] = entry
    return rounds


def _entry(reader: RowReader, row: Row | Rejected, rejected: list[Reject]) -> Incoming | None:
    if isinstance(row, Rejected):
        rejected.append(Reject(int(row.where.removeprefix("line ")), row.reason, row.raw))
        return None
    try:
        return reader.read(row)
    except InputError as error:
        rejected.append(Reject(row.line, str(error), row.raw))
        return None


def _domain(entry: Incoming) -> str:
    return entry.address.rpartition("@")[2]


def _store(
    connection: Connection, task: _Task, entries: dict[bytes, Incoming], raw: Mapping[int, str], rejected: list[Reject]
) -> Counter[str]:
    """Store a round; what is refused joins ``rejected``. Returns the figures of the others."""
    done = bulk.apply(
        connection, task.edition_id, list(entries.values()), task.now, task.source, task.agreed, task.prepare
    )
    _prove(connection, done.chosen, task)
    rejected += [
        Reject(line, _REASONS[verdict], "" if verdict is Verdict.ERASED else raw[line])
        for line, verdict in done.refused
    ]
    figures = Counter[str]()
    for verdict, name in _FIGURES.items():
        figures[name] += done.counts.get(verdict, 0)
    return figures


def _prove(connection: Connection, chosen: Sequence[Chosen], task: _Task) -> None:
    """A line of proof for everyone whose choices were changed."""
    by_words: dict[str, list[int]] = defaultdict(list)
    for one in chosen:
        words = choices.described(Choice(one.cadence, sections_of(one.sections), one.hour, one.days))
        by_words[words].append(one.subscription_id)
    for words, ids in by_words.items():
        consent.record(connection, ids, "preferences", task.now, task.source, words)
