"""An issue under review: what was reviewed is what goes out, and nobody misses or repeats a story by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy

import pytest

from digest.editorial import edits
from digest.editorial.edits import Edit, Verb
from digest.errors import DigestError, InputError, NotFoundError, StateError
from digest.flows.issues import operate, publish, review, schedules
from digest.flows.readers import audience
from digest.outcomes import Envelope
from digest.settings import Settings
from digest.states import DeliveryEvent, IssueState, Obstacle
from digest.store.checkpoints import Checkpoint
from digest.values import Issue, IssueContent, ScheduleSpec
from tests.conftest import NOW
from tests.support.between import meanwhile
from tests.support.world import EDITION, GREYLISTED, LOST, ToldCourier, World, draft, headlines, small_world, told

EVERY_MORNING = ScheduleSpec("daily", "UTC", "0 7 * * *")  # NOW is 06:00
HEAD = 'cadences = ["daily", "weekly"]\n'
APPROVED = EDITION.replace(HEAD, HEAD + "approval = true\n")
REVIEWED = EDITION.replace(HEAD, HEAD + "review_minutes = 30\n")


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    for world in small_world(settings):
        schedules.add(world.app.database, "tide", EVERY_MORNING, NOW)
        world.articles(*(draft(number) for number in range(1, 7)), draft(7, "land"))
        world.readers("a@x.example", "b@x.example")
        yield world


def drafted(world: World, cadence: str = "daily") -> Issue:
    app = world.app
    return review.draft(app.database, "tide", cadence, app.compile, app.settings, app.now())


def tick(world: World, compiler: publish.Compiler | None = None) -> list[Issue]:
    """What beat and the workers do of issues, without sending."""
    app = world.app
    publish.open_due_slots(app.database, app.now())
    publish.open_for_review(app.database, app.now())
    waiting = publish.waiting(app.database, app.now())
    compiler = compiler or app.compile
    return [publish.publish(app.database, n, compiler, app.settings, app.now()) for n in waiting]


def sent(world: World) -> dict[str, Envelope]:
    courier = ToldCourier()
    world.deliver(courier)
    assert len(set(courier.recipients)) == len(courier.recipients)
    return {envelope.recipient: envelope for envelope in courier.tried}


def change(world: World, issue: Issue, *changes: Edit, by: str = "ana") -> review.Revised:
    return review.edit(world.app.database, issue.id, lambda _: changes, world.app.compile, by, world.app.now())


def stories(world: World, issue: Issue) -> dict[str, list[str]]:
    """The headlines' first words by section."""
    return {
        listing.key: [item.title.split()[0] for item in listing.shown]
        for listing in operate.contents(world.app.database, issue.id).sections
    }


def story(world: World, issue: Issue, name: str) -> int:
    return edits.find(review.open_draft(world.app.database, issue.id).content, name).story_id


# --------------------------------------------------------------------------------------------- its slot


def test_a_draft_goes_out_at_its_slot_and_once_as_it_was_reviewed(world: World) -> None:
    issue = drafted(world)
    assert (issue.state, issue.slot) == (IssueState.COMPOSED, NOW + timedelta(hours=1))
    world.articles(draft(8))
    world.readers("late@x.example")
    assert tick(world) == []
    world.later(hours=1)
    assert [found.id for found in tick(world)] == [issue.id]
    mails = sent(world)
    assert set(mails) == {"a@x.example", "b@x.example", "late@x.example"}
    assert all("Number8" not in headlines(mail) for mail in mails.values())
    assert tick(world) == []
    world.later(days=1)
    tick(world)
    assert {frozenset(headlines(mail)) for mail in sent(world).values()} == {frozenset({"Number8"})}


def test_every_issue_of_an_edition_with_review_minutes_is_drafted_so_long_before(world: World) -> None:
    world.edition(REVIEWED)
    world.later(minutes=29)
    assert tick(world) == []
    world.later(minutes=2)
    (issue,) = tick(world)
    assert issue.state is IssueState.COMPOSED
    assert tick(world) == [], "beat, doubled"
    with pytest.raises(StateError, match="composed already"):
        drafted(world)
    world.later(minutes=29)
    assert [(found.id, found.state) for found in tick(world)] == [(issue.id, IssueState.SENDING)]


