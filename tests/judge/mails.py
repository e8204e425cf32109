"""The matrix of mails: each theme in every language there are words for, with a usual day and a hard one. All of it is
invented."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from email import message_from_bytes, policy
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from jinja2 import Environment

from digest.app import template_folders
from digest.editorial import compose, variants
from digest.look import Colours
from digest.mail import inline, personalise, render, themes
from digest.mail.letter import letter
from digest.settings import MailSettings
from digest.values import ArticleDraft, CompiledIssue, Edition, Image, Kind, Reader, Rule, Section, Story
from tests.judge.scenes import HEIGHT, WIDTH
from tests.support.samples import BASE_URL, EDITION, LIST_DOMAIN, NONCE, NOW, stories, story

BUDGET = MailSettings().size_budget
READER = Reader(7, 41, "reader@example.org", "Zoë Ångström")
KEYS = (("a", b"k" * 32),)
PICTURES = "https://img.example.org/"
LOST = "lost"  # a picture that its host has no more
WORDS = Path(__file__).parent / "words"
LANGUAGES = ("en", *sorted(file.stem for file in WORDS.glob("*.toml")))
THEMES = tuple(themes.themes(template_folders(None)))
DAYS = ("usual", "hard")
_SUBJECTS = ("turbines", "sails", "mountains", "city", "train", "fields", "desert", "stars")
_LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"


@dataclass(frozen=True)
class Case:
    """A field of the matrix."""

    theme: str
    language: str

    def __str__(self) -> str:
        return f"{self.theme} {self.language}"


CASES = tuple(Case(theme, language) for theme in THEMES for language in LANGUAGES)


@dataclass(frozen=True)
class Mail:
    """A mail of the matrix, as it went out and as the standard library reads it."""

    name: str
    message: bytes
    html: str
    text: str

    @property
    def size(self) -> int:
        """Bytes of the HTML as sent."""
        return len(self.message.partition(b"Content-Type: text/html")[2].partition(b"\r\n\r\n")[2])


@lru_cache(maxsize=64)
def mail(case: Case, day: str, frame: str = "") -> Mail:
    """The mail of ``case`` on a ``day``; its frame in the language ``frame``, if that is another."""
    return _opened(f"{case} {day}", _pressed(compiled(case, day, frame)))


def compiled(case: Case, day: str, frame: str = "") -> CompiledIssue:
    """The issue of ``case`` on a ``day``, as it is kept."""
    paper, told = edition(case), _told(case.language)
    if frame:
        paper = replace(paper, locale=frame)
    if day == "hard":
        told = _hard(told)
    if day == "largest":
        paper, told = _largest(paper)
    content = compose.compose(paper, compose.Slot("daily", NOW), told, compose.Standing(1, 2, (1,)), NOW)
    return render.compile_issue(content, _templates(), BASE_URL, NONCE, LIST_DOMAIN)


def inlining(case: Case) -> tuple[str, str]:
    """The page of a whole issue before and after its style sheet went into style attributes."""
    pages: list[str] = []
    whole = inline.inlined

    def watched(page: str) -> str:
        pages.extend((page, whole(page)))
        return pages[1]

    with patch.object(inline, "inlined", watched):
        compiled(case, "usual")
    before, after = pages
    return before, after


@lru_cache(maxsize=64)
def confirmation(case: Case) -> Mail:
    """The mail that asks to confirm a sign-up."""
    url = f"{BASE_URL}/c/{'t' * 40}"
    sent = letter("confirm", edition(case), READER.address, url, _templates(), NOW, "b@b.example.org", "i@example.org")
    return _opened(f"{case} confirmation", sent.message)


def matrix() -> Iterator[Mail]:
    """All mails of all cases."""
    for case in CASES:
        yield from (mail(case, day) for day in DAYS)
        yield confirmation(case)
    yield from map(largest, THEMES)


def largest(theme: str) -> Mail:
    """A mail on a day with more than any mail holds."""
    return mail(Case(theme, "en"), "largest")


@lru_cache(maxsize=1)
def _templates() -> Environment:
    return themes.environment(template_folders(None))


def _pressed(compiled: CompiledIssue) -> bytes:
    variant = variants.choose(compiled.content, None, None)
    press = personalise.Press(compiled, KEYS, "bounces.example.org", BUDGET)
    return press.message(variant, READER, NOW).message


def _opened(name: str, sent: bytes) -> Mail:
    read = message_from_bytes(sent, policy=policy.default)
    html, text = read.get_body(("html",)), read.get_body(("plain",))
    assert html and text
    return Mail(name, sent, _lines(html.get_content()), _lines(text.get_content()))


def _lines(content: str) -> str:
    return content.replace("\r\n", "\n")


# --------------------------------------------------------------------------------------------- contents


@lru_cache(maxsize=16)
def _words(language: str) -> dict[str, Any]:
    return tomllib.loads((WORDS / f"{language}.toml").read_text(encoding="utf-8"))


def edition(case: Case) -> Edition:
    """A publication that looks and speaks so."""
    look = EDITION.look if case.theme == themes.BASE else replace(EDITION.look, theme=case.theme, light=Colours())
    if case.language == "en":
        return replace(EDITION, look=look)
    words = _words(case.language)
    rules = {"lead": Rule.LEAD, "trending": Rule.TRENDING, "latest": Rule.LATEST, "energy": Rule.SECTOR}
    match = {"views": ("opinion",), "shorts": ("short",), "energy": ("energy",)}
    counts = {"lead": 1, "views": 1, "shorts": 2, "energy": 2}
    sections = tuple(
        Section(key, title, rules.get(key, Rule.KIND), counts.get(key, 3), match.get(key, ()))
        for key, title in words["sections"].items()
    )
    return replace(
        EDITION,
        title=words["title"],
        tagline=words["tagline"],
        locale=case.language,
        sections=sections,
        feeds=(replace(EDITION.feeds[0], title=words["title"]), *EDITION.feeds[1:]),
        look=look,
    )


def _told(language: str) -> list[Story]:
    """A day's news, one of them an update of what this reader was told the day before."""
    told = [replace(one, intake=2) for one in _news(language)]
    return [*told[:2], replace(told[2], told=1), *told[3:]]


