"""What an editor may do to an issue: content and edits make content, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes, policy

import pytest

from digest.editorial import edits, variants
from digest.editorial.compose import Editing, Slot, Standing, compose
from digest.editorial.edits import Edit, Verb
from digest.errors import InputError, NotFoundError
from digest.mail import intro
from digest.mail.personalise import Press, web_page
from digest.values import IssueContent, Reader
from tests.support import samples

CONTENT = compose(
    samples.EDITION,
    Slot("daily", samples.NOW),
    samples.stories(),
    Standing(0, 1, (0,)),
    samples.NOW,
    editing=Editing(spare=8),
)
LEAD = CONTENT.candidates[0][0]
HEALTH = [section.key for section in CONTENT.edition.sections].index("health")


def made(*changes: Edit, content: IssueContent = CONTENT) -> IssueContent:
    changed, left_out = edits.apply(content, changes)
    assert left_out == ()
    return changed


def shown(content: IssueContent, sections: tuple[str, ...] | None = None) -> dict[str, tuple[int, ...]]:
    found = variants.choose(content, sections, None).shown
    return {content.edition.sections[place].key: ids for place, ids in found}


def test_a_pinned_story_leads_and_for_readers_without_that_section_leads_its_own() -> None:
    story = shown(CONTENT)["health"][-1]
    changed = made(Edit(Verb.PIN, story))
    assert shown(changed)["lead"] == (story,)
    assert story not in shown(changed)["health"]
    others = replace(changed, edition=replace(changed.edition, sections=changed.edition.sections[1:]))
    assert replace(others, candidates=changed.candidates[1:]).candidates[HEALTH - 1][0] == story
    assert shown(made(Edit(Verb.PIN, story), Edit(Verb.PIN, LEAD)))["lead"] == (LEAD,), "the last one pinned leads"


def test_a_dropped_story_is_in_no_section_and_the_next_best_takes_its_place() -> None:
    changed = made(Edit(Verb.DROP, LEAD))
    assert LEAD not in changed.items
    assert LEAD not in {story for ids in changed.candidates for story in ids}
    assert shown(changed)["lead"] == (CONTENT.candidates[0][1],)
    assert len(shown(changed)["trending"]) == len(shown(CONTENT)["trending"])


@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_moved_story_stands_at_its_place_and_nowhere_else(place: int) -> None:
    changed = made(Edit(Verb.MOVE, LEAD, section="health", place=place))
    assert shown(changed)["health"][place - 1] == LEAD
    assert [key for key, ids in shown(changed).items() if LEAD in ids] == ["health"]
    rest = [story for story in shown(changed)["health"] if story != LEAD]
    untouched = shown(made(Edit(Verb.DROP, LEAD)))["health"]
    assert rest == list(untouched)[: len(rest)], "the others keep their order"


def test_a_section_without_stories_can_be_filled() -> None:
    empty = replace(CONTENT, candidates=tuple(() if n == HEALTH else ids for n, ids in enumerate(CONTENT.candidates)))
    assert shown(made(Edit(Verb.MOVE, LEAD, section="health", place=3), content=empty))["health"] == (LEAD,)


def test_a_new_headline_stands_for_the_picture_too_where_that_had_the_old_one() -> None:
    item = CONTENT.items[LEAD]
    assert item.image
    titled = replace(item, image=replace(item.image, alt=item.title))
    content = replace(CONTENT, items={**CONTENT.items, LEAD: titled})
    changed = made(Edit(Verb.RETITLE, LEAD, text="One grid"), content=content).items[LEAD]
    assert changed.image
    assert (changed.title, changed.image.alt) == ("One grid", "One grid")
    assert made(Edit(Verb.RETITLE, LEAD, text="One grid")).items[LEAD].image == item.image


def test_edits_that_have_lost_their_story_or_section_are_left_out_and_told() -> None:
    pin, gone = Edit(Verb.PIN, LEAD), Edit(Verb.RETITLE, 4711, text="x")
    elsewhere = Edit(Verb.MOVE, LEAD, section="gardening")
    changed, left_out = edits.apply(CONTENT, [gone, elsewhere, Edit(Verb.DROP, LEAD), pin])
    assert left_out == (gone, elsewhere, pin)
    assert changed == made(Edit(Verb.DROP, LEAD))
    assert made() == CONTENT


def test_an_edit_survives_its_record() -> None:
    for one in (Edit(Verb.MOVE, 3, "Ferry", section="sea", place=2), Edit(Verb.INTRO, text="*Hello*\n")):
        assert edits.from_json(edits.to_json(one)) == one


def test_a_story_is_named_by_number_or_by_words_of_its_headline() -> None:
    assert edits.find(CONTENT, str(LEAD)).story_id == LEAD
    assert edits.find(CONTENT, "ONE POWER GRID").story_id == LEAD
    with pytest.raises(InputError, match=r"\d+ headlines have 'the': give a number: 1 “Nine"):
        edits.find(CONTENT, "the")
    with pytest.raises(NotFoundError, match="did you mean 1 “Nine coastal states"):
        edits.find(CONTENT, "costal")
    with pytest.raises(NotFoundError, match="show ID --all"):
        edits.find(CONTENT, "zzz")


@pytest.mark.parametrize(
    ("section", "place", "told"),
    [("gardening", 1, "no section 'gardening': one of lead, "), ("lead", 2, "shows 1 stories"), ("lead", 0, "from 1")],
)
def test_a_place_that_is_not_there_is_told(section: str, place: int, told: str) -> None:
    with pytest.raises((InputError, NotFoundError), match=told):
        edits.check(CONTENT, Edit(Verb.MOVE, LEAD, section=section, place=place))


# ------------------------------------------------------------------------------------------ introduction

HELLO = """Good *morning*, [the treaty](https://a.example/?a=1&b=2) is **here**.

# News

- one
- two

> said

<script>alert(1)</script> [x](javascript:alert(1)) ![p](https://t.example/p.gif)
"""


def test_an_introduction_stands_before_the_news_in_both_parts() -> None:
    compiled = samples.compiled(replace(CONTENT, intro=HELLO))
    variant = variants.choose(CONTENT, None, None)
    envelope = Press(compiled, (("a", b"k" * 32),), "b.example.org", 90_000).message(
        variant, Reader(7, 41, "a@example.org"), samples.NOW
    )
    mail = message_from_bytes(envelope.message, policy=policy.default)
    text, html = (" ".join(part.get_content().split()) for part in mail.iter_parts())
    told = "Good morning, the treaty (https://a.example/?a=1&b=2) is here. News - one - two > said"
    assert text.index(told) < text.index("Top story")
    assert html.index("<em>morning</em>") < html.index("Top story")
    assert 'href="https://a.example/?a=1&amp;b=2"' in html
    assert web_page(compiled, variant, "t").count("<em>morning</em>") == 1
    for raw in ("<script", 'href="javascript:', 't.example/p.gif"', '<img src="https://t'):
        assert raw not in html.replace('href="https://t.example/p.gif"', "")


def test_an_issue_without_one_has_no_trace_of_it() -> None:
    compiled = samples.compiled()
    assert 'class="intro"' not in "".join(compiled.html.head.literals)


def test_lists_and_lines_keep_their_shape_in_plain_text() -> None:
    assert intro.as_text("1. a\n   b\n2. c\n   - d\n\ne\\\nf") == "1. a b\n2. c\n   - d\n\ne\nf"
    assert intro.as_text("a\n\n- b\n- c\n\n1. d\n\n   e\n2. f\n\n> - g\n> - h") == (
        "a\n\n- b\n- c\n\n1. d\n\n   e\n\n2. f\n\n> - g\n> - h"
    )
