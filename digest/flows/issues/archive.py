"""archive : what anybody may read of editions that are public. Nothing here writes: issues enter when they go out.

Every function raises ``NotFoundError`` alike for an edition that is not there, one that is private, and an issue that
is not out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from digest.errors import NotFoundError
from digest.public import finding
from digest.public.archive import Entry
from digest.store.content import archive, editions
from digest.store.content.archive import Found
from digest.store.database import Database
from digest.values import Edition, IssueContent

PAGE = 30
_DEEPEST = 1000  # pages


@dataclass(frozen=True, slots=True)
class Shelf:
    """A page of an edition's issues, newest first. ``pages`` is 1 even where there is none yet."""

    edition: Edition
    issues: Sequence[Entry]
    page: int
    pages: int


@dataclass(frozen=True, slots=True)
class Results:
    """A page of what a search found; ``terms`` is what was looked for."""

    edition: Edition
    terms: list[str]
    found: Sequence[Found]
    total: int
    page: int
    pages: int


@dataclass(frozen=True, slots=True)
class Opened:
    """An issue with what the public may read of it, and its neighbours."""

    edition: Edition
    entry: Entry
    content: IssueContent
    before: Entry | None
    after: Entry | None


def shelf(database: Database, name: str, page: int = 1) -> Shelf:
    """A page of the issues of an edition."""
    with database.read() as connection:
        edition_id, edition = _public(connection, name)
        pages = _pages(archive.count(connection, edition_id))
        page = min(page, pages)
        return Shelf(edition, archive.newest(connection, edition_id, PAGE, PAGE * (page - 1)), page, pages)


def search(database: Database, name: str, query: str, page: int = 1) -> Results:
    """A page of the stories of an edition that ``query`` finds; nothing for a query without words."""
    terms, page = finding.terms(query), min(page, _DEEPEST)
    with database.read() as connection:
        edition_id, edition = _public(connection, name)
        found, total = archive.search(connection, edition_id, terms, PAGE, PAGE * (page - 1))
    return Results(edition, terms, found, total, page, _pages(total))


def opened(database: Database, name: str, slug: str) -> Opened:
    """An issue of an edition."""
    with database.read() as connection:
        edition_id, edition = _public(connection, name)
        entry = archive.find(connection, edition_id, slug)
        if entry is None:
            raise NotFoundError(f"no issue {slug} of {name}")
        content = archive.contents(connection, [entry.issue_id])[entry.issue_id]
        return Opened(edition, entry, content, *archive.neighbours(connection, edition_id, entry))


def newest(database: Database, name: str, limit: int) -> tuple[Edition, list[tuple[Entry, IssueContent]]]:
    """The newest issues of an edition with their contents."""
    with database.read() as connection:
        edition_id, edition = _public(connection, name)
        entries = archive.newest(connection, edition_id, limit)
        contents = archive.contents(connection, [entry.issue_id for entry in entries])
    return edition, [(entry, contents[entry.issue_id]) for entry in entries]


def overview(database: Database) -> list[tuple[Edition, Entry | None]]:
    """The public editions by name, each with its newest issue."""
    with database.read() as connection:
        opened = [(edition_id, edition) for edition_id, edition in editions.load_all(connection) if edition.public]
        newest = (archive.newest(connection, edition_id, 1) for edition_id, _ in opened)
        return [(edition, next(iter(entries), None)) for (_, edition), entries in zip(opened, newest, strict=True)]


def everything(database: Database) -> list[tuple[str, list[tuple[str, datetime]]]]:
    """The public editions' names, each with name and time of all its issues, newest first."""
    with database.read() as connection:
        opened = [(edition_id, edition) for edition_id, edition in editions.load_all(connection) if edition.public]
        return [(edition.name, list(archive.every(connection, edition_id))) for edition_id, edition in opened]


def _public(connection: Connection, name: str) -> tuple[int, Edition]:
    found = editions.load(connection, name) if name.isprintable() else None  # PostgreSQL refuses to compare NUL
    if found is None or not found[1].public:
        raise NotFoundError(f"no public edition {name!r}")
    return found


def _pages(total: int) -> int:
    return max(1, -(-total // PAGE))
