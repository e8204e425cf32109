"""deliver : batch | claim (lease) | personalise | send | decide | settle.

A batch goes out in groups. One small transaction says which deliveries go on the wire next, one settles them; so
whatever kills a worker leaves at most one group unsure, and every one of it is named ``in_doubt``.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from digest import retry
from digest.compose import choose
from digest.errors import DigestError, UnavailableError
from digest.retry import Stop
from digest.settings import DeliverSettings
from digest.smtp.courier import Courier
from digest.states import DeliveryEvent, IssueEvent, IssueState, SubscriptionState
from digest.store import batches, deliveries, issues
from digest.store.batches import Lease
from digest.store.database import Database
from digest.store.deliveries import Settled, Turn
from digest.values import CompiledIssue, Envelope, Issue, Outcome, Reader, Result, Stage, Variant

_OVERLAP_PAUSE = timedelta(seconds=60)
_ASK_AGAIN = (0.5, 2.0, 8.0)  # seconds after which a failing database is asked again
Writer = Callable[[CompiledIssue, Variant, Reader, datetime], Envelope]
"""Personalises: fills an issue's fragments for one reader."""


@dataclass(frozen=True, slots=True)
class PostOffice:
    """What delivering needs: the ledger, frozen issues, a writer, a courier, the clock and chance."""

    database: Database
    load: Callable[[int], CompiledIssue]
    writer: Writer
    courier: Courier
    settings: DeliverSettings
    clock: Callable[[], datetime]
    chance: random.Random
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class Mail:
    """A delivery whose turn it is and its envelope, or why none could be written."""

    turn: Turn
    envelope: Envelope | None
    fault: str = ""


def deliver(office: PostOffice, issue_id: int, number: int) -> int:
    """Send what is due of one batch. Returns how many deliveries had their turn; 0 when the batch was not to be had."""
    compiled = office.load(issue_id)  # first: when it can't be had, no lease is left behind
    lease, issue = _claim(office, issue_id, number)
    if not lease or not issue:
        return 0
    done, stop = 0, Stop.NOTHING
    while stop is Stop.NOTHING and (group := _take(office, lease, compiled)):
        outcomes = _send(office, lease, group)
        stop = _settle(office, lease, issue, group, outcomes)
        done += len(group)
    _release(office, lease, stop)
    return done


def dispatch(database: Database, settings: DeliverSettings, limit: int, now: datetime) -> list[tuple[int, int]]:
    """Due batches that no task is on its way for, at most ``limit`` in flight; the caller sends the tasks. A task that
    nobody began for a while counts as lost: with Redis, or in the hands of a worker that was killed."""
    with database.write() as connection:
        return batches.queue(connection, limit, now, now - timedelta(seconds=settings.requeue_seconds))


def rest(database: Database, settings: DeliverSettings, now: datetime) -> list[tuple[int, int]]:
    """Take batches from dead workers, apply the policy to what they left in doubt, and end issues that are settled.
    Returns the batches that were taken."""
    with database.write() as connection:
        recovered = batches.recover(connection, now)
    touched = {issue_id for issue_id, _ in recovered}
    for issue_id in touched:
        with database.write() as connection:
            _resolve_by_policy(connection, issue_id, settings, now)
    with database.read() as connection:
        touched |= {issue.id for issue in issues.in_states(connection, [IssueState.SENDING])}
    for issue_id in sorted(touched):
        with database.write() as connection:
            _close(connection, issue_id, now)
    return recovered


# ------------------------------------------------------------------------------------------------ claim


def _claim(office: PostOffice, issue_id: int, number: int) -> tuple[Lease | None, Issue | None]:
    now = office.clock()
    with office.database.write() as connection:
        lease = batches.claim(connection, issue_id, number, secrets.token_hex(8), now, _lease_end(office, now))
        return lease, issues.get(connection, issue_id)


def _lease_end(office: PostOffice, now: datetime) -> datetime:
    return now + timedelta(seconds=office.settings.lease_seconds)


# -------------------------------------------------------------------------------------------- personalise


