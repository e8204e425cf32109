"""Stories: which articles tell the same news, and which of them is shown.

When articles come in, each joins a story or founds one (``assign``), for good. When an issue is composed, stories that
have turned out to be one are told as one (``fold``): two pieces of one paper, say, that a second paper's piece joins.
Precision goes before recall: a story joined to another is one a reader never sees, a story told twice is merely a
nuisance. What a paper itself runs as two pieces stays two, unless another paper tells both as one.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import combinations, product

from digest.editorial.similar import APART, UNDATED, Library
from digest.values import Article, ArticleDraft, Story

__all__ = ["APART", "Assignment", "Compared", "affairs", "assign", "fold", "lead", "region", "told_at"]

CLOSE = 0.4  # closeness from which on two articles tell one event
FOR_GOOD = 1.6  # how much more is asked at intake: what joins a story sent yesterday is not told today
CAUTION = 1.0  # how much more is asked where there are few articles, because all their words look rare
CAUTION_FADES = 25  # number of articles by which that is down to a third
NEIGHBOUR = 0.6  # of ``CLOSE``: enough for one that is close to a whole story
COMPANY = 0.6  # of ``CLOSE``: how close it must be to the story's articles on average, or chains would form
KIN = 0.45  # and of how close these are to each other: what is far less alike is another event of the same topic
AFFAIR = 0.3  # closeness of two that belong to one affair, which need not be one event
SURE = 1.0  # closeness beyond which more means nothing
_NOBODY: Mapping[str, int] = {}
LOOKED_AT = 12  # articles of a story, the newest, that others are compared with


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where a new article belongs: an existing story, or the new story of an earlier draft of the same call (its
    index), or, with both ``None``, a new story of its own."""

    story_id: int | None = None
    same_as: int | None = None


def assign(drafts: Sequence[ArticleDraft], recent: Sequence[Article]) -> list[Assignment]:
    """For each of ``drafts`` the story it belongs to, judged against ``recent`` (the articles of the last few days)
    and the drafts before it. Deterministic; linear in the number of articles but for words they share."""
    known = [article.draft for article in recent]
    library = Library([*known, *drafts], asking=len(known))
    cluster = [article.story_id for article in recent]  # new stories are -1 - index of their first draft
    members: dict[int, list[int]] = defaultdict(list)
    for position, article in enumerate(recent):
        members[article.story_id].append(position)
        library.admit(position)
    found: list[Assignment] = []
    for index in range(len(drafts)):
        position = len(known) + index
        story = _nearest(library, position, cluster, members)
        found.append(_assignment(story))
        own = -1 - index if story is None else story
        cluster.append(own)
        members[own].append(position)
        library.admit(position)
    return found


def _assignment(story: int | None) -> Assignment:
    if story is None:
        return Assignment()
    return Assignment(story_id=story) if story >= 0 else Assignment(same_as=-1 - story)


def _nearest(
    library: Library, position: int, cluster: Sequence[int], members: Mapping[int, Sequence[int]]
) -> int | None:
    """The story article ``position`` joins, the closest if there are several."""
    twin = library.twin(position)
    if twin is not None:
        return cluster[twin]
    least = _least(library) * FOR_GOOD
    candidates = dict.fromkeys(cluster[other] for other in library.near(position, least * NEIGHBOUR))
    ranked = [(_bond(library, [position], members[story], least), story) for story in candidates]
    bond, nearest = max(ranked, key=lambda pair: (pair[0], -abs(pair[1])), default=(0.0, 0))
    return nearest if bond else None


class Compared:
    """The articles of some stories, made comparable once for all that is asked of them. What is rare is rare among all
    of these."""

    def __init__(self, stories: Sequence[Story]) -> None:
        self.ids = frozenset(story.id for story in stories)
        self.articles = [article for story in stories for article in story.articles]
        self.at = {article.id: position for position, article in enumerate(self.articles)}
        self.likeness = Library([article.draft for article in self.articles])
        for position in range(len(self.articles)):
            self.likeness.admit(position)


def fold(stories: Sequence[Story], compared: Compared) -> list[Story]:
    """The stories with those made one that tell the same event. The oldest lends its id and its intake, so whoever was
    told a part of it has been told. In the order of ``stories``, which are among those ``compared``."""
    library = compared.likeness
    home = {compared.at[article.id]: story.id for story in stories for article in story.articles}
    groups: dict[int, list[int]] = defaultdict(list)  # story id -> positions of its articles
    for position, story_id in home.items():
        groups[story_id].append(position)
    least = _least(library)
    for one, two in _bonds(library, home, least * NEIGHBOUR):
        first, second = sorted((home[one], home[two]))
        if first != second and _bond(library, groups[first], groups[second], least):
            for position in groups[second]:
                home[position] = first
            groups[first] += groups.pop(second)
    by_id = {story.id: story for story in stories}
    return [_united(by_id[story.id], groups[story.id], compared.articles) for story in stories if story.id in groups]


