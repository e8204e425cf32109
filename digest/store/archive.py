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
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
)

from digest import archive
from digest.archive import Entry
from digest.finding import comparable
from digest.store.schema import archive_issues, archive_stories
from digest.values import Image, Issue, IssueContent

_issues, _stories = archive_issues.c, archive_stories.c
_LISTED = [column for column in archive_issues.columns if column.name not in {"edition_id", "content"}]


@dataclass(frozen=True, slots=True)
class Found:
    """A story that a search found, with the issue that told it, the last one if several did."""

    title: str
    standfirst: str
    url: str
    section: str
    slug: str
    slot: datetime


def put(connection: Connection, issue: Issue, content: IssueContent, now: datetime) -> None:
    """Add an issue that begins to go out; ``content`` is what the public may read of it."""
    slug = next(slug for slug in archive.slugs(content, issue.id) if not _taken(connection, issue.edition_id, slug))
    entry = archive.entry(issue.id, slug, content, now)
    row = asdict(entry) | {"edition_id": issue.edition_id, "content": archive.dumps(content)}
    connection.execute(insert(archive_issues).values(row))
    rows = [
        {
            "issue_id": issue.id,
            "position": position,
            "story_id": told.item.story_id,
            "section": told.section,
            "title": told.item.title,
            "standfirst": told.item.standfirst,
            "url": told.item.url,
            "title_words": comparable(told.item.title),
            "other_words": comparable(told.item.standfirst),
        }
        for position, told in enumerate(archive.told(content))
    ]
    connection.execute(insert(archive_stories), rows)


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
    in_title = [_stands(connection, _stories.title_words, term) for term in terms]
    in_other = [_stands(connection, _stories.other_words, term) for term in terms]
    latest = func.row_number().over(partition_by=_stories.story_id, order_by=_stories.issue_id.desc())
    score: ColumnElement[int] = sum((case((hit, 1), else_=0) for hit in in_title), literal(0))
    hits = (
        select(archive_stories, _issues.slug, _issues.slot, score.label("score"), latest.label("latest"))
        .join(archive_issues, _issues.issue_id == _stories.issue_id)
        .where(_issues.edition_id == edition_id)
        .where(and_(*(or_(*pair) for pair in zip(in_title, in_other, strict=True))))
        .subquery()
    )
    best = (hits.c.score.desc(), hits.c.slot.desc(), hits.c.issue_id.desc(), hits.c.position)
    once = select(hits, func.count().over().label("all")).where(hits.c.latest == 1)
    rows = connection.execute(once.order_by(*best).limit(limit).offset(skip)).all()
    found = [Found(row.title, row.standfirst, row.url, row.section, row.slug, row.slot) for row in rows]
    return found, rows[0].all if rows else 0


def every(connection: Connection, edition_id: int) -> Iterator[tuple[str, datetime]]:
    """Name and time of all issues, newest first."""
    listed = _newest(edition_id).with_only_columns(_issues.slug, _issues.published_at)
    return ((row.slug, row.published_at) for row in connection.execute(listed))


def _stands(connection: Connection, words: ColumnElement[str], term: str) -> ColumnElement[bool]:
    """Whether ``term`` stands in ``words``. Not LIKE: nothing in a term has a meaning of its own here."""
    position = func.strpos if connection.dialect.name == "postgresql" else func.instr
    return position(words, term) > 0


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
