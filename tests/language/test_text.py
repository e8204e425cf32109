"""What strangers write, scrubbed for where it goes: the store and pages, headers, documents, your terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.language import text

BIDI = [*map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A)))]
MARKS = ["\u061c", "\u200e", "\u200f"]
ZERO_WIDTH = ["\u200b", "\ufeff"]
CONTROLS = ["\x00", "\x07", "\x1b", "\x7f", "\x80", "\x9b", "\x9f"]  # \x9b begins a terminal's command, as ESC [ does
SURROGATES = ["\ud800", "\udfff"]
NONCHARACTERS = ["\ufffe", "\uffff"]
BREAKS = ["\n", "\r", "\r\n", "\t", "\v", "\f", "\x85", "\u2028", "\u2029"]
JOINED = "क्‍ष 👩‍🚀 می‌خواهم"


def between(character: str) -> str:
    return f"a{character}b"


@pytest.mark.parametrize("character", [*BIDI, *ZERO_WIDTH, *CONTROLS, *SURROGATES, *NONCHARACTERS])
@pytest.mark.parametrize("scrub", [text.one_line, text.header_line])
def test_a_line_holds_nothing_that_is_unseen_or_turns_its_direction(scrub, character: str) -> None:  # type: ignore[no-untyped-def]
    assert scrub(between(character)) == "ab"


@pytest.mark.parametrize("character", BREAKS)
@pytest.mark.parametrize("scrub", [text.one_line, text.header_line])
def test_a_line_has_a_space_where_it_was_broken(scrub, character: str) -> None:  # type: ignore[no-untyped-def]
    assert scrub(f"{character}a {character} b{character}c\u00a0") == "a b c"


@pytest.mark.parametrize("character", MARKS)
def test_direction_marks_stay_in_a_line_but_not_in_a_header(character: str) -> None:
    assert text.one_line(between(character)) == between(character)
    assert text.header_line(between(character)) == "ab"


@pytest.mark.parametrize("scrub", [text.one_line, text.header_line, text.many_lines, text.on_terminal])
def test_joiners_stay_everywhere(scrub) -> None:  # type: ignore[no-untyped-def]
    assert scrub(JOINED) == JOINED


@pytest.mark.parametrize("character", [*CONTROLS, *SURROGATES, *NONCHARACTERS, "\x0b", "\x0c", "\x85"])
def test_a_document_holds_only_what_it_can_be_written_with(character: str) -> None:
    assert text.many_lines(between(character)) == "ab"
    assert text.many_lines(between(character), mark="\ufffd") == "a\ufffdb"


@pytest.mark.parametrize("character", [*BIDI, *MARKS, *ZERO_WIDTH, "\n", "\r\n", "\t", "\u2028", "\u2029"])
def test_a_document_keeps_its_lines_and_the_directions_it_sets(character: str) -> None:
    assert text.many_lines(between(character)) == between(character)


@pytest.mark.parametrize("character", [*BIDI, *MARKS, *ZERO_WIDTH, *CONTROLS, *SURROGATES, "\r", "\x0b", "\x85"])
def test_nothing_steers_the_terminal(character: str) -> None:
    assert text.on_terminal(between(character)) == "ab"


def test_a_terminal_is_shown_lines_and_tabs_and_no_other_breaks() -> None:
    assert text.on_terminal("a\n\tb\u2028c\u2029d") == "a\n\tb c d"


@pytest.mark.parametrize("character", [*BREAKS, *CONTROLS, *SURROGATES])
def test_what_you_write_is_refused_where_it_is_no_line(character: str) -> None:
    assert not text.is_line(between(character))


def test_a_line_may_be_of_any_script() -> None:
    assert text.is_line(JOINED) and text.is_line("") and text.is_line("a\u200fb\u00a0c")


@pytest.mark.parametrize("character", [*BIDI, *MARKS, *ZERO_WIDTH, *BREAKS, *CONTROLS, *SURROGATES])
def test_what_can_t_be_seen_is_quoted_as_an_escape(character: str) -> None:
    shown = text.quoted(between(character))
    assert shown.isascii() and shown.isprintable() and "\\" in shown


def test_what_is_quoted_is_short() -> None:
    assert text.quoted("é" * 100) == f"‘{'é' * 60}’"
    assert text.quoted("a\0" + "b" * 100) == r"'a\x00" + "b" * 58 + "'"


@given(st.text(st.characters(codec=None), max_size=40))
def test_any_line_is_one_can_be_stored_and_stays_as_it_is(anything: str) -> None:
    for scrub in (text.one_line, text.header_line):
        line = scrub(anything)
        line.encode()
        assert text.is_line(line) and line == scrub(line) and "\0" not in line
    for scrub in (text.many_lines, text.on_terminal):
        kept = scrub(anything)
        kept.encode()
        assert kept == scrub(kept) and "\0" not in kept
