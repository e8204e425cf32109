"""Stories of the CNN and New York Times feeds of one day, against pairs labelled by hand; what came of it is written
to ``build/judge/stories.md``.

The criterion: two pieces tell one story if they report or explain the same event, so that a reader of one who is
shown the other says "I know". What followed from it a day later is another event. All CNN pieces were held against all
81 pieces of the Times by reading headlines and standfirsts; pairs not named here tell different events.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations, product
from pathlib import Path

import pytest

from digest.editorial.compose import Slot, Standing, compose
from digest.editorial.stories import Compared, assign, fold
from digest.editorial.variants import choose
from digest.sources.parse import parse
from digest.values import Article, ArticleDraft, FeedSpec, Rule, Section, Story
from tests.support import newsday
from tests.support.samples import EDITION

pytestmark = pytest.mark.judge
REPORT = Path("build/judge/stories.md")
HEAD = """# Stories told by several sources

| pairs of | precision | recall | unclear ones joined |
|---|---|---|---|
"""
NOW = datetime(2020, 1, 1, 18, tzinfo=UTC)
Pair = frozenset[str]

_CNN, _TIMES = "www.cnn.com/", "www.nytimes.com/"
FIRES = "2020/01/01/australia/australia-fires-explainer-intl-hnk-scli"
GHOSN = "2019/12/31/business/ghosn-escape-japan-lebanon-scli-intl"
STRIKES = "2019/12/30/middleeast/us-strikes-iraq-syria-analysis-intl"
KIM = "2019/12/31/politics/north-korea-kim-jong-un-us-policy-denuclearization"
NEW_YEAR = "ringing-in-2020-from-around-the-world-orig-jm.cnn"
SAME = [
    (FIRES, "2020/01/01/world/australia/fires.html"),
    (FIRES, "2019/12/31/world/australia/fires-red-skies-Mallacoota.html"),
    (GHOSN, "2019/12/31/business/carlos-ghosn-lebanon.html"),
    (GHOSN, "2019/12/31/business/carlos-ghosn-escape-japan.html"),
    (STRIKES, "2019/12/30/world/middleeast/iraq-airstrikes-us-iran-militias.html"),
    (STRIKES, "2019/12/29/world/middleeast/us-airstrikes-iran-iraq-syria.html"),
    (KIM, "2019/12/31/world/asia/north-korea-kim-speech.html"),
    (KIM, "2020/01/01/world/asia/north-korea-kim-trump.html"),
    (NEW_YEAR, "2019/12/31/world/new-years-eve-2020.html"),
]
# Careful people could differ: explains the anger after the strikes by way of the storming of the embassy.
UNCLEAR = [(STRIKES, "2020/01/01/world/middleeast/iraq-embassy-iran.html")]
# Of one topic, and different events; named so that nobody adds them above by mistake.
HARD = [
    (STRIKES, "2019/12/31/world/middleeast/baghdad-protesters-us-embassy.html"),
    (STRIKES, "2020/01/01/world/middleeast/us-embassy-baghdad-iraq.html"),
    (KIM, "2019/12/28/world/asia/north-korea-party-meeting-weapons.html"),
    (NEW_YEAR, "2019/12/30/world/europe/germany-fireworks-ban.html"),
    (NEW_YEAR, "2019/12/31/style/new-years-superstition.html"),
]
# Feeds without another of their day and language: whatever they say, nothing may be joined but what stands twice.
ALONE = ["elpais.xml", "eldiario.xml", "periodico-extremadura.xml", "heise.atom", "jornal-de-noticias.rss", "uol.rss"]
TWICE = [("poder/2018/09/match-eleitoral", "rss091/*https://www1.folha.uol.com.br/poder/2018/09/match-eleitoral")]
# What their pieces would be joined to if each came from a source of its own, judged by reading. Right: one poll in two
# pieces, one meeting of two leaders. Unclear: two steps of one election on one day, a paper's offer and its reasons,
# two views of one campaign.
AS_IF_APART = [
    ("ibope-bolsonaro-perde-de-haddad", "ibope-bolsonaro-estaciona-na-lideranca"),
    ("Pablo-Iglesias-reunirse-Pedro-Sanchez", "PSOE-Unidas-Podemos-Educacion-Sanidad"),
    *TWICE,
]
AS_IF_UNCLEAR = [
    ("sonia-laig-e-a-nova-presidente", "pais-de-utentes-apresentam-lista"),
    ("el-pais-lanza-su-suscripcion-digital", "hacer-el-pais-no-es-facil"),
    ("Ciudadanos-confrontacion-PP-Casado", "centro-Rivera-huida"),
]


def read(folder: Path, name: str) -> list[ArticleDraft]:
    kind = "application/atom+xml" if name.endswith(".atom") else "application/rss+xml"
    return list(parse((folder / "feeds" / name).read_bytes(), kind, f"https://{name}.example/feed").drafts)


def stories(batches: Sequence[Sequence[ArticleDraft]]) -> list[Story]:
    """The stories there are when the batches have come in one after the other."""
    came: list[Article] = []
    for number, batch in enumerate(batches, 1):
        ids: list[int] = []
        for found in assign(batch, came):
            new = 1 + len(came) + len(ids)
            ids.append(found.story_id or (new if found.same_as is None else ids[found.same_as]))
        came += [
            Article(1 + len(came) + place, id_, host(draft), number, NOW, draft)
            for place, (draft, id_) in enumerate(zip(batch, ids, strict=True))
        ]
    by_id: dict[int, list[Article]] = defaultdict(list)
    for article in came:
        by_id[article.story_id].append(article)
    return [Story(id_, told[0].intake, NOW, told[0], tuple(told)) for id_, told in by_id.items()]


def told_together(batches: Sequence[Sequence[ArticleDraft]]) -> set[Pair]:
    """The pairs of links that stand in one story of an issue, if the batches came in one after the other."""
    told = stories(batches)
    folded = fold(told, Compared(told))
    return {frozenset({a.draft.url, b.draft.url}) for story in folded for a, b in combinations(story.articles, 2)}


def host(draft: ArticleDraft) -> str:
    return draft.url.split("/")[2]


def pairs(drafts: Sequence[ArticleDraft], labels: Sequence[tuple[str, str]]) -> set[Pair]:
    """Labelled pairs as pairs of whole links. Each must be found, or a label would silently say nothing."""
    links = [draft.url for draft in drafts]
    found = {
        frozenset({one, two})
        for first, second in labels
        for one, two in product(links, links)
        if first in one and second in two and one != two
    }
    assert len(found) >= len(labels)
    return found


def by_time(draft: ArticleDraft) -> datetime:
    return draft.published or datetime(2020, 1, 1, tzinfo=UTC)


ORDERS: dict[str, Callable[[list[ArticleDraft], list[ArticleDraft]], list[list[ArticleDraft]]]] = {
    "CNN read first": lambda cnn, times: [cnn, times],
    "the Times read first": lambda cnn, times: [times, cnn],
    "each as it came out": lambda cnn, times: [[each] for each in sorted([*cnn, *times], key=by_time)],
    "the newest first": lambda cnn, times: [[each] for each in sorted([*cnn, *times], key=by_time, reverse=True)],
}


@pytest.mark.parametrize("order", ORDERS)
def test_cnn_and_the_times_of_one_day(shared_data: Path, order: str) -> None:
    cnn = read(shared_data, "cnn.xml")
    times = read(shared_data, "nytimes.xml") + read(shared_data, "nytimes-science.xml")
    both = [*cnn, *times]
    across = {frozenset(pair) for pair in product((each.url for each in cnn), (each.url for each in times))}
    joined = told_together(ORDERS[order](cnn, times)) & across
    same, unclear = pairs(both, SAME), pairs(both, UNCLEAR)
    assert not joined & pairs(both, HARD)
    precision, recall = figures(f"CNN and New York Times, {order}", joined - unclear, same, joined & unclear)
    assert precision >= 0.95
    assert recall >= 0.8


def test_a_digest_of_cnn_and_the_times_shows_no_story_twice(shared_data: Path) -> None:
    sections = [(Rule.LEAD, 1), (Rule.TRENDING, 5), (Rule.LEAD, 10), (Rule.LATEST, 10)]
    edition = replace(
        EDITION,
        sections=tuple(Section(f"s{n}", "S", rule, count) for n, (rule, count) in enumerate(sections)),
        feeds=(FeedSpec("www.cnn.com", "https://rss.cnn.example", "CNN"), FeedSpec("www.nytimes.com", "", "Times")),
    )
    cnn = read(shared_data, "cnn.xml")
    times = read(shared_data, "nytimes.xml") + read(shared_data, "nytimes-science.xml")
    issue = compose(edition, Slot("daily", NOW), stories([cnn, times]), Standing(0, 2), NOW)
    shown = [issue.items[id_] for _, ids in choose(issue, None, None).shown for id_ in ids]
    assert len(shown) == 26
    assert shown[0].image and shown[0].also, "the lead has a picture, and both tell it"
    together = {frozenset({one.url, two.url}) for one, two in combinations(shown, 2)}
    assert not together & pairs([*cnn, *times], SAME)


def test_feeds_of_one_source_keep_what_their_editors_keep_apart(shared_data: Path) -> None:
    for name in ALONE:
        drafts = read(shared_data, name)
        twice = pairs(drafts, TWICE) if name == "uol.rss" else set()
        assert told_together([drafts]) == twice, name


def test_and_would_join_little_wrongly_if_each_piece_were_another_source_s(shared_data: Path) -> None:
    joined, apart = set[Pair](), list[ArticleDraft]()
    for name in ALONE:
        drafts = [
            replace(draft, url=draft.url.replace("//", f"//of{number}.example/", 1), language=draft.language or name)
            for number, draft in enumerate(read(shared_data, name))
        ]
        joined |= told_together([drafts])
        apart += drafts
    same, unclear = pairs(apart, AS_IF_APART), pairs(apart, AS_IF_UNCLEAR)
    label = "Spanish, Portuguese, German, as if of many sources"
    precision, _ = figures(label, joined - unclear, same, joined & unclear)
    assert precision >= 0.95


@pytest.mark.parametrize(
    "names", [["elpais.xml", "eldiario.xml", "periodico-extremadura.xml"], ["jornal-de-noticias.rss", "uol.rss"]]
)
def test_papers_of_different_years_have_nothing_in_common(shared_data: Path, names: list[str]) -> None:
    """Whatever would be joined across them, if they were of one day, would be wrong. Parties and their quarrels stay
    the same for years: one pair in a thousand is let pass."""
    batches = [
        [
            replace(draft, published=NOW - timedelta(minutes=n), language="")
            for n, draft in enumerate(read(shared_data, name))
        ]
        for name in names
    ]
    across = {frozenset({a.url, b.url}) for one, two in combinations(batches, 2) for a, b in product(one, two)}
    wrong = told_together(batches) & across
    note(f"{', '.join(names)}, as if of one day", f"{len(wrong)} of {len(across)} pairs joined, wrongly", "", 0)
    assert len(wrong) * 1000 <= len(across)


@pytest.mark.parametrize(
    ("what", "second", "least"),
    [
        ("an invented day, written before the rule, hard on purpose", False, 0.85),
        ("a second one, shorter, written after it", True, 0.6),
    ],
)
def test_invented_days_in_many_languages(what: str, second: bool, least: float) -> None:
    drafts = newsday.drafts(second)
    same = {frozenset({drafts[one].url, drafts[two].url}) for one, two in newsday.same_event(second)}
    precision, recall = figures(what, told_together([drafts]), same, set())
    assert precision >= least
    assert recall >= least


def figures(what: str, joined: set[Pair], same: set[Pair], unclear: set[Pair]) -> tuple[float, float]:
    """Precision and recall, which are also added to the report."""
    right = joined & same
    precision, recall = len(right) / len(joined) if joined else 1.0, len(right) / len(same)
    found = f"{precision:.2f} ({len(right)} of {len(joined)} joined)"
    note(what, found, f"{recall:.2f} ({len(right)} of {len(same)} true)", len(unclear))
    return precision, recall


def note(what: str, precision: str, recall: str, unclear: int) -> None:
    """Put a row in the report, in place of the one an earlier run wrote."""
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    rows = REPORT.read_text(encoding="utf-8").splitlines(keepends=True) if REPORT.exists() else [HEAD]
    kept = [line for line in rows if not line.startswith(f"| {what} |")]
    REPORT.write_text("".join([*kept, f"| {what} | {precision} | {recall} | {unclear} |\n"]), encoding="utf-8")
