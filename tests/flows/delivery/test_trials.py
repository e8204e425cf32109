"""A trial of two subjects: the same arms everywhere, one decision, and how seldom it errs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email import message_from_bytes, policy
from math import comb

import pytest
from sqlalchemy import BigInteger, column, insert, select, values

from digest.cli import app as command
from digest.cli.common import Door
from digest.cli.trial import verdict
from digest.errors import InputError, StateError
from digest.feedback.trials import Arm, Tally, Trial, decision, half_percent
from digest.flows.delivery import trials
from digest.flows.feedback import clicks
from digest.flows.issues import operate, publish, review
from digest.flows.readers import audience
from digest.outcomes import Envelope
from digest.readers.tokens import ReaderToken
from digest.settings import DeliverSettings, Settings
from digest.states import DeliveryEvent
from digest.store import schema
from digest.store.database import Database
from digest.store.ledger import changes
from digest.store.ledger import trials as store
from digest.values import Issue
from tests.conftest import NOW
from tests.support.world import EDITION, LOST, ToldCourier, World, WorldApp, draft

TRACKED = EDITION.replace('locale = "en"', 'locale = "en"\ntrack_clicks = true')
A, B = "First: {headline}", "Second: {headline}"
TRIAL = Trial(1, (A, B), share=70, minutes=120)
MANY = 60


# --------------------------------------------------------------------------------------------------- arms


def test_the_database_deals_the_arms_as_we_do(database: Database) -> None:
    ids = [1, 2, 3, 199, 200, 2**31 - 2, 2**31 - 1, 2**31, 2**40 + 7, 2**62]
    table = values(column("id", BigInteger), name="readers").data([(number,) for number in ids]).cte()
    for issue_id in (1, 7, 2**31 + 5):
        with database.read() as connection:
            dealt = connection.execute(select(half_percent(issue_id, table.c.id))).scalars().all()
        assert dealt == [half_percent(issue_id, number) for number in ids]


@pytest.mark.parametrize("step", [1, 2, 10, 200])
def test_arms_are_even_whatever_the_ids_and_no_reader_is_always_of_the_trial(step: int) -> None:
    readers = range(1, 20_000 * step, step)
    dealt = {issue: [half_percent(issue, reader) for reader in readers] for issue in (1, 2, 77)}
    for found in dealt.values():
        expected = len(readers) / 200
        chi = sum((count - expected) ** 2 / expected for count in Counter(found).values())
        assert chi < 280, "of 199 degrees of freedom: once in 7,000 by chance"
    both = sum(one < 40 and other < 40 for one, other in zip(dealt[1], dealt[2], strict=True))
    assert both / len(readers) == pytest.approx(0.2 * 0.2, abs=0.006), "a share of 20 % in two issues: chosen anew"


# ----------------------------------------------------------------------------------------------- decision


@pytest.mark.parametrize(
    ("a", "b", "winner", "why"),
    [
        (Tally(1000, 30), Tally(1000, 60), Arm.B, "B was followed by more"),
        (Tally(1000, 60), Tally(1000, 30), Arm.A, "A was followed by more"),
        (Tally(1000, 30), Tally(1000, 40), Arm.A, "no difference"),
        (Tally(10, 0), Tally(10, 9), Arm.A, "too few"),
        (Tally(1000, 1000), Tally(1000, 998), Arm.A, "too few"),
        (Tally(0, 0), Tally(0, 0), Arm.A, "too few"),
        (Tally(1000, 60), Tally(0, 0), Arm.A, "too few"),
    ],
)
def test_the_better_one_wins_when_it_is_better_beyond_chance_and_else_the_first(
    a: Tally, b: Tally, winner: Arm, why: str
) -> None:
    found, told = decision(a, b)
    assert (found, why in told) == (winner, True)
    assert f"({a.followed} of {a.accepted})" in told


def chances(mails: int, rate: float) -> list[float]:
    return [comb(mails, n) * rate**n * (1 - rate) ** (mails - n) for n in range(min(mails, 150) + 1)]


def wins(mails: int, rate_a: float, rate_b: float) -> float:
    """How often B wins, exactly: over all that can come of both arms, but what is rarer than one in a million."""
    a, b = ([(n, p) for n, p in enumerate(chances(mails, rate)) if p > 1e-6] for rate in (rate_a, rate_b))
    return sum(p * q for n, p in a for m, q in b if decision(Tally(mails, n), Tally(mails, m))[0] is Arm.B)


@pytest.mark.parametrize(("mails", "rate"), [(100, 0.1), (300, 0.03), (300, 0.2), (1000, 0.01), (1000, 0.05)])
def test_b_wins_without_being_better_once_in_forty_trials_at_most(mails: int, rate: float) -> None:
    assert wins(mails, rate, rate) <= 0.027  # 0.025, but that readers come in whole numbers


def test_what_is_really_better_is_mostly_found() -> None:
    assert wins(1000, 0.04, 0.08) > 0.9
    assert wins(1000, 0.04, 0.05) < 0.3, "a small difference needs more readers than this"


# ------------------------------------------------------------------------------------------------- sending


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    world = World(WorldApp(settings.model_copy(update={"deliver": DeliverSettings(batch=10, window=10)})))
    world.edition(TRACKED)
    world.articles(draft(1), draft(2))
    world.readers(*(f"r{number:02}@x.example" for number in range(MANY)))
    yield world
    world.app.database.dispose()


def waiting_issue(world: World) -> Issue:
    return publish.open_now(world.app.database, "tide", "daily", world.app.now())


def sent(world: World, trial: Trial = TRIAL) -> Issue:
    """Issue 1 with its trial, on its way."""
    issue = waiting_issue(world)
    trials.plan(world.app.database, trial, "ed", NOW)
    return publish.publish(world.app.database, issue.id, world.app.compile, world.app.settings, NOW)


def subject(mail: Envelope) -> str:
    return str(message_from_bytes(mail.message, policy=policy.default)["Subject"]).partition(":")[0]


def by_subject(mails: list[Envelope]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for mail in mails:
        found.setdefault(subject(mail), set()).add(mail.recipient)
    return found


def follow(world: World, recipients: set[str]) -> None:
    """These readers follow the first story, a minute from now."""
    world.later(minutes=1)
    story = next(iter(world.app.load(1).content.items))
    for recipient in recipients:
        clicks.remember(world.app.database, ReaderToken(1, world.subscription(recipient).id), story, world.app.now())


def test_the_share_gets_one_or_the_other_and_the_rest_the_one_that_was_followed(world: World) -> None:
    issue, courier = sent(world), ToldCourier()
    world.deliver(courier)
    arms = by_subject(courier.tried)
    assert set(arms) == {"First", "Second"}
    taken = len(courier.tried)
    assert 30 <= taken <= 54, "about seventy per cent of sixty"
    follow(world, arms["Second"])
    world.later(minutes=118)
    assert world.deliver(courier) == 0, "the rest waits"
    world.later(minutes=1)
    assert world.deliver(courier) == MANY - taken
    assert {subject(mail) for mail in courier.tried[taken:]} == {"Second"}
    for mail in (*courier.tried[:9], courier.tried[-1]):
        reader = world.subscription(mail.recipient)
        ((issue_id, _, written),) = audience.sent_to(world.app.database, reader.id, 10)
        assert (issue_id, written.partition(":")[0]) == (issue.id, subject(mail))
    assert len(set(courier.recipients)) == MANY == len(courier.recipients)
    assert (world.state(issue), world.counts(issue)) == ("sent", {"accepted": MANY})
    found = trials.standing(world.app.database, issue.id)
    assert found
    assert (found.trial.winner, found.b.followed, found.a.followed) == (Arm.B, len(arms["Second"]), 0)
    assert "followed by more" in found.trial.why


def test_who_wishes_a_later_hour_is_of_the_rest_and_gets_it_at_that_hour(world: World) -> None:
    world.readers(*(f"r{number:02}@x.example" for number in range(MANY)), hour="20", time_zone="UTC")
    sent(world)
    courier = ToldCourier()
    world.later(hours=2)
    assert world.deliver(courier) == 0
    world.later(hours=12)
    assert world.deliver(courier) == MANY
    assert set(by_subject(courier.tried)) == {"First"}, "nobody took part, so the first wins"


def test_who_wishes_an_hour_before_the_decision_takes_part_then(world: World) -> None:
    world.readers(*(f"r{number:02}@x.example" for number in range(MANY)), hour="7", time_zone="UTC")
    sent(world)
    courier = ToldCourier()
    world.later(hours=1)
    world.deliver(courier)
    assert set(by_subject(courier.tried)) == {"First", "Second"}
    assert 30 <= len(courier.tried) <= 54


def test_a_retry_has_the_same_subject_also_after_the_decision(world: World) -> None:
    issue, courier = sent(world), ToldCourier(lambda _: LOST)
    world.deliver(courier)
    first = {mail.recipient: subject(mail) for mail in courier.tried}
    world.later(hours=3)
    operate.resolve(world.app.database, issue.id, DeliveryEvent.RESEND, world.app.now())
    again = ToldCourier()
    world.deliver(again)
    assert trials.standing(world.app.database, issue.id).trial.winner is Arm.A  # type: ignore[union-attr]
    second = {mail.recipient: subject(mail) for mail in again.tried}
    assert {who: second[who] for who in first} == first
    assert "Second" in first.values()


def test_a_trial_is_decided_once_whoever_comes(world: World) -> None:
    issue, courier = sent(world), ToldCourier()
    world.deliver(courier)
    arms = by_subject(courier.tried)
    follow(world, arms["Second"])
    world.later(hours=2)

    def decide(_: int) -> list[Trial]:
        return trials.decide_due(world.app.database, world.app.now())

    with ThreadPoolExecutor(4) as pool:
        decided = [trial for found in pool.map(decide, range(4)) for trial in found]
    told = [change.told.partition(":")[0] for change in review.history(world.app.database, issue.id)]
    assert told == ["trial on 70 %", "the rest gets subject B"], "recorded once"
    assert {(trial.winner, trial.decided_at) for trial in decided} == {(Arm.B, world.app.now())}
    follow(world, arms["First"])  # who opens their mail too late to be counted
    assert trials.decide_due(world.app.database, world.app.now()) == []
    with world.app.database.write() as connection:
        assert not store.decide(connection, issue.id, Arm.A, "again", world.app.now())
    world.deliver(courier)
    assert set(by_subject(courier.tried[len(arms["First"] | arms["Second"]) :])) == {"Second"}


def test_a_decision_that_is_cut_short_is_none(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    issue, courier = sent(world), ToldCourier()
    world.deliver(courier)
    world.later(hours=2)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as fault, pytest.raises(KeyboardInterrupt):
        fault.setattr(changes, "record", killed)
        trials.decide_due(world.app.database, world.app.now())
    found = trials.standing(world.app.database, issue.id)
    assert found and found.trial.winner is None
    assert len(trials.decide_due(world.app.database, world.app.now())) == 1
    assert len(review.history(world.app.database, issue.id)) == 2


def test_an_editor_decides_by_hand_and_the_rest_goes_at_once(world: World) -> None:
    issue, courier = sent(world), ToldCourier()
    world.deliver(courier)
    taken = len(courier.tried)
    world.later(minutes=5)
    trials.pick(world.app.database, issue.id, Arm.B, "ed", world.app.now())
    assert world.deliver(courier) == MANY - taken
    assert {subject(mail) for mail in courier.tried[taken:]} == {"Second"}
    with pytest.raises(StateError, match="picked by hand"):
        trials.pick(world.app.database, issue.id, Arm.A, "ed", world.app.now())


def test_a_trial_may_be_set_again_or_dropped_until_the_issue_goes_out(world: World) -> None:
    issue = waiting_issue(world)
    trials.plan(world.app.database, TRIAL, "ed", NOW)
    trials.plan(world.app.database, Trial(1, ("", B), 10, 30), "ed", NOW)
    found = trials.standing(world.app.database, issue.id)
    assert found and found.trial == Trial(1, ("", B), 10, 30)
    assert trials.drop(world.app.database, issue.id, "ed", NOW)
    assert not trials.drop(world.app.database, issue.id, "ed", NOW)
    publish.publish(world.app.database, issue.id, world.app.compile, world.app.settings, NOW)
    courier = ToldCourier()
    assert world.deliver(courier) == MANY
    with pytest.raises(StateError, match="before an issue goes out"):
        trials.plan(world.app.database, TRIAL, "ed", NOW)
    with pytest.raises(StateError, match="before an issue goes out"):
        trials.drop(world.app.database, issue.id, "ed", NOW)
    with pytest.raises(StateError, match="no trial"):
        trials.pick(world.app.database, issue.id, Arm.A, "ed", world.app.now())


def test_a_trial_of_a_drafted_issue_needs_its_approval_anew(world: World) -> None:
    schedule = '\n[[schedule]]\ncadence = "daily"\ncron = "0 9 * * *"\ntime_zone = "UTC"\n'
    world.edition(TRACKED.replace('locale = "en"', 'locale = "en"\napproval = true') + schedule)
    database, settings = world.app.database, world.app.settings
    issue = review.draft(database, "tide", "daily", world.app.compile, settings, NOW)
    review.approve(database, issue.id, None, "ed", NOW)
    trials.plan(database, Trial(issue.id, ("", B), 70, 120), "ann", NOW)
    world.later(hours=4)
    publish.publish(database, issue.id, world.app.compile, settings, world.app.now())
    assert world.state(issue) == "composed", "nobody approved of these subjects"
    review.approve(database, issue.id, None, "ed", world.app.now())
    publish.publish(database, issue.id, world.app.compile, settings, world.app.now())
    courier = ToldCourier()
    world.deliver(courier)
    assert "Second" in by_subject(courier.tried) and "First" not in by_subject(courier.tried)
    assert [change.kind for change in review.history(database, issue.id)] == ["approve", "trial", "approve"]


@pytest.mark.parametrize(
    ("subjects", "told"),
    [((A, A), "the same"), ((A, "{nobody}"), "unknown placeholder"), ((A, "two\nlines"), "line")],
)
def test_subjects_that_cannot_be_tried_are_refused(subjects: tuple[str, str], told: str, world: World) -> None:
    waiting_issue(world)
    with pytest.raises(InputError, match=told):
        trials.plan(world.app.database, Trial(1, subjects, 20, 120), "ed", NOW)


def test_without_clicks_there_is_nothing_to_go_by(world: World) -> None:
    waiting_issue(world)
    world.edition(EDITION)
    with pytest.raises(InputError, match="does not track clicks"):
        trials.plan(world.app.database, TRIAL, "ed", NOW)


def test_the_report_shows_the_arms_and_the_decision(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    issue, courier = sent(world), ToldCourier()
    world.deliver(courier)
    follow(world, by_subject(courier.tried)["Second"])
    world.later(hours=2)
    world.deliver(courier)

    def run(*arguments: str) -> str:
        command(args=[*arguments], obj=Door(app=world.app), standalone_mode=False)
        return "".join(capsys.readouterr())

    told = run("report", str(issue.id))
    assert "the rest gets B" in told and "100.00 %" in told
    data = json.loads(run("report", str(issue.id), "--json"))["trial"]
    assert (data["trial"]["winner"], data["a"]["followed"]) == ("b", 0)
    assert "the rest gets B" in run("issue", "trial", str(issue.id))


@pytest.mark.parametrize("everybody", [True, False])
def test_a_trial_that_leaves_no_rest_ends_at_its_time_with_its_verdict(
    everybody: bool, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    issue, courier = sent(world, replace(TRIAL, share=100)), ToldCourier()
    world.deliver(courier)
    assert world.state(issue) == "sent"
    with pytest.raises(StateError, match="nobody is left to get either"):
        trials.pick(world.app.database, issue.id, Arm.B, "ed", world.app.now())
    if everybody:
        follow(world, by_subject(courier.tried)["Second"])
    world.later(hours=2)
    (decided,) = trials.decide_due(world.app.database, world.app.now())
    why = "B was followed by more" if everybody else "too few to tell A from B"
    assert (decided.winner, why in decided.why) == (Arm.B if everybody else Arm.A, True)
    assert review.history(world.app.database, issue.id)[-1].told.startswith(f"the trial is over: {why}")
    assert trials.decide_due(world.app.database, world.app.now()) == []
    command(args=["issue", "show", str(issue.id)], obj=Door(app=world.app), standalone_mode=False)
    assert f"no reader was left to get the better subject. {why}" in " ".join("".join(capsys.readouterr()).split())


def test_who_tries_on_everybody_is_told_that_nobody_waits(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    issue = waiting_issue(world)
    for share, then in (("20", "the rest waits 2 hours"), ("100", "the better one is known in 2 hours")):
        words = ["issue", "trial", str(issue.id), "--b", B, "--share", share]
        command(args=words, obj=Door(app=world.app), standalone_mode=False)
        assert then in capsys.readouterr().err


def test_a_trial_of_an_issue_that_is_paused_or_cancelled_says_so(world: World) -> None:
    issue = sent(world)
    operate.pause(world.app.database, issue.id, NOW)
    world.later(hours=3)
    assert trials.decide_due(world.app.database, world.app.now()) == []
    found = trials.standing(world.app.database, issue.id)
    assert found and "or when the issue goes on" in verdict(found)
    operate.cancel(world.app.database, issue.id, NOW)
    assert trials.decide_due(world.app.database, world.app.now()) == []
    found = trials.standing(world.app.database, issue.id)
    assert found and verdict(found) == "never decided: the issue was cancelled"


def test_the_ledger_refuses_a_decision_without_its_time(database: Database) -> None:
    from sqlalchemy.exc import IntegrityError

    row = {"issue_id": 1, "subject_a": A, "subject_b": B, "share": 20, "minutes": 9, "winner": "a"}
    with pytest.raises(IntegrityError), database.write() as connection:
        connection.execute(insert(schema.trials).values(row))
