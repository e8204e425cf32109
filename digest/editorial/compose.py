"""Which stories an issue holds. No clock, no store: plain decisions.

A section keeps more candidates than it shows, since what a reader has had already, or sees in an earlier section,
makes room for the next. How many more follows from the cut-offs (the ``covered_until`` numbers readers stand at), so
that each of them gets exactly the best ``count``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby

from digest.editorial import ranking
from digest.editorial import stories as news
from digest.editorial.ranking import Ranked, Signals
from digest.editorial.stories import Compared
from digest.values import LONG_AGO, Edition, Issue, IssueContent, Item, Kind, Reason, Rule, Section, Story

NEXT = 5  # stories behind a section's last one whose reasons are kept
SHORTLIST = 200  # stories of each section that are looked at for being told twice; nobody gets further down


@dataclass(frozen=True, slots=True)
class Slot:
    """The moment that an issue is for, of an edition's cadence; and for whom: for everybody, or a ``segment``."""

    cadence: str
    at: datetime
    segment: str = ""

    @classmethod
    def of(cls, issue: Issue) -> Slot:
        return cls(issue.cadence, issue.slot, issue.segment)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where readers stand, as intakes up to which they have been served. An issue is new from ``covers_from`` to
    ``covers_until``. ``cutoffs``: where its readers stand that do not stand at ``covers_from``; ``ahead``: where they
    may come to stand before it goes out. Reasons are kept of what somebody gets who stands at ``explained``; at
    ``covers_from`` unless given."""

    covers_from: int
    covers_until: int
    cutoffs: Collection[int] = ()
    ahead: Collection[int] = ()
    explained: int | None = None

    @property
    def levels(self) -> list[int]:
        """Everywhere that readers stand now, the lowest first."""
        return sorted({self.covers_from, *self.cutoffs})


@dataclass(frozen=True, slots=True)
class Editing:
    """What editors have done and may do: stories ``dropped`` from earlier issues, each with the intake up to which that
    holds; and how many more they can drop (``spare``) before a section gets shorter."""

    dropped: Mapping[int, int] = field(default_factory=dict)
    spare: int = 0


_NO_EDITING = Editing()


def compose(
    edition: Edition,
    slot: Slot,
    stories: Sequence[Story],
    standing: Standing,
    now: datetime,
    signals: Signals = ranking.NONE,
    editing: Editing = _NO_EDITING,
) -> IssueContent:
    """Freeze what an issue can show. ``stories`` must hold every story with an intake above the lowest level. A reader
    who stands at any level, or ahead, gets the best ``count`` of each section; even if editors drop the spare stories.
    What is told as one with a dropped story goes with it."""
    levels = standing.levels
    stories = [_caught_up(story, levels[0]) for story in stories if story.intake <= standing.covers_until]
    weights = {feed.name: feed.weight for feed in edition.feeds if feed.weight}
    signals = replace(signals, weights=weights | dict(signals.weights))
    compared = compare(stories, shortlist(edition, stories, now, signals))
    told = tell_once(edition, stories, levels, compared)
    known = [story for story in told if story.intake > editing.dropped.get(story.id, 0)]
    affairs = news.affairs([story for story in known if story.id in compared.ids], compared)
    ranked = rank(edition, known, now, replace(signals, affairs=affairs))
    depth, candidates, deep = editing.spare, [], sorted({*levels, *standing.ahead})
    for section in edition.sections:
        depth += section.count
        room = max(depth, _as_filler(edition, section) + editing.spare)
        candidates.append(_deep_enough([story for story, _ in ranked[section.key]], room, deep))
    used = {story_id for ids in candidates for story_id in ids}
    titles = {feed.name: feed.title or (feed.name if feed.url else "") for feed in edition.feeds}
    return IssueContent(
        edition=edition,
        cadence=slot.cadence,
        slot=slot.at,
        covers_from=standing.covers_from,
        covers_until=standing.covers_until,
        items={story.id: _item(story, titles) for story in known if story.id in used},
        candidates=tuple(candidates),
        reasons=_reasons(edition, ranked, standing.covers_from if standing.explained is None else standing.explained),
    )


def _reasons(edition: Edition, ranked: Mapping[str, Ranked], cutoff: int) -> tuple[tuple[Reason, ...], ...]:
    """Per section, best first: what a reader at ``cutoff`` gets who chose everything, what they got in an earlier
    section already, and the next few."""
    told = set[int]()
    return tuple(_reached(ranked[section.key], section.count, cutoff, told) for section in edition.sections)


def _reached(ranked: Ranked, count: int, cutoff: int, told: set[int]) -> tuple[Reason, ...]:
    """As far as a section's list is looked at for its ``count`` stories and the next few; the former are then told."""
    reached, own = list[Reason](), list[int]()
    for story, points in ranked:
        if len(own) == count + NEXT:
            break
        if story.is_for(cutoff):
            parts = {name: round(value, 3) for name, value in points.parts if round(value, 3)}
            reached.append(Reason(story.id, story.lead.draft.title, parts))
            own += [story.id] if story.id not in told else []
    told.update(own[:count])
    return tuple(reached)


