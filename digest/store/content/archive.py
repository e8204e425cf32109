"""The public archive: the issues that went out, and the stories they told, to be found by their words.

Whether an edition's archive is open is the edition's to say, at the moment somebody asks. An issue enters when it
begins to go out and leaves when it is cancelled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    tuple_,
)

from digest.public import archive
from digest.public.archive import Entry, Told
from digest.public.finding import searchable
from digest.store.schema import archive_issues, archive_stories
from digest.values import Image, Issue, IssueContent, Item

_issues, _stories = archive_issues.c, archive_stories.c
_LISTED = [column for column in archive_issues.columns if column.name not in {"edition_id", "content"}]


@dataclass(frozen=True, slots=True)
class Found:
    """A story that a search found, and the issue that told it, the last one if several did."""

    told: Told
    entry: Entry


def put(connection: Connection, issue: Issue, content: IssueContent, now: datetime) -> None:
    """Add an issue that begins to go out; ``content`` is what the public may read of it."""
    slug = next(slug for slug in archive.slugs(content, issue.id) if not _taken(connection, issue.edition_id, slug))
    entry = archive.entry(issue.id, slug, content, now)
    row = asdict(entry) | {"edition_id": issue.edition_id, "content": archive.dumps(content)}
    connection.execute(insert(archive_issues).values(row))
    rows = [
        {"issue_id": issue.id, "position": position, "story_id": one.item.story_id, **_findable(one.item)}
        for position, one in enumerate(archive.told(content))
    ]
    connection.execute(insert(archive_stories), rows)


def _findable(item: Item) -> dict[str, Any]:
    headline = searchable(item.title)
    return {"words": f"{headline}\n{searchable(item.standfirst)}", "headline": len(headline)}


def withdraw(connection: Connection, issue_id: int) -> None:
    """Take an issue out again."""
    connection.execute(delete(archive_issues).where(_issues.issue_id == issue_id))


def count(connection: Connection, edition_id: int) -> int:
    return connection.execute(select(func.count()).where(_issues.edition_id == edition_id)).scalar_one()


def newest(connection: Connection, edition_id: int, limit: int, skip: int = 0) -> list[Entry]:
    """An edition's issues, newest first."""
    return [_entry(row) for row in connection.execute(_newest(edition_id).limit(limit).offset(skip))]


def contents(connection: Connection, issue_ids: Sequence[int]) -> dict[int, IssueContent]:
    """What the public may read of these issues."""
    rows = connection.execute(select(_issues.issue_id, _issues.content).where(_issues.issue_id.in_(issue_ids)))
    return {row.issue_id: archive.loads(row.content) for row in rows}


def find(connection: Connection, edition_id: int, slug: str) -> Entry | None:
    row = connection.execute(select(*_LISTED).where(_issues.edition_id == edition_id, _issues.slug == slug))
    return next(map(_entry, row), None)


def neighbours(connection: Connection, edition_id: int, entry: Entry) -> tuple[Entry | None, Entry | None]:
    """The issue before and the one after, if there are."""
    here, there = tuple_(_issues.slot, _issues.issue_id), tuple_(literal(entry.slot, _issues.slot.type), entry.issue_id)
    mine = select(*_LISTED).where(_issues.edition_id == edition_id).limit(1)
    before = mine.where(here < there).order_by(_issues.slot.desc(), _issues.issue_id.desc())
    after = mine.where(here > there).order_by(_issues.slot, _issues.issue_id)
    return _one(connection, before), _one(connection, after)


def search(
    connection: Connection, edition_id: int, terms: Sequence[str], limit: int, skip: int = 0
) -> tuple[list[Found], int]:
    """The stories in whose headline or standfirst all ``terms`` (``finding.terms``) stand, and how many there are.
    Those with most of them in the headline come first, among these the newest. Looks at every story of the edition:
    0.1 s for a hundred thousand, and no index that two databases would fill differently."""
    if not terms:
        return [], 0
    find = func.strpos if connection.dialect.name == "postgresql" else func.instr
    places = [find(_stories.words, term) for term in terms]  # not LIKE: nothing in a term has a meaning of its own
    score: ColumnElement[int] = sum((case((place <= _stories.headline, 1), else_=0) for place in places), literal(0))
    last = func.row_number().over(partition_by=_stories.story_id, order_by=_stories.issue_id.desc())
    hits = (
        select(_stories.issue_id, _stories.position, score.label("score"), last.label("last"))
        .where(_stories.issue_id.in_(select(_issues.issue_id).where(_issues.edition_id == edition_id)))
        .where(*(place > 0 for place in places))
        .subquery()
    )
    best = (hits.c.score.desc(), hits.c.issue_id.desc(), hits.c.position)
    once = select(hits.c.issue_id, hits.c.position, func.count().over().label("total")).where(hits.c.last == 1)
    rows = connection.execute(once.order_by(*best).limit(limit).offset(skip)).all()
    return _found(connection, [(row.issue_id, row.position) for row in rows]), rows[0].total if rows else 0


def _found(connection: Connection, places: Sequence[tuple[int, int]]) -> list[Found]:
    """The stories at these places of these issues."""
    ids = {issue_id for issue_id, _ in places}
    entries = connection.execute(select(*_LISTED).where(_issues.issue_id.in_(ids)))
    by_id = {entry.issue_id: entry for entry in map(_entry, entries)}
    told = {issue_id: archive.told(content) for issue_id, content in contents(connection, sorted(ids)).items()}
    return [Found(told[issue_id][position], by_id[issue_id]) for issue_id, position in places]


def every(connection: Connection, edition_id: int) -> Iterator[tuple[str, datetime]]:
    """Name and time of all issues, newest first."""
    listed = _newest(edition_id).with_only_columns(_issues.slug, _issues.published_at)
    return ((row.slug, row.published_at) for row in connection.execute(listed))


def _taken(connection: Connection, edition_id: int, slug: str) -> bool:
    there = exists().where(_issues.edition_id == edition_id, _issues.slug == slug)
    return bool(connection.execute(select(there)).scalar_one())


def _newest(edition_id: int) -> Select[Any]:
    newest_first = (_issues.slot.desc(), _issues.issue_id.desc())
    return select(*_LISTED).where(_issues.edition_id == edition_id).order_by(*newest_first)


def _one(connection: Connection, query: Select[Any]) -> Entry | None:
    return next(map(_entry, connection.execute(query)), None)


def _entry(row: Row[Any]) -> Entry:
    fields = row._asdict()
    return Entry(**fields | {"image": Image(**fields["image"]) if fields["image"] else None})