def _take(office: PostOffice, lease: Lease, compiled: CompiledIssue) -> list[Mail]:
    """The next group, marked as being on the wire. Empty when nothing is left, or the lease or the issue's turn ended.

    A window in which nobody is to be sent anything (all unsubscribed, say) is settled here and the next one read.
    """
    while True:
        now = office.clock()
        with office.database.write() as connection:
            if not batches.renew(connection, lease, _lease_end(office, now)):
                return []
            turns = deliveries.turns(connection, lease.issue_id, lease.batch, office.settings.window, now)
            group = [mail for turn in turns if (mail := _consider(office, connection, lease, compiled, turn, now))]
            ids = [mail.turn.subscription_id for mail in group]
            deliveries.move(connection, lease.issue_id, ids, DeliveryEvent.TAKE, now)
        if group or not turns:
            return group


def _consider(
    office: PostOffice, connection: Connection, lease: Lease, compiled: CompiledIssue, turn: Turn, now: datetime
) -> Mail | None:
    """Write this reader's mail, or settle the delivery at once when he is not to get it."""
    variant = choose(compiled.content, turn.sections, turn.covered_until)
    event, reason = _verdict(turn, variant, compiled.content.covers_until)
    ids = [turn.subscription_id]
    if turn.overlapping:
        deliveries.move(connection, lease.issue_id, ids, DeliveryEvent.TAKE, now)
        due_at = now + _OVERLAP_PAUSE
        deliveries.move(connection, lease.issue_id, ids, DeliveryEvent.DEFER, now, reason=reason, due_at=due_at)
        return None
    if event is not DeliveryEvent.TAKE:
        deliveries.move(connection, lease.issue_id, ids, event, now, reason=reason)
        return None
    reader = Reader(lease.issue_id, turn.subscription_id, turn.address, turn.name, turn.sections, turn.covered_until)
    try:
        return Mail(turn, office.writer(compiled, variant, reader, now))
    except (DigestError, ValueError) as error:  # one reader's data must not stop the others' mail
        return Mail(turn, None, f"the mail could not be written: {error}")


def _verdict(turn: Turn, variant: Variant, covers_until: int) -> tuple[DeliveryEvent, str]:
    """What is to happen with a delivery whose turn has come: pure, and the last look before the wire."""
    if turn.state is None:
        return DeliveryEvent.CANCEL, "erased"
    if turn.suppressed:
        return DeliveryEvent.SUPPRESS, turn.suppressed
    if turn.state is not SubscriptionState.ACTIVE:
        return DeliveryEvent.CANCEL, str(turn.state)
    if turn.covered_until is not None and turn.covered_until >= covers_until:
        return DeliveryEvent.CANCEL, "superseded by a later issue"
    if turn.overlapping:
        return DeliveryEvent.DEFER, "another issue of this edition is on its way to this reader"
    if not variant.shown:
        return DeliveryEvent.SKIP, "nothing new in the chosen sections"
    return DeliveryEvent.TAKE, ""


# -------------------------------------------------------------------------------------- send | settle


def _send(office: PostOffice, lease: Lease, group: Sequence[Mail]) -> list[Outcome]:
    """One outcome for each mail of the group; those that could not be written never reach the courier. With a slow
    server the lease is renewed on the way; once that fails, the courier is given no more."""
    outcomes = [Outcome(Result.PERMANENT, mail.fault, stage=Stage.LOCAL) for mail in group]
    written = [(index, mail.envelope) for index, mail in enumerate(group) if mail.envelope]
    keeper = _Keeper(office, lease)
    for index, _ in written:
        outcomes[index] = Outcome(Result.UNSENT, "not tried: the issue or the lease was taken back", stage=Stage.LOCAL)
    for number, outcome in office.courier.send(envelope for _, envelope in written if keeper.keeps()):
        outcomes[written[number][0]] = outcome
        keeper.keeps()
    return outcomes


