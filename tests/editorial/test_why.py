"""Every place in an issue has a reason that an editor can read, frozen with it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from digest import cli
from digest.cli.common import Door
from digest.codec import codec
from digest.editorial import compose, variants
from digest.editorial.why import explained
from digest.values import ArticleDraft, CompiledIssue, FeedSpec, Rule, Section, Story
from tests.support import samples
from tests.support.samples import EDITION, NOW, story
from tests.support.world import World, draft


def told(number: int, hours: float, *feeds: str) -> Story:
    draft = ArticleDraft(title=f"Story {number}", published=NOW - timedelta(hours=hours), sector=f"s{number}")
    return story(number, draft, feeds=feeds or ("plain",))


def test_a_feed_of_weight_one_ranks_like_one_a_day_younger() -> None:
    feeds = (FeedSpec("plain"), FeedSpec("liked", weight=1.0), FeedSpec("disliked", weight=-1.0))
    edition = replace(EDITION, feeds=feeds, sections=(Section("x", "X", Rule.LEAD, 9),))
    stories = [told(1, 10), told(2, 30, "liked"), told(3, 36, "liked"), told(4, 2, "disliked")]
    content = compose.compose(edition, compose.Slot("daily", NOW), stories, compose.Standing(0, 1), NOW)
    assert content.candidates == ((2, 1, 3, 4),)
    weights = {reason.story_id: reason.parts.get("editor", 0.0) for reason in content.reasons[0]}
    assert weights == {1: 0.0, 2: 1.0, 3: 1.0, 4: -1.0}


def test_every_story_shown_has_its_reason_and_so_have_the_next_few() -> None:
    content = samples.compiled().content
    variant = variants.choose(content, None, None)
    found = explained(content, variant)
    for index, ids in variant.shown:
        section, placed = content.edition.sections[index], found[index]
        assert [each.story_id for each in placed if each.place] == list(ids)
        assert all(each.rank and each.because.startswith(f"{each.score:+.2f} = ") for each in placed)
        waiting = [each for each in placed if each.instead == "there was no more room"]
        assert len(waiting) <= compose.NEXT
        assert not waiting or len(ids) == section.count
        assert all(each.instead for each in placed if not each.place)
    trending = {each.instead for each in found[1]}
    assert "stands in Top story" in trending


def test_what_an_editor_changes_is_told_from_what_merit_does() -> None:
    content = samples.compiled().content
    (index, ids), *_ = (each for each in variants.choose(content, None, None).shown if len(each[1]) > 2)
    added = next(id_ for id_ in content.candidates[-1] if id_ not in content.candidates[index])
    kept = [tuple(id_ for id_ in each if id_ != ids[0]) for each in content.candidates]
    kept[index] = (added, *kept[index])
    content = replace(content, candidates=tuple(kept))
    placed = {each.story_id: each for each in explained(content, variants.choose(content, None, None))[index]}
    assert placed[added].because == "an editor's choice"
    assert placed[ids[0]].instead == "an editor took it out"


def test_reasons_are_frozen_with_the_issue_and_old_issues_have_none() -> None:
    compiled = samples.compiled()
    assert codec(CompiledIssue).validate_json(codec(CompiledIssue).dump_json(compiled).decode()) == compiled
    old = replace(compiled.content, reasons=())
    placed = explained(old, variants.choose(old, None, None))
    assert [each.title for each in placed[0]]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_command_shows_each_section_s_stories_and_those_it_left_out(world: World) -> None:
    world.articles(*map(draft, range(1, 6)))
    issue = world.publish()
    arguments = ["issue", "show", str(issue.id), "--why"]
    table = CliRunner().invoke(cli.app, arguments, obj=Door(app=world.app), env={"COLUMNS": "200"}).stdout
    assert "stands in Top story" in table and "freshness" in table and "there was no more room" in table
    shown = json.loads(CliRunner().invoke(cli.app, [*arguments, "--json"], obj=Door(app=world.app)).stdout)
    assert [section["section"] for section in shown] == ["Top story", "Sea"]
    assert [len([s for s in section["stories"] if s["place"]]) for section in shown] == [1, 2]
    assert shown[0]["stories"][0].keys() >= {"rank", "score", "parts", "story_id", "title"}
