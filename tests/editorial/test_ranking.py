"""Editorial rules, in words: what counts for a story, and that nothing floods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest

from digest.editorial.ranking import (
    REPEATED,
    Score,
    Signals,
    best_first,
    first_pictured,
    heat,
    places,
    score,
    trend,
    varied,
)
from digest.values import Article, ArticleDraft, Image, Story
from tests.conftest import NOW

PICTURE = Image("https://a.example/a.jpg")


def told(feed: str = "a", hours: float = 0, picture: bool = False, text: str = "", number: int = 1) -> Article:
    draft = ArticleDraft("T", standfirst=text, image=PICTURE if picture else None)
    return Article(number, number, feed, 1, NOW - timedelta(hours=hours), draft_at(draft, hours))


def draft_at(draft: ArticleDraft, hours: float) -> ArticleDraft:
    return ArticleDraft(
        draft.title, standfirst=draft.standfirst, image=draft.image, published=NOW - timedelta(hours=hours)
    )


def story(*articles: Article, number: int = 1) -> Story:
    return Story(number, 1, NOW, articles[0], articles)


def filed(number: int, source: str = "a", sector: str = "", points: float = 0.0) -> tuple[Story, Score]:
    piece = Article(number, number, source, 1, NOW, ArticleDraft(f"Story {number}", sector=sector))
    return Story(number, 1, NOW, piece, (piece,)), Score(freshness=points)


def ids(ranked: Sequence[tuple[Story, Score]]) -> list[int]:
    return [each.id for each, _ in ranked]


def mixed(scored: Sequence[tuple[Story, Score]], affairs: Mapping[int, int] | None = None) -> list[int]:
    return ids(varied(best_first(scored), affairs or {}))


# ------------------------------------------------------------------------------------------ what counts


def test_being_told_by_two_sources_makes_up_for_a_day_of_age() -> None:
    yesterday = score(story(told("a", 24), told("b", 24)), NOW).total
    assert yesterday == pytest.approx(score(story(told("a")), NOW).total)


def test_a_source_that_tells_it_twice_counts_once() -> None:
    assert score(story(told("a"), told("a")), NOW) == score(story(told("a")), NOW)


def test_what_is_only_retold_is_no_fresher() -> None:
    assert score(story(told("a", 1), told("a", 30)), NOW) == score(story(told("a", 30)), NOW)


def test_a_picture_counts_more_than_a_standfirst_and_either_more_than_neither() -> None:
    pictured, described, bare = (score(story(each), NOW).total for each in (told(picture=True), told(text="s"), told()))
    assert pictured > described > bare


def test_very_old_stories_still_have_an_order() -> None:
    assert score(story(told("a", 90_000)), NOW).total < score(story(told("a", 80_000)), NOW).total


def test_what_a_source_puts_first_counts_more_and_far_down_it_makes_little_difference() -> None:
    first, sixth, last = (
        score(story(told(number=place)), NOW, Signals(places={place: place - 1})).place for place in (1, 6, 60)
    )
    assert first == 2 * sixth
    assert last < 0.001


def test_places_are_counted_among_what_came_from_one_feed_at_one_time() -> None:
    came = [(5, "a", 1), (7, "a", 1), (6, "b", 1), (9, "a", 2)]
    articles = [Article(id_, id_, feed, intake, NOW, ArticleDraft("T")) for id_, feed, intake in came]
    assert places(story(article) for article in articles) == {5: 0, 7: 1, 6: 0, 9: 0}


def test_an_editor_weighs_sources_in_days_and_the_best_of_a_story_s_sources_counts() -> None:
    weighed = Signals(weights={"a": -1, "b": 2}, favoured={1: 0.5})
    assert score(story(told("a"), told("b")), NOW, weighed).editor == 2.5
    assert score(story(told("a"), number=2), NOW, weighed).editor == -1


def test_clicks_count_but_a_thousand_of_them_less_than_a_second_source() -> None:
    clicked = score(story(told()), NOW, Signals(clicks={1: 1000})).clicks
    assert 0 < clicked <= score(story(told("a"), told("b")), NOW).sources


def test_neither_a_date_ahead_of_us_nor_none_at_all_is_a_trick() -> None:
    later = NOW + timedelta(hours=5)
    ahead, timely, undated = (
        score(story(Article(1, 1, "a", 1, NOW, ArticleDraft("T", published=published))), later).total
        for published in (NOW + timedelta(days=30), NOW, None)
    )
    assert ahead == timely > undated


def test_a_score_says_why_and_adds_up() -> None:
    points = score(story(told("a", 12, picture=True), told("b", 3)), NOW)
    assert points.total == pytest.approx(sum(part for _, part in points.parts))
    assert str(points) == "+0.75 = sources +1.00, freshness -0.50, fullness +0.25"
    assert str(Score()) == "+0.00 = nothing"


# -------------------------------------------------------------------------------------------- trending


def test_trending_is_what_many_tell_now() -> None:
    burning = heat(story(told("a", 1), told("b", 1), told("c", 2)), NOW)
    assert burning > heat(story(told("a", 1), told("a", 1), told("a", 2)), NOW) > heat(story(told("a", 1)), NOW)
    assert burning > heat(story(told("a", 30), told("b", 30), told("c", 30), told("d", 30)), NOW)


def test_trending_is_ordered_by_heat_even_where_next_to_nothing_is_left_of_it() -> None:
    ages = (1, 40, 9_000)
    assert [trend(story(told("a", age)), NOW).total for age in ages] == sorted(
        (trend(story(told("a", age)), NOW).total for age in ages), reverse=True
    )


# --------------------------------------------------------------------------------------------- variety


def test_the_best_comes_first_and_of_equals_the_later_one() -> None:
    assert ids(best_first([filed(1), filed(2), filed(3, points=1)])) == [3, 2, 1]


def test_no_source_floods_a_section() -> None:
    loud = [filed(number, "loud", points=-number / 100) for number in range(1, 11)]
    others = [filed(21, "quiet", points=-0.5), filed(22, "small", points=-0.6)]
    first_six = mixed([*loud, *others])[:6]
    assert first_six[0] == 1, "the best stays first"
    assert {21, 22} <= set(first_six)


def test_no_topic_floods_a_section_whoever_tells_it() -> None:
    sport = [filed(number, f"paper{number}", "sport", -number / 100) for number in range(1, 11)]
    assert 21 in mixed([*sport, filed(21, "paper", "health", -0.9)])[:4]


def test_no_affair_floods_a_section_and_it_weighs_more_than_source_or_topic() -> None:
    affair = dict.fromkeys(range(1, 6), 1)
    pieces = [filed(number, f"paper{number}", points=-number / 100) for number in range(1, 6)]
    assert mixed([*pieces, filed(21, "paper", points=-0.9)], affair)[:2] == [1, 21]


def test_in_a_long_section_merit_decides() -> None:
    steady = [filed(number, "a", points=-number / 10) for number in range(1, 41)]
    old = filed(99, "b", points=-3.0)
    assert mixed([*steady, old]).index(99) == 15, "a loud source is held back by a day and a half, no more"


def test_variety_is_a_reason_like_any_other() -> None:
    ranked = varied([filed(1, "a", "sport"), filed(2, "a", "sport", -0.1), filed(3, "a", "", -0.2)], {})
    assert [(each.id, points.variety) for each, points in ranked] == [(1, 0), (3, -REPEATED), (2, -3 * REPEATED)]


def test_a_much_better_story_is_not_held_back_for_variety() -> None:
    assert mixed([filed(1, "a"), filed(2, "a", points=-0.1), filed(3, "b", points=-5)]) == [1, 2, 3]


def test_where_there_is_one_source_and_one_topic_only_merit_counts() -> None:
    scored = [filed(number, "a", "health", -(number * 7 % 11)) for number in range(1, 11)]
    assert mixed(scored) == ids(best_first(scored))


def test_nobody_is_lost_in_a_long_section() -> None:
    scored = [filed(number, f"s{number % 7}", f"t{number % 5}", -number / 9) for number in range(1, 601)]
    assert sorted(mixed(scored)) == list(range(1, 601))


def test_who_opens_an_issue_shows_their_face() -> None:
    plain, pictured, other = (
        (story(told(picture=picture, number=number), number=number), Score())
        for number, picture in ((1, False), (2, True), (3, False))
    )
    assert ids(first_pictured([plain, pictured, other])) == [2, 1, 3]