class _Keeper:
    """Renews a lease each time a third of it has gone by, as often as it is asked whether it is still ours."""

    def __init__(self, office: PostOffice, lease: Lease) -> None:
        self._office, self._lease = office, lease
        self._kept, self._since = True, office.clock()

    def keeps(self) -> bool:
        now = self._office.clock()
        if self._kept and now - self._since >= timedelta(seconds=self._office.settings.lease_seconds / 3):
            self._kept, self._since = self._renewed(now), now
        return self._kept

    def _renewed(self, now: datetime) -> bool:
        try:
            with self._office.database.write() as connection:
                return batches.renew(connection, self._lease, _lease_end(self._office, now))
        except UnavailableError:  # what was sent must be settled all the same; it is asked for again
            return True


def _settle(office: PostOffice, lease: Lease, issue: Issue, group: Sequence[Mail], outcomes: Sequence[Outcome]) -> Stop:
    """decide | settle: write what came of a group. Returns how far its worst failure reaches."""
    now = office.clock()
    since = issue.sending_at or now
    give_up = timedelta(hours=office.settings.give_up_hours)
    settled, stop, why = [], Stop.NOTHING, ""
    for mail, outcome in zip(group, outcomes, strict=True):
        decision = retry.decide(outcome, mail.turn.attempts + 1, now, since, give_up, office.chance.random())
        attempts = mail.turn.attempts + (1 if decision.counts else 0)
        settled.append(
            Settled(mail.turn.subscription_id, decision.event, outcome.code, outcome.reason, decision.due_at, attempts)
        )
        if decision.stop is Stop.RUN or (decision.stop is Stop.BATCH and stop is Stop.NOTHING):
            stop, why = decision.stop, outcome.reason
    _record(office, lease, issue, settled, now)
    with office.database.write() as connection:
        if any(one.event is DeliveryEvent.LOSE for one in settled):
            _resolve_by_policy(connection, issue.id, office.settings, now)
        if stop is Stop.RUN:
            issues.move(connection, issue.id, IssueEvent.PAUSE, now, reason=f"the SMTP server refuses us: {why}")
    return stop


def _record(office: PostOffice, lease: Lease, issue: Issue, settled: Sequence[Settled], now: datetime) -> None:
    """Write what came of a group, in one transaction. It may be written twice, so a database that fails is asked again:
    mail that was taken must not be in doubt for that. Who has lost the lease can only bring good news."""
    for wait in (*_ASK_AGAIN, None):
        try:
            with office.database.write() as connection:
                if not batches.hold(connection, lease):
                    settled = [one for one in settled if one.event is DeliveryEvent.ACCEPT]
                deliveries.settle(connection, issue, settled, now)
            return
        except UnavailableError:
            if wait is None:
                raise
            office.sleep(wait)


def _release(office: PostOffice, lease: Lease, stop: Stop) -> None:
    now = office.clock()
    with office.database.write() as connection:
        failures, not_before = 0, None
        if stop is Stop.BATCH:
            failures = batches.failures(connection, lease) + 1
            not_before = now + retry.batch_pause(failures, office.chance.random())
        batches.release(connection, lease, failures, not_before)
    with office.database.write() as connection:
        _close(connection, lease.issue_id, now)


def _close(connection: Connection, issue_id: int, now: datetime) -> None:
    """End the issue if it is settled. What came back from the wire after it was cancelled is cancelled too."""
    if not issues.finish_if_settled(connection, issue_id, now):
        issue = issues.get(connection, issue_id)
        if issue and issue.state is IssueState.CANCELLED:
            deliveries.cancel_open(connection, issue_id, now)


def _resolve_by_policy(connection: Connection, issue_id: int, settings: DeliverSettings, now: datetime) -> None:
    issues.lock(connection, issue_id)
    issue = issues.get(connection, issue_id)
    assert issue
    if settings.in_doubt == "assume-sent":
        deliveries.resolve(connection, issue, DeliveryEvent.ASSUME_SENT, now)
    elif settings.in_doubt == "resend" and issue.state is not IssueState.CANCELLED:
        deliveries.resolve(connection, issue, DeliveryEvent.RESEND, now)
        batches.wake(connection, issue.id, now)