def test_where_nothing_is_new_at_first_it_is_looked_at_again_at_the_slot(world: World) -> None:
    world.publish()
    sent(world)
    issue = drafted(world)
    assert (issue.state, issue.obstacle) == (IssueState.SCHEDULED, Obstacle.NOTHING_NEW)
    assert issue.reason == "nothing new yet"
    assert tick(world) == []
    world.articles(draft(9))
    world.later(hours=1)
    assert [found.state for found in tick(world)] == [IssueState.SENDING]
    assert headlines(sent(world)["a@x.example"]) == {"Number9"}


def test_there_is_nothing_to_draft_without_a_next_slot(world: World) -> None:
    with pytest.raises(StateError, match=r"tide \(weekly\) has no next slot"):
        drafted(world, "weekly")


def test_after_a_standstill_only_the_newest_issue_comes_out(world: World) -> None:
    issue = drafted(world)
    world.articles(draft(8))
    world.later(days=2)
    tick(world)
    tick(world)
    assert world.state(issue) == "cancelled"
    mails = sent(world)
    assert all("Number8" in headlines(mail) for mail in mails.values())
    assert len(mails) == 2


# -------------------------------------------------------------------------------------------- hold, approve


def test_a_held_issue_passes_its_slot_and_goes_out_when_released(world: World) -> None:
    issue = drafted(world)
    review.hold(world.app.database, issue.id, "ana", NOW)
    world.later(hours=2)
    assert tick(world) == []
    assert sent(world) == {}
    with pytest.raises(StateError, match="has what is new and held"):
        world.publish()
    review.release(world.app.database, issue.id, "bo", NOW)
    tick(world)
    assert set(sent(world)) == {"a@x.example", "b@x.example"}
    assert [(one.kind, one.by) for one in review.history(world.app.database, issue.id)] == [
        ("hold", "ana"),
        ("release", "bo"),
    ]
    for late in (review.hold, review.release):
        with pytest.raises(StateError, match="can no longer be changed"):
            late(world.app.database, issue.id, "ana", NOW)


def test_the_next_issue_does_not_wait_for_a_held_one_and_has_its_stories(world: World) -> None:
    issue = drafted(world)
    review.hold(world.app.database, issue.id, "ana", NOW)
    world.later(hours=1)
    tick(world)
    world.articles(draft(8, "land"))
    world.later(days=1)
    (newer,) = tick(world)
    assert newer.state is IssueState.SENDING
    (overtaken,) = operate.progress(world.app.database, [issue.id])
    assert (overtaken.issue.state, overtaken.issue.reason) == (IssueState.CANCELLED, f"overtaken by issue {newer.id}")
    assert all({"Number7", "Number8"} <= headlines(mail) for mail in sent(world).values())


def test_with_approval_nothing_goes_out_unseen_and_what_is_changed_is_looked_at_again(world: World) -> None:
    world.edition(APPROVED)
    issue = world.publish()
    assert issue.state is IssueState.COMPOSED
    approve = review.approve
    approve(world.app.database, issue.id, None, "ana", NOW)
    changed = change(world, issue, Edit(Verb.SUBJECT, text="Hello"), by="bo").issue
    assert tick(world) == []
    with pytest.raises(StateError, match="it is at revision 2, not 1"):
        approve(world.app.database, issue.id, 1, "ana", NOW)
    approve(world.app.database, issue.id, changed.revision, "ana", NOW)
    assert [found.state for found in tick(world)] == [IssueState.SENDING]
    mail = message_from_bytes(sent(world)["a@x.example"].message, policy=policy.default)
    assert mail["Subject"] == "Hello"


def test_an_approved_draft_still_waits_for_its_slot(world: World) -> None:
    world.edition(APPROVED)
    issue = drafted(world)
    world.later(hours=2)
    assert tick(world) == []
    review.approve(world.app.database, issue.id, None, "ana", NOW)
    assert [found.id for found in tick(world)] == [issue.id]


# -------------------------------------------------------------------------------------------------- edits


