"""How alike two articles are, judged by their words alone: no model to download, no list of topics.

What two articles share is evidence that they tell the same event, the more so the rarer it is among the articles at
hand. Names weigh more than other words, headlines more than standfirsts, and words that stand side by side in both
("Port Ellery", "vote of confidence") are one thing that is shared, not several. Evidence alone favours long texts and
likeness alone short ones, so closeness is their product, less the further apart in time the two came out.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import chain, pairwise
from urllib.parse import unquote, urlsplit

from digest.editorial import words
from digest.sources.hosts import publisher
from digest.sources.intake import canonical_url
from digest.values import ArticleDraft

DRIFT = timedelta(hours=36)  # published this far apart, articles are half as close: news moves on
UNDATED = timedelta(hours=24)  # assumed age of an article without a date, and its distance from another
APART = timedelta(days=3)  # published further apart, it is another event

_HEADLINE = 2.0  # weight of a headline's word in the likeness
_NAME = 1.3  # weight of a name or number
_EVIDENCE = (0.5, 0.75, 1.0)  # of a shared word that stands in no headline, in one, in both
_BESIDE = 0.2  # what each further word of a shared phrase adds
_UNSEEN = 50  # articles added to the count, so that among few of them not every word is rare
_NAMES_ALONE = 3  # names that are enough if nothing else is shared: two countries have more than one affair
_COMMON = 0.02  # words in more than this share of the articles find no candidates (they still count)
_UNINDEXED = 0.5  # what those may add to the evidence
_LEAST_EVIDENCE = 1.2  # in words that nobody else has; with less nothing is looked at
_STANDFIRST = 60  # words of it that are read: some feeds put the whole article there
_LEAST_LIKE = 0.17  # likeness; two texts that share less of what they say are not looked at, however rare it is
_SAME_WORDS = 0.85  # likeness from which on two texts are versions of one

_SMALL_NUMBER = re.compile(r"\d{1,2}|(19|20)\d\d")  # a day, a year, a count: says little alone
_ENDING = re.compile(r"\.\w{2,5}$")
_ROUNDUP = re.compile(
    r"\b(briefing|news ?quiz|news ?letter|round-?up|live updates?|liveblog|the week in|morning edition|evening edition"
    r"|what you need to know (today|this)|today in|corrections|letters to the editor"
    r"|resumen (del|de la|diario)|bolet[ií]n|titulares|las noticias (de|del)|minuto a minuto|en directo"
    r"|em \d+ segundos|em direto|ao vivo|resumo do dia|das wichtigste|presseschau"
    r"|nachrichten ?überblick|kurz ?nachrichten|newsticker|liveticker"
    r"|l[’']essentiel|revue de presse|en direct)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Text:
    """An article as its words, with what else decides. ``capital`` and ``small``: how they are written inside its
    sentences; ``keywords`` are those of its address, ``order`` the words of headline and standfirst as they stand."""

    capital: tuple[str, ...]
    small: tuple[str, ...]
    headline: frozenset[str]
    bare: bool  # says nothing but its headline
    words: frozenset[str]
    keywords: frozenset[str]
    order: tuple[tuple[str, ...], tuple[str, ...]]
    language: str
    source: str
    published: datetime | None
    url: str
    title: str
    kind: str
    roundup: bool

    @property
    def beside(self) -> set[tuple[str, str]]:
        """Pairs of words that stand side by side."""
        return {pair for part in self.order for pair in pairwise(part)}


@lru_cache(1 << 12)
def text(title: str, standfirst: str, url: str, language: str, published: datetime | None, kind: str = "") -> Text:
    """The words of an article. Remembered, because the articles of the last days are looked at again with every new
    one."""
    head, body = words.raw_words(title), words.raw_words(standfirst)[:_STANDFIRST]
    of_head, of_body = words.cases(head), words.cases(body)
    headline, rest = words.comparable(head), words.comparable(body)
    return Text(
        capital=(*of_head[0], *of_body[0]),
        small=(*of_head[1], *of_body[1]),
        headline=frozenset(headline),
        bare=set(rest) <= set(headline),
        words=frozenset([*headline, *rest]),
        keywords=frozenset(words.comparable(_keywords(url))),
        order=(tuple(headline), tuple(rest)),
        language=language.replace("_", "-").split("-")[0].lower(),
        source=publisher(urlsplit(url).hostname or ""),
        published=published,
        url=canonical_url(url) if url else "",
        title=" ".join(head).casefold(),
        kind=kind,
        roundup=_ROUNDUP.search(title) is not None,
    )


def _text(draft: ArticleDraft) -> Text:
    return text(draft.title, draft.standfirst, draft.url, draft.language, draft.published, draft.kind)


def _keywords(url: str) -> list[str]:
    """The words in an address: an editor's own short list of what a piece is about."""
    segments = [part for part in unquote(urlsplit(url).path).split("/") if part and not part.startswith("index.")]
    last = _ENDING.sub("", segments[-1]) if segments else ""
    return [word for word in words.raw_words(last) if word.isalpha()] if "-" in last or "_" in last else []


