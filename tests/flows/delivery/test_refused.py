"""When an address is not given up, though it was refused: it has begun anew, or its provider has a bad afternoon."""

from __future__ import annotations

from datetime import timedelta

import pytest

from digest.feedback.refusals import Grade
from digest.flows.feedback.returned_mail import Done, Taken
from digest.flows.readers import audience
from digest.store import schema
from digest.store.ledger import returned
from digest.store.readers import consent
from tests.conftest import NOW
from tests.feedback.test_bounce import report
from tests.flows.feedback.test_returned_mail import ANN, DEAD, FULL, events, of, send, suppressed, take
from tests.support.world import ACCEPTED, NO_SUCH_USER, ToldCourier, World, draft


@pytest.mark.parametrize("how", ["moved", "lifted"])
def test_soft_bounces_of_the_time_before_a_new_beginning_do_not_count(world: World, how: str) -> None:
    for number in range(1, 7):
        issue = send(world, number)
        world.later(hours=1)
        taken = take(world, of(world, issue, report(FULL)))
        if number == 4 and how == "moved":
            with world.app.database.write() as connection:
                ids = [world.subscription(ANN).id]
                consent.record(connection, ids, consent.MOVED, world.app.now(), "link")
        if number == 5 and how == "lifted":
            assert taken.suppressed
            audience.unsuppress(world.app.database, ANN, world.app.now())
        world.later(days=6)
    assert suppressed(world) == ""


@pytest.mark.parametrize(
    ("first", "second", "counts"),
    [
        (Grade.HARD, Grade.SOFT, Grade.SOFT),
        (Grade.SOFT, Grade.BLOCKED, Grade.BLOCKED),
        (Grade.UNCLEAR, Grade.SOFT, Grade.UNCLEAR),
        (Grade.HARD, "", Grade.HARD),
    ],
)
def test_of_two_bounces_of_one_mail_the_one_that_harms_least_counts(
    world: World, first: Grade, second: str, counts: Grade
) -> None:
    issue = send(world, 1)
    take(world, of(world, issue, report(DEAD)))
    reader = world.subscription(ANN).id
    with world.app.database.write() as connection:
        connection.execute(schema.feedback_events.delete())
        for grade in (first, second):
            consent.record_feedback(connection, issue.id, reader, "bounce", world.app.now(), grade=grade)
        (past,) = returned.pasts(connection, reader, NOW - timedelta(days=1))
    assert past.grade is counts


def crowd(world: World, number: int, domain: str = "big.example") -> list[str]:
    world.articles(draft(1))
    names = [f"r{n}@{domain}" for n in range(number)]
    world.readers(*names)
    return names


def test_a_provider_that_calls_many_dead_within_an_hour_is_not_believed_until_they_bounce_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    names = crowd(world, 24)
    world.readers("ann@big.example.org")
    issue = world.publish()
    world.deliver(ToldCourier())
    done = [take(world, of(world, issue, report(DEAD), name)) for name in names]
    assert done == [Taken(Done.HARD, True)] * 20 + [Taken(Done.HARD)] * 4
    assert len(events(world)) == 24
    assert [record.getMessage() for record in caplog.records if "big.example" in record.getMessage()] == [
        "big.example calls 21 readers dead within an hour: no more are suppressed for now"
    ]
    assert take(world, of(world, issue, report(DEAD), "ann@big.example.org")).suppressed, "of another domain"
    world.later(days=1)
    world.articles(draft(2))
    again = world.publish()
    world.deliver(ToldCourier())
    assert take(world, of(world, again, report(DEAD), names[-1])) == Taken(Done.HARD, True)


def test_the_brake_holds_in_dialogue_as_well(world: World) -> None:
    names = crowd(world, 60)
    world.publish()
    dead = set(names[:25])
    world.deliver(ToldCourier(lambda envelope: NO_SUCH_USER if envelope.recipient in dead else ACCEPTED))
    assert events(world) == [("bounce", "hard")] * 25
    assert sum(bool(suppressed(world, name)) for name in names) <= 20
