"""The public archive over real HTTP, on both databases: what went out can be read, found and followed, and nothing
else."""

from __future__ import annotations

import email
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import feedparser
import httpx
import pytest
from lxml import etree

from digest.editorial.edits import Edit, Verb
from digest.flows import retention
from digest.flows.issues import operate, publish, review
from digest.flows.readers import segments
from digest.settings import RetentionSettings, Settings, WebSettings
from digest.values import ArticleDraft, Image, Issue, Kind
from tests.conftest import on_sqlite
from tests.support.served import served
from tests.support.world import EDITION, ToldCourier, World, draft, small_world

PUBLIC = EDITION.replace('locale = "en"', 'locale = "en"\npublic = true')
EBB = EDITION.replace('"tide"', '"ebb"').replace("The Tide", "The Ebb")
EVIL = "</title></script><script>alert(1)</script>\"onload='x' ]]>&amp; {{ 7*7 }}"
BASE = "https://news.example.org"


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    unlimited = WebSettings(visitor_searches_per_minute=0)
    for world in small_world(settings.model_copy(update={"web": unlimited})):
        world.edition(PUBLIC)
        yield world


@pytest.fixture
def site(world: World) -> Iterator[httpx.Client]:
    with served(world.app) as client:
        yield client


def told(world: World, *drafts: ArticleDraft, cadence: str = "daily") -> Issue:
    """An issue of these articles, a day after whatever was before it."""
    world.later(days=1)
    world.articles(*drafts)
    return world.publish(cadence)


def headed(title: str, number: int = 90, **fields: Any) -> ArticleDraft:
    """An article that will lead its issue."""
    picture = Image("https://tide.example/p.jpg", f"Alt of {title}", "", 1200, 800)
    return replace(draft(number), title=title, image=picture, **fields)


def parsed(page: str | bytes) -> Any:
    return etree.fromstring(page) if isinstance(page, bytes) else etree.HTML(page)


def slugs(page: str) -> list[str]:
    return re.findall(r'<h3><a href="tide/([^"]+)"', page)


# ------------------------------------------------------------------------------------------------- pages


def test_the_archive_lists_what_went_out_newest_first_and_leads_from_issue_to_issue(
    world: World, site: httpx.Client
) -> None:
    told(world, headed("Harbour freezes", 1), draft(2))
    told(world, headed("Harbour thaws", 3), draft(4))
    told(world, draft(5), cadence="weekly")
    page = site.get("/a/tide").text
    assert slugs(page) == ["2026-11-26-weekly", "2026-11-25", "2026-11-24"]
    assert "November 2026" in page and "Harbour thaws" in page
    first, second, third = (site.get(f"/a/tide/{slug}").text for slug in reversed(slugs(page)))
    assert 'rel="next" href="2026-11-25"' in first and 'rel="prev"' not in first
    assert 'rel="prev" href="2026-11-24"' in second and 'rel="next" href="2026-11-26-weekly"' in second
    assert 'rel="next"' not in third
    assert "Harbour freezes" in first and "Number2" in first and "Number4" not in first
    assert site.get("/").text.count("The Tide") >= 1


def test_an_issue_shows_all_sections_and_nothing_of_any_reader(world: World, site: httpx.Client) -> None:
    world.edition(PUBLIC.replace("public = true", "public = true\ntrack_clicks = true"))
    world.readers("ann@x.example", "bob@x.example", sections="Sea")
    told(world, headed("Ice"), draft(2), draft(3, "land"), draft(4, "", Kind.OPINION))
    courier = ToldCourier()
    world.deliver(courier)
    assert {email.message_from_bytes(mail.message)["List-Archive"] for mail in courier.tried} == {f"<{BASE}/a/tide>"}
    page = site.get("/a/tide/2026-11-24").text
    assert [title in page for title in ("Ice", "Sea", "Land", "Opinion", "Number3", "Number4")] == [True] * 6
    assert 'href="https://tide.example/3"' in page, "links lead to the story, not through our counting"
    links = re.findall(r'(?:href|src|action|content)="([^"]*)"', page)
    assert not [link for link in links if re.search(r"/[upvcl]/", link)]
    assert "@" not in re.sub(r"@(media|context|type)\b", "", page), "no address, no open slot"
    assert "View in browser" not in page and "You receive this mail" not in page and "nsubscribe" not in page
    assert '<form class="join" method="post" action="../../s/tide">' in page


