"""Stories: which articles tell the same news, and how much a story matters.

Joining is decided by words alone, with no model to download. Each article becomes a vector of its headline's and
standfirst's words, weighted by rarity among the articles at hand; names and numbers count more. Two articles tell the
same story when their vectors are close *and* they share enough of what makes an event: names, and words of both
headlines. Precision goes before recall: a story joined to another is one a reader never sees, a story told twice is
merely a nuisance.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from digest import words
from digest.intake import canonical_url
from digest.values import Article, ArticleDraft, Story

THRESHOLD = 0.25  # of the closeness, between sources
THRESHOLD_SAME_SOURCE = 0.85  # an editor who runs two pieces means two; only near-duplicates join
CAUTION = 0.25  # added where there are few articles, because all their words look rare
CAUTION_FADES = 40  # number of articles by which it is down to a third
DRIFT = timedelta(hours=36)  # published this far apart, articles are half as close: news moves on
UNDATED = timedelta(hours=24)  # assumed age of an article without a date, and its distance from another
CHAIN = 0.5  # a story's articles must on average come this close to the threshold, or chains would form
APART = timedelta(days=3)  # published further apart, it is another event
SCORE_HALF_LIFE = timedelta(hours=24)
HEAT_HALF_LIFE = timedelta(hours=6)

_HEADLINE_WEIGHT = 2.0
_NAME_WEIGHT = 1.6
_LEAST_SHARED = 3
_COMMON = 0.05  # words in more than this share of the articles find no candidates (they still count in the cosine)

_ROUNDUP = re.compile(
    r"\b(briefing|news ?quiz|news ?letter|round-?up|live updates?|liveblog|the week in|morning edition|evening edition"
    r"|what you need to know (today|this)|today in|corrections|letters to the editor"
    r"|resumen (del|de la|diario)|bolet[ií]n|titulares|las noticias (de|del)|minuto a minuto"
    r"|em \d+ segundos|resumo do dia|das wichtigste|presseschau"
    r"|nachrichten ?überblick|kurz ?nachrichten|newsticker|liveticker"
    r"|l[’']essentiel|revue de presse)\b",
    re.IGNORECASE,
)


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
    library = _Library([*known, *drafts])
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


def _nearest(library: _Library, position: int, cluster: Sequence[int], members: dict[int, list[int]]) -> int | None:
    """The story article ``position`` joins, the closest if there are several."""
    twin = library.twin(position)
    if twin is not None:
        return cluster[twin]
    ranked = sorted(library.near(position), key=lambda pair: (-pair[1], pair[0]))
    for other, closeness in ranked:
        rest = members[cluster[other]]
        mean = sum(library.closeness(position, each) for each in rest) / len(rest)
        if mean >= CHAIN * min(closeness, THRESHOLD):
            return cluster[other]
    return None


# ------------------------------------------------------------------------------------------ closeness


@dataclass(slots=True)
class _Text:
    """An article as a bag of words, with what decides besides their weights."""

    headline: frozenset[str]
    words: dict[str, float]
    language: str
    host: str
    published: datetime | None
    url: str
    title: str
    roundup: bool


class _Library:
    """The articles at hand, their word weights, and an index from word to the articles admitted so far."""

    def __init__(self, drafts: Sequence[ArticleDraft]) -> None:
        raw = [(words.raw_words(draft.title), words.raw_words(draft.standfirst)) for draft in drafts]
        self.names = words.names(text for pair in raw for text in pair)
        self.texts = [_text(draft, *pair) for draft, pair in zip(drafts, raw, strict=True)]
        counts = Counter(word for text in self.texts for word in text.words)
        self._threshold = THRESHOLD + CAUTION * math.exp(-len(drafts) / CAUTION_FADES)
        self._common = max(20.0, _COMMON * len(drafts))
        self._counts = counts
        for text in self.texts:
            self._weigh(text, len(drafts))
        self._index: dict[str, list[int]] = defaultdict(list)
        self._twins: dict[str, int] = {}

    def _weigh(self, text: _Text, total: int) -> None:
        """Turn counts into a unit vector: count times rarity, more for names and numbers."""
        for word, count in text.words.items():
            rarity = math.log((total + 50) / (self._counts[word] + 0.5))
            text.words[word] = count * rarity * (_NAME_WEIGHT if self.telling(word) else 1.0)
        length = math.sqrt(sum(weight * weight for weight in text.words.values())) or 1.0
        for word in text.words:
            text.words[word] /= length

    def telling(self, word: str) -> bool:
        """Whether a word is a name or a number. Scripts without capitals don't say: any word of theirs may be."""
        return word in self.names or word[0].lower() == word[0].upper()

    def admit(self, position: int) -> None:
        """Let later articles be compared with this one."""
        text = self.texts[position]
        for key in _twin_keys(text):
            self._twins.setdefault(key, position)
        if not text.roundup:
            for word in text.words:
                if self._counts[word] <= self._common:
                    self._index[word].append(position)

    def twin(self, position: int) -> int | None:
        """An admitted article with the same address or the same telling headline."""
        text = self.texts[position]
        twins = (self._twins.get(key) for key in _twin_keys(text))
        return next((twin for twin in twins if twin is not None and self._are_twins(position, twin)), None)

    def _are_twins(self, one: int, two: int) -> bool:
        """Not if a careless feed links all its entries to one page, nor for a column's standing headline."""
        first, second = self.texts[one], self.texts[two]
        if not _may_join(first, second):
            return False
        if first.url and first.url == second.url:
            return bool(first.headline & second.headline) or not (first.headline and second.headline)
        another = first.host != second.host or not first.host
        return another or self.closeness(one, two) >= THRESHOLD_SAME_SOURCE

    def near(self, position: int) -> Iterable[tuple[int, float]]:
        """The admitted articles that tell the same as this one, with their closeness."""
        text = self.texts[position]
        if text.roundup:
            return
        shared = Counter(other for word in text.words for other in self._index.get(word, ()))
        for other, count in shared.items():
            if count >= 2 and _may_join(text, self.texts[other]) and self._same_event(text, self.texts[other]):
                closeness = self.closeness(position, other)
                if closeness >= self._least(text, self.texts[other]):
                    yield other, closeness

    def _least(self, one: _Text, two: _Text) -> float:
        """How close two must be to be joined. Bare headlines must be all but equal."""
        same_source = one.host and one.host == two.host
        return THRESHOLD_SAME_SOURCE if same_source or _bare(one, two) else self._threshold

    def _same_event(self, one: _Text, two: _Text) -> bool:
        """Whether two share enough different words, some of both headlines, something beyond what both headlines say
        (the same council votes on many things) and at least one name or number."""
        common = one.words.keys() & two.words.keys()
        headlines = one.headline & two.headline
        return (
            len(common) >= _LEAST_SHARED
            and len(headlines) >= 2
            and (_bare(one, two) or len(common) > len(headlines))
            and any(self.telling(word) for word in common)
        )

    def closeness(self, one: int, two: int) -> float:
        """The cosine of two articles' vectors (0 nothing in common, 1 the same words), less the further apart in
        time they came out."""
        first, second = self.texts[one], self.texts[two]
        small, large = sorted((first.words, second.words), key=len)
        cosine = sum(weight * large[word] for word, weight in small.items() if word in large)
        return cosine * math.exp2(-(_gap(first, second) / DRIFT))


