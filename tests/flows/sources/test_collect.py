"""Collecting: from feeds on a server to stories in the store, on both databases."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import feedparser
import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, delete, func, select
from typer.testing import CliRunner

from digest import cli
from digest.app import App
from digest.cli.common import Door
from digest.errors import InputError, NotFoundError
from digest.flows.sources.collect import CollectReport, collect, store_drafts
from digest.settings import FetchSettings, Settings
from digest.sources.feeds import Feed
from digest.store import schema
from digest.store.content import articles, feeds
from digest.store.database import Database
from digest.values import ArticleDraft, FeedSpec, Image, Kind
from tests.conftest import KEY, NOW
from tests.support.web_server import Page, WebServer

REAL = ["cnn.xml", "eldiario.xml", "elpais.xml", "heise.atom", "jornal-de-noticias.rss", "nytimes-science.xml",
        "nytimes.xml", "periodico-extremadura.xml", "uol.rss"]  # fmt: skip
INTERVAL = timedelta(minutes=15)


def document(*titles: str) -> bytes:
    items = "".join(f"<item><title>{t}</title><guid>{t}</guid></item>" for t in titles)
    return f'<rss version="2.0"><channel><title>T</title>{items}</channel></rss>'.encode()


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer() as web:
        yield web


@pytest.fixture
def open_settings() -> Settings:
    return Settings(secret_keys=(SecretStr(KEY),), fetch=FetchSettings(allow_private=True, timeout_seconds=10))


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Database]:
    """SQLite only, where the database makes no difference."""
    database = Database(f"sqlite:///{tmp_path / 'lite.db'}")
    database.migrate()
    yield database
    database.dispose()


def declare(database: Database, **urls: str) -> None:
    with database.write() as connection:
        for name, url in urls.items():
            feeds.ensure(connection, FeedSpec(name, url))


def counted(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(schema.articles)).scalar_one()


def feed_of(database: Database, name: str) -> Feed:
    with database.read() as connection:
        return feeds.by_name(connection, name)


# ------------------------------------------------------------------------------------------------- flow


def test_real_feeds_come_in_whole_and_only_once(
    database: Database, open_settings: Settings, web: WebServer, shared_data: Path
) -> None:
    expected = {}
    for name in REAL:
        body = (shared_data / "feeds" / name).read_bytes()
        web.pages[f"/{name}"] = Page(body, headers={"Content-Type": "text/xml"})
        expected[name] = len(feedparser.parse(io.BytesIO(body)).entries)
    declare(database, **{name: web.url(f"/{name}") for name in REAL})
    told: list[CollectReport] = []
    reports = collect(database, open_settings, NOW, on_report=told.append)
    assert {report.feed: report.entries for report in reports} == expected
    assert all(r.entries == r.new + r.known and not (r.rejected or r.error) for r in reports)
    assert sum(r.known for r in reports) == 0
    assert len(told) == len(REAL)
    again = collect(database, open_settings, NOW + timedelta(hours=1))
    assert [(r.entries, r.new, r.updated) for r in again] == [(r.entries, 0, 0) for r in reports]
    with database.read() as connection:
        assert counted(connection) == sum(expected.values())
        recent = articles.recent_articles(connection, NOW)
        everything = articles.stories_between(connection, [feeds.by_name(connection, n).id for n in REAL], 0, 99)
    uol = [article.draft for article in recent if article.feed == "uol.rss"]
    assert uol[0].title == "Ibope: Bolsonaro perde de Haddad, Ciro e Alckmin em simulações de 2º turno"
    assert all(draft.url.startswith("https://") and draft.published is None for draft in uol)
    assert sorted(a.id for story in everything for a in story.articles) == sorted(a.id for a in recent)


def test_a_feed_that_did_not_change_is_not_read_again(lite: Database, open_settings: Settings, web: WebServer) -> None:
    web.pages["/f"] = Page(document("A"), headers={"ETag": '"1"'})
    declare(lite, f=web.url("/f"))
    for days, expected in ((0, False), (1, True), (2, True)):
        (report,) = collect(lite, open_settings, NOW + timedelta(days=days))
        assert report.not_modified is expected
    assert feed_of(lite, "f").last_ok_at == NOW + timedelta(days=2)


def test_a_broken_feed_is_reported_backs_off_and_stops_nobody(
    lite: Database, open_settings: Settings, web: WebServer
) -> None:
    web.pages["/good"] = Page(document("A"))
    web.pages["/page"] = Page(b"<html><body>Moved!</body></html>", headers={"ETag": '"1"'})
    web.pages["/busy"] = Page(status=503, headers={"Retry-After": "36000"})
    web.pages["/gone"] = Page(status=410)
    names = ("good", "page", "busy", "gone", "missing")
    declare(lite, dead="http://127.0.0.1:1/f", **{name: web.url(f"/{name}") for name in names})
    reports = {report.feed: report for report in collect(lite, open_settings, NOW)}
    assert (reports["good"].new, reports["good"].error) == (1, "")
    assert [name for name, report in reports.items() if report.error] == ["dead", "page", "busy", "gone", "missing"]
    assert "HTML page" in reports["page"].error and "404" in reports["missing"].error
    assert feed_of(lite, "page").etag == ""  # or a 304 would pass for health
    assert feed_of(lite, "page").next_poll_at == NOW + 2 * INTERVAL
    assert feed_of(lite, "busy").next_poll_at == NOW + timedelta(hours=10)
    assert not feed_of(lite, "gone").active and "for good" in feed_of(lite, "gone").last_error
    assert collect(lite, open_settings, NOW + timedelta(minutes=14)) == []
    due = collect(lite, open_settings, NOW + 2 * INTERVAL)
    assert {report.feed for report in due} == {"good", "page", "dead", "missing"}
    web.pages["/page"] = Page(document("B"))
    assert collect(lite, open_settings, NOW + INTERVAL, names=["page"])[0].new == 1
    assert (feed_of(lite, "page").failures, feed_of(lite, "page").last_error) == (0, "")


def test_what_is_asked_for_by_name_is_read_now(lite: Database, open_settings: Settings, web: WebServer) -> None:
    web.pages["/f"] = Page(document("A"))
    declare(lite, f=web.url("/f"), g=web.url("/f"), desk="")
    assert len(collect(lite, open_settings, NOW)) == 2
    assert collect(lite, open_settings, NOW) == []
    assert [r.feed for r in collect(lite, open_settings, NOW, names=["g"])] == ["g"]
    assert len(collect(lite, open_settings, NOW, force=True)) == 2
    with pytest.raises(NotFoundError, match="nope, never"):
        collect(lite, open_settings, NOW, names=["f", "nope", "never"])
    with pytest.raises(InputError, match="desk has no address"):
        collect(lite, open_settings, NOW, names=["desk"])


def test_private_addresses_are_out_of_reach_unless_allowed(lite: Database, web: WebServer) -> None:
    declare(lite, f=web.url("/f"))
    (report,) = collect(lite, Settings(secret_keys=(SecretStr(KEY),)), NOW)
    assert "not a public address" in report.error and web.asked == []


# ------------------------------------------------------------------------------------------------ store

STORM = ArticleDraft(
    "Storm Agatha hits Lisbon, thousands without power",
    url="https://a.example/storm",
    guid="1",
    standfirst="Storm Agatha tore roofs off in Lisbon; the grid operator says 90,000 homes are dark.",
    tags=("weather",),
    image=Image("https://a.example/s.jpg", "Roofs", "Bo", 640, 360),
    countries=("Portugal",),
    published=NOW,
)
BUDGET = ArticleDraft("Parliament passes the budget", url="https://a.example/budget", standfirst="After a long night.")


def test_an_update_keeps_what_an_article_is_known_by(database: Database) -> None:
    with database.write() as connection:
        feed = feeds.ensure(connection, FeedSpec("a", sector="World", kind=Kind.BLOG, tags=("Daily",)))
        assert store_drafts(connection, feed, [STORM, BUDGET, STORM], NOW) == (2, 0, 1)
    newer = replace(STORM, title="Storm Agatha leaves Lisbon in the dark", guid="")
    with database.write() as connection:
        assert store_drafts(connection, feed, [newer, BUDGET], NOW + timedelta(hours=1)) == (0, 1, 1)
        assert store_drafts(connection, feed, [newer], NOW + timedelta(hours=1)) == (0, 0, 1)
        assert articles.current_intake(connection) == 1
        storm, budget = articles.recent_articles(connection, NOW)
        again = connection.execute(select(schema.articles).where(schema.articles.c.id == storm.id)).one()
    assert storm.draft == replace(newer, sector="world", kind=Kind.BLOG)
    assert (budget.draft.tags, budget.draft.sector) == (("daily",), "world")
    assert (storm.intake, storm.first_seen, storm.feed) == (1, NOW, "a")
    assert (again.revision, again.revised_at) == (2, NOW + timedelta(hours=1))


def test_the_same_article_is_another_ones_in_another_feed_but_one_story(database: Database) -> None:
    told = replace(STORM, title="Lisbon without power as Storm Agatha hits", url="https://b.example/9", image=None)
    with database.write() as connection:
        a, b = (feeds.ensure(connection, FeedSpec(name)) for name in "ab")
        store_drafts(connection, a, [STORM, BUDGET], NOW)
        store_drafts(connection, b, [told], NOW + timedelta(minutes=5))
    with database.read() as connection:
        both = articles.stories_between(connection, [a, b], 0, 2)
        later = articles.stories_between(connection, [a, b], 1, 2)
        only_b = articles.stories_between(connection, [b], 1, 2)
        early = articles.stories_between(connection, [a, b], 0, 1)
    assert [story.sources for story in both] == [("a", "b"), ("a",)]
    assert both[0].lead.draft.image == STORM.image and both[0].intake == 1
    assert later == []  # told before: not news again
    assert [(story.sources, story.intake) for story in only_b] == [(("b",), 2)]  # but news to who does not read a
    assert [story.sources for story in early] == [("a",), ("a",)]


def test_nothing_new_takes_no_intake_number(database: Database) -> None:
    with database.write() as connection:
        feed = feeds.ensure(connection, FeedSpec("a"))
        store_drafts(connection, feed, [], NOW)
        assert articles.current_intake(connection) == 0
        assert [articles.next_intake(connection) for _ in range(2)] == [1, 2]


def test_what_was_deleted_for_its_age_is_not_news_again(database: Database) -> None:
    with database.write() as connection:
        feed = feeds.ensure(connection, FeedSpec("a"))
        store_drafts(connection, feed, [STORM, BUDGET], NOW)
        connection.execute(delete(schema.articles).where(schema.articles.c.title == STORM.title))
        assert store_drafts(connection, feed, [STORM, BUDGET], NOW) == (0, 0, 2)
        assert counted(connection) == 1


def test_many_articles_and_a_guid_that_serves_again(database: Database) -> None:
    many = [ArticleDraft(f"Title {n}", url=f"https://a.example/{n}", guid=f"g{n}") for n in range(600)]
    with database.write() as connection:
        feed = feeds.ensure(connection, FeedSpec("a"))
        assert store_drafts(connection, feed, many, NOW) == (600, 0, 0)
        other = ArticleDraft("Something else", url="https://a.example/else", guid="g1")
        assert store_drafts(connection, feed, [other], NOW) == (1, 0, 0)
        assert store_drafts(connection, feed, [*many[2:], other], NOW) == (0, 0, 599)
        assert counted(connection) == 601


def test_a_feed_declared_again_is_the_same_feed(database: Database) -> None:
    with database.write() as connection:
        first = feeds.ensure(connection, FeedSpec("a", "https://a.example/f", "A", "Sport", Kind.NEWS, ("X",)))
        feed = feeds.by_id(connection, first)
        assert feed.spec == FeedSpec("a", "https://a.example/f", "A", "sport", Kind.NEWS, ("x",))
        feeds.settle_ok(connection, feed, NOW, INTERVAL, '"1"', "then")
        assert feeds.ensure(connection, replace(feed.spec, title="B")) == first
        assert (feeds.by_name(connection, "a").etag, feeds.due(connection, NOW)) == ('"1"', [])
        assert feeds.ensure(connection, replace(feed.spec, url="https://b.example/f")) == first
        moved = feeds.by_name(connection, "a")
        assert (moved.etag, moved.next_poll_at, feeds.due(connection, NOW)) == ("", None, [moved])
        feeds.settle_ok(connection, feed, NOW, INTERVAL, '"2"', "")  # of the old address, too late
        assert feeds.by_name(connection, "a") == moved


@pytest.mark.parametrize(("failures", "minutes"), [(1, 30), (2, 60), (6, 960), (7, 24 * 60), (10_000, 24 * 60)])
def test_failures_double_the_wait_up_to_a_day(failures: int, minutes: int) -> None:
    assert feeds.back_off(INTERVAL, failures) == timedelta(minutes=minutes)


def test_what_a_round_has_no_time_for_stays_due_for_the_next(
    lite: Database, open_settings: Settings, web: WebServer
) -> None:
    web.pages["/f"] = Page(document("A"), headers={"Content-Type": "text/xml"})
    declare(lite, f=web.url("/f"))
    assert collect(lite, open_settings, NOW, budget=timedelta(seconds=-1)) == []
    assert [report.new for report in collect(lite, open_settings, NOW)] == [1]


# --------------------------------------------------------------------------------------------------- CLI


def test_feeds_are_run_from_the_command_line(lite: Database, open_settings: Settings, web: WebServer) -> None:
    web.pages["/f"] = Page(document("A", ""), headers={"Content-Type": "text/xml"})
    app = App(open_settings.model_copy(update={"database_url": str(lite.url)}))

    def run(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(cli.app, ["feed", *words], obj=Door(app=app))
        assert done.exit_code == code, (done.output, done.exception)
        return done.output

    run("add", "f", web.url("/f"), "--sector", "Sport", "--tag", "Local")
    run("add", "bad", web.url("/none"))
    listed = run("list")
    assert "f" in listed and "never" in listed
    collected = run("collect", code=1)
    assert "404" in collected and "has neither a title nor a text" in collected
    assert '"new": 0' in run("collect", "f", "--json")
    run("pause", "bad")
    assert '"active": false' in run("list", "--json")
    run("resume", "bad")
    run("remove", "bad")
    assert "bad" not in run("list")
    kept = CliRunner().invoke(cli.app, ["feed", "remove", "f"], obj=Door(app=app))
    assert "1 article" in str(kept.exception)
    run("remove", "f", "--with-articles")
    assert run("list", "--json") == "[]\n"
    assert "can't name a feed" in str(
        CliRunner().invoke(cli.app, ["feed", "add", "a b", "https://x.example"], obj=Door(app=app)).exception
    )
    app.database.dispose()