def _caught_up(story: Story, lowest: int) -> Story:
    """A reader below the lowest cut-off catches up from there: they get the updates of what came before."""
    return replace(story, told=LONG_AGO) if 0 < story.told <= lowest else story


def is_empty(content: IssueContent) -> bool:
    """Whether the issue has nothing new: no candidate that came in after the issue before it."""
    return not any(item.is_for(content.covers_from) for item in content.items.values())


def compare(stories: Sequence[Story], listed: Collection[int]) -> Compared:
    """Those of the ``listed`` that may be told as one. Not updates: a story and its update have different readers."""
    return Compared([story for story in _in_time(stories) if story.id in listed and not story.told])


def _in_time(stories: Sequence[Story]) -> list[Story]:
    return sorted(stories, key=lambda story: (story.intake, story.id))


def tell_once(edition: Edition, stories: Sequence[Story], levels: Sequence[int], compared: Compared) -> list[Story]:
    """The stories, with those of the ``compared`` told as one that are one, each shown by the edition's best article.
    Only what came in between the same two cut-offs is joined: what a reader was told yesterday must not swallow what is
    new today. Updates stand for themselves: only some readers of their band get them."""
    told: list[Story] = []
    for _, together in groupby(_in_time(stories), key=lambda story: bisect_left(levels, story.intake)):
        band = list(together)
        joined = [story for story in band if story.id in compared.ids]
        told += news.fold(joined, compared)
        told += [story for story in band if story.id not in compared.ids]
    preferred = {feed.name: place for place, feed in enumerate(edition.feeds)}
    return [story if story.told else _with_best_lead(story, preferred) for story in told]


def shortlist(edition: Edition, stories: Sequence[Story], now: datetime, signals: Signals = ranking.NONE) -> set[int]:
    """The ids of those that any section could show."""
    merits = by_merit(edition, stories, now, signals)
    best = (_opened(section, merits[section.key])[:SHORTLIST] for section in edition.sections)
    return {story.id for ranked in best for story, _ in ranked}


def _with_best_lead(story: Story, preferred: Mapping[str, int]) -> Story:
    return replace(story, lead=news.lead(story.articles, preferred)) if len(story.articles) > 1 else story


def rank(
    edition: Edition, stories: Sequence[Story], now: datetime, signals: Signals = ranking.NONE
) -> dict[str, Ranked]:
    """Per section key the stories it may show with their scores, best first: which are the reasons an editor sees.

    The lead section puts those with a picture first; latest is in order of time alone; elsewhere, no source, no topic
    and no affair may flood."""
    merits = by_merit(edition, stories, now, signals)
    return {
        section.key: merits[section.key]
        if section.rule is Rule.LATEST
        else _opened(section, ranking.varied(merits[section.key], signals.affairs))
        for section in edition.sections
    }


