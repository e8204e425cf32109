"""Articles put in by hand: from pages and files, through the command line, on both databases."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from digest import cli, tables
from digest.app import App
from digest.cli.common import Door
from digest.errors import InputError, NotFoundError, UnavailableError
from digest.flows.sources import articles
from digest.flows.sources.articles import Change
from digest.settings import FetchSettings, Settings
from digest.sources import manuscripts
from digest.store.content import feeds
from digest.store.database import Database
from digest.values import ArticleDraft, FeedSpec, Image, Kind, Rejected
from tests.conftest import NOW
from tests.sources.test_extract import URL, VISIBLE, seed_page
from tests.support.web_server import Page, WebServer

FERRY = ArticleDraft(
    "Night ferry to return to Port Ellery after council vote",
    url="https://ellery.example/ferry",
    standfirst="Boats will sail until 4 a.m. from May, eleven years after the line was closed.",
    published=NOW - timedelta(hours=5),
)
RETOLD = ArticleDraft(
    "Port Ellery brings back its night ferry",
    url="https://norland.example/n/7",
    standfirst="The council voted 9 to 4 for boats until 4 a.m.",
    published=NOW - timedelta(hours=4),
)


def run(app: App, *arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments), obj=Door(app=app))


def told(app: App, *arguments: str) -> Any:
    result = run(app, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_adding_again_updates_and_says_so(database: Database) -> None:
    first = articles.add(database, "desk", FERRY, NOW)
    again = articles.add(database, "desk", FERRY, NOW)
    renamed = ArticleDraft(FERRY.title + ": 9 to 4", url=FERRY.url + "?utm_source=x", standfirst=FERRY.standfirst)
    changed = articles.add(database, "desk", renamed, NOW + timedelta(hours=1))
    assert [each.change for each in (first, again, changed)] == [Change.ADDED, Change.UNCHANGED, Change.UPDATED]
    assert first.article.id == again.article.id == changed.article.id
    assert changed.article.draft.title.endswith("9 to 4") and changed.article.first_seen == NOW


def test_a_page_saved_without_its_address_takes_nothing_away(database: Database) -> None:
    picture = Image("https://ellery.example/f.jpg")
    articles.add(database, "desk", replace(FERRY, image=picture), NOW)
    again = articles.add(database, "desk", replace(FERRY, url="", byline="Mara Quill"), NOW)
    assert again.change is Change.UPDATED
    assert again.article.draft == replace(FERRY, image=picture, byline="Mara Quill")


def test_two_desks_telling_the_same_news_share_a_story(database: Database) -> None:
    first = articles.add(database, "desk", FERRY, NOW)
    second = articles.add(database, "wires", RETOLD, NOW + timedelta(hours=2))
    assert second.article.story_id == first.article.story_id
    assert (first.also, second.also) == ((), ("desk",))
    assert [listed.sources for listed in articles.newest(database)] == [("desk", "wires")] * 2
    assert [a.draft.title for a in articles.story(database, first.article.story_id)] == [FERRY.title, RETOLD.title]
    assert [x.article.feed for x in articles.newest(database, since=NOW + timedelta(hours=1))] == ["wires"]
    assert [x.article.feed for x in articles.newest(database, "desk")] == ["desk"]
    assert len(articles.newest(database, limit=1)) == 1


def test_a_desk_keeps_its_declaration_and_a_polled_feed_takes_nothing(database: Database) -> None:
    with database.write() as connection:
        feeds.ensure(connection, FeedSpec("opinions", kind=Kind.OPINION, sector="views"))
        feeds.ensure(connection, FeedSpec("world", "https://news.example/world.xml"))
    stored = articles.add(database, "opinions", FERRY, NOW).article.draft
    assert (stored.kind, stored.sector) == (Kind.OPINION, "views")
    with pytest.raises(InputError, match="world is a feed that is polled"):
        articles.add(database, "world", FERRY, NOW)


def test_what_is_not_there_is_said(database: Database) -> None:
    for look in (lambda: articles.show(database, 9), lambda: articles.story(database, 9)):
        with pytest.raises(NotFoundError, match=r"no (article|story) 9"):
            look()
    with pytest.raises(NotFoundError, match="no feed named nowhere"):
        articles.newest(database, "nowhere")


# ---------------------------------------------------------------------------------------------- files

GOOD = {
    "title": "Night <b>ferry</b> returns &amp; stays",
    "url": "https://ellery.example/ferry",
    "countries": ["Ireland", "France"],
    "tags": ["Ferries", "ferries"],
    "kind": "opinion",
    "image": {"url": "https://ellery.example/f.jpg", "credit": "Mara Quill", "width": 800},
    "published": "2026-11-22T22:05+05:30",
}
BAD = {
    "has no title": {"standfirst": "x"},
    "has no time zone": {"title": "x", "published": "2026-11-22T22:05"},
    "is not a valid date": {"title": "x", "updated": "yesterday"},
    "valid http": {"title": "x", "url": "javascript:alert(1)"},
    "no kind 'gossip'": {"title": "x", "kind": "gossip"},
    "tags is no list": {"title": "x", "tags": [1]},
    "title is no text": {"title": ["x"]},
    "image has no src": {"title": "x", "image": {"src": "x"}},
    "numbers of pixels": {"title": "x", "image": {"url": "https://a.example/i", "width": "wide"}},
    "address": {"title": "x", "published": "soon", "url": "//"},
}


def read(lines: Sequence[str]) -> list[ArticleDraft | Rejected]:
    return list(manuscripts.drafts(tables.read_json_lines(lines)))


def test_a_json_line_becomes_a_clean_draft() -> None:
    assert read([json.dumps(GOOD)]) == [
        ArticleDraft(
            "Night ferry returns & stays",
            url="https://ellery.example/ferry",
            countries=("Ireland", "France"),
            tags=("ferries",),
            kind=Kind.OPINION,
            image=Image("https://ellery.example/f.jpg", credit="Mara Quill", width=800),
            published=datetime(2026, 11, 22, 16, 35, tzinfo=UTC),
        )
    ]


@pytest.mark.parametrize("reason", BAD)
def test_a_line_that_makes_no_sense_is_rejected_with_its_number(reason: str) -> None:
    (rejected,) = read(["", json.dumps(BAD[reason])])
    assert isinstance(rejected, Rejected) and rejected.where == "line 2"
    assert reason in rejected.reason and json.loads(rejected.raw) == BAD[reason]


def test_csv_says_the_same_in_columns() -> None:
    lines = [
        "Title;countries;tags;image;image credit;published\n".replace(";", ","),
        'Ferry,Ireland; France,"Ferries;boats",https://a.example/i.jpg,Mara Quill,2026-11-22T16:35Z\n',
    ]
    (draft,) = manuscripts.drafts(tables.read_csv(lines, manuscripts.REQUIRED))
    assert isinstance(draft, ArticleDraft)
    assert (draft.countries, draft.tags) == (("Ireland", "France"), ("ferries", "boats"))
    assert draft.image == Image("https://a.example/i.jpg", credit="Mara Quill")
    assert draft.published == datetime(2026, 11, 22, 16, 35, tzinfo=UTC)


def test_every_line_of_a_file_is_accounted_for(app: App, tmp_path: Path) -> None:
    file = tmp_path / "articles.jsonl"
    many = [{"title": f"Aster{n} meets Birch{n}", "url": f"https://a.example/{n}"} for n in range(700)]
    lines = [*many, {"title": "Undated", "published": "2026-11-22T10:00"}, many[0], many[1]]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines) + "{oops\n", encoding="utf-8")
    result = run(app, "article", "import", str(file))
    assert result.exit_code == 0
    assert "704 read: 700 added, 0 updated, 2 unchanged, 2 rejected" in result.stderr
    assert "line 701: published" in result.stderr and "line 704: not JSON" in result.stderr
    kept = tmp_path / "articles.rejected.jsonl"
    assert kept.read_text("utf-8") == json.dumps(lines[700]) + "\n{oops\n"
    again = told(app, "article", "import", str(file))
    assert (again["added"], again["changed"], again["unchanged"], len(again["rejected"])) == (0, 0, 702, 2)


def test_rejected_csv_lines_keep_their_header_and_can_be_mended(app: App, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("title,published\nOne,2026-11-22T10:00Z\nTwo,10:00\n", encoding="utf-8")
    report = told(app, "article", "import", str(file), "--feed", "wires")
    kept = Path(report["rejected_file"])
    assert (kept.name, kept.read_text("utf-8")) == ("a.rejected.csv", "title,published\nTwo,10:00\n")
    kept.write_text(kept.read_text("utf-8").replace("10:00", "2026-11-22T10:00Z"), encoding="utf-8")
    assert told(app, "article", "import", str(kept), "--feed", "wires")["added"] == 1


def test_other_fields_are_passed_over_and_theirs_can_be_called_ours(app: App, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.csv"
    sheet.write_bytes(
        "sep=;\nÜberschrift;Link;Farbe;Land\nFähre kehrt zurück;https://a.example/1;rot;Wales\n".encode("cp1252")
    )
    names = ("--map", "Überschrift=title", "--map", "Link=url", "--map", "Land=-")
    result = run(app, "article", "import", str(sheet), *names)
    assert result.exit_code == 0 and "fields ignored: farbe;" in result.stderr
    lines = tmp_path / "lines.jsonl"
    lines.write_text(
        json.dumps({"Headline": "Bell found", "link": "https://a.example/2", "x": 1}) + "\n", encoding="utf-8"
    )
    result = run(app, "article", "import", str(lines), "--map", "headline=title", "--map", "link=url")
    assert result.exit_code == 0 and "fields ignored: x;" in result.stderr
    found = {one["url"]: one["title"] for one in told(app, "article", "list")}
    assert found == {"https://a.example/1": "Fähre kehrt zurück", "https://a.example/2": "Bell found"}
    refused = run(app, "article", "import", str(sheet), "--map", "Link=urn")
    assert isinstance(refused.exception, InputError) and "there is no urn" in str(refused.exception)


# ------------------------------------------------------------------------------------- the command line


def test_add_list_show_and_story_from_the_command_line(app: App, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_bytes(VISIBLE)
    arguments = ("article", "add", str(page), "--url", URL, "--sector", "Transport", "--tag", "Ferries")
    result = run(app, *arguments)
    assert result.exit_code == 0, result.output
    assert "added article 1 to desk, in story 1" in result.stderr
    for shown in (
        "Night ferry returns",
        "Harbour Desk",
        "Mara Quill",
        "22:05 +05:30",
        "With inputs",
        "Ireland, France",
    ):
        assert shown in result.stdout
    assert ", is unchanged" in run(app, *arguments).stderr
    assert "updated article 1" in run(app, *arguments, "--kind", "blog", "--country", "Wales").stderr
    shown = told(app, "article", "show", "1")
    assert (shown["url"], shown["kind"], shown["countries"]) == (URL, "blog", ["Wales"])
    assert (shown["sector"], shown["tags"]) == ("transport", ["ferries"])
    (listed,) = told(app, "article", "list", "--since", "2d", "--feed", "desk")
    assert (listed["id"], listed["story_id"], listed["sources"]) == (1, 1, ["desk"])
    assert told(app, "article", "list", "--since", "2999-01-01") == []
    assert [each["id"] for each in told(app, "article", "story", "1")] == [1]
    for command in ("list", "show 1", "story 1"):
        assert "Night ferry returns" in " ".join(run(app, "article", *command.split()).stdout.split())


MISTAKES: list[tuple[str, type[Exception], str]] = [
    ("add none.html", NotFoundError, "no file"),
    ("add {here}/empty.html", InputError, "is no article: it is empty"),
    ("add http://127.0.0.1:9/x", UnavailableError, "not a public address"),
    ("add {here}/empty.html --url ftp://x", InputError, "valid http"),
    ("import {here}/empty.html", InputError, "neither .jsonl nor .csv"),
    ("import {here}/none.csv", NotFoundError, "no file"),
    ("import {here}/bad.csv", InputError, "the header lacks title"),
    ("import {here}/bad.jsonl", InputError, "no line of"),
    ("list --since lately", InputError, "--since lately"),
    ("list --feed nowhere", NotFoundError, "no feed named"),
]


def test_mistakes_are_said_in_a_line(app: App, tmp_path: Path) -> None:
    (tmp_path / "empty.html").write_text("")
    (tmp_path / "bad.csv").write_text("headline\nx\n")
    (tmp_path / "bad.jsonl").write_text("[]\n")
    for arguments, error, reason in MISTAKES:
        result = run(app, "article", *arguments.format(here=tmp_path).split())
        assert isinstance(result.exception, error) and reason in str(result.exception), arguments


def test_a_page_is_fetched_from_the_web(settings: Settings) -> None:
    app = App(settings.model_copy(update={"fetch": FetchSettings(allow_private=True)}))
    german = VISIBLE.decode().replace("Harbour Desk", "Käthe Groß").encode("cp1252")
    with WebServer() as web:
        web.pages["/ferry"] = Page(german, headers={"Content-Type": "text/html; charset=windows-1252"})
        stored = told(app, "article", "add", web.url("/ferry"))
    app.database.dispose()
    assert (stored["byline"], stored["url"]) == ("Käthe Groß", web.url("/ferry"))


def test_the_model_page_is_stored_whole(app: App, shared_data: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_bytes(seed_page(shared_data))
    stored = told(app, "article", "add", str(page), "--url", "https://www.devdiscourse.com/article/law-order/1")
    assert stored["change"] == "added" and stored["title"].startswith("North Korea's Troop Deployment")
    assert stored["standfirst"].endswith("international intervention.")
    assert (stored["place"], stored["countries"]) == ("Seoul", ["South Korea"])
    assert datetime.fromisoformat(stored["published"]) == datetime.fromisoformat("2024-11-04T15:01+05:30")
    assert datetime.fromisoformat(stored["updated"]) == datetime.fromisoformat("2024-11-04T15:45+05:30")
    assert stored["image"]["credit"] == "Russian National Guard"
    assert stored["agency"] == "With inputs from agencies."