def _bare(one: _Text, two: _Text) -> bool:
    """Neither says anything but its headline."""
    return len(one.words) == len(one.headline) and len(two.words) == len(two.headline)


def _gap(one: _Text, two: _Text) -> timedelta:
    if one.published and two.published:
        return abs(one.published - two.published)
    return UNDATED


def _may_join(one: _Text, two: _Text) -> bool:
    """Neither language nor time says that these are different."""
    if one.language and two.language and one.language != two.language:
        return False
    if one.published and two.published and abs(one.published - two.published) > APART:
        return one.url != "" and one.url == two.url
    return True


def _twin_keys(text: _Text) -> list[str]:
    """What makes two articles surely the same: the address, or a headline of some substance."""
    keys = [f"url:{text.url}"] if text.url.count("/") > 2 else []  # the front page is nobody's address
    if len(text.headline) >= 3 and not text.roundup:
        keys.append(f"title:{text.title}")
    return keys


def _text(draft: ArticleDraft, title: list[str], body: list[str]) -> _Text:
    headline, standfirst = words.comparable(title), words.comparable(body)
    weights: dict[str, float] = dict.fromkeys(standfirst, 1.0)
    weights.update(dict.fromkeys(headline, _HEADLINE_WEIGHT))
    return _Text(
        headline=frozenset(headline),
        words=weights,
        language=draft.language.replace("_", "-").split("-")[0].lower(),
        host=_source(urlsplit(draft.url).hostname or ""),
        published=draft.published,
        url=canonical_url(draft.url) if draft.url else "",
        title=" ".join(title).casefold(),
        roundup=_ROUNDUP.search(draft.title) is not None,
    )