def test_edits_reach_the_mail_and_can_be_taken_back_in_any_order(world: World) -> None:
    issue = drafted(world)
    before = stories(world, issue)
    pinned = before["sea"][-1]
    change(world, issue, Edit(Verb.PIN, story(world, issue, pinned)), Edit(Verb.INTRO, text="Dear *all*"))
    change(world, issue, Edit(Verb.RETITLE, story(world, issue, pinned), text="Number0 anew"))
    assert stories(world, issue)["lead"] == ["Number0"]
    with pytest.raises(NotFoundError, match="no edit 9 in force"):
        review.undo(world.app.database, issue.id, 9, world.app.compile, "bo", NOW)
    review.undo(world.app.database, issue.id, 1, world.app.compile, "bo", NOW)
    assert stories(world, issue) == before | {"sea": [*before["sea"][:-1], "Number0"]}
    review.undo(world.app.database, issue.id, 0, world.app.compile, "bo", NOW)
    assert stories(world, issue) == before
    changes = review.history(world.app.database, issue.id)
    assert [(one.revision, one.by, one.undone) for one in changes] == [
        (1, "ana", True), (2, "ana", False), (3, "ana", True), (4, "bo", False), (5, "bo", False),
    ]  # fmt: skip
    world.later(hours=1)
    tick(world)
    for mail in sent(world).values():
        assert b"<em>all</em>" in mail.message
        assert headlines(mail) == {name for names in before.values() for name in names}
    with pytest.raises(StateError, match="is sent: it can no longer be changed"):
        change(world, issue, Edit(Verb.SUBJECT, text="Too late"))


def test_edits_survive_a_fresh_composition_and_those_whose_story_is_gone_are_told(world: World) -> None:
    issue = drafted(world)
    lead = stories(world, issue)["lead"][0]
    change(world, issue, Edit(Verb.SUBJECT, text="Ours"), Edit(Verb.DROP, story(world, issue, lead)))
    world.articles(draft(8, "land"))
    app = world.app
    made = review.redraft(app.database, issue.id, app.compile, app.settings, "ana", app.now())
    assert made.left_out == ()
    assert (made.issue.covers_until or 0) > (issue.covers_until or 0)
    shown = {name for names in stories(world, issue).values() for name in names}
    assert "Number8" in shown
    assert lead not in shown
    assert operate.contents(app.database, issue.id).subject == "Ours"
    change(world, issue, pin := Edit(Verb.PIN, story(world, issue, "Number8"), "Number8"))
    with app.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM article_keys")
        connection.exec_driver_sql("DELETE FROM articles WHERE title LIKE 'Number8 %%'")
    world.articles(draft(11))
    made = review.redraft(app.database, issue.id, app.compile, app.settings, "ana", app.now())
    assert made.left_out == (pin,)


def test_what_cannot_be_is_told_at_the_edit_and_changes_nothing(world: World) -> None:
    issue = drafted(world)
    every = [Edit(Verb.DROP, number) for number in review.open_draft(world.app.database, issue.id).content.items]

    def broken(_: IssueContent) -> str:
        raise InputError("template issue.html.j2, line 3: no")

    wrongs: list[Callable[[], object]] = [
        lambda: change(world, issue, *every),
        lambda: review.edit(world.app.database, issue.id, lambda _: [Edit(Verb.INTRO, text="x")], broken, "ana", NOW),
        lambda: review.undo(world.app.database, issue.id, 0, world.app.compile, "ana", NOW),
        lambda: change(world, issue, every[0], every[0]),
    ]
    for wrong in wrongs:
        with pytest.raises(DigestError):
            wrong()
    assert review.open_draft(world.app.database, issue.id).issue == issue


def test_of_editors_at_the_same_moment_nobody_s_change_is_lost(world: World) -> None:
    issue = drafted(world)
    names = [name for names in stories(world, issue).values() for name in names][:4]
    ids = [story(world, issue, name) for name in names]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: change(world, issue, Edit(Verb.RETITLE, n, text=f"Anew{n} {n}"), by=str(n)), ids))
    titles = {item.title for item in review.open_draft(world.app.database, issue.id).content.items.values()}
    assert {f"Anew{n} {n}" for n in ids} <= titles
    assert [one.revision for one in review.history(world.app.database, issue.id)] == [1, 2, 3, 4]