def test_an_issue_has_the_title_that_its_editor_gave_it(world: World, site: httpx.Client) -> None:
    app = world.app
    world.articles(headed("Harbour freezes"), draft(2), draft(3))
    issue = publish.open_now(app.database, "tide", "daily", app.now())
    review.hold(app.database, issue.id, "ana", app.now())
    publish.publish(app.database, issue.id, app.compile, app.settings, app.now())
    wanted = [Edit(Verb.SUBJECT, text="{{Extra}} {headline}, {more}")]
    review.edit(app.database, issue.id, lambda _: wanted, app.compile, "ana", app.now())
    review.release(app.database, issue.id, "ana", app.now())
    publish.publish(app.database, issue.id, app.compile, app.settings, app.now())
    assert "{Extra} Harbour freezes, and 2 more" in site.get("/a/tide").text


def test_an_issue_describes_itself_to_programs(world: World, site: httpx.Client) -> None:
    told(world, headed("Ice & <fog>"), draft(2))
    page = parsed(site.get("/a/tide/2026-11-24").text)
    said = {m.get("property") or m.get("name"): m.get("content") for m in page.iter("meta")}
    assert (said["og:title"], said["og:type"]) == ("Ice & <fog>", "article")
    assert said["og:url"] == page.xpath("string(//link[@rel='canonical']/@href)") == f"{BASE}/a/tide/2026-11-24"
    assert (said["og:image"], said["og:image:alt"]) == ("https://tide.example/p.jpg", "Alt of Ice & <fog>")
    assert said["description"].startswith("Number2") and "robots" not in said
    assert (page.get("lang"), page.get("dir")) == ("en", "ltr")
    assert page.xpath("//link[@rel='alternate']/@href") == [f"{BASE}/a/tide/feed.{kind}" for kind in ("atom", "json")]
    data = json.loads(page.xpath("string(//script[@type='application/ld+json'])"))
    assert data["mainEntity"]["itemListElement"][0]["name"] == "Ice & <fog>"
    assert data["isPartOf"]["url"] == f"{BASE}/a/tide"


def test_what_a_feed_says_stays_text_everywhere(world: World, site: httpx.Client) -> None:
    told(world, headed(f"Fog {EVIL}", standfirst=f"Mist {EVIL}"), replace(draft(2), title=f"Rain {EVIL}"))
    for path in ("/", "/a/tide", "/a/tide/2026-11-24", "/a/tide?q=fog+script+alert", f"/a/tide?q={EVIL}"):
        page = parsed(site.get(path).text)
        assert page.xpath("//script[not(@type='application/ld+json')]") == [] and page.xpath("//*[@onload]") == [], path
        assert "alert(1)" in "".join(page.xpath("//text() | //@value")), path
        assert "49" not in "".join(page.xpath("//main//text()")), path
    entry = feedparser.parse(site.get("/a/tide/feed.atom").content).entries[0]
    assert (entry.title, entry.title_detail.type) == (f"Fog {EVIL}", "text/plain")
    assert "<script" not in json.loads(site.get("/a/tide/feed.json").content)["items"][0]["content_html"]


def test_an_editors_words_stand_in_the_archive_too(world: World, site: httpx.Client) -> None:
    approved = PUBLIC.replace("public = true", "public = true\napproval = true")
    world.edition(approved)
    issue = told(world, headed("Ice"), draft(2), draft(3))
    words = {Verb.SUBJECT: "Winter: {headline} {more}", Verb.PREHEADER: "Bring a coat", Verb.INTRO: "Good *morning*."}
    edits = [Edit(verb, text=text) for verb, text in words.items()]
    app = world.app
    review.edit(app.database, issue.id, lambda _: edits, app.compile, "ana", app.now())
    world.edition(PUBLIC)
    publish.publish(app.database, issue.id, app.compile, app.settings, app.now())
    page = site.get("/a/tide").text
    assert "Winter: Ice and 2 more" in page and "Bring a coat" in page
    assert "Good <em>morning</em>." in site.get("/a/tide/2026-11-24").text
    words_of = feedparser.parse(site.get("/a/tide/feed.atom").content).entries[0].content[0].value
    assert words_of.lstrip().startswith("<p>Good <em>morning</em>.</p>")
    assert "<p>Good <em>morning</em>.</p>" in site.get("/a/tide/feed.json").json()["items"][0]["content_html"]