def _source(host: str) -> str:
    """The part of a host name that stands for a publisher: news.example.co.uk and example.co.uk are one."""
    labels = host.split(".")
    short = len(labels) > 2 and len(labels[-1]) == 2 and len(labels[-2]) <= 3
    return host if labels[-1].isdigit() else ".".join(labels[-3 if short else -2 :])


# ------------------------------------------------------------------------------------------ importance


def score(story: Story, now: datetime) -> float:
    """How much a story matters: ``log2((1 + log2(sources)) * completeness) - age / half-life``.

    Logarithmic, so that each half-life (24 h) halves what is inside and old stories still have an order. A story of
    two sources equals one of a single source that is 24 hours younger. ``completeness`` is 1, plus 0.2 for an image
    and 0.1 for a standfirst of the lead.
    """
    completeness = 1 + 0.2 * (story.lead.draft.image is not None) + 0.1 * bool(story.lead.draft.standfirst)
    weight = (1 + math.log2(max(1, len(story.sources)))) * completeness
    began = min(told_at(article) for article in (story.lead, *story.articles))
    return math.log2(weight) - _half_lives(began, now, SCORE_HALF_LIFE)


def heat(story: Story, now: datetime) -> float:
    """How much a story is told lately, in tellings per hour.

    Each source's newest article counts 1, each further article 0.25, halved every 6 hours since it was told; the sum
    is divided by the length of that fading window (half-life / ln 2).
    """
    fading: dict[str, list[float]] = defaultdict(list)
    for article in story.articles:
        fading[article.feed].append(0.5 ** _half_lives(told_at(article), now, HEAT_HALF_LIFE))
    tellings = sum(max(each) + 0.25 * (sum(each) - max(each)) for each in fading.values())
    return tellings * math.log(2) / (HEAT_HALF_LIFE / timedelta(hours=1))


def told_at(article: Article) -> datetime:
    """When an article came out; not after it was seen, whatever its own date says. One without a date may be anything,
    and is often an advertisement among dated news: it counts as ``UNDATED`` older than it was seen."""
    return min(article.draft.published or article.first_seen - UNDATED, article.first_seen)


def _half_lives(since: datetime, now: datetime, half_life: timedelta) -> float:
    return max(0.0, (now - since) / half_life)


def region(story: Story) -> str:
    """The tag behind a trending headline: the story's country, "Global" if it has several, "" if none is known."""
    countries = {name.casefold(): name for article in story.articles for name in article.draft.countries}
    if len(countries) > 1:
        return "Global"
    return next(iter(countries.values()), "")


def lead(articles: Sequence[Article]) -> Article:
    """The article that stands for a story: with standfirst and image if one has both, then the earliest seen."""

    def order(article: Article) -> tuple[int, datetime, int]:
        draft = article.draft
        return (-(bool(draft.standfirst) + (draft.image is not None)), article.first_seen, article.id)

    return min(articles, key=order)