def _bonds(library: Library, home: Mapping[int, int], least: float) -> list[tuple[int, int]]:
    """Pairs of articles of different stories that may be one, the closest first."""
    pairs = [
        (other, position)
        for position, story in home.items()
        for other in library.near(position, least)
        if home.get(other, story) != story
    ]
    return sorted(pairs, key=lambda pair: (-library.closeness(*pair), pair))


def affairs(stories: Sequence[Story], compared: Compared) -> dict[int, int]:
    """By story id, the affair it belongs to, of those that are not alone in theirs: what a paper runs in several
    pieces, and what came of it. An affair goes by the lowest id."""
    least = AFFAIR / CLOSE * _least(compared.likeness)
    told = {compared.at[story.lead.id]: story.id for story in stories}
    home = {story.id: story.id for story in stories}
    for position, story_id in told.items():
        for other in compared.likeness.near(position, least, own_source=True):
            first, second = sorted((home[story_id], home[told.get(other, story_id)]))
            if first != second:
                home.update({id_: first for id_, affair in home.items() if affair == second})
    sizes = Counter(home.values())
    return {id_: affair for id_, affair in home.items() if sizes[affair] > 1}


def _united(story: Story, positions: Sequence[int], articles: Sequence[Article]) -> Story:
    if len(positions) == len(story.articles):
        return story
    told = tuple(sorted((articles[position] for position in positions), key=lambda each: (each.intake, each.id)))
    return replace(story, intake=told[0].intake, first_seen=told[0].first_seen, lead=lead(told), articles=told)


def _least(library: Library) -> float:
    """How close two articles must be. More among few, where every word looks rare."""
    return CLOSE * (1 + CAUTION * math.exp(-len(library.texts) / CAUTION_FADES))


def _bond(library: Library, one: Sequence[int], two: Sequence[int], least: float) -> float:
    """How close two groups of articles are on average, 0 if they don't tell one event. Between lone articles this is
    their closeness; a story is asked for less from its nearest, and as much from all as they ask of each other."""
    one, two = one[-LOOKED_AT:], two[-LOOKED_AT:]
    between = list(product(one, two))
    best = max((library.closeness(a, b) for a, b in between if not library.same_source(a, b)), default=0.0)
    mean = sum(_closeness(library, a, b) for a, b in between) / len(between)
    alone = len(one) == len(two) == 1
    if best < least * (1.0 if alone else NEIGHBOUR) or mean < least * COMPANY:
        return 0.0
    return mean if mean >= KIN * max(_cohesion(library, one), _cohesion(library, two)) else 0.0


def _cohesion(library: Library, group: Sequence[int]) -> float:
    pairs = [_closeness(library, a, b) for a, b in combinations(group, 2)]
    return sum(pairs) / len(pairs) if pairs else 0.0


def _closeness(library: Library, one: int, two: int) -> float:
    return min(SURE, library.closeness(one, two))


def told_at(article: Article) -> datetime:
    """When an article came out; not after it was seen, whatever its own date says. One without a date may be anything,
    and is often an advertisement among dated news: it counts as ``UNDATED`` older than it was seen."""
    return min(article.draft.published or article.first_seen - UNDATED, article.first_seen)


def region(story: Story) -> str:
    """The tag behind a trending headline: the story's country, "Global" if it has several, "" if none is known."""
    countries = {name.casefold(): name for article in story.articles for name in article.draft.countries}
    if len(countries) > 1:
        return "Global"
    return next(iter(countries.values()), "")


def lead(articles: Sequence[Article], preferred: Mapping[str, int] = _NOBODY) -> Article:
    """The article that stands for a story: with standfirst and picture if one has both, then of the source that is
    preferred (a place by feed name, 0 first), then the latest word."""

    def order(article: Article) -> tuple[int, int, float, int]:
        draft = article.draft
        fullness = bool(draft.standfirst) + (draft.image is not None)
        place = preferred.get(article.feed, len(preferred))
        return -fullness, place, -told_at(article).timestamp(), -article.id

    return min(articles, key=order) if len(articles) > 1 else articles[0]