def test_long_archives_have_pages(world: World, site: httpx.Client) -> None:
    for number in range(32):
        told(world, draft(number))
    first, second = site.get("/a/tide"), site.get("/a/tide?page=2")
    assert (len(slugs(first.text)), len(slugs(second.text))) == (30, 2)
    assert set(slugs(first.text)).isdisjoint(slugs(second.text))
    assert 'rel="next" href="?page=2"' in first.text and 'rel="prev" href="?page=1"' in second.text
    for odd in ("0", "-1", "x", "²", "99999", "9" * 30, "1e3"):
        assert site.get("/a/tide", params={"page": odd}).status_code == 200
    found = site.get("/a/tide?q=event&page=2").text
    assert "32 stories found" in found and 'href="?q=event&amp;page=1"' in found


# ------------------------------------------------------------------------------------- what is not public


def test_nothing_leaks_that_is_private_or_not_out(world: World, site: httpx.Client) -> None:
    world.edition(EBB)
    world.articles(headed("Secret ferry"))
    publish.open_now(world.app.database, "ebb", "daily", world.app.now())  # scheduled, not out
    waiting = publish.open_now(world.app.database, "tide", "daily", world.app.now())
    out = publish.open_now(world.app.database, "ebb", "weekly", world.app.now())
    publish.publish(world.app.database, out.id, world.app.compile, world.app.settings, world.app.now())
    private = ("/a/ebb", "/a/ebb?q=secret", "/a/ebb/2026-11-23-weekly", "/a/ebb/feed.atom", "/a/ebb/feed.json")
    unknown = ("/a/none", "/a/none?q=x", "/a/none/2026-11-23", "/a/none/feed.atom", "/a/none/feed.json")
    answers = [(site.get(path).status_code, site.get(path).text) for path in (*private, *unknown, "/a/%00", "/a/x/%00")]
    assert set(answers) == {(404, answers[0][1])}, "private is as unknown"
    assert waiting.state == "scheduled"
    public = ("/", "/a/tide", "/a/tide?q=secret", "/a/tide/feed.atom", "/a/tide/feed.json", "/sitemap.xml")
    for path in public:
        assert "Secret ferry" not in site.get(path).text and "ebb" not in site.get(path).text, path
    world.edition(EBB.replace('locale = "en"', 'locale = "en"\npublic = true'))
    assert "Secret ferry" in site.get("/a/ebb/2026-11-23-weekly").text, "opened later, with what had gone out"
    world.edition(EBB)
    assert site.get("/a/ebb/2026-11-23-weekly").status_code == 404


def test_what_waits_for_an_editor_or_is_for_some_is_not_in_it(world: World, site: httpx.Client) -> None:
    world.edition(PUBLIC.replace("public = true", "public = true\napproval = true"))
    waiting = told(world, headed("Draft"))
    assert waiting.state == "composed"
    world.edition(PUBLIC)
    world.later(days=1)
    world.articles(headed("Special", 91))
    database, now = world.app.database, world.app.now()
    segments.add(database, "tide", "friends", "cadence = daily", {}, now)
    meant = segments.meaning(database, "tide", "friends", {})
    special = publish.open_now(database, "tide", "daily", now, "friends", meant)
    special = publish.publish(database, special.id, world.app.compile, world.app.settings, now)
    assert special.state == "sent"
    for path in ("/a/tide", "/a/tide?q=draft", "/a/tide?q=special", "/a/tide/feed.atom", "/sitemap.xml"):
        assert not re.search("Draft|Special|2026-11-2[45]", site.get(path).text), path


def test_without_a_public_edition_there_is_no_front_page(world: World, site: httpx.Client) -> None:
    world.edition(EDITION)
    assert site.get("/").status_code == 404
    assert "<loc>" not in site.get("/sitemap.xml").text


def test_a_paused_issue_stays_and_a_cancelled_one_goes(world: World, site: httpx.Client) -> None:
    world.readers("ann@x.example")
    issue = told(world, headed("Ice"))
    operate.pause(world.app.database, issue.id, world.app.now())
    assert site.get("/a/tide/2026-11-24").status_code == 200
    operate.cancel(world.app.database, issue.id, world.app.now())
    assert site.get("/a/tide/2026-11-24").status_code == 404
    for path in ("/a/tide", "/a/tide?q=ice", "/a/tide/feed.atom", "/a/tide/feed.json", "/sitemap.xml", "/"):
        assert "2026-11-24" not in site.get(path).text, path


def test_what_was_published_outlives_its_ledger_as_long_as_wished(world: World, site: httpx.Client) -> None:
    told(world, headed("Ice"))
    later, database = world.app.now() + timedelta(days=500), world.app.database
    assert retention.sweep(database, RetentionSettings(), later)["issues"] == 1
    assert "Ice" in site.get("/a/tide/2026-11-24").text and "Ice" in site.get("/a/tide?q=ice").text
    retention.sweep(database, RetentionSettings(archive_days=400), later)
    assert site.get("/a/tide/2026-11-24").status_code == 404
    assert not re.search(r"\bstor(y|ies) found", site.get("/a/tide?q=ice").text)


