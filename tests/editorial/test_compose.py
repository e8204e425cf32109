"""What an issue holds and what each reader gets of it: never twice, never missed, always the best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.editorial import compose, variants
from digest.editorial.ranking import Signals
from digest.editorial.stories import told_at
from digest.values import ArticleDraft, Edition, FeedSpec, Image, IssueContent, Kind, Rule, Section, Story
from tests.support import newsday
from tests.support.samples import EDITION, NOW, content, story

SECTIONS = (
    Section("lead", "Lead", Rule.LEAD, 1, optional=False),
    Section("views", "Views", Rule.KIND, 1, ("opinion",)),
    Section("health", "Health", Rule.SECTOR, 2, ("health",)),
    Section("asia", "Asia", Rule.REGION, 2, ("nepal", "india")),
    Section("hot", "Trending", Rule.TRENDING, 2),
    Section("latest", "Latest", Rule.LATEST, 3),
)
SMALL = replace(EDITION, sections=SECTIONS)


def _made(number: int, kind: Kind, sector: str, country: str, age: int, intake: int, sources: int) -> Story:
    draft = ArticleDraft(
        title=f"Story {number}",
        kind=kind,
        sector=sector,
        countries=(country,) if country else (),
        published=NOW - timedelta(minutes=age),
    )
    return story(number, draft, intake, tuple("abcd"[:sources]))


drafts = st.tuples(
    st.sampled_from([Kind.NEWS, Kind.NEWS, Kind.OPINION, Kind.SHORT]),
    st.sampled_from(["health", "energy", ""]),
    st.sampled_from(["Nepal", "India", "Chile", ""]),
    st.integers(0, 3000),
    st.integers(1, 9),
    st.integers(1, 4),
)
news_days = st.lists(drafts, max_size=60).map(
    lambda made: [_made(number, *parts) for number, parts in enumerate(made, 1)]
)


def _by_hand(
    edition: Edition, told: list[Story], chosen: tuple[str, ...] | None, cutoff: int
) -> list[tuple[int, list[int]]]:
    """What a reader should get, worked out from all stories in the order of each section."""
    rules: dict[str, Callable[[Story], bool]] = {
        "lead": lambda s: s.lead.draft.kind is Kind.NEWS,
        "views": lambda s: s.lead.draft.kind is Kind.OPINION,
        "health": lambda s: s.lead.draft.sector == "health",
        "asia": lambda s: s.lead.draft.countries in {("Nepal",), ("India",)},
        "hot": lambda s: s.lead.draft.kind is Kind.NEWS,
        "latest": lambda s: True,
    }
    once = compose.tell_once(SMALL, told, [], compose.compare(told, compose.shortlist(SMALL, told, NOW)))
    ranked = compose.rank(SMALL, once, NOW)
    shown: list[tuple[int, list[int]]] = []
    seen: set[int] = set()

    def show(index: int, section: Section) -> None:
        in_order = [s for s, _ in ranked[section.key]]
        assert {s.id for s in in_order} == {s.id for s in told if rules[section.key](s)}
        best = [s for s in in_order if s.intake > cutoff and s.id not in seen][: section.count]
        if best:
            shown.append((index, [s.id for s in best]))
            seen.update(s.id for s in best)

    for index, section in enumerate(SECTIONS):
        if not section.optional or chosen is None or section.key in chosen:
            show(index, section)
    if chosen is None:
        return shown
    first = () if "lead" in chosen else ("lead",)
    shown.sort(key=lambda pair: (*first, *chosen).index(SECTIONS[pair[0]].key))
    if 0 < len(seen) < edition.thin and edition.fallback not in chosen:
        show(*next((index, one) for index, one in enumerate(SECTIONS) if one.key == edition.fallback))
    return shown


@settings(max_examples=100)
@given(
    st.sampled_from([SMALL, replace(SMALL, thin=4, fallback="views"), replace(SMALL, thin=3, fallback="hot")]),
    news_days,
    st.sets(st.integers(0, 9)),
    st.lists(st.sampled_from([s.key for s in SECTIONS]), unique=True),
)
def test_every_reader_at_a_cutoff_gets_exactly_the_best_in_their_order(
    edition: Edition, told: list[Story], cutoffs: set[int], keys: list[str]
) -> None:
    issue = compose.compose(edition, compose.Slot("daily", NOW), told, compose.Standing(4, 9, cutoffs), NOW)
    for chosen in (None, tuple(keys)):
        for cutoff in {4, *cutoffs}:
            variant = variants.choose(issue, chosen, cutoff)
            assert [(index, list(ids)) for index, ids in variant.shown] == _by_hand(edition, told, chosen, cutoff)
            all_ids = [story_id for _, ids in variant.shown for story_id in ids]
            assert len(all_ids) == len(set(all_ids))
    assert variants.choose(issue, None, None) == variants.choose(issue, None, 4)


@pytest.mark.parametrize(
    ("chosen", "order"),
    [
        (None, "top sea word land air"),
        ((), "top word"),
        (("air", "sea"), "top air word sea"),
        (("land", "gone", "air", "land", "sea"), "top land word air sea"),
        (("sea", "land", "air"), "top sea word land air"),
        (("word", "air", "top"), "word air top"),
    ],
)
def test_sections_stand_in_the_readers_order_and_those_they_can_not_choose_keep_their_place(
    chosen: tuple[str, ...] | None, order: str
) -> None:
    offered = [
        Section(key, key, Rule.LATEST, 1, optional=key not in {"top", "word"})
        for key in ("top", "sea", "word", "land", "air")
    ]
    assert [offered[place].key for place in variants.arranged(offered, chosen)] == order.split()


@settings(max_examples=20)
@given(news_days)
def test_every_section_says_why_and_keeps_to_it(told: list[Story]) -> None:
    ranked = compose.rank(SMALL, told, NOW)
    for section in SMALL.sections:
        if section.rule is Rule.LATEST:
            ages = [told_at(s.lead) for s, _ in ranked[section.key]]
            assert ages == sorted(ages, reverse=True), "a list with times is in the order of times"
        else:
            totals = [points.total for _, points in ranked[section.key]]
            assert totals == sorted(totals, reverse=True)


@settings(max_examples=20)
@given(news_days)
def test_an_issue_holds_no_more_than_some_reader_could_get(told: list[Story]) -> None:
    issue = compose.compose(SMALL, compose.Slot("daily", NOW), told, compose.Standing(0, 5), NOW)
    assert set(issue.items) == {story_id for ids in issue.candidates for story_id in ids}
    assert all(0 < item.intake <= 5 for item in issue.items.values())
    deepest = sum(section.count for section in SECTIONS)
    assert all(len(ids) <= deepest for ids in issue.candidates)


def _only(rule: Rule, told: list[Story], *match: str, sections: tuple[Section, ...] = ()) -> list[int]:
    edition = replace(EDITION, sections=(Section("x", "X", rule, 9, match), *sections))
    return list(compose.compose(edition, compose.Slot("daily", NOW), told, compose.Standing(0, 1), NOW).candidates[0])


def test_the_lead_has_a_picture_even_if_a_better_story_has_none() -> None:
    told = [
        story(1, ArticleDraft(title="a", published=NOW), feeds=("a", "b", "c", "d")),
        story(2, ArticleDraft(title="b", image=Image("https://a.example/b.jpg"), published=NOW - timedelta(days=1))),
        story(3, ArticleDraft(title="c", image=Image("https://a.example/c.jpg"), published=NOW)),
    ]
    assert _only(Rule.LEAD, told) == [3, 2, 1]
    assert _only(Rule.TRENDING, told)[0] == 1


def test_what_two_papers_tell_is_told_once_by_the_one_the_edition_names_first() -> None:
    drafts, day = newsday.drafts(), newsday.same_event()
    told = [
        replace(one, articles=(piece,), lead=piece)
        for number, draft in enumerate(drafts, 1)
        for one in [story(number, draft)]
        for piece in [replace(one.lead, feed=newsday.paper(draft))]
    ]
    papers = ("wire.example", "herald.example", "tribune.example")
    edition = replace(
        EDITION,
        sections=(Section("x", "X", Rule.LEAD, 40),),
        feeds=tuple(FeedSpec(name, f"https://{name}/rss", name) for name in papers),
    )
    items = compose.compose(edition, compose.Slot("daily", NOW), told, compose.Standing(0, 1), NOW).items
    first, second = next((a, b) for a, b in sorted(day) if "Amadi" in drafts[a].title + drafts[b].title)
    assert second + 1 not in items
    assert (items[first + 1].source, items[first + 1].also) == ("wire.example", ("herald.example",))
    left = compose.compose(
        edition,
        compose.Slot("daily", NOW),
        told,
        compose.Standing(0, 1),
        NOW,
        editing=compose.Editing({first + 1: 1}),
    ).items
    assert not {first + 1, second + 1} & set(left), "what an editor dropped stays away, whoever tells it"


def test_what_a_reader_was_told_yesterday_does_not_swallow_what_is_new_today() -> None:
    yesterday, today = (
        story(number, draft, intake=number, feeds=(newsday.paper(draft),))
        for number, draft in enumerate((d for d in newsday.drafts() if "Amadi" in d.title + d.standfirst), 1)
    )
    noise = [story(number, draft, 2) for number, draft in enumerate(newsday.drafts()[20:40], 10)]
    edition = replace(EDITION, sections=(Section("x", "X", Rule.LEAD, 40),))
    together = compose.compose(
        edition, compose.Slot("daily", NOW), [yesterday, today, *noise], compose.Standing(0, 2), NOW
    )
    assert {1, 2} & set(together.items) == {1}
    apart = compose.compose(
        edition, compose.Slot("daily", NOW), [yesterday, today, *noise], compose.Standing(1, 2, (0,)), NOW
    )
    assert {1, 2} <= set(apart.items)
    assert 2 in variants.choose(apart, None, 1).shown[0][1]


def test_no_source_floods_an_issue_and_an_editor_s_weight_is_a_reason() -> None:
    loud = [story(n, ArticleDraft(title=f"Loud {n}", published=NOW), feeds=("loud",)) for n in range(1, 9)]
    old = NOW - timedelta(hours=18)
    quiet = story(9, ArticleDraft(title="Quiet", published=old), feeds=("quiet",))
    edition = replace(EDITION, sections=(Section("x", "X", Rule.LEAD, 4),))
    ranked = compose.rank(edition, [*loud, quiet], NOW)["x"]
    assert 9 in [s.id for s, _ in ranked[:4]]
    weighed = compose.rank(edition, [*loud, quiet], NOW, Signals(weights={"quiet": 1.0}))["x"]
    assert weighed[0][0].id == 9
    assert "editor +1.00" in str(weighed[0][1])


def test_pieces_with_a_section_of_their_own_do_not_lead() -> None:
    told = [story(n, ArticleDraft(title=str(n), kind=kind)) for n, kind in enumerate(Kind)]
    numbers = {kind: n for n, kind in enumerate(Kind)}
    assert numbers[Kind.OPINION] in _only(Rule.LEAD, told)
    assert numbers[Kind.SHORT] not in _only(Rule.LEAD, told)
    views = Section("views", "Views", Rule.KIND, 3, ("opinion", "blog"))
    for rule in (Rule.LEAD, Rule.TRENDING):
        assert set(_only(rule, told, sections=(views,))) == {numbers[Kind.NEWS], numbers[Kind.INTERVIEW]}


def test_a_section_leaves_out_the_kinds_it_is_told_to() -> None:
    kinds = (Kind.NEWS, Kind.OPINION, Kind.SHORT)
    told = [_made(number, kind, "sea", "Chile", 60, 1, 1) for number, kind in enumerate(kinds, 1)]
    rules = [(Rule.LATEST, ()), (Rule.SECTOR, ("sea",)), (Rule.REGION, ("chile",))]
    for left_out, kept in (((), {1, 2, 3}), (("opinion",), {1, 3}), (("opinion", "short"), {1})):
        sections = tuple(Section(str(rule), "S", rule, 9, words, except_kinds=left_out) for rule, words in rules)
        ranked = compose.rank(replace(EDITION, sections=sections), told, NOW)
        assert [{each.id for each, _ in stories} for stories in ranked.values()] == [kept] * 3


def test_a_sector_takes_what_any_source_files_there() -> None:
    one = story(1, ArticleDraft(title="a"), feeds=("a", "b"))
    tagged = replace(one.articles[1], draft=ArticleDraft(title="a", tags=("grid",)))
    told = [replace(one, articles=(one.lead, tagged)), story(2, ArticleDraft(title="b", sector="sport"))]
    assert _only(Rule.SECTOR, told, "grid", "energy") == [1]


def test_latest_is_newest_first_a_date_ahead_of_us_counts_as_now_and_none_as_yesterday() -> None:
    published = [NOW - timedelta(hours=3), NOW + timedelta(days=9), None, NOW - timedelta(minutes=1)]
    told = [story(n, ArticleDraft(title=str(n), published=at)) for n, at in enumerate(published, 1)]
    assert _only(Rule.LATEST, told) == [2, 4, 1, 3]


def test_who_stands_below_all_that_is_caught_up_on_gets_the_updates_of_what_came_before() -> None:
    update = replace(story(1, ArticleDraft(title="a"), intake=30), told=10)
    issue = compose.compose(EDITION, compose.Slot("daily", NOW), [update], compose.Standing(25, 40, (20,)), NOW)
    for cutoff in (0, 5, 15, 20, 25):
        assert variants.choose(issue, None, cutoff).shown, cutoff
    assert issue.items[1].told, "it is still marked as an update"


@pytest.mark.parametrize(("covers_from", "empty"), [(0, False), (1, True)])
def test_an_issue_without_anything_new_is_empty(covers_from: int, empty: bool) -> None:
    told = [story(1, ArticleDraft(title="a"), intake=1)]
    issue = compose.compose(EDITION, compose.Slot("daily", NOW), told, compose.Standing(covers_from, 2, (0,)), NOW)
    assert compose.is_empty(issue) is empty
    assert variants.choose(issue, None, 0).shown, "a late reader still gets it"


def test_an_item_names_its_sources_as_readers_know_them() -> None:
    issue: IssueContent = content()
    item = issue.items[1]
    assert (item.source, item.also, item.region) == ("The Harbour Post", ("Meridian Wire",), "Norway")
    edition: Edition = issue.edition
    lead_only = variants.choose(issue, (), None)
    assert [edition.sections[index].key for index, _ in lead_only.shown] == ["lead"]
