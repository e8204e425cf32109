"""Issues of an edition in line: which goes first, where each begins, and what becomes of those that are overtaken."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from digest.editions import file as edition_files
from digest.editorial.edits import Edit, Verb
from digest.errors import InputError, StateError
from digest.flows.issues import editions, operate, publish, review, schedules
from digest.flows.readers import audience
from digest.readers.subscriptions import Choice
from digest.settings import Settings
from digest.states import IssueState, Obstacle
from digest.store.checkpoints import Checkpoint
from digest.store.content import archive
from digest.store.ledger import issues
from digest.values import Issue, IssueContent, ScheduleSpec
from tests.conftest import NOW
from tests.flows.issues.test_review import APPROVED, EVERY_MORNING, HEAD, change, drafted, sent, stories, story, tick
from tests.support.between import meanwhile
from tests.support.world import EDITION, World, draft, headlines, small_world

EVERY_EVENING = ScheduleSpec("daily", "UTC", "0 18 * * *")
DAY_AHEAD = EDITION.replace(HEAD, HEAD + "review_minutes = 1440\n")


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    """It is 06:00; issues come out at 07:00 and 18:00."""
    for world in small_world(settings):
        for spec in (EVERY_MORNING, EVERY_EVENING):
            schedules.add(world.app.database, "tide", spec, NOW)
        world.articles(draft(1), draft(2))
        world.readers("a@x.example")
        yield world


def found(world: World, issue_id: int) -> Issue:
    (progress,) = operate.progress(world.app.database, [issue_id])
    return progress.issue


def release(world: World, issue: Issue) -> None:
    review.release(world.app.database, issue.id, "ana", world.app.now())


def send_now(world: World, issue: Issue, revision: int | None = None) -> Issue:
    app = world.app
    return review.send_now(app.database, issue.id, revision, app.settings, "ana", app.now())


def broken(_: IssueContent) -> str:
    raise InputError("template issue.html.j2, line 3: no")


def held_past_its_slot(world: World) -> Issue:
    """The morning's issue, which an editor keeps; the evening's is drafted then."""
    morning = drafted(world)
    review.hold(world.app.database, morning.id, "ana", NOW)
    world.later(hours=2)
    tick(world)
    world.articles(draft(3, "land"))
    return morning


# ------------------------------------------------------------------------------------------------ in line


def test_of_two_drafts_the_later_one_waits_for_the_earlier_and_begins_where_it_ends(world: World) -> None:
    world.edition(DAY_AHEAD)
    (morning,) = tick(world)
    assert (morning.state, morning.slot) == (IssueState.COMPOSED, NOW + timedelta(hours=1))
    world.articles(draft(3))
    assert tick(world) == []
    world.later(hours=1)
    assert [issue.id for issue in tick(world)] == [morning.id]
    (evening,) = tick(world)
    assert (evening.slot, evening.covers_from) == (NOW + timedelta(hours=12), morning.covers_until)
    assert headlines(sent(world)["a@x.example"]) == {"Number1", "Number2"}
    world.later(hours=11)
    tick(world)
    assert headlines(sent(world)["a@x.example"]) == {"Number3"}


def test_an_editor_is_told_which_issue_goes_first(world: World) -> None:
    world.app.time = NOW + timedelta(hours=1)
    publish.open_due_slots(world.app.database, world.app.now())
    with pytest.raises(StateError, match=r"issue 1 of tide \(daily\) goes out first"):
        drafted(world)


def test_who_comes_new_gets_what_was_held_back_from_the_issue_that_overtakes_it(world: World) -> None:
    morning = held_past_its_slot(world)
    evening = drafted(world)
    assert evening.covers_from == morning.covers_from
    world.readers("new@x.example")
    world.later(hours=10)
    tick(world)
    mails = sent(world)
    assert headlines(mails["new@x.example"]) == headlines(mails["a@x.example"]) == {"Number1", "Number2", "Number3"}
    assert found(world, morning.id).reason == f"overtaken by issue {evening.id}"


def test_what_was_held_back_and_let_go_after_the_next_was_drafted_is_told_once(world: World) -> None:
    morning = held_past_its_slot(world)
    drafted(world)
    release(world, morning)
    tick(world)
    assert headlines(sent(world)["a@x.example"]) == {"Number1", "Number2"}
    world.later(hours=10)
    tick(world)
    assert headlines(sent(world)["a@x.example"]) == {"Number3"}
    with world.app.database.read() as connection:
        (evening, before) = archive.newest(connection, morning.edition_id, 5)
        told = archive.contents(connection, [evening.issue_id, before.issue_id])
    assert [len(told[entry.issue_id].items) for entry in (evening, before)] == [1, 2]


def test_a_draft_whose_stories_went_out_before_its_slot_is_composed_afresh_with_its_changes(world: World) -> None:
    morning = held_past_its_slot(world)
    evening = drafted(world)
    change(world, evening, Edit(Verb.SUBJECT, text="Good evening"), Edit(Verb.DROP, story(world, evening, "Number1")))
    app = world.app
    review.redraft(app.database, morning.id, app.compile, app.settings, "ana", app.now())
    assert {name for names in stories(world, morning).values() for name in names} == {"Number2", "Number3"}
    release(world, morning)
    tick(world)
    sent(world)
    assert found(world, evening.id).state is IssueState.SCHEDULED
    assert "its stories" in review.history(app.database, evening.id)[-1].told
    world.articles(draft(4))
    world.later(hours=10)
    tick(world)
    mail = sent(world)["a@x.example"]
    assert headlines(mail) == {"Number4"}
    assert b"Subject: Good evening" in mail.message


def test_when_a_draft_is_ended_before_its_slot_the_next_slot_is_the_next(world: World) -> None:
    morning = drafted(world)
    operate.cancel(world.app.database, morning.id, NOW)
    evening = drafted(world)
    assert (evening.slot, evening.covers_from) == (NOW + timedelta(hours=12), morning.covers_from)
    assert schedules.listing(world.app.database)[0].next_slot_at == evening.slot
    world.later(hours=1)
    assert tick(world) == []


def test_who_changes_an_edition_is_told_which_issues_and_schedules_go_on(world: World) -> None:
    declared = '\n[[schedule]]\ncadence = "{}"\ncron = "30 6 * * *"\ntime_zone = "UTC"\n'
    world.edition(EDITION + declared.format("daily"))
    first = drafted(world)
    schedules.add(world.app.database, "tide", ScheduleSpec("weekly", "UTC", "0 7 * * 1"), NOW)
    file = EDITION.replace('"daily", "weekly"', '"daily"')
    told = editions.apply(world.app.database, edition_files.parse(file, "edition.toml"), NOW).warnings
    assert told == (
        "cadence weekly is gone, but comes out by schedule 4, made by hand: `digest schedule remove 4`",
        f"issue {first.id} is already drafted for schedule daily '30 6 * * *' UTC and will still go out",
    )


# ---------------------------------------------------------------------------------------- what is broken


def test_an_issue_is_not_held_up_by_a_newer_one_that_cannot_be_composed(world: World) -> None:
    morning = held_past_its_slot(world)
    world.later(hours=10)
    with pytest.raises(InputError, match="line 3"):
        tick(world, broken)
    release(world, morning)
    with pytest.raises(InputError, match="line 3"):
        tick(world, broken)
    assert found(world, morning.id).state is IssueState.SENDING
    assert headlines(sent(world)["a@x.example"]) == {"Number1", "Number2"}
    (evening,) = tick(world)
    assert (evening.state, evening.covers_from) == (IssueState.SENDING, morning.covers_until)


def test_nor_by_one_whose_worker_dies_of_it_each_time(world: World) -> None:
    morning = held_past_its_slot(world)
    world.later(hours=10)
    publish.open_due_slots(world.app.database, world.app.now())
    release(world, morning)
    assert morning.id not in publish.waiting(world.app.database, world.app.now())
    world.later(minutes=11)
    assert morning.id in publish.waiting(world.app.database, world.app.now())


def test_whatever_the_fault_is_it_is_noted_on_the_issue(world: World) -> None:
    def unforeseen(_: IssueContent) -> str:
        raise ZeroDivisionError("division by zero")

    world.later(hours=1)
    with pytest.raises(ZeroDivisionError):
        tick(world, unforeseen)
    assert found(world, 1).reason == "can't be composed: ZeroDivisionError: division by zero"
    assert found(world, 1).obstacle is Obstacle.BROKEN
    tick(world)
    assert found(world, 1).obstacle is None, "it has been composed"


def test_a_newer_issue_ends_one_that_could_not_be_composed(world: World) -> None:
    world.later(hours=1)
    with pytest.raises(InputError, match="line 3"):
        tick(world, broken)
    world.later(hours=11)
    publish.open_due_slots(world.app.database, world.app.now())
    app = world.app
    evening = publish.publish(app.database, 2, app.compile, app.settings, app.now())
    assert (evening.state, found(world, 1).state) == (IssueState.SENDING, IssueState.CANCELLED)
    assert tick(world) == []


@pytest.mark.parametrize("stays", [(), ("weekly@x.example",)])
def test_an_issue_is_over_when_the_next_one_has_all_that_waited_of_it(world: World, stays: tuple[str, ...]) -> None:
    world.readers("late@x.example", *stays, hour="20", time_zone="UTC")
    world.later(hours=1)
    (morning,) = tick(world)
    sent(world)
    for address in stays:
        reader, weekly = world.subscription(address), Choice("weekly", hour=20)
        audience.change_preferences(world.app.database, reader.id, reader.person, weekly, NOW, source="test")
    world.articles(draft(3))
    world.later(hours=11)
    (evening,) = tick(world)
    assert world.counts(morning) == {"accepted": 1, "cancelled": 1} | ({"pending": 1} if stays else {})
    assert world.state(morning) == ("sending" if stays else "sent")
    world.later(hours=2)
    assert set(sent(world)) == {"a@x.example", "late@x.example", *stays}
    assert {world.state(morning), world.state(evening)} == {"sent"}


# ------------------------------------------------------------------------------------------------ send now


def test_what_was_reviewed_is_not_replaced_by_another_in_the_moment_it_goes_out(world: World) -> None:
    morning = drafted(world)
    world.later(hours=1, minutes=1)
    with pytest.raises(StateError, match=f"issue {morning.id} of tide .* goes out now"):
        world.publish()
    assert [issue.id for issue in tick(world)] == [morning.id]


@pytest.mark.parametrize("hold", [False, True])
def test_a_draft_can_be_sent_before_its_slot_and_nothing_more_comes_out_then(world: World, hold: bool) -> None:
    world.readers("late@x.example", hour="9", time_zone="UTC")
    morning = drafted(world)
    if hold:
        review.hold(world.app.database, morning.id, "ana", NOW)
    with pytest.raises(StateError, match=f"`digest issue send-now {morning.id}`"):
        world.publish()
    assert send_now(world, morning).state is IssueState.SENDING
    assert set(sent(world)) == {"a@x.example"}
    world.articles(draft(3))
    assert drafted(world).slot == NOW + timedelta(hours=12), "the next draft is the evening's"
    world.later(hours=1)
    assert tick(world) == []
    world.later(hours=2)
    assert set(sent(world)) == {"late@x.example"}
    told = [(one.told, one.by) for one in review.history(world.app.database, morning.id)]
    assert told == [("hold", "ana")] * hold + [("sent now", "ana")]


def test_what_cannot_be_sent_now_is_told(world: World) -> None:
    morning = drafted(world)
    with pytest.raises(StateError, match="at revision 0, not 3"):
        send_now(world, morning, 3)
    world.edition(APPROVED)
    with pytest.raises(StateError, match=f"waits for approval: `digest issue approve {morning.id} --revision 0`"):
        send_now(world, morning)
    review.approve(world.app.database, morning.id, None, "ana", NOW)
    send_now(world, morning, 1)
    with pytest.raises(StateError, match=f"issue {morning.id} is sending"):
        send_now(world, morning)
    sent(world)
    evening = drafted(world)
    assert evening.state is IssueState.SCHEDULED
    with pytest.raises(StateError, match="is not composed yet"):
        send_now(world, evening)


def test_a_newer_issue_that_goes_out_now_is_not_forestalled(world: World) -> None:
    morning = held_past_its_slot(world)
    world.later(hours=10)
    publish.open_due_slots(world.app.database, world.app.now())
    with pytest.raises(StateError, match=r"issue \d is newer and goes out now"):
        send_now(world, morning)


def test_sending_that_is_cut_short_leaves_a_draft_for_its_slot(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    morning = drafted(world)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as fault, pytest.raises(KeyboardInterrupt):
        fault.setattr(issues, "finish_if_settled", killed)
        send_now(world, morning)
    assert review.history(world.app.database, morning.id) == []
    world.later(hours=1)
    assert [issue.id for issue in tick(world)] == [morning.id]
    assert set(sent(world)) == {"a@x.example"}


def test_a_slot_that_comes_while_its_issue_is_sent_brings_out_nothing_more(world: World) -> None:
    morning = drafted(world)
    world.later(hours=1)

    def both(number: int) -> object:
        try:
            return tick(world) if number % 2 else send_now(world, morning)
        except StateError as error:
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(both, range(4)))
    assert [progress.issue.id for progress in operate.progress(world.app.database)] == [morning.id]
    assert world.counts(morning) == {"pending": 1}


def test_of_two_that_go_out_at_once_one_sees_what_became_of_the_other(world: World) -> None:
    if world.app.database.dialect == "sqlite":
        pytest.skip("one writes at a time")
    world.edition(APPROVED)
    morning = drafted(world)
    review.approve(world.app.database, morning.id, None, "ana", NOW)
    review.hold(world.app.database, morning.id, "ana", NOW)
    world.later(hours=2)
    world.articles(draft(3, "land"))
    evening = drafted(world)
    review.approve(world.app.database, evening.id, None, "ana", NOW)
    with meanwhile(world.app.database, Checkpoint.CREATE_DELIVERIES, send_now, world, evening) as other:
        send_now(world, morning)
    assert other.result().state is IssueState.SENDING
    assert headlines(sent(world)["a@x.example"]) == {"Number1", "Number2", "Number3"}


def test_an_issue_that_is_held_before_it_is_composed_has_stories_to_drop(world: World) -> None:
    world.articles(*(draft(number) for number in range(10, 20)))
    app = world.app
    issue = publish.open_now(app.database, "tide", "daily", NOW)
    review.hold(app.database, issue.id, "ana", NOW)
    publish.publish(app.database, issue.id, app.compile, app.settings, NOW)
    for _ in range(6):
        shown = stories(world, issue)["sea"]
        change(world, issue, *(Edit(Verb.DROP, story(world, issue, f"{name} ")) for name in shown[:1]))
    assert len(stories(world, issue)["sea"]) == 2