def test_several_issues_of_one_day_have_addresses_of_their_own(world: World, site: httpx.Client) -> None:
    for number in range(3):
        world.articles(draft(number))
        world.publish()
        world.later(minutes=5)
    assert slugs(site.get("/a/tide").text) == ["2026-11-23-1140", "2026-11-23-1135", "2026-11-23"]


# ------------------------------------------------------------------------------------------------- feeds


def test_the_atom_feed_is_valid_and_its_ids_stay(world: World, site: httpx.Client) -> None:
    empty = feedparser.parse(site.get("/a/tide/feed.atom").content)
    assert not empty.bozo and empty.entries == []
    told(world, headed("Ice"), draft(2))
    told(world, headed("Thaw", 91))
    answer = site.get("/a/tide/feed.atom")
    assert answer.headers["content-type"].startswith("application/atom+xml")
    feed = feedparser.parse(answer.content)
    assert not feed.bozo and feed.version == "atom10" and feed.feed.title == "The Tide" and feed.feed.id
    assert [(entry.title, entry.link) for entry in feed.entries] == [
        ("Thaw", f"{BASE}/a/tide/2026-11-25"),
        ("Ice", f"{BASE}/a/tide/2026-11-24"),
    ]
    assert [entry.id for entry in feed.entries] == [f"tag:tide.example,2026-11-2{n}:tide/2026-11-2{n}" for n in (5, 4)]
    assert feed.feed.updated == feed.entries[0].updated == "2026-11-25T06:00:00+00:00"
    assert 'href="https://tide.example/2"' in feed.entries[1].content[0].value
    assert {link.rel for link in feed.feed.links} == {"self", "alternate"}


def test_the_json_feed_keeps_the_rules_of_its_format(world: World, site: httpx.Client) -> None:
    told(world, headed("Ice"), draft(2))
    answer = site.get("/a/tide/feed.json")
    assert answer.headers["content-type"].startswith("application/feed+json")
    feed = answer.json()
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert (feed["home_page_url"], feed["feed_url"]) == (f"{BASE}/a/tide", f"{BASE}/a/tide/feed.json")
    (item,) = feed["items"]
    assert item["id"] == "tag:tide.example,2026-11-24:tide/2026-11-24" and item["url"] == f"{BASE}/a/tide/2026-11-24"
    assert re.fullmatch(r"2026-11-24T06:00:00(Z|\+00:00)", item["date_published"])
    assert (item["title"], item["image"]) == ("Ice", "https://tide.example/p.jpg")
    assert "Number2" in item["content_html"] and all(value for value in item.values())


# ----------------------------------------------------------------------------------------------- caching


@on_sqlite
def test_pages_may_be_kept_and_asked_for_again_in_vain(world: World, site: httpx.Client) -> None:
    told(world, headed("Ice"))
    kinds = ("/", "/a/tide", "/a/tide/2026-11-24", "/a/tide/feed.atom", "/a/tide/feed.json", "/sitemap.xml")
    tags = {}
    for path in kinds:
        answer = site.get(path)
        tags[path] = answer.headers["etag"]
        assert re.fullmatch(r"public, max-age=\d+", answer.headers["cache-control"]), path
        assert answer.headers["x-robots-tag"] == "all" and "set-cookie" not in answer.headers
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        for condition in (tags[path], f'"x", W/{tags[path]}', "*"):
            again = site.get(path, headers={"If-None-Match": condition})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tags[path]), path
        assert site.get(path, headers={"If-None-Match": '"x"'}).status_code == 200
    told(world, headed("Thaw", 91))
    for path in kinds:
        assert site.get(path, headers={"If-None-Match": tags[path]}).status_code == 200, path
    assert "noindex" in site.get("/a/tide?q=ice").headers["x-robots-tag"]
    assert site.get("/a/none").headers["cache-control"] == "no-store"
    assert f"Sitemap: {BASE}/sitemap.xml" in site.get("/robots.txt").text
    listed = parsed(site.get("/sitemap.xml").content).xpath("//*[local-name()='loc']/text()")
    assert listed == [f"{BASE}/a/tide", f"{BASE}/a/tide/2026-11-25", f"{BASE}/a/tide/2026-11-24"]
