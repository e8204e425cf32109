"""Updates: what has become news again is told once more, and marked, to those who were told; on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from sqlalchemy import func, select

from digest.editorial.edits import Edit, Verb
from digest.flows import retention
from digest.flows.issues import operate, publish, review
from digest.flows.sources import articles
from digest.outcomes import Envelope
from digest.settings import RetentionSettings
from digest.states import IssueState
from digest.store import schema
from digest.store.content import articles as store
from digest.values import ArticleDraft
from tests.support.world import GREYLISTED, READERS, ToldCourier, World, draft, told

FIRST = replace(draft(1), title="Night ferry to return to Port Ellery after council vote")
COURT = replace(FIRST, title="Court stops return of boats", standfirst="Judge Adaeze Obi heard the firm Halden.")
OFFER = replace(FIRST, title="Shipowners withdraw 300 offers", standfirst="Norland says the quay at Karadan is no use.")
POLISHED = replace(FIRST, title="Night ferry returns to Port Ellery after the council's vote")


def lines(envelope: Envelope, kind: str = "plain") -> str:
    body = message_from_bytes(envelope.message, policy=policy.default).get_body((kind,))
    assert body
    return " ".join(body.get_content().split())


def sent(world: World, courier: ToldCourier | None = None) -> dict[str, Envelope]:
    """What the next issue's readers get, by address."""
    courier = courier or ToldCourier()
    world.publish()
    world.deliver(courier)
    return {envelope.recipient: envelope for envelope in courier.tried}


def told_first(world: World, *readers: str) -> None:
    """A world in which these readers have had the story."""
    world.readers(*readers)
    world.articles(FIRST)
    assert FIRST.title in lines(sent(world)[readers[0]])
    world.later(days=1)


def test_who_was_told_gets_the_update_marked_and_who_was_not_gets_the_story(world: World) -> None:
    world.readers("old@x.example", "late@x.example")
    world.articles(FIRST)
    assert FIRST.title in lines(sent(world, told(GREYLISTED, "late@x.example"))["old@x.example"])
    world.later(days=1)
    world.articles(COURT, draft(2))
    got = sent(world)
    for kind in ("plain", "html"):
        assert f"Update: {COURT.title}" in lines(got["old@x.example"], kind)
        assert COURT.title in lines(got["late@x.example"], kind)
        assert "Update:" not in lines(got["late@x.example"], kind)
    assert all(lines(mail).count(COURT.title) == 1 for mail in got.values())
    world.later(days=1)
    world.articles(draft(3))
    assert all(COURT.title not in lines(mail) for mail in sent(world).values()), "nobody gets it twice"


def test_an_update_that_leads_says_so_in_the_subject(world: World) -> None:
    told_first(world, "a@x.example")
    world.articles(COURT)
    mail = message_from_bytes(sent(world)["a@x.example"].message, policy=policy.default)
    assert f"Update: {COURT.title}" in mail["Subject"]


def test_an_update_is_marked_once_however_often_its_issue_is_edited(world: World) -> None:
    told_first(world, "a@x.example")
    world.articles(COURT)
    app = world.app
    issue = publish.open_now(app.database, "tide", "daily", app.now())
    review.hold(app.database, issue.id, "ana", app.now())
    publish.publish(app.database, issue.id, app.compile, app.settings, app.now())
    wanted = [Edit(Verb.PREHEADER, text="Halden, and more")]
    for _ in range(2):
        review.edit(app.database, issue.id, lambda _: wanted, app.compile, "ana", app.now())
    shown = [item for one in operate.contents(app.database, issue.id).sections for item in one.shown]
    assert [item.title for item in shown] == [f"Update: {COURT.title}"]


@pytest.mark.parametrize("after", [POLISHED, replace(FIRST, standfirst="It is the first in eleven years.")])
def test_a_better_wording_is_nothing_new(world: World, after: ArticleDraft) -> None:
    told_first(world, "a@x.example")
    world.articles(after)
    issue = world.publish()
    assert issue.state is IssueState.SKIPPED


def test_two_who_store_the_same_newer_words_at_once_make_one_update(world: World) -> None:
    told_first(world, "a@x.example")
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(world.articles, COURT) for _ in range(2)]:
            done.result()
    with world.app.database.read() as connection:
        assert connection.execute(select(func.count()).select_from(schema.updates)).scalar_one() == 1


def test_several_updates_between_two_issues_are_told_as_one(world: World) -> None:
    told_first(world, *READERS[:2])
    world.articles(COURT)
    world.later(hours=4)
    missed = told(GREYLISTED, READERS[1])
    assert COURT.title in lines(sent(world, missed)[READERS[0]])
    world.articles(OFFER)
    world.later(hours=20)
    got = sent(world)
    assert all(lines(mail).count("Update:") == 1 for mail in got.values())
    assert all(f"Update: {OFFER.title}" in lines(mail) for mail in got.values())


def test_an_update_is_polished_for_some_hours_too(world: World) -> None:
    told_first(world, "a@x.example")
    world.articles(COURT)
    assert f"Update: {COURT.title}" in lines(sent(world)["a@x.example"])
    world.later(hours=1)
    world.articles(OFFER)
    assert world.publish().state is IssueState.SKIPPED
    world.later(hours=5)
    world.articles(replace(OFFER, title="Minister resigns over 900 boats", standfirst="Ellen Quist led the port."))
    assert "Update: Minister resigns" in lines(sent(world)["a@x.example"])


def test_another_piece_of_the_same_source_that_joins_its_story_is_an_update(world: World) -> None:
    told_first(world, "a@x.example")
    for piece in (FIRST, COURT):  # the other source's pieces show that these are one story
        articles.import_drafts(world.app.database, "elsewhere", [piece], world.app.now())
        world.later(hours=4)
    assert world.publish().state is IssueState.SKIPPED
    world.articles(replace(COURT, guid="piece2", url="https://tide.example/piece2"))
    world.later(hours=4)
    assert f"Update: {COURT.title}" in lines(sent(world)["a@x.example"])


def test_to_readers_of_another_edition_it_is_as_new_as_its_own_feeds_make_it(world: World) -> None:
    told_first(world, "a@x.example")
    articles.import_drafts(world.app.database, "elsewhere", [FIRST], world.app.now())
    world.later(hours=5)
    articles.import_drafts(world.app.database, "elsewhere", [COURT], world.app.now())
    assert world.publish().state is IssueState.SKIPPED, "it is not this edition's feed that says more"


def test_a_source_may_say_something_new_of_any_number_of_its_pieces(world: World) -> None:
    with world.app.database.read() as connection:
        assert store.last_update(connection, range(70_000)) == {}, "more than a statement takes parameters"


def test_old_updates_are_swept_with_their_stories(world: World) -> None:
    told_first(world, "a@x.example")
    world.articles(COURT)
    retention.sweep(world.app.database, RetentionSettings(articles_days=8), world.app.now() + timedelta(days=9))
    with world.app.database.read() as connection:
        for table in (schema.articles, schema.updates, schema.stories):
            assert connection.execute(select(func.count()).select_from(table)).scalar_one() == 0