def by_merit(edition: Edition, stories: Sequence[Story], now: datetime, signals: Signals) -> dict[str, Ranked]:
    """Per section key the stories it may show, each where its own score puts it."""
    seen = replace(signals, places={**ranking.places(stories), **signals.places})
    best = ranking.best_first((story, ranking.score(story, now, seen)) for story in stories)
    apart = {Kind.SHORT.value}.union(*(s.match for s in edition.sections if s.rule is Rule.KIND))
    merits: dict[str, Ranked] = {}
    for section in edition.sections:
        eligible = _eligible(best, section, apart)
        match section.rule:
            case Rule.LATEST:
                eligible = ranking.best_first((story, ranking.recency(story, now)) for story, _ in eligible)
            case Rule.TRENDING:
                eligible = ranking.best_first((story, ranking.trend(story, now, signals)) for story, _ in eligible)
        merits[section.key] = eligible
    return merits


def _opened(section: Section, ranked: Ranked) -> Ranked:
    """The lead section opens an issue, so it begins with those that have a picture."""
    return ranking.first_pictured(ranked) if section.rule is Rule.LEAD else ranked


def _eligible(scored: Ranked, section: Section, apart: Collection[str]) -> Ranked:
    """What ``section``'s rule takes, but for the kinds it leaves out. Pieces of a kind that has a section of its own
    (``apart``) stand there, not among the leading and trending news."""
    if section.except_kinds:
        scored = [each for each in scored if each[0].lead.draft.kind not in section.except_kinds]
    match section.rule:
        case Rule.LEAD | Rule.TRENDING:
            return [each for each in scored if each[0].lead.draft.kind not in apart]
        case Rule.LATEST:
            return scored
        case Rule.KIND:
            return [each for each in scored if each[0].lead.draft.kind in section.match]
        case Rule.SECTOR:
            return [each for each in scored if not _words(each[0]).isdisjoint(section.match)]
        case Rule.REGION:
            return [each for each in scored if not _countries(each[0]).isdisjoint(section.match)]


def _words(story: Story) -> set[str]:
    """Sectors and tags that any article of the story carries."""
    drafts = [article.draft for article in story.articles]
    return {draft.sector for draft in drafts if draft.sector}.union(*(draft.tags for draft in drafts))


def _countries(story: Story) -> set[str]:
    return {country.lower() for article in story.articles for country in article.draft.countries}


def _as_filler(edition: Edition, section: Section) -> int:
    """How deep ``section`` must be to be shown to those whose mail is thin: it has its own count left even if it
    holds all they get."""
    return section.count + edition.thin - 1 if section.key == edition.fallback else 0


def _deep_enough(ranked: Sequence[Story], depth: int, levels: Iterable[int]) -> tuple[int, ...]:
    """The best ``depth`` above each cut-off, together, in rank order. ``depth`` is the section's own count and all
    earlier ones': even if every earlier section took from these, its own count is left."""
    kept: set[int] = set()
    for level in levels:
        room = depth
        for story in ranked:
            if not room:
                break
            if story.is_for(level):
                kept.add(story.id)
                room -= 1
    return tuple(story.id for story in ranked if story.id in kept)


def _item(story: Story, titles: dict[str, str]) -> Item:
    draft = story.lead.draft
    source = titles.get(story.lead.feed, story.lead.feed)
    also = (titles.get(feed, feed) for feed in story.sources if feed != story.lead.feed)
    return Item(
        story_id=story.id,
        intake=story.intake,
        title=draft.title,
        url=draft.url,
        standfirst=draft.standfirst,
        byline=draft.byline,
        place=draft.place,
        agency=draft.agency,
        region=news.region(story),
        source=source,
        sector=draft.sector,
        kind=draft.kind,
        image=draft.image,
        published=draft.published,
        updated=draft.updated,
        also=tuple(name for name in also if name),
        told=story.told,
    )
