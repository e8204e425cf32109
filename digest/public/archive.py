"""What the public may read of an issue: what a reader of all sections got, without anything that is a reader's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from digest.codec import codec
from digest.editions.subjects import subject
from digest.editorial.variants import choose
from digest.language.text import shorten
from digest.values import CompiledIssue, Image, IssueContent, Item

_SUMMARY_MOST = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """An issue as the archive lists it. ``slug`` is its name in addresses, ``published_at`` when it began to go out."""

    issue_id: int
    slug: str
    cadence: str
    slot: datetime
    title: str
    summary: str
    image: Image | None
    published_at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """A story as an issue told it, under the title of its section."""

    section: str
    item: Item


def public(content: IssueContent) -> IssueContent:
    """``content`` cut down to what a reader of all sections got, who had nothing before it."""
    shown = choose(content, None, None).shown
    sections = tuple(content.edition.sections[index] for index, _ in shown)
    return replace(
        content,
        edition=replace(content.edition, sections=sections, feeds=(), schedules=()),
        items={story_id: content.items[story_id] for _, ids in shown for story_id in ids},
        candidates=tuple(ids for _, ids in shown),
        reasons=(),
    )


def titled(content: IssueContent, compiled: CompiledIssue) -> IssueContent:
    """A public content with its editor's subject, if it has one, as its readers got it: placeholders filled in."""
    first, *others = (one.item for one in told(content))
    return replace(
        content, subjects=tuple(subject(written, compiled, first, len(others)) for written in content.subjects)
    )


def told(content: IssueContent) -> list[Told]:
    """The stories of a public content, in order."""
    sections = zip(content.edition.sections, content.candidates, strict=True)
    return [Told(section.title, content.items[story_id]) for section, ids in sections for story_id in ids]


def entry(issue_id: int, slug: str, content: IssueContent, published_at: datetime) -> Entry:
    """How the archive lists the issue of a public content: as its editor titled it, or else under its first headline,
    with the next ones for a summary."""
    first, *others = (one.item for one in told(content))
    title = content.subjects[0] if content.subjects else first.title
    summary = content.preheader or " · ".join(item.title for item in others[:4]) or first.standfirst
    image = first.image or next((item.image for item in others if item.image), None)
    return Entry(
        issue_id, slug, content.cadence, content.slot, title, shorten(summary, _SUMMARY_MOST), image, published_at
    )


def slugs(content: IssueContent, issue_id: int) -> Iterator[str]:
    """Names for the issue's page, the shortest first: its day, with the cadence unless it is the usual one; with the
    hour, where a day has several; with its number."""
    local = content.slot.astimezone(ZoneInfo(content.edition.time_zone))
    usual = content.cadence == content.edition.default_cadence
    day = local.date().isoformat() + ("" if usual else f"-{content.cadence}")
    yield from (day, f"{day}-{local:%H%M}", f"{day}-issue-{issue_id}")


def dumps(content: IssueContent) -> str:
    """``content`` as JSON, for the store."""
    return codec(IssueContent).dump_json(content, exclude_defaults=True).decode()


def loads(text: str) -> IssueContent:
    """What ``dumps`` wrote."""
    return codec(IssueContent).validate_json(text)