def test_an_edit_that_meets_the_slot_is_made_or_told_to_be_too_late(world: World) -> None:
    issue = drafted(world)
    world.later(hours=1)

    def meanwhile(content: IssueContent) -> str:
        tick(world)
        return world.app.compile(content)

    with pytest.raises(StateError, match=f"issue {issue.id} is sending: `digest issue pause {issue.id}` stops it"):
        review.edit(world.app.database, issue.id, lambda _: [Edit(Verb.SUBJECT, text="Late")], meanwhile, "ana", NOW)
    assert all(b"Subject: Late" not in mail.message for mail in sent(world).values())


def test_an_edit_waits_for_an_expansion_that_has_begun_and_is_too_late(world: World) -> None:
    if world.app.database.dialect == "sqlite":
        pytest.skip("one writes at a time")
    issue = drafted(world)
    world.later(hours=1)
    database = world.app.database
    with meanwhile(database, Checkpoint.CREATE_DELIVERIES, review.hold, database, issue.id, "ana", NOW) as late:
        tick(world)
    with pytest.raises(StateError, match="is sending"):
        late.result()
    assert len(sent(world)) == 2


# --------------------------------------------------------------------- who stands elsewhere by the time it goes


def test_who_is_assumed_to_have_had_an_older_issue_gets_their_fill_of_the_newest(world: World) -> None:
    """Though nobody stood there when it was composed, and it waited for nothing."""
    world.publish()
    world.deliver(told(LOST, "a@x.example"))
    ages = {20: 20, 21: 20, 22: 20, 30: 0}
    made = {number: replace(draft(number), published=NOW - timedelta(hours=age)) for number, age in ages.items()}
    world.articles(made[20], made[21], made[22])
    world.later(minutes=1)
    world.publish()
    world.deliver(told(GREYLISTED, "a@x.example"))
    world.articles(made[30])
    world.later(minutes=1)
    world.publish()
    operate.resolve(world.app.database, 1, DeliveryEvent.ASSUME_SENT, world.app.now())
    mail = sent(world)["a@x.example"]
    assert headlines(mail) <= {f"Number{number}" for number in ages}
    assert len(headlines(mail)) == 3, "one that leads, two of the sea"


def test_a_dropped_story_does_not_come_back_for_those_who_catch_up(world: World) -> None:
    issue = drafted(world)
    change(world, issue, Edit(Verb.DROP, story(world, issue, "Number7")))
    world.later(hours=1)
    tick(world)
    world.deliver(told(GREYLISTED, "a@x.example"))
    world.articles(draft(8, "land"))
    world.later(days=1)
    tick(world)
    mails = sent(world)
    assert headlines(mails["b@x.example"]) == {"Number8"}
    caught_up = headlines(mails["a@x.example"])
    assert (len(caught_up), "Number7" in caught_up) == (3, False), "one that leads, two of the sea"


def test_readers_whose_older_mail_is_accepted_while_a_draft_waits_get_the_best_that_is_new_to_them(
    world: World,
) -> None:
    """And readers who change their cadence meanwhile: each has their sections full, with nothing twice."""
    world.readers("w@x.example", cadence="weekly")
    seen: dict[str, set[str]] = {name: set() for name in ("a@x.example", "b@x.example", "w@x.example")}

    def note(mails: dict[str, Envelope]) -> None:
        for address, mail in mails.items():
            assert not headlines(mail) & seen[address], "nothing twice"
            seen[address] |= headlines(mail)

    first = world.publish()
    courier = told(GREYLISTED, "a@x.example")
    world.deliver(courier)
    note({mail.recipient: mail for mail in courier.tried if mail.recipient != "a@x.example"})
    world.publish("weekly")
    note(sent(world))
    world.articles(*(draft(number) for number in range(20, 24)))
    issue = drafted(world)
    world.articles(draft(30))
    world.later(minutes=45)
    note(sent(world))  # the older issue's mail is accepted now
    assert world.counts(first)["accepted"] == 2
    weekly = world.subscription("w@x.example")
    daily = replace(weekly.choice, cadence="daily")
    audience.change_preferences(world.app.database, weekly.id, weekly.person, daily, world.app.now(), source="test")
    world.later(minutes=15)
    assert [found.id for found in tick(world)] == [issue.id]
    mails = sent(world)
    assert set(mails) == set(seen)
    note(mails)
    for address, mail in mails.items():
        assert len(headlines(mail) & {f"Number{n}" for n in range(20, 24)}) == 3, address  # lead 1, sea 2
