"""The demo's own parts: the newspapers are readable, and its judge finds what is wrong."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from string import Template

import pytest

from demo import readers, story, verdict
from demo.__main__ import ROOT
from demo.mails import Known, Mail
from demo.mails import read as read_mail
from demo.site import documents
from demo.site.server import Site, serving
from digest.editions import file as editions
from digest.editorial import stories
from digest.editorial.variants import choose
from digest.mail.personalise import Press
from digest.sources import manuscripts
from digest.sources.extract import extract
from digest.sources.feeds import ParsedFeed
from digest.sources.parse import parse
from digest.tables import read_json_lines
from digest.values import ArticleDraft, Image, Reader
from tests.support import samples

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(NOW) as site:
        yield site


def feeds(site: Site) -> dict[str, ParsedFeed]:
    paths = {"courier": "/feed.xml", "telegraph": "/telegraph/atom.xml", "minutes": "/minutes/feed.json"}
    return {name: read(site.addresses.of(name) + path) for name, path in paths.items()}


def read(url: str) -> ParsedFeed:
    with urllib.request.urlopen(url) as answer:
        return parse(answer.read(), answer.headers["Content-Type"], url)


def test_feeds_tell_of_their_day_only(site: Site) -> None:
    first = {name: {draft.url for draft in feed.drafts} for name, feed in feeds(site).items()}
    assert all(first.values())
    site.day = 2
    for name, feed in feeds(site).items():
        assert not feed.rejected
        assert {draft.url for draft in feed.drafts} > first[name]


def test_two_papers_tell_the_same_stories_and_no_others(site: Site) -> None:
    site.day = 2
    drafts = [draft for feed in feeds(site).values() for draft in feed.drafts]
    joined = {
        frozenset({drafts[index].url, drafts[assignment.same_as].url})
        for index, assignment in enumerate(stories.assign(drafts, []))
        if assignment.same_as is not None
    }
    urls = {piece.slug: piece.url for piece in site.pieces}
    assert joined == {frozenset({p.url, urls[p.story]}) for p in site.pieces if p.story != p.slug}


def test_page_and_file_of_the_newsroom_say_what_the_feed_can_not(site: Site) -> None:
    top, *others = site.newsroom()
    with urllib.request.urlopen(top.url) as answer:
        draft = extract(answer.read(), top.url)
    assert (draft.title, draft.place, draft.countries) == (top.title, top.place, (top.country,))
    assert isinstance(draft.image, Image)
    assert (draft.image.credit, draft.agency) == (top.credit, "With inputs from agencies.")
    imported = list(manuscripts.drafts(read_json_lines(documents.json_lines(others).splitlines())))
    assert [d.url for d in imported if isinstance(d, ArticleDraft) and d.countries] == [p.url for p in others]


def test_edition_is_valid(site: Site) -> None:
    text = Template(story.TEMPLATE.read_text(encoding="utf-8"))
    edition = editions.parse(text.substitute(courier=site.addresses.courier, telegraph=site.addresses.telegraph), "")
    assert edition.name == story.EDITION


def test_readers_file_is_read_back_without_the_lines_that_were_rejected(tmp_path: Path) -> None:
    readers.write(tmp_path / "r.csv", 20, ["health", "culture", "economy", "views", "minutes"])
    lines = (tmp_path / "r.csv").read_text(encoding="utf-8").splitlines()
    faults = [line for line in lines if line.split(",")[1] in {fault[1] for fault in readers.FAULTS}]
    rejected = "\n".join([f"reason,{lines[0]}", *(f"why,{line}" for line in faults)])
    (tmp_path / "x.csv").write_text(rejected, encoding="utf-8")
    choices = readers.read(tmp_path / "r.csv", tmp_path / "x.csv")
    assert sorted(choices) == [f"reader{n:04}@meridian.test" for n in range(1, 21)]
    assert None in choices.values()


def mail(recipient: str, issue: int, *stories: str, sections: tuple[str, ...] = ("Top",)) -> Mail:
    return Mail(Path(), recipient, issue, sections, stories, ())


def test_mails_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    renamed = replace(samples.SECTIONS[1], title="From the harbours")  # no line of a mail begins with "From "
    edition = replace(samples.EDITION, sections=(samples.SECTIONS[0], renamed, *samples.SECTIONS[2:]))
    compiled = samples.compiled(samples.content(edition))
    keys = (("a", b"k" * 32),)
    envelope = Press(compiled, keys, "b.example.org", 90_000).message(
        choose(compiled.content, None, None), Reader(7, 8, "ann@example.org"), NOW
    )
    path = tmp_path / "mail.eml"
    head = f"Return-Path: <{envelope.sender}>\r\nDelivered-To: {envelope.recipient}\r\n"
    path.write_bytes(head.encode() + envelope.message)
    known = Known(
        keys,
        frozenset(section.title for section in edition.sections),
        {item.url: str(key) for key, item in compiled.content.items.items()},
    )
    received = read_mail(path, known)
    shown = choose(compiled.content, None, None).shown
    assert received.faults == ()
    assert received.issue == 7
    assert received.sections == tuple(edition.sections[index].title for index, _ in shown)
    assert received.stories == tuple(str(key) for _, keys_ in shown for key in keys_)


GOOD = (mail("a", 1, "x", sections=("Top", "Health")), mail("b", 1, "x", "y"), mail("a", 2, "z"))
EXPECTED = verdict.Expected({"a": None, "b": frozenset()}, always=frozenset({"Top"}), gone="b")


def test_judge_is_content_with_what_is_right() -> None:
    assert all(finding.good for finding in verdict.judge(GOOD, EXPECTED))
    assert verdict.sections(GOOD, ["Top", "Health"]) == [("Top", 2, 1), ("Health", 1, 0)]


@pytest.mark.parametrize(
    ("mails", "wrong"),
    [
        ((*GOOD, GOOD[0]), {"first issue", "stories"}),
        (GOOD[1:], {"first issue"}),
        ((*GOOD, mail("b", 2, "z")), {"second issue", "unsubscribed in between"}),
        ((*GOOD[:2], mail("a", 2, "x")), {"stories"}),
        ((*GOOD[:2], mail("a", 2, "z", "z")), {"stories"}),
        ((*GOOD[:2], mail("a", 2)), {"stories"}),
        ((GOOD[0], replace(GOOD[1], sections=("Top", "Health")), GOOD[2]), {"sections"}),
        ((GOOD[0], replace(GOOD[1], sections=()), GOOD[2]), {"sections"}),
        ((GOOD[0], replace(GOOD[1], faults=("broken",)), GOOD[2]), {"parse defects"}),
        (GOOD[:2], {"issues", "second issue"}),
    ],
)
def test_judge_names_what_is_wrong(mails: tuple[Mail, ...], wrong: set[str]) -> None:
    assert {finding.what for finding in verdict.judge(mails, EXPECTED) if not finding.good} == wrong


def test_the_whole_story_ends_well() -> None:
    """What ``make demo`` runs, with fewer readers."""
    ended = subprocess.run(
        [sys.executable, "-m", "demo", "--readers", "60"], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-2000:]
    assert "60 mails to 60 distinct recipients" in ended.stdout
