"""Following links, where an edition tracks them: readers always get their story, and only their own clicks count."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from functools import partial
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from digest.app import template_folders
from digest.editorial import variants
from digest.editorial.compose import Slot
from digest.errors import UnavailableError
from digest.feedback import clicks as rules
from digest.feedback.clicks import Click, judged
from digest.flows import retention
from digest.flows.feedback import clicks
from digest.flows.issues import selection
from digest.flows.readers import audience, erasure
from digest.look import Look
from digest.mail import personalise, themes
from digest.mail.personalise import Press
from digest.outcomes import Envelope
from digest.readers.tokens import ReaderToken
from digest.settings import RetentionSettings
from digest.store import schema
from digest.store.checkpoints import Checkpoint
from digest.store.ledger import clicks as store
from digest.values import Reader
from tests.conftest import NOW
from tests.support import samples
from tests.support.between import elsewhere, when
from tests.support.served import served
from tests.support.world import EDITION, ToldCourier, World, WorldApp, draft

TRACKED = EDITION.replace('locale = "en"', 'locale = "en"\ntrack_clicks = true')
SHOWN = ["https://tide.example/1", "https://tide.example/2", "https://tide.example/3"]


@pytest.fixture
def mail(world: World) -> Envelope:
    """Issue 1 of an edition that tracks clicks, as Ann got it; ten minutes have passed since."""
    world.edition(TRACKED)
    world.articles(*(draft(number) for number in (1, 2, 3)))
    world.readers("ann@x.example", "bob@x.example")
    courier = ToldCourier()
    world.publish()
    world.deliver(courier)
    world.later(minutes=10)
    (mail,) = [mail for mail in courier.tried if mail.recipient == "ann@x.example"]
    return mail


@pytest.fixture
def site(world: World, mail: Envelope) -> Iterator[httpx.Client]:
    with served(world.app) as client:
        yield client


def bodies(mail: Envelope) -> tuple[str, str]:
    parsed = message_from_bytes(mail.message, policy=policy.default)
    html, text = (parsed.get_body((kind,)) for kind in ("html", "plain"))
    assert html and text
    return html.get_content(), text.get_content()


def links(mail: Envelope) -> list[str]:
    """The tracked links of a mail, in order, as our pages know them."""
    return list(dict.fromkeys(re.findall(r"https://news\.example\.org(/l/[\w-]+/\d+)", bodies(mail)[0])))


def counted(world: World) -> int:
    with world.app.database.read() as connection:
        return store.of_issue(connection, 1).readers


def kept(world: World) -> list[tuple[int, bool]]:
    with world.app.database.read() as connection:
        rows = connection.execute(select(schema.clicks.c.story_id, schema.clicks.c.counts).order_by("story_id"))
        return [(story_id, bool(counts)) for story_id, counts in rows]


# ------------------------------------------------------------------------------------------------- rules


def clicked(story_id: int, seconds: float, counts: bool = True) -> Click:
    return Click(story_id, NOW + timedelta(seconds=seconds), counts)


@pytest.mark.parametrize(
    ("at", "before", "written"),
    [
        (60.0, [], [clicked(1, 60)]),
        (rules.SETTLING.total_seconds(), [], [clicked(1, 10, False)]),
        (-1.0, [], [clicked(1, -1, False)]),
        (60.0, [clicked(1, 30)], []),
        (60.0, [clicked(1, 30, False)], [clicked(1, 60)]),
        (60.0, [clicked(2, 30)], [clicked(1, 60)]),
        (60.0, [clicked(2, 59), clicked(3, 58, False)], [clicked(1, 60, False), clicked(2, 59, False)]),
        (60.0, [clicked(1, 30), clicked(2, 59)], []),
        (60.0, [clicked(1, 59.5, False)], [clicked(1, 60)]),
    ],
    ids=[
        "a click counts",
        "not within seconds of the acceptance",
        "not before it",
        "not twice",
        "again, later, after one that did not count",
        "a second story after a while",
        "links right after one another are a program's, all of them",
        "what has counted long ago stays",
        "the same link pressed twice is no burst",
    ],
)
def test_a_click_is_judged_by_its_distance_from_the_acceptance_and_from_other_links(
    at: float, before: list[Click], written: list[Click]
) -> None:
    assert judged(1, NOW + timedelta(seconds=at), NOW, before) == written


def test_nothing_counts_while_the_acceptance_is_not_known() -> None:
    assert not judged(1, NOW, None, [])[0].counts


# ------------------------------------------------------------------------------------------------- mails


def test_story_links_of_both_parts_lead_through_our_pages_and_no_other_link_does(mail: Envelope) -> None:
    html, text = bodies(mail)
    assert len(links(mail)) == 3
    assert all(link in text for link in links(mail))
    assert "tide.example/" not in html + text, "no story is linked around the count"
    token = links(mail)[0].split("/")[-2]
    for ours in "upv":
        assert f"https://news.example.org/{ours}/{token}" in html


def test_an_edition_that_does_not_ask_for_it_links_its_stories_directly(world: World) -> None:
    world.articles(draft(1))
    world.readers("ann@x.example")
    courier = ToldCourier()
    world.publish()
    world.deliver(courier)
    html, text = bodies(courier.tried[0])
    assert "/l/" not in html + text
    assert SHOWN[0] in html and SHOWN[0] in text


@pytest.mark.parametrize("theme", themes.themes(template_folders(None)))
def test_tracked_links_keep_the_mail_within_its_budget_and_its_blocks_whole(theme: str) -> None:
    plain = samples.content(replace(samples.EDITION, look=Look(theme)))
    tracked = replace(plain, edition=replace(plain.edition, track_clicks=True))
    sizes = []
    for content in (plain, tracked):
        press = Press(samples.compiled(content), (("a", b"k" * 32),), "b.example.org", 90_000)
        mail = press.message(variants.choose(content, None, None), Reader(2**31, 2**31, "a@x.example"), samples.NOW)
        assert max(map(len, mail.message.split(b"\r\n"))) <= 998
        sizes.append(len(bodies(mail)[0]))
    assert sizes[1] < 90_000
    shown = variants.choose(tracked, None, None)
    page = personalise.web_page(samples.compiled(tracked), shown, "TOKEN")
    assert set(map(int, re.findall(r"/l/TOKEN/(\d+)", page))) == {
        story_id for _, ids in shown.shown for story_id in ids
    }
    assert "@@" not in page


# ------------------------------------------------------------------------------------------------- links


def test_a_link_leads_to_its_article_and_is_counted_once(site: httpx.Client, world: World, mail: Envelope) -> None:
    first, second, _ = links(mail)
    for _ in range(3):
        answer = site.get(first)
        assert (answer.status_code, answer.headers["location"] in SHOWN) == (302, True)
        assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == ("no-store", "no-referrer")
    world.later(minutes=1)
    assert site.get(second).headers["location"] != answer.headers["location"]
    assert (counted(world), [counts for _, counts in kept(world)]) == (1, [True, True])


@pytest.mark.parametrize(
    "ask",
    [
        lambda site, link: site.head(link),
        lambda site, link: site.get(link, headers={"Sec-Purpose": "prefetch;prerender"}),
        lambda site, link: site.get(link, headers={"DNT": "1"}),
        lambda site, link: site.get(link, headers={"Sec-GPC": "1"}),
    ],
    ids=["HEAD", "prefetch", "do not track", "global privacy control"],
)
def test_who_says_that_they_should_not_be_counted_is_not(
    ask: Callable[[httpx.Client, str], Any], site: httpx.Client, world: World, mail: Envelope
) -> None:
    assert ask(site, links(mail)[0]).status_code == 302
    assert kept(world) == []


def test_a_scanner_that_follows_all_links_at_once_counts_nothing_and_its_reader_does_later(
    site: httpx.Client, world: World, mail: Envelope
) -> None:
    with ThreadPoolExecutor(3) as pool:
        assert [answer.status_code for answer in pool.map(site.get, links(mail))] == [302] * 3
    assert [counts for _, counts in kept(world)] == [False] * 3
    world.later(hours=1)
    site.get(links(mail)[1])
    assert counted(world) == 1


def test_two_links_followed_in_one_moment_know_of_each_other(world: World, mail: Envelope) -> None:
    one, other, _ = (int(link.rpartition("/")[2]) for link in links(mail))
    names, now = ReaderToken(1, world.subscription("ann@x.example").id), world.app.now()
    second = threading.Thread(target=clicks.remember, args=(world.app.database, names, other, now))
    with world.app.database.write() as connection:
        store.hold(connection, 1, names.subscription_id)
        second.start()
        second.join(0.3)  # were it let through it would be done by now, and know nothing of the first
        store.put(connection, 1, names.subscription_id, [Click(one, now, True)])
    second.join()
    assert sorted(kept(world)) == sorted([(one, False), (other, False)])


@pytest.mark.parametrize(
    "forged",
    [
        lambda token, story: f"/l/{token[:-2]}xx/{story}",
        lambda token, _: f"/l/{token}/999",
        lambda token, _: f"/l/{token}/{'9' * 5000}",
        lambda token, _: f"/l/{token}/%D9%A1",
        lambda token, _: f"/l/{token}/https:%2F%2Fevil.example",
        lambda token, story: f"/l/{token}/-{story}",
    ],
    ids=["token", "story of no issue", "number", "digits of another script", "URL", "negative"],
)
def test_what_we_did_not_link_leads_nowhere(
    forged: Callable[[str, str], str], site: httpx.Client, world: World, mail: Envelope
) -> None:
    *_, token, story = links(mail)[0].split("/")
    answer = site.get(forged(token, story))
    assert (answer.status_code, "location" in answer.headers) == (404, False)
    assert kept(world) == []


def test_when_the_content_is_gone_the_link_leads_to_the_article_and_then_home(world: World, mail: Envelope) -> None:
    story_id = int(links(mail)[0].rpartition("/")[2])
    names = ReaderToken(1, world.subscription("ann@x.example").id)
    world.later(days=200)
    world.articles(draft(9))

    def followed(story: int) -> str | None:
        fresh = WorldApp(world.app.settings)
        found = clicks.target(fresh.database, fresh.load, names, story, "https://news.example.org")
        fresh.database.dispose()
        return found.url if found else None

    retention.sweep(world.app.database, RetentionSettings(content_days=8), NOW + timedelta(days=100))
    assert followed(story_id) in SHOWN
    newest = selection.choose(world.app.database, "tide", Slot("weekly", NOW), world.app.settings, world.app.now())
    assert followed(next(iter(newest.items))) == "https://news.example.org/s/tide", "not what came after the issue"
    retention.sweep(world.app.database, RetentionSettings(), NOW + timedelta(days=500))
    assert followed(story_id) == "https://news.example.org/s/tide"
    world.edition(TRACKED + '\n[[link]]\nrole = "home"\ntitle = "Home"\nurl = "https://tide.example/"\n')
    assert followed(story_id) == "https://tide.example/"
    erasure.erase(world.app.database, world.app.settings.state_dir, "ann@x.example", world.app.now())
    assert followed(story_id) is None


# ------------------------------------------------------------------------------------- what is kept of it


def test_nothing_is_kept_once_the_edition_stops_tracking(site: httpx.Client, world: World, mail: Envelope) -> None:
    world.edition(EDITION)
    assert site.get(links(mail)[0]).status_code == 302
    assert kept(world) == []


def test_a_reader_is_told_gets_it_exported_and_takes_it_along(site: httpx.Client, world: World, mail: Envelope) -> None:
    link = links(mail)[0]
    assert "counts which stories" in site.get(link.replace("/l/", "/p/").rpartition("/")[0]).text
    site.get(link)
    (theirs,) = audience.export(world.app.database, "ann@x.example")["subscriptions"]
    assert [click["story_id"] for click in theirs["clicks"]] == [int(link.rpartition("/")[2])]
    erasure.erase(world.app.database, world.app.settings.state_dir, "ann@x.example", world.app.now())
    assert kept(world) == []
    assert site.get(link).status_code == 302, "an erased reader's old mail still works"
    assert kept(world) == []


def test_an_old_link_leads_on_and_writes_nothing(site: httpx.Client, world: World, mail: Envelope) -> None:
    retention.sweep(world.app.database, RetentionSettings(content_days=8), NOW + timedelta(days=9))
    world.app.load.cache_clear()
    *path, story = links(mail)[0].split("/")
    for number in (story, "999", "9" * 18):
        assert site.get("/".join([*path, number])).status_code == 302
    assert kept(world) == []


def test_clicks_go_with_their_retention(site: httpx.Client, world: World, mail: Envelope) -> None:
    site.get(links(mail)[0])
    rules = RetentionSettings(clicks_days=30)
    assert retention.sweep(world.app.database, rules, world.app.now() + timedelta(days=29))["clicks"] == 0
    assert retention.sweep(world.app.database, rules, world.app.now() + timedelta(days=31))["clicks"] == 1
    assert kept(world) == []


def test_what_is_followed_ranks_higher_for_who_gets_it_later(site: httpx.Client, world: World, mail: Envelope) -> None:
    def first() -> list[int]:
        content = selection.choose(world.app.database, "tide", Slot("weekly", NOW), world.app.settings, world.app.now())
        return list(content.candidates[0])

    last = first()[-1]
    site.get(next(link for link in links(mail) if link.endswith(f"/{last}")))
    with world.app.database.read() as connection:
        assert store.by_story(connection, first()) == {last: 1}
    assert first()[0] == last


def test_articles_are_stored_while_an_issue_s_clicks_are_counted(world: World) -> None:
    world.articles(draft(1))
    with when(world.app.database, Checkpoint.COUNT_CLICKS, partial(elsewhere, world.articles, draft(2))):
        world.publish()


def test_the_account_names_readers_and_stories(site: httpx.Client, world: World, mail: Envelope) -> None:
    assert clicks.following(world.app.database, world.app.load, 1) is None
    site.get(links(mail)[0])
    found = clicks.following(world.app.database, world.app.load, 1)
    assert found
    assert (found.accepted, found.readers, found.doubtful) == (2, 1, 0)
    ((title, readers),) = found.stories
    assert title.startswith("Number") and readers == 1


def test_a_reader_gets_the_story_when_the_ledger_cannot_be_written(
    site: httpx.Client, world: World, mail: Envelope, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise UnavailableError("the disk is full")

    monkeypatch.setattr(clicks, "remember", full)
    assert site.get(links(mail)[0]).headers["location"] in SHOWN
