"""Articles out of news pages: invented ones of every kind, and the page the product was modelled on."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from pathlib import Path

import pytest

from digest.errors import InputError
from digest.sources.extract import extract
from digest.sources.extract.moments import moment
from digest.values import Image, Kind

URL = "https://news.example.org/harbour/ferry-7"
BODY = """
<p>The council of Port Ellery voted on Monday to bring back the night ferry, eleven years after it was given up.</p>
<p>Boats are to leave every forty minutes between ten in the evening and four in the morning, officials said.</p>
"""
MENU = "<nav><ul><li>Home</li><li>Country: Nowhere</li></ul></nav>"
TAIL = """
<aside><h2>TRENDING</h2><ol><li><h3>Another headline altogether</h3><p>By Somebody Else</p> Global</li></ol></aside>
<footer><p>Image Credit: the site</p><p>Country: Elsewhere</p><p>© 2026 The Ellery Times</p></footer>
"""


def page(body: str, head: str = "", lang: str = "en") -> bytes:
    return f'<!doctype html><html lang="{lang}"><head>{head}</head><body>{MENU}{body}{TAIL}</body></html>'.encode()


VISIBLE = page(
    f"""<article><h1>Night ferry<br>returns to Port <b>E</b>llery</h1>
    <p>After eleven years without it, the town votes for a boat that sails until four in the morning.</p>
