"""When what a reader gets is little: the edition's fallback section fills it up."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from digest.editorial import compose, variants
from digest.public import archive
from digest.values import ArticleDraft, Edition, IssueContent, Rule, Section
from tests.support.samples import EDITION, NOW, story

SECTIONS = (
    Section("all", "Latest", Rule.LATEST, 2),
    Section("sea", "Sea", Rule.SECTOR, 3, ("sea",)),
    Section("land", "Land", Rule.SECTOR, 3, ("land",)),
)
THIN = replace(EDITION, sections=SECTIONS, thin=3, fallback="all")


def _issue(edition: Edition, *sectors: str) -> IssueContent:
    """An issue of one story for each sector, the newest first."""
    told = [
        story(number, ArticleDraft(f"{number}", sector=sector, published=NOW - timedelta(minutes=number)), number)
        for number, sector in enumerate(sectors, 1)
    ]
    return compose.compose(edition, compose.Slot("daily", NOW), told, compose.Standing(0, len(told), ()), NOW)


def _got(issue: IssueContent, *sections: str, covered_until: int | None = None) -> dict[str, int]:
    shown = variants.choose(issue, sections or None, covered_until).shown
    ids = [story_id for _, stories in shown for story_id in stories]
    assert len(ids) == len(set(ids)), "nothing twice"
    assert all(story_id > (covered_until or 0) for story_id in ids), "nothing that the reader has had"
    return {SECTIONS[index].key: len(stories) for index, stories in shown}


@pytest.mark.parametrize(
    ("sections", "got"),
    [
        (("sea",), {"sea": 1, "all": 2}),
        (("land", "sea"), {"land": 3, "sea": 1}),
        (("sea", "all"), {"all": 2}),
        (("all",), {"all": 2}),
    ],
)
def test_a_thin_mail_is_filled_by_the_fallback_behind_what_the_reader_chose_and_only_once(
    sections: tuple[str, ...], got: dict[str, int]
) -> None:
    issue = _issue(THIN, "sea", "land", "land", "land", "air")
    assert _got(issue, *sections) == got
    assert list(_got(issue, *sections)) == list(got)


def test_without_a_fallback_a_thin_mail_is_thin() -> None:
    assert _got(_issue(replace(THIN, thin=0, fallback=""), "sea", "air"), "sea") == {"sea": 1}


def test_filler_alone_makes_no_mail() -> None:
    assert _got(_issue(THIN, "air", "air", "air"), "sea") == {}
    assert _got(_issue(THIN, "sea", "air", "air"), "sea", covered_until=1) == {}


def test_the_fallback_has_enough_for_who_sees_its_best_in_their_own_sections() -> None:
    issue = _issue(replace(THIN, thin=4), "sea", "sea", "sea", *["air"] * 6)
    assert _got(issue, "sea") == {"sea": 3, "all": 2}
    assert len(issue.candidates[0]) == 5


def test_nothing_is_filled_where_the_fallback_was_cut_away() -> None:
    """In the archive stands what a reader of everything got, whatever sections that leaves."""
    issue = archive.public(_issue(replace(THIN, sections=SECTIONS[1:] + SECTIONS[:1]), "sea"))
    assert [section.key for section in issue.edition.sections] == ["sea"]
    assert [len(ids) for _, ids in variants.choose(issue, ("sea",), None).shown] == [1]


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        (None, "nothing new in any section"),
        (("land", "sea"), "nothing new in sea, land"),
        (("sea", "land"), "nothing new in sea, land"),
        (("gone",), "no section is chosen"),
    ],
)
def test_who_gets_no_mail_is_told_where_nothing_is_new(chosen: tuple[str, ...] | None, reason: str) -> None:
    assert variants.nothing_new(SECTIONS, chosen) == reason


def test_a_reason_names_no_more_sections_than_can_be_read() -> None:
    offered = [Section(f"s{number}", "", Rule.LATEST, 1) for number in range(40)]
    assert variants.nothing_new(offered, [f"s{number}" for number in range(30)]).endswith("s6, s7 and 22 more")