class Library:
    """The articles at hand, how rare each word is among them, and an index of those admitted so far. Articles are
    called by their position in ``drafts``; ``near`` is only asked for those from ``asking`` on, and finds those before
    the one it is asked for."""

    def __init__(self, drafts: Sequence[ArticleDraft], asking: int = 0) -> None:
        self.texts = [_text(draft) for draft in drafts]
        self._names = words.names(
            chain.from_iterable(text.capital for text in self.texts),
            chain.from_iterable(text.small for text in self.texts),
        )
        self._heads = words.heads({word for text in self.texts for word in text.words})
        self._headlines = [self._with_heads(text.headline) for text in self.texts]
        self._words = [self._with_heads(said) for said in _with_keywords(self.texts)]
        self._counts = Counter(chain.from_iterable(self._words))
        self._rarity = _rarity(self._counts, len(drafts))
        common = max(20.0, _COMMON * len(drafts))
        self._indexed = {word for word in chain.from_iterable(self._words[asking:]) if self._counts[word] <= common}
        self._index: dict[str, list[int]] = defaultdict(list)
        self._twins: dict[str, int] = {}
        self._vectors: dict[int, Mapping[str, float]] = {}
        self._closeness: dict[tuple[int, int], float] = {}

    def _with_heads(self, among: frozenset[str]) -> frozenset[str]:
        heads = {self._heads[word] for word in among & self._heads.keys()}
        return among | heads if heads else among

    def admit(self, position: int) -> None:
        """Let ``twin`` and ``near`` find this article."""
        text = self.texts[position]
        for key in _twin_keys(text):
            self._twins.setdefault(key, position)
        if not text.roundup:
            for word in self._words[position] & self._indexed:
                self._index[word].append(position)

    def twin(self, position: int) -> int | None:
        """An admitted article with the same address or the same telling headline."""
        twins = (self._twins.get(key) for key in _twin_keys(self.texts[position]))
        return next((twin for twin in twins if twin is not None and self._are_twins(position, twin)), None)

    def near(self, position: int, least: float, own_source: bool = False) -> list[int]:
        """The admitted articles before this one that may tell the same story and are at least this close: of other
        sources and of the same kind, since a column or a short piece stands in a section of its own and must not vanish
        behind the news it is about. ``own_source``: of any source and kind. A round-up of several stories is close to
        none."""
        if self.texts[position].roundup:
            return []
        found = self._sharing(position)
        return [
            other
            for other in sorted(found)
            if (own_source or (self._same_kind(position, other) and not self.same_source(position, other)))
            and self._may_reach(position, other, found[other], least)
            and self.closeness(position, other) >= least
        ]

    def _sharing(self, position: int) -> dict[int, float]:
        """The articles that share words worth looking at, with the most these could tell."""
        found: dict[int, float] = defaultdict(float)
        for word in sorted(self._words[position]):
            most = self._rarity[word] * _NAME
            for other in self._index.get(word, ()):
                if other >= position:
                    break
                found[other] += most
        return {other: evidence for other, evidence in found.items() if evidence >= _LEAST_EVIDENCE}

    def _may_reach(self, one: int, two: int, evidence: float, least: float) -> bool:
        """Whether two could be that close, by what is cheap to know."""
        most = (evidence + _UNINDEXED) * self._nearness(one, two)
        return most >= least and self.likeness(one, two) >= max(_LEAST_LIKE, least / most)

    def closeness(self, one: int, two: int) -> float:
        """How surely two articles tell the same event: 0 nothing says so, from about 0.4 on more likely than not."""
        pair = (one, two) if one < two else (two, one)
        if pair not in self._closeness:
            self._closeness[pair] = self._compare(*pair)
        return self._closeness[pair]

    def same_source(self, one: int, two: int) -> bool:
        """Whether both come from one publisher. Of articles without an address nobody knows."""
        return self.texts[one].source == self.texts[two].source != ""

    def _same_kind(self, one: int, two: int) -> bool:
        return self.texts[one].kind == self.texts[two].kind

    def likeness(self, one: int, two: int) -> float:
        """The cosine of two articles' vectors: 0 nothing in common, 1 the same words."""
        small, large = self._vector(one), self._vector(two)
        if len(small) > len(large):
            small, large = large, small
        return sum([weight * large[word] for word, weight in small.items() if word in large])

    def _compare(self, one: int, two: int) -> float:
        first, second = self.texts[one], self.texts[two]
        if first.roundup or second.roundup or not _may_join(first, second):
            return 0.0
        shared = self._words[one] & self._words[two]
        phrases = self._phrases(sorted(shared), first.beside & second.beside)
        names = sum(self._telling(word) for word in shared)
        if len(phrases) < 2 or not names or names == len(shared) < _NAMES_ALONE:
            return 0.0
        likeness = self.likeness(one, two)
        if likeness < (_SAME_WORDS if first.bare and second.bare else _LEAST_LIKE):
            return 0.0
        return likeness * sum(self._evidence(phrase, one, two) for phrase in phrases) * self._nearness(one, two)

    def _nearness(self, one: int, two: int) -> float:
        """1 for two that came out together, half of it for each ``DRIFT`` between them."""
        return math.exp2(-(_gap(self.texts[one], self.texts[two]) / DRIFT))

    def _phrases(self, shared: Sequence[str], beside: Iterable[tuple[str, str]]) -> list[list[str]]:
        """Shared words in groups that say one thing: side by side in both texts, or one the other's head."""
        group = {word: [word] for word in shared}
        heads = [(word, self._heads[word]) for word in shared if word in self._heads]
        for left, right in sorted([*beside, *heads]):
            if left in group and right in group and group[left] is not group[right]:
                group[left].extend(group[right])
                for word in group[right]:
                    group[word] = group[left]
        return list({id(words): words for words in group.values()}.values())

    def _evidence(self, phrase: Iterable[str], one: int, two: int) -> float:
        """What a shared phrase tells, in words that nobody else has."""
        told = sorted((self._told(word, one, two) for word in phrase), reverse=True)
        return told[0] + _BESIDE * sum(told[1:])

    def _told(self, word: str, one: int, two: int) -> float:
        in_headlines = (word in self._headlines[one]) + (word in self._headlines[two])
        return self._rarity[word] * _EVIDENCE[in_headlines] * (_NAME if self._telling(word) else 1.0)

    def _vector(self, position: int) -> Mapping[str, float]:
        """An article's words by their weights, of length 1."""
        if position not in self._vectors:
            headline = self._headlines[position]
            weights = {
                word: self._rarity[word]
                * (_HEADLINE if word in headline else 1.0)
                * (_NAME if self._telling(word) else 1.0)
                for word in sorted(self._words[position])
            }
            length = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
            self._vectors[position] = {word: weight / length for word, weight in weights.items()}
        return self._vectors[position]

    def _telling(self, word: str) -> bool:
        """Whether a word is a name or a number that isn't small. Scripts without capitals don't say: any word of
        theirs may be."""
        return word in self._names or (word[0].lower() == word[0].upper() and not _SMALL_NUMBER.fullmatch(word))

    def _are_twins(self, one: int, two: int) -> bool:
        """Not if a careless feed links all its entries to one page, nor for a column's standing headline."""
        first, second = self.texts[one], self.texts[two]
        if not _may_join(first, second):
            return False
        if first.url and first.url == second.url:
            return bool(first.headline & second.headline) or not (first.headline and second.headline)
        if first.kind != second.kind:
            return False
        another = first.source != second.source or not first.source
        return another or self.likeness(one, two) >= _SAME_WORDS


