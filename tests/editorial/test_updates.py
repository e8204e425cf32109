"""When a reader who was told a story wants to hear of it again, and when it was only polished."""

from __future__ import annotations

from datetime import timedelta

import pytest

from digest.editorial.updates import change, is_news
from digest.values import ArticleDraft

FIRST = ArticleDraft(
    "Night ferry to return to Port Ellery after council vote", standfirst="Boats will sail until 4 a.m. from May."
)
DAY = timedelta(hours=12)


@pytest.mark.parametrize(
    ("after", "news"),
    [
        (FIRST, False),
        (ArticleDraft("Night ferry returns to Port Ellery after council’s vote", standfirst=FIRST.standfirst), False),
        (ArticleDraft(FIRST.title, standfirst="The line was closed eleven years ago, after a fire on board."), False),
        (ArticleDraft("Port Ellery: after the council’s vote, the night ferry is to return"), False),
        (
            ArticleDraft(
                "Court stops return of boats", standfirst="Judge Adaeze Obi found that Norland had not been heard."
            ),
            True,
        ),
        (
            ArticleDraft(
                "Shipowners withdraw offer", standfirst="The firm Halden says that the quay at Tarn is too short."
            ),
            True,
        ),
    ],
    ids=["nothing", "a better verb", "a new standfirst", "turned round", "a court steps in", "an offer is withdrawn"],
)
def test_only_that_something_more_has_happened_is_news(after: ArticleDraft, news: bool) -> None:
    assert is_news(FIRST, after, DAY) is news


@pytest.mark.parametrize(
    ("before", "after", "news"),
    [
        ("Quake kills at least 40 in Karadan", "Quake kills at least 90 in Karadan", True),
        ("Quake kills at least 40 in Karadan", "Quake kills at least 41 in Karadan", False),
        ("Factory to shed 1,800 jobs", "Factory to shed 3,000 jobs", True),
        ("Two found on day 3", "Two found on day 5", False),
        ("What 2026 will bring", "What 2027 will bring", False),
    ],
)
def test_a_number_that_leaps_in_the_headline_is_news(before: str, after: str, news: bool) -> None:
    assert is_news(ArticleDraft(before), ArticleDraft(after), DAY) is news


def test_in_its_first_hours_a_piece_is_still_being_written() -> None:
    court = ArticleDraft("Court stops return of boats", standfirst="Judge Adaeze Obi found for the village of Tarn.")
    assert not is_news(FIRST, court, timedelta(hours=1))
    assert is_news(FIRST, court, timedelta(hours=4))


def test_a_change_names_what_is_new() -> None:
    found = change(FIRST, ArticleDraft("Night ferry stopped", standfirst="So said Judge Obi in Tarn on Monday."))
    assert {"obi", "tarn"} <= found.facts
    assert found.headline == pytest.approx(1 / 3)
