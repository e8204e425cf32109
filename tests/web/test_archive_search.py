"""Searching the public archive."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from tests.support.world import World, draft
from tests.web.test_archive import parsed, site, told, world

__all__ = ["site", "world"]  # fixtures


def titles(page: str) -> list[str]:
    return ["".join(h2.itertext()) for h2 in parsed(page).iterfind(".//ol[@class='issues']//h2")]


@pytest.fixture
def library(world: World) -> None:
    drafts = {
        1: ("Über die Straße zum Café", "Grüße aus Köln und anderswo."),
        2: ("दिल्ली में बाढ़ से राहत", "नदी का जलस्तर घटा"),
        3: ("القاهرة تستقبل السُّيّاح", "أعداد قياسية هذا العام"),
        4: ("東京の図書館が開く", "新しい本"),
        5: ("Library lends ladders", "The café next door lends cups. 100%_sure"),
        6: ("Covid-19 ends; U.S. relaxes", "Nobody's sorry"),
    }
    for number, (title, standfirst) in drafts.items():
        told(world, replace(draft(number), title=title, standfirst=standfirst))


@pytest.mark.usefixtures("library")
def test_search_finds_words_in_any_script(site: httpx.Client) -> None:
    finds = {
        "cafe": ["Über die Straße zum Café", "Library lends ladders"],  # in the headline first
        "STRASSE": ["Über die Straße zum Café"],
        "strasse köln": ["Über die Straße zum Café"],
        "strasse ladders": [],
        "बाढ़": ["दिल्ली में बाढ़ से राहत"],
        "दिल्ल": ["दिल्ली में बाढ़ से राहत"],  # the beginning of a word
        "السياح": ["القاهرة تستقبل السُّيّاح"],
        "図書": ["東京の図書館が開く"],
        "libr lad": ["Library lends ladders"],
        "brary": [],  # not within a word
        '"lends cups"': ["Library lends ladders"],
        '"cups lends"': [],
        "covid-19": ["Covid-19 ends; U.S. relaxes"],
        "US relaxes": ["Covid-19 ends; U.S. relaxes"],
        "100%_sure": ["Library lends ladders"],
        "%": [],
    }
    for query, wanted in finds.items():
        assert titles(site.get("/a/tide", params={"q": query}).text) == wanted, query


@pytest.mark.usefixtures("library")
def test_no_query_is_an_error(site: httpx.Client) -> None:
    odd = (
        "",
        " ",
        '"',
        '""',
        '"a',
        "'",
        "' OR 1=1 --",
        "*",
        "a AND",
        "NOT",
        "NEAR(",
        "a:b",
        "-",
        "^",
        "\\",
        "%",
        "_",
        "\0",
    )
    wild = (
        "x" * 1000,
        "a " * 500,
        "🙂",
        "\ufffe",
        "e\u0301" * 300,
        "\u202eabc",
        "<b>",
        "{{ 1 }}",
        "\ud800".encode("utf-8", "surrogatepass"),
    )
    for query in (*odd, *wild):
        answer = site.get("/a/tide", params={"q": query})
        assert answer.status_code == 200, query
    assert "<mark>Library</mark> lends" in site.get("/a/tide?q=LIBRARY").text


def test_a_story_is_found_once_in_the_last_issue_that_told_it(world: World, site: httpx.Client) -> None:
    told(world, draft(1))
    told(world, draft(2), cadence="weekly")  # tells the first again
    page = site.get("/a/tide?q=event1").text
    assert len(titles(page)) == 1 and "2026-11-25-weekly" in page and "1 story found" in page
