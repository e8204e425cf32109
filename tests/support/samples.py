# ruff: noqa: E501 - news in a table, one line each
"""An invented edition and issue for tests, benchmarks and looking at. All names and news are made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from digest.app import template_folders
from digest.editorial import compose
from digest.look import Colours, Look
from digest.mail import render, themes
from digest.values import (
    Article,
    ArticleDraft,
    CompiledIssue,
    Edition,
    FeedSpec,
    Image,
    IssueContent,
    Kind,
    Link,
    Rule,
    Section,
    Story,
)
from tests.support.compiled import SHARED

NOW = datetime(2026, 11, 23, 1, 30, tzinfo=UTC)
NONCE = "n0nce4tests"
BASE_URL = "https://news.example.org"
LIST_DOMAIN = "news.example.org"

SECTIONS = (
    Section("lead", "Top story", Rule.LEAD, 1, optional=False),
    Section("trending", "Trending", Rule.TRENDING, 5),
    Section("views", "Opinion / Blog / Interview", Rule.KIND, 4, ("opinion", "blog", "interview")),
    Section("shorts", "In 60 words", Rule.KIND, 4, ("short",)),
    Section("latest", "Latest news", Rule.LATEST, 6),
    Section("health", "Health", Rule.SECTOR, 3, ("health",)),
    Section("energy", "Energy & climate", Rule.SECTOR, 3, ("energy", "climate")),
    Section("technology", "Technology", Rule.SECTOR, 3, ("technology",)),
    Section("south-asia", "South Asia", Rule.REGION, 3, ("india", "nepal", "sri lanka")),
)

_LINKS = [
    ("Home", "/", "home"),
    ("Mastodon", "/social/mastodon", "social"),
    ("LinkedIn", "/social/linkedin", "social"),
    ("YouTube", "/social/youtube", "social"),
    ("Health", "/sector/health", "sector"),
    ("Energy", "/sector/energy", "sector"),
    ("Technology", "/sector/technology", "sector"),
    ("Agriculture", "/sector/agriculture", "sector"),
    ("South Asia", "/edition/south-asia", "edition"),
    ("East Africa", "/edition/east-africa", "edition"),
    ("Pacific", "/edition/pacific", "edition"),
    ("The Weekly Long Read", "/products/long-read", "product"),
    ("Data Room", "/products/data", "product"),
    ("Events", "/products/events", "product"),
    ("Send feedback", "/feedback?from=mail&kind=digest", "feedback"),
    ("Contact", "/contact", "contact"),
    ("Privacy", "/privacy", "privacy"),
    ("Terms", "/terms", "terms"),
    ("Imprint", "/imprint", "legal"),
]

EDITION = Edition(
    name="harbour-morning",
    title="The Harbour Post",
    locale="en_IN",
    time_zone="Asia/Kolkata",
    sender=("The Harbour Post", "post@news.example.org"),
    reply_to=("Readers' desk", "desk@news.example.org"),
    postal_address="Harbour Post Media\n14 Lighthouse Road\nKochi 682001, India",
    tagline="What moved the world while you slept",
    look=Look(light=Colours(accent="#b3261e")),
    copyright="© 2026 Harbour Post Media. All rights reserved.",
    cadences=("daily", "weekly"),
    sections=SECTIONS,
    links=tuple(Link(title, f"https://harbour.example{path}", role) for title, path, role in _LINKS),
    feeds=(
        FeedSpec("harbour", "https://harbour.example/feed", "The Harbour Post"),
        FeedSpec("meridian", "https://meridian.example/rss", "Meridian Wire"),
        FeedSpec("desk", title=""),
    ),
)

_N, _O, _I, _B, _S = Kind.NEWS, Kind.OPINION, Kind.INTERVIEW, Kind.BLOG, Kind.SHORT
# (kind, sector, country, place, byline, title, standfirst)
_NEWS: list[tuple[Kind, str, str, str, str, str, str]] = [
    (_N, "energy", "Norway", "Bergen", "Ingrid Solheim", "Nine coastal states agree on one power grid for the northern seas", "After eleven years of talks, ministers signed a treaty that lets offshore wind power flow to whichever shore needs it most. Engineers say the first shared cable could be live within three winters."),
    (_N, "health", "India", "Kochi", "Anjali Menon", "Measles shot that needs no fridge passes its largest trial", "A patch the size of a stamp protected 94 of every 100 children in a trial across four countries, and it kept for a month at 40 °C."),
    (_N, "technology", "Kenya", "Nairobi", "Peter Otieno", "A search engine for farmers learns to answer by voice", "It understands nine languages and works on the simplest phone; the weather office pays for the calls."),
    (_N, "economy", "Brazil", "Recife", "Clara Nogueira", "Port strike ends after dockers win a say on automation", "Cranes will be automated in steps, each put to a vote of those who work them."),
    (_N, "climate", "Nepal", "Pokhara", "Suman Thapa", "Glacier lake drained in time, villages below return home", "Soldiers and shepherds dug a channel for nineteen days. The lake fell by six metres before the rain came."),
    (_N, "politics", "Portugal", "Porto", "Marta Leite", "Parliament votes to publish every contract the day it is signed", "The register opens in January; a small fund will pay citizens who find an error."),
    (_N, "science", "Chile", "Antofagasta", "Diego Rojas", "Telescope sees rain of glass on a world 64 light years away", "The drops fall sideways, in winds of two kilometres a second."),
    (_N, "health", "Ghana", "Accra", "Ama Boateng", "Night buses bring clinics to the market women of Accra", "Blood pressure is measured between two and five in the morning, when the stalls are being filled."),
    (_N, "technology", "India", "Hyderabad", "Ravi Shastri", "Rail operator opens its timetable to anyone who can improve it", "A student's patch took eleven minutes off the night train to Vijayawada."),
    (_N, "energy", "Spain", "Zaragoza", "Lucía Ferrer", "Old coal town sells its first winter of stored summer heat", "Sand in a disused silo is heated to 500 °C by the sun and keeps a school and forty flats warm."),
    (_N, "agriculture", "Sri Lanka", "Galle", "Nimal Perera", "Cinnamon growers find buyers without the middlemen", "A cooperative of 600 families ships its first container under its own name."),
    (_N, "economy", "Germany", "Leipzig", "Jörg Weißmüller", "Bakers' guild lets apprentices choose their hours", "Half of them chose the afternoon; bread is no worse for it, a blind tasting found."),
    (_N, "climate", "Fiji", "Suva", "Mere Tabua", "Island hands its moved village the title to the hill", "Those who left the shore now own the ground they were moved to, the first such deed in the Pacific."),
    (_N, "health", "Canada", "Halifax", "Louise Arsenault", "Hospital pays neighbours to visit patients who live alone", "Readmissions fell by a fifth in a year, and the visits cost less than the beds."),
    (_N, "technology", "Japan", "Kanazawa", "Haruka Mori", "A robot that asks before it lifts is let into care homes", "It learned to wait for a nod. Those who designed it say that this took longer than the lifting."),
    (_N, "politics", "India", "New Delhi", "Farah Qureshi", "Court orders weather warnings in every scheduled language", "The judges gave the forecast office a year, and asked it to begin with the coast."),
    (_N, "energy", "Morocco", "Ouarzazate", "Youssef Amrani", "Desert plant delivers its first night of sunlight by cable", "Molten salt kept the turbines turning until four in the morning."),
    (_N, "science", "Iceland", "Akureyri", "Sigrún Jónsdóttir", "Drill reaches magma for the second time and stays", "The hole is lined with a new alloy; sensors have reported for 40 days."),
    (_N, "economy", "Vietnam", "Hải Phòng", "Trần Minh Anh", "Shipyard switches to sails, and to a six-day order book", "Three carriers with rigid wings are on the slipway."),
    (_N, "climate", "India", "Jaisalmer", "Kavita Rathore", "Stepwells dug by hand refill after forty dry years", "Women of eleven villages cleared 2,000 tonnes of silt."),
    (_O, "", "", "", "Miriam Castellanos", "Give the grid to engineers, and the bill to everyone", "A shared sea needs a shared meter. The treaty is silent on who reads it."),
    (_O, "", "", "", "Thomas Adeyemi", "Stop calling it aid when it is rent", "Money that comes back with interest should be booked where it belongs."),
    (_I, "", "", "", "Anjali Menon", "“We asked the children what would not hurt”", "The physician behind the vaccine patch on three failed designs and a drawing by a six-year-old."),
    (_B, "", "", "", "Lena Hofmann", "Notes from a night train that was early", "Eleven minutes are nothing, until you share a platform with people who have counted them."),
    (_S, "", "India", "", "", "Monsoon leaves two days late.", "Reservoirs in the south stand at 91 per cent."),
    (_S, "", "Kenya", "", "", "Nairobi names a street after its bus conductors.", "They voted on which one."),
    (_S, "", "", "", "", "World chess title goes to an 18-year-old.", "The last game took seven hours and ended with a handshake and a nap."),
    (_S, "", "Italy", "", "", "Turin library lends ladders.", "Also drills, tents and one accordion."),
    (_N, "agriculture", "Ethiopia", "Bahir Dar", "Hanna Tesfaye", "Teff harvest is the best since records began", "Early sowing and a borrowed weather model get the credit."),
    (_N, "technology", "Estonia", "Tartu", "Kaur Tamm", "Town council lets residents rewrite its letters", "The first to go was “pursuant to”."),
    (_N, "health", "Nepal", "Kathmandu", "Bina Gurung", "Midwives' motorbikes halve the way to the first cry", "Forty riders, one radio channel, and a fund for tyres."),
    (_N, "economy", "India", "Surat", "Mehul Desai", "Diamond cutters turn to lenses as orders shift", "The same hands, finer tolerances, and steadier pay."),
]  # fmt: skip


def story(number: int, draft: ArticleDraft, intake: int = 1, feeds: Sequence[str] = ("harbour",)) -> Story:
    """A story told by ``feeds``, first seen ``number`` minutes before ``NOW``."""
    seen = NOW - timedelta(minutes=number)
    articles = tuple(
        Article(number * 10 + place, number, feed, intake, seen, draft) for place, feed in enumerate(feeds)
    )
    return Story(number, intake, seen, articles[0], articles)


def stories(pictures: str = "https://img.example.org/{number}.jpg", intake: int = 1) -> list[Story]:
    """About thirty stories, the first one with every field set. ``pictures`` is a URL with ``{number}``."""
    made = []
    for number, (kind, sector, country, place, byline, title, standfirst) in enumerate(_NEWS, 1):
        draft = ArticleDraft(
            title=title,
            url=f"https://harbour.example/news/2026/11/{number}-story?edition=morning&ref=digest",
            standfirst=standfirst,
            byline=byline,
            place=place,
            countries=(country,) if country else (),
            sector=sector,
            kind=kind,
            agency="(With inputs from agencies.)" if number == 1 else "",
            image=None if kind is Kind.SHORT else _image(pictures, number, title, byline),
            published=NOW - timedelta(minutes=17 * number),
            updated=NOW - timedelta(minutes=5) if number == 1 else None,
        )
        made.append(story(number, draft, intake, ("harbour", "meridian") if number % 3 == 1 else ("harbour",)))
    return made


def _image(pictures: str, number: int, title: str, credit: str) -> Image:
    return Image(pictures.format(number=number), f"Photograph: {title}", f"{credit} / Harbour Post", 1184, 666)


def content(
    edition: Edition = EDITION, told: Sequence[Story] | None = None, cutoffs: Sequence[int] = (0,)
) -> IssueContent:
    """The sample issue: everything up to intake 1 by default."""
    told = stories() if told is None else told
    until = max((one.intake for one in told), default=1)
    return compose.compose(
        edition, compose.Slot("daily", NOW), told, compose.Standing(min(cutoffs), until, cutoffs), NOW
    )


def compiled(issue: IssueContent | None = None, folders: Sequence[Path] = ()) -> CompiledIssue:
    """The sample issue compiled with the packaged templates, under those of ``folders``."""
    environment = themes.environment([*folders, *template_folders(None)], SHARED.templates)
    return render.compile_issue(issue or content(), environment, BASE_URL, NONCE, LIST_DOMAIN)


def with_first(draft: ArticleDraft) -> list[Story]:
    """The sample stories with ``draft`` as one more that leads them all."""
    return [story(99, replace(draft, published=NOW), feeds=("harbour", "meridian", "desk", "a", "b")), *stories()]