def _news(language: str) -> list[Story]:
    if language == "en":
        return [_pictured(one) for one in stories()]
    words = _words(language)
    news = [
        story(number, _draft(number, row), feeds=("harbour", "meridian") if number in (1, 3, 4) else ("harbour",))
        for number, row in enumerate(words["stories"], 1)
    ]
    return [_pictured(news[0], words["picture"]), *map(_pictured, news[1:])]


def _draft(number: int, row: Sequence[str]) -> ArticleDraft:
    kind, sector, place, byline, title, standfirst = row
    return ArticleDraft(
        title=title,
        url=f"https://harbour.example/{number}",
        standfirst=standfirst,
        byline=byline,
        place=place,
        sector=sector,
        kind=Kind(kind),
        image=None if kind == Kind.SHORT else Image(PICTURES, title, byline, WIDTH, HEIGHT),
        published=NOW - timedelta(minutes=17 * number),
    )


def _pictured(told: Story, subject: str = "") -> Story:
    """``told`` with a picture that ``scenes`` can draw, of ``subject`` or any, where it has one at all."""
    draft = told.lead.draft
    if draft.image is None:
        return told
    face = draft.kind in (Kind.OPINION, Kind.INTERVIEW, Kind.BLOG)
    drawn = subject or ("face" if face else _SUBJECTS[(told.id - 1) % len(_SUBJECTS)])
    return _with(told, replace(draft, image=replace(draft.image, url=f"{PICTURES}{drawn}-{told.id}.svg")))


def _with(told: Story, draft: ArticleDraft) -> Story:
    articles = tuple(replace(article, draft=draft) for article in told.articles)
    return replace(told, lead=articles[0], articles=articles)


def _hard(told: Sequence[Story]) -> list[Story]:
    """The same day with everything that tears a layout: words without end, headlines of four lines, no pictures, huge
    and tiny ones, no link, no author, the other direction of writing, markup."""
    changes: list[dict[str, Any]] = [
        {"title": f"{_LONG} {told[0].lead.draft.title} {_LONG.lower()}", "standfirst": "w" * 90 + " " + "Word " * 120},
        {"image": None, "standfirst": ""},
        {"title": "حوض السفن يعود إلى الأشرعة (3 سفن) في Kochi", "standfirst": "ثلاث سفن شحن بأجنحة صلبة."},
        {"title": "The shipyard turns to sails (in English, left to right), says A. Menon: “9 of 10!”"},
        {"image": Image(f"{PICTURES}sails-tall.svg", "", "", 40, 4000)},
        {"image": Image(f"{PICTURES}{LOST}.svg", "A picture of which nobody says how large it is")},
        {"url": "", "byline": "", "place": ""},
        {"title": "<b>Tom & Jerry</b> say “1 < 2”", "standfirst": "&amp; <script>alert(1)</script>"},
        {"byline": ", ".join(f"Author Number{n} Doublebarrelled-Surname" for n in range(6)), "place": _LONG},
        {"title": "short.example/" + "path-without-a-break/" * 6, "standfirst": "https://" + "x" * 120},
        {"title": "Ok", "standfirst": "", "published": None},
        {
            "title": "日本の港で風力発電所が初めて夜間の電力を供給し始めたと関係者が明らかにした",
            "agency": "(" + "agency " * 20 + ")",
        },
    ]
    return [_with(one, replace(one.lead.draft, **changes[n % len(changes)])) for n, one in enumerate(told)]


def _largest(edition: Edition) -> tuple[Edition, list[Story]]:
    """More than any mail holds: the budget must end it."""
    sections = tuple(replace(section, count=60) for section in edition.sections)
    day = _told("en")
    told = []
    for number in range(8 * len(day)):
        one = day[number % len(day)]
        title = f"{one.lead.draft.title}, number {number}"
        again = _with(one, replace(one.lead.draft, title=title, url=f"https://h.example/{number}"))
        pieces = tuple(replace(piece, id=10 * number + place) for place, piece in enumerate(again.articles))
        told.append(replace(again, id=number + 1, lead=pieces[0], articles=pieces))
    return replace(edition, sections=sections), told