<p><!-- ad --><?x?>&#1;Harbour Desk | Port Ellery | Updated: 07-03-2026 09:20 IST | Created: 06-03-2026 22:05 IST</p>
    <figure><img src="/img/ferry.jpg" alt="The ferry" width="800" height="450">
    <figcaption>The boat in dock. Image Credit: Mara Quill</figcaption></figure>
    <ul><li>Country:</li><li>Ireland</li><li>France</li></ul>
    {BODY}<p>(With inputs from agencies.)</p></article>"""
)


def test_a_page_without_metadata_is_read_as_its_readers_do() -> None:
    draft = extract(VISIBLE, URL)
    assert draft.title == "Night ferry returns to Port Ellery"
    assert draft.standfirst.startswith("After eleven years") and draft.standfirst.endswith("in the morning.")
    assert (draft.byline, draft.place, draft.agency) == ("Harbour Desk", "Port Ellery", "With inputs from agencies.")
    assert draft.countries == ("Ireland", "France")
    assert draft.image == Image("https://news.example.org/img/ferry.jpg", "The ferry", "Mara Quill", 800, 450)
    assert draft.published == datetime(2026, 3, 6, 16, 35, tzinfo=UTC)
    assert draft.updated == datetime(2026, 3, 7, 3, 50, tzinfo=UTC)
    assert (draft.url, draft.language, draft.kind, draft.sector, draft.tags) == (URL, "en", Kind.NEWS, "", ())


JSON_LD = """<script type="application/ld+json">
{"@context": "https://schema.org", "@graph": [
  {"@type": "WebSite", "@id": "#site", "name": "The Ellery Times", "description": "All the harbour news"},
  {"@type": "Person", "@id": "#mara", "name": "Mara Quill"},
  {"@type": ["OpinionNewsArticle"], "headline": "Why the ferry &amp; the town need each other",
   "description": "A boat is <b>more</b> than a boat.", "author": [{"@id": "#mara"}, {"name": "Ib Lund"}],
   "datePublished": "2026-03-06T22:05:00+05:30", "dateModified": "2026-03-07T03:50:00Z",
   "articleSection": ["Harbour", "Transport"], "keywords": "Ferries, Night Life,ferries",
   "contentLocation": {"@type": "Place", "name": "Port Ellery", "address": {"addressCountry": "Ireland"}},
   "image": [{"@type": "ImageObject", "url": "/a.jpg", "width": "1200 px", "height": {"value": 630},
     "creditText": "M. Quill", "caption": "A ferry"}],
   "inLanguage": "en-IE", "mainEntityOfPage": {"@id": "https://news.example.org/opinion/ferry"},}
]}</script>"""


def test_json_ld_alone_tells_everything() -> None:
    draft = extract(page(BODY, JSON_LD), URL + "?utm_source=x")
    assert draft.title == "Why the ferry & the town need each other"
    assert draft.standfirst == "A boat is more than a boat."
    assert (draft.byline, draft.place, draft.countries) == ("Mara Quill, Ib Lund", "Port Ellery", ("Ireland",))
    assert (draft.sector, draft.tags, draft.kind) == ("harbour", ("ferries", "night life"), Kind.OPINION)
    assert draft.image == Image("https://news.example.org/a.jpg", "A ferry", "M. Quill", 1200, 630)
    assert draft.published == datetime(2026, 3, 6, 16, 35, tzinfo=UTC)
    assert draft.updated == datetime(2026, 3, 7, 3, 50, tzinfo=UTC)
    assert (draft.url, draft.language) == ("https://news.example.org/opinion/ferry", "en-IE")


def test_open_graph_alone_tells_most() -> None:
    head = """<title>x</title><meta property="og:title" content="Night ferry returns | The Ellery Times">
    <meta property="og:site_name" content="The Ellery Times"><meta property="og:locale" content="en_IE">
    <meta property="og:description" content="The town votes for a boat.">
    <meta property="og:image" content="https://cdn.example.org/f.jpg?w=1&amp;h=2">
    <meta property="og:image:width" content="640">
    <meta property="article:published_time" content="2026-03-06T22:05+05:30">
    <meta property="article:section" content="Interview"><meta property="article:tag" content="Ferries">
    <meta property="article:tag" content="Boats"><meta name="author" content="https://social.example/mara">
    <meta name="byl" content="Mara Quill"><link rel="canonical" href="/canonical">"""
    draft = extract(page(BODY, head, lang=""), URL)
    assert (draft.title, draft.standfirst, draft.byline) == (
        "Night ferry returns",
        "The town votes for a boat.",
        "Mara Quill",
    )
    assert draft.image == Image("https://cdn.example.org/f.jpg?w=1&h=2", width=640)
    assert draft.published == datetime(2026, 3, 6, 16, 35, tzinfo=UTC) and draft.updated is None
    assert (draft.kind, draft.sector, draft.tags) == (Kind.INTERVIEW, "", ("ferries", "boats"))
    assert (draft.url, draft.language) == ("https://news.example.org/canonical", "en-IE")


def test_a_spanish_page() -> None:
    body = """<main><h1>El transbordador nocturno vuelve a Puerto Elerio</h1>
    <h2 class="entradilla">El municipio aprueba un barco que navegará hasta las cuatro de la madrugada.</h2>
    <p>Por Marta Quiroga</p>
    <p>Publicado: 6 de marzo de 2026 a las 22:05 CET · Actualizado: 7 de marzo de 2026, 9.20 CET</p>
    <figure><img data-src="/barco.jpg" src="data:image/gif;base64,xx">
    <figcaption>El barco. Foto: Iván Rey</figcaption></figure>
    <p>PUERTO ELERIO (EFE) — El pleno votó el lunes por la noche a favor de recuperar el barco, once años después.</p>
    <p>País: Chile</p><p>(Con información de agencias)</p></main>"""
    draft = extract(page(body, lang="es-CL"), "https://diario.example/opinion/barco")
    assert draft.standfirst.startswith("El municipio aprueba")
    assert (draft.byline, draft.place, draft.agency) == (
        "Marta Quiroga",
        "Puerto Elerio",
        "Con información de agencias",
    )
    assert (draft.countries, draft.kind, draft.language) == (("Chile",), Kind.OPINION, "es-CL")
    assert draft.image == Image("https://diario.example/barco.jpg", credit="Iván Rey")
    assert draft.published == datetime(2026, 3, 6, 21, 5, tzinfo=UTC)
    assert draft.updated == datetime(2026, 3, 7, 8, 20, tzinfo=UTC)


GERMAN = """<h1>Nachtfähre kehrt nach Ellerhafen zurück</h1>
<p class="vorspann">Elf Jahre nach ihrem Ende beschließt die Stadt, dass wieder ein Schiff bis vier Uhr fährt.</p>
<p><span class="autor">Von Jörg Müller</span></p><p>Veröffentlicht am 6. März 2026, 22.05 Uhr MEZ</p>
<figure><img src="fähre.jpg" alt="Fähre"><figcaption>Die Fähre (Foto: Käthe Groß)</figcaption></figure>
<p>Ellerhafen (dpa) - Der Stadtrat hat am späten Montag für die Rückkehr der Fähre gestimmt, größer als je zuvor.</p>"""


@pytest.mark.parametrize(
    ("encoding", "head", "header"),
    [
        ("utf-8", "", ""),
        ("utf-8", '<meta charset="iso-8859-1">', "iso-8859-1"),  # both lie
        ("cp1252", '<meta charset="iso-8859-1">', ""),
        ("cp1252", "", "windows-1252"),
        ("cp1252", '<meta charset="utf-8">', ""),  # lies
        ("cp1252", "", "no-such-charset"),
        ("utf-16", "", ""),
    ],
)
def test_a_german_page_in_any_encoding(encoding: str, head: str, header: str) -> None:
    html = page(GERMAN, head, lang="de").decode().replace("©", "").encode(encoding)
    draft = extract(html, "https://zeitung.example/fähre.html", header)
    assert draft.title == "Nachtfähre kehrt nach Ellerhafen zurück"
    assert (draft.byline, draft.place, draft.agency) == ("Jörg Müller", "Ellerhafen", "dpa")
    assert draft.image is not None and draft.image.credit == "Käthe Groß"
    assert draft.published == datetime(2026, 3, 6, 21, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "script", ["{oops", "null", '["NewsArticle"]', "[" * 5000, '{"@type": "NewsArticle", "image": 7}']
)
def test_broken_json_ld_costs_nothing_else(script: str) -> None:
    html = VISIBLE.replace(b"</head>", f'<script type="application/ld+json">{script}</script></head>'.encode())
    assert extract(html, URL) == extract(VISIBLE, URL)


def test_a_cut_description_gives_way_to_the_whole_standfirst() -> None:
    html = VISIBLE.replace(
        b"</head>", b'<meta name="description" content="After eleven years without it, the..."></head>'
    )
    assert extract(html, URL).standfirst == extract(VISIBLE, URL).standfirst


def test_a_title_element_and_paragraphs_make_an_article() -> None:
    draft = extract(page(BODY, "<title>Night ferry returns | The Ellery Times</title>"), URL)
    assert draft.title == "Night ferry returns"
    assert draft.standfirst.startswith("The council of Port Ellery voted")


@pytest.mark.parametrize(
    ("html", "missing"),
    [
        (b"", "empty"),
        (b" \x00 ", "empty"),
        (b"<html><body></body></html>", "a headline and a text"),
        (b"<title>Log in</title><form><p>Name</p><input name=u><input type=password></form>", "a headline and a text"),
        (b"<h1>Welcome back</h1><form><input type=password></form>", "a text"),
    ],
)
def test_what_is_no_article_is_refused_and_says_why(html: bytes, missing: str) -> None:
    with pytest.raises(InputError, match=missing):
        extract(html, URL)


def test_what_a_page_says_is_made_safe() -> None:
    head = """<meta property="og:title" content="Sly&#10;Bcc: a@b.example &lt;script&gt;x&lt;/script&gt;\u202e">
    <meta property="og:image" content="javascript:alert(1)"><link rel="canonical" href="javascript:x">"""
    draft = extract(page(BODY, head), URL)
    assert draft.title == "Sly Bcc: a@b.example"
    assert (draft.image, draft.url) == (None, URL)


def test_a_file_without_an_address_keeps_only_what_is_absolute() -> None:
    draft = extract(VISIBLE, "")
    assert (draft.url, draft.image) == ("", None)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("04-11-2024 15:45 IST", "2024-11-04T10:15"),
        ("2024-11-04T15:45:00+05:30", "2024-11-04T10:15"),
        ("2024-11-04 15:45:10 +0530", "2024-11-04T10:15"),
        ("Mon, 04 Nov 2024 10:15:00 GMT", "2024-11-04T10:15"),
        ("Nov. 4, 2024 at 3:45 p.m. EST", "2024-11-04T20:45"),
        ("3:45 PM GMT+5:30, Mon November 4, 2024", "2024-11-04T10:15"),
        ("4. November 2024, 15.45 Uhr MEZ", "2024-11-04T14:45"),
        ("4 de noviembre de 2024, 15:45 CET", "2024-11-04T14:45"),
        ("12:05 AM PST, 11/25/2024", "2024-11-25T08:05"),
        ("2024-11-04 15:45", None),  # no zone: no instant
        ("04-11-2024 15:45 BST", None),  # British or Bangladeshi
        ("31-02-2024 10:00 UTC", None),
        ("04-11-2024 15:45 +99:00", None),
        ("yesterday", None),
    ],
)
def test_times_as_pages_write_them(text: str, utc: str | None) -> None:
    found = moment(text)
    assert (found and found.astimezone(UTC).strftime("%Y-%m-%dT%H:%M")) == utc
    assert moment("11/04/2024 15:45 UTC", month_first=True) == datetime(2024, 11, 4, 15, 45, tzinfo=UTC)


def seed_page(shared_data: Path) -> bytes:
    """The model page as its site would mark it up, made from its text."""
    lines = [
        line.strip() for line in (shared_data / "seed" / "devdiscourse-article.txt").read_text("utf-8").splitlines()
    ]
    lines = [escape(line) for line in lines if line]
    menu, title, standfirst, byline, alt, caption, label, country = lines[:8]
    end = lines.index("TRENDING")
    paragraphs = "".join(f"<p>{line}</p>" for line in lines[8:end])
    rest = "".join(f"<h3>{line}</h3>" if len(line) > 40 else f"<div>{line}</div>" for line in lines[end:])
    return f"""<html lang="en"><body><div>{menu}</div><div class="row"><h1>{title}</h1><p>{standfirst}</p>
    <div><span>{byline}</span></div><figure><img src="/images/guard.jpg" alt="{alt}"><figcaption>{caption}</figcaption>
    </figure><ul><li>{label.strip("• ")}</li><li>{country.strip("• ")}</li></ul>{paragraphs}</div>
    <div>{rest}</div></body></html>""".encode()


def test_the_model_page(shared_data: Path) -> None:
    draft = extract(seed_page(shared_data), "https://www.devdiscourse.com/article/law-order/1")
    assert draft.title.startswith("North Korea's Troop Deployment Sparks")
    assert draft.standfirst.startswith("Top South Korean") and draft.standfirst.endswith("international intervention.")
    assert (draft.byline, draft.place, draft.countries) == ("Devdiscourse News Desk", "Seoul", ("South Korea",))
    assert draft.published == datetime.fromisoformat("2024-11-04T15:01+05:30")
    assert draft.updated == datetime.fromisoformat("2024-11-04T15:45+05:30")
    assert draft.image is not None and draft.image.credit == "Russian National Guard"
    assert draft.image.alt == draft.title
    assert draft.agency == "With inputs from agencies."
    assert (draft.kind, draft.sector, draft.tags) == (Kind.NEWS, "", ())