def _rarity(counts: Mapping[str, int], total: int) -> dict[str, float]:
    """About 1 for a word that stands in one article only, 0 for one that stands in all."""
    scale = math.log(total + _UNSEEN)
    by_count = {count: max(0.0, math.log((total + _UNSEEN) / (count + 0.5)) / scale) for count in set(counts.values())}
    return {word: by_count[count] for word, count in counts.items()}


def _with_keywords(texts: Sequence[Text]) -> list[frozenset[str]]:
    """The words of each text and those of its address; but for the marks that a publisher alone writes there."""
    said = {word for text in texts for word in text.words}
    written = Counter(word for _, word in {(text.source, word) for text in texts for word in text.keywords})
    known = said | {word for word, sources in written.items() if sources > 1}
    return [text.words | (text.keywords & known) for text in texts]


def _gap(one: Text, two: Text) -> timedelta:
    if one.published and two.published:
        return abs(one.published - two.published)
    return UNDATED


def _may_join(one: Text, two: Text) -> bool:
    """Neither language nor time says that these are different."""
    if one.language and two.language and one.language != two.language:
        return False
    if one.published and two.published and abs(one.published - two.published) > APART:
        return one.url != "" and one.url == two.url
    return True


def _twin_keys(text: Text) -> list[str]:
    """What makes two articles surely the same: the address, or a headline of some substance."""
    keys = [f"url:{text.url}"] if text.url.count("/") > 2 else []  # the front page is nobody's address
    if len(text.headline) >= 3 and not text.roundup:
        keys.append(f"title:{text.title}")
    return keys
