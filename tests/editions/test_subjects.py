"""What a mail list shows: the news first, counted for this reader, and said once."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes, policy
from typing import Any

import pytest

from digest.app import template_folders
from digest.codec import codec
from digest.editions import subjects
from digest.editorial import variants
from digest.language import wording
from digest.mail import themes
from digest.mail.personalise import Press
from digest.values import CompiledIssue, Item, Reader
from tests.support import samples

KEYS = (("a", b"k" * 32),)
COMPILED = samples.compiled()
LONG = "Coastal states agree on one power grid for the northern seas after eleven years of talks about who pays and how"


def subject_and_preheader(compiled: CompiledIssue, sections: tuple[str, ...] | None = None) -> tuple[str, str]:
    """As a mail program reads them."""
    reader = Reader(7, 41, "a@example.org", sections=sections)
    variant = variants.choose(compiled.content, sections, None)
    envelope = Press(compiled, KEYS, "b.example.org", 90_000).message(variant, reader, samples.NOW)
    mail = message_from_bytes(envelope.message, policy=policy.default)
    html = mail.get_body(("html",))
    assert html
    behind = html.get_content().partition('class="pre"')[2].partition(">")[2].partition("&#847;")[0]
    return mail["Subject"], " ".join(behind.split())


def test_the_subject_has_the_first_headline_and_counts_the_reader_s_own_stories() -> None:
    everything, _ = subject_and_preheader(COMPILED)
    few, preheader = subject_and_preheader(COMPILED, ("shorts",))
    lead = COMPILED.content.items[COMPILED.content.candidates[0][0]].title
    count = sum(len(ids) for _, ids in variants.choose(COMPILED.content, None, None).shown)
    assert everything == f"{lead} (and {count - 1} more)"
    assert few == f"{lead} (and 4 more)"
    assert lead not in preheader
    assert " &#183; " in preheader


@pytest.mark.parametrize(
    ("written", "others", "told"),
    [
        ("{headline} ({more})", 3, "Ferry (and 3 more)"),
        ("{headline} ({more})", 0, "Ferry"),
        ("{headline}, {more} | {edition}", 0, "Ferry | The Harbour Post"),
        ("{more}: {headline}", 0, "Ferry"),
        ("{edition}, {date}: {{{headline}}}", 2, "The Harbour Post, 23 November: {Ferry}"),
        ("Read this", 2, "Read this"),
    ],
)
def test_a_subject_is_filled_and_has_no_loose_ends(written: str, others: int, told: str) -> None:
    assert subjects.subject(written, COMPILED, Item(1, 1, "Ferry", ""), others) == told


def test_a_long_headline_is_cut_at_a_word_and_what_stands_behind_it_is_seen() -> None:
    told = subjects.subject("{headline} ({more})", COMPILED, Item(1, 1, LONG, ""), 12)
    assert told.endswith("… (and 12 more)")
    assert len(told) <= subjects.MOST
    assert LONG.startswith(told.partition("…")[0])
    assert LONG[len(told.partition("…")[0])] in " ,"


def test_what_an_editor_wrote_stands_for_everybody_and_the_first_headline_moves_behind_it() -> None:
    content = replace(COMPILED.content, subjects=("The grid is =?utf-8?q?x?= one",))
    subject, preheader = subject_and_preheader(replace(COMPILED, content=content))
    assert subject == "The grid is = ?utf-8?q?x?= one"
    lead = content.items[content.candidates[0][0]].title
    assert preheader.startswith(lead)
    written = replace(COMPILED, content=replace(content, preheader="Also: <glaciers>"))
    assert subject_and_preheader(written)[1] == "Also: &lt;glaciers&gt;"


def test_every_language_has_words_for_more() -> None:
    texts: Any = themes.environment(template_folders(None)).globals["texts"]
    locales = ("en", "es", "de", "pt", "fr", "hi", "ar")
    words = {wording.form(texts(locale)["and_more"], 5) for locale in locales}
    assert len(words) == len(locales)
    assert all("{count}" in word for word in words)


def test_each_reader_s_own_count_has_its_form() -> None:
    texts: Any = themes.environment(template_folders(None)).globals["texts"]
    arabic = codec(CompiledIssue).dump_json(replace(COMPILED, more=texts("ar-EG")["and_more"]))
    stored = codec(CompiledIssue).validate_json(arabic)
    told = [subjects.subject("{more}", stored, Item(1, 1, LONG, ""), others) for others in (1, 2, 3, 11, 100)]
    assert told == ["وخبر آخر", "وخبران آخران", "و3 أخبار أخرى", "و11 خبرًا آخر", "و100 خبر آخر"]


def test_an_issue_that_was_stored_with_one_form_is_still_read() -> None:
    old = codec(CompiledIssue).dump_python(COMPILED, mode="json") | {"more": "plus {count}"}
    stored = codec(CompiledIssue).validate_python(old)
    told = [subjects.subject("{more}", stored, Item(1, 1, LONG, ""), others) for others in (1, 2)]
    assert told == ["plus 1", "plus 2"]
