"""How much a story matters, in parts that can be named, and in what order a section shows its stories.

All parts add up, in one unit: 1 is what a day of age takes away. So each part can be read as a number of days: told by
two sources instead of one makes up for a day, a picture for six hours.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from itertools import chain

from digest.editorial.stories import told_at
from digest.values import Article, Story

HALF_LIFE = timedelta(hours=24)
HEAT_HALF_LIFE = timedelta(hours=6)
PICTURE = 0.25
STANDFIRST = 0.15
TOP_OF_FEED = 0.5  # for what a source puts first; half of it five places further down
PLACES_PER_HALF = 5
CLICKS = 0.1  # per doubling of the clicks
REPEATED = 0.35  # taken for each story further up that has the same source, and again for the same topic
REPEATS = 4  # stories further up that count at most: in a long list merit decides
REPEATED_AFFAIR = 1.0  # and for each that belongs to the same affair
VARIED = 100  # stories of a section that are mixed, of twice as many; few readers get further down

Ranked = list[tuple[Story, "Score"]]
_Shared = tuple[str, str, float]


@dataclass(frozen=True, slots=True)
class Score:
    """Why a story stands where it stands. ``total`` orders; ``heat`` is for trending, the others for the rest."""

    freshness: float = 0.0  # 0 for what has just come out
    sources: float = 0.0  # log2(1 + log2(number of sources)): 1 for two, 1.6 for four, 2 for eight
    fullness: float = 0.0  # has a picture, has a standfirst
    place: float = 0.0  # how far up its sources have it
    editor: float = 0.0  # the weight the editor gave its sources, or the story itself
    clicks: float = 0.0  # what readers of earlier issues opened
    heat: float = 0.0  # log2 of the tellings per hour of late
    variety: float = 0.0  # below 0: stories of the same source, topic or affair stand further up

    @property
    def total(self) -> float:
        """The sum of all parts."""
        lasting = self.freshness + self.sources + self.fullness + self.place
        return lasting + self.editor + self.clicks + self.heat + self.variety

    @property
    def parts(self) -> tuple[tuple[str, float], ...]:
        """The parts by name."""
        return tuple((part.name, getattr(self, part.name)) for part in fields(self))

    def __str__(self) -> str:
        """The sum as an editor reads it: ``+0.87 = sources +1.00, freshness -0.13``, the weightiest first."""
        told = sorted((part for part in self.parts if round(part[1], 2)), key=lambda part: -abs(part[1]))
        return f"{self.total:+.2f} = " + (", ".join(f"{name} {value:+.2f}" for name, value in told) or "nothing")


@dataclass(frozen=True, slots=True)
class Signals:
    """What is known beside the articles. ``places``: by article id, how many its source put before it when it came;
    ``weights``: by feed name, days by which an editor prefers it; ``favoured``: the same by story id; ``clicks``: by
    story id; ``affairs``: by story id, where several belong to one."""

    places: Mapping[int, int] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    favoured: Mapping[int, float] = field(default_factory=dict)
    clicks: Mapping[int, int] = field(default_factory=dict)
    affairs: Mapping[int, int] = field(default_factory=dict)


NONE = Signals()


def score(story: Story, now: datetime, signals: Signals = NONE) -> Score:
    """How much a story matters. It is as old as the first telling of it: what is only retold is no fresher, but for an
    update."""
    began = told_at(story.lead) if story.told else min(map(told_at, story.articles))
    draft = story.lead.draft
    return Score(
        freshness=-_half_lives(began, now, HALF_LIFE),
        sources=math.log2(1 + math.log2(max(1, len(story.sources)))),
        fullness=PICTURE * (draft.image is not None) + STANDFIRST * bool(draft.standfirst),
        place=max(_place(article, signals) for article in story.articles),
        editor=_editor(story, signals),
        clicks=CLICKS * math.log2(1 + signals.clicks.get(story.id, 0)),
    )


def trend(story: Story, now: datetime, signals: Signals = NONE) -> Score:
    """How much a story is told of late."""
    return Score(heat=math.log2(max(heat(story, now), 1e-300)), editor=_editor(story, signals))


def recency(story: Story, now: datetime) -> Score:
    """How lately the piece that is shown came out. A date ahead of us is not believed."""
    return Score(freshness=-_half_lives(told_at(story.lead), now, HALF_LIFE))


def heat(story: Story, now: datetime) -> float:
    """Tellings of a story per hour, of late.

    Each source's newest article counts 1, each further article 0.25, halved every 6 hours since it was told; the sum
    is divided by the length of that fading window (half-life / ln 2).
    """
    newest: dict[str, float] = {}
    everything = 0.0
    for article in story.articles:
        faded = 0.5 ** _half_lives(told_at(article), now, HEAT_HALF_LIFE)
        newest[article.feed] = max(faded, newest.get(article.feed, 0.0))
        everything += faded
    tellings = 0.75 * sum(newest.values()) + 0.25 * everything
    return tellings * math.log(2) / (HEAT_HALF_LIFE / timedelta(hours=1))


def places(stories: Iterable[Story]) -> dict[int, int]:
    """By article id, how many articles its feed listed before it among those that came with it. An update counts where
    the story itself is not among them."""
    came: dict[tuple[str, int], list[int]] = defaultdict(list)
    again: dict[tuple[str, int], list[int]] = defaultdict(list)
    for story in stories:
        for article in (story.lead,) if story.told else story.articles:
            (again if story.told else came)[article.feed, article.intake].append(article.id)
    together = chain(again.values(), came.values())
    return {id_: place for ids in together for place, id_ in enumerate(sorted(ids))}


def best_first(scored: Iterable[tuple[Story, Score]]) -> Ranked:
    """By total; of equals the one that came later, so that it is the same order on every machine."""
    return sorted(scored, key=lambda pair: (-pair[1].total, -pair[0].id))


def varied(ranked: Ranked, affairs: Mapping[int, int]) -> Ranked:
    """``ranked``, best first, so that no source, no topic and no affair floods: each story loses something for every
    one above it that shares one of these. Where all share it, the order stays."""
    queues: dict[tuple[_Shared, ...], list[tuple[float, Story, Score]]] = defaultdict(list)
    for story, points in reversed(ranked[: 2 * VARIED]):
        queues[_shared(story, affairs)].append((points.total, story, points))
    above: Counter[_Shared] = Counter()
    lost = dict.fromkeys(queues, 0.0)
    mixed: Ranked = []
    while queues and len(mixed) < VARIED:
        shared = max(queues, key=lambda each: (queues[each][-1][0] - lost[each], queues[each][-1][1].id))
        _, story, points = queues[shared].pop()
        mixed.append((story, replace(points, variety=-lost[shared]) if lost[shared] else points))
        if not queues[shared]:
            del queues[shared]
        above.update(shared)
        lost.update((each, _lost(each, above)) for each in queues if not set(shared).isdisjoint(each))
    taken = {story.id for story, _ in mixed}
    return mixed + [(story, points) for story, points in ranked if story.id not in taken]


def _shared(story: Story, affairs: Mapping[int, int]) -> tuple[_Shared, ...]:
    """What a story may have in common with others, and what each that stands above it costs."""
    shared: list[_Shared] = [("source", story.lead.feed, REPEATED)]
    if filed := topic(story):
        shared.append(("topic", filed, REPEATED))
    if story.id in affairs:
        shared.append(("affair", str(affairs[story.id]), REPEATED_AFFAIR))
    return tuple(shared)


def _lost(shared: Iterable[_Shared], above: Mapping[_Shared, int]) -> float:
    return sum(min(REPEATS, above.get(each, 0)) * each[2] for each in shared)


def first_pictured(ranked: Sequence[tuple[Story, Score]]) -> Ranked:
    """What has a picture before what has none: the first story of an issue should have one."""
    return sorted(ranked, key=lambda pair: pair[0].lead.draft.image is None)


def topic(story: Story) -> str:
    """What a story is filed under: its sector, or else its first tag."""
    draft = story.lead.draft
    return draft.sector or next(iter(draft.tags), "")


def _place(article: Article, signals: Signals) -> float:
    place = signals.places.get(article.id)
    return 0.0 if place is None else TOP_OF_FEED * 0.5 ** (place / PLACES_PER_HALF)


def _editor(story: Story, signals: Signals) -> float:
    """The weight of the source an editor prefers most, and of the story itself."""
    weights, favoured = signals.weights, signals.favoured.get(story.id, 0.0)
    return max(weights.get(article.feed, 0.0) for article in story.articles) + favoured if weights else favoured


def _half_lives(since: datetime, now: datetime, half_life: timedelta) -> float:
    return max(0.0, (now - since) / half_life)
