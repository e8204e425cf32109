"""deliver : batch | claim (lease) | personalise | send | decide | settle.

One small transaction says which deliveries go on the wire next; their mails are written as the courier has room for
them, and what came of them is settled every second. A journal on the worker's own disk says which of them really were
on the wire, so that after kill -9 only those in flight are ``in_doubt``, each by name (``flows.recover``).
"""

from __future__ import annotations

import random
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection

from digest.delivery import retry
from digest.delivery.retry import Stop
from digest.editorial.variants import Chooser, nothing_new
from digest.errors import DigestError, UnavailableError
from digest.feedback.trials import Trial
from digest.flows.delivery import refused, trials
from digest.outcomes import Envelope, Outcome, Result, Stage
from digest.readers import addresses
from digest.readers.mailable import Bar, is_served
from digest.settings import Settings
from digest.smtp.courier import Answers, Courier
from digest.smtp.journal import Journal
from digest.states import DeliveryEvent, IssueEvent, IssueState
from digest.store.database import Database
from digest.store.ledger import batches, deliveries, issues
from digest.store.ledger.batches import Lease
from digest.store.ledger.deliveries import Due, Settled
from digest.values import CompiledIssue, Issue, IssueContent, Reader, Variant

_OVERLAP_PAUSE = timedelta(seconds=60)
_ASK_AGAIN = (0.5, 2.0, 8.0)  # seconds after which a failing database is asked again
_SETTLE_EVERY = timedelta(seconds=1)
_LOOK_EVERY = timedelta(seconds=0.5)
Writer = Callable[[CompiledIssue, Variant, Reader, datetime], Envelope]
"""Personalises: fills an issue's fragments for one reader."""


@dataclass(frozen=True, slots=True)
class PostOffice:
    """What delivering needs: the ledger, frozen issues, a writer, a courier, a folder for journals, the clock and
    chance."""

    database: Database
    load: Callable[[int], CompiledIssue]
    writer: Writer
    courier: Courier
    journals: Path
    settings: Settings
    clock: Callable[[], datetime]
    chance: random.Random
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class Mail:
    """A delivery whose due it is, and what its reader is to get."""

    due: Due
    variant: Variant


def deliver(office: PostOffice, issue_id: int, number: int) -> int:
    """Send what is due of one batch. Returns how many deliveries were due; 0 when the batch was not to be had."""
    compiled = office.load(issue_id)  # before the claim: what can't be loaded is nobody's to hold
    lease, issue = _claim(office, issue_id, number)
    if not lease or not issue:
        return 0
    trial = trials.for_batch(office.database, issue_id, number, office.clock())
    done, stop = 0, Stop.NOTHING
    with Journal(office.journals, issue_id, number, lease.owner) as journal:
        run = _Run(office, lease, issue, compiled, Chooser(compiled.content), journal, trial)
        more = True
        while more and stop is Stop.NOTHING:
            group, more = _take(run)
            if group:
                stop = _carry(run, group)
                done += len(group)
    _release(office, lease, stop)
    return done


def dispatch(database: Database, settings: Settings, limit: int, now: datetime) -> list[tuple[int, int]]:
    """Due batches that no task is on its way for, at most ``limit`` in flight; the caller sends the tasks. A task that
    nobody began for a while counts as lost: with Redis, or in the hands of a worker that was killed."""
    with database.write() as connection:
        return batches.queue(connection, limit, now, now - timedelta(seconds=settings.deliver.requeue_seconds))


def more_due(database: Database, now: datetime) -> bool:
    """Whether any batch waits for a worker now."""
    with database.read() as connection:
        return batches.any_due(connection, now)


# ------------------------------------------------------------------------------------------------ claim


def _claim(office: PostOffice, issue_id: int, number: int) -> tuple[Lease | None, Issue | None]:
    now = office.clock()
    with office.database.write() as connection:
        lease = batches.claim(connection, issue_id, number, secrets.token_hex(8), now, _lease_end(office, now))
        return lease, issues.get(connection, issue_id)


def _lease_end(office: PostOffice, now: datetime) -> datetime:
    return now + timedelta(seconds=office.settings.deliver.lease_seconds)


# -------------------------------------------------------------------------------------------- personalise


@dataclass(frozen=True, slots=True)
class _Run:
    """One task's work on one batch."""

    office: PostOffice
    lease: Lease
    issue: Issue
    compiled: CompiledIssue
    chooser: Chooser
    journal: Journal
    trial: Trial | None

    def ours(self) -> bool:
        """Lengthen the lease. False: it was lost, or the issue is no longer to be sent."""
        now = self.office.clock()
        try:
            with self.office.database.write() as connection:
                return batches.renew(connection, self.lease, _lease_end(self.office, now))
        except UnavailableError:  # raised amid sending, it would lose what servers said; soon we ask again
            return True


def _take(run: _Run) -> tuple[list[Mail], bool]:
    """The next group, marked as being on the wire, and whether there is more to take after it. Nothing is, or the lease
    or the issue is not to be sent any more, when the group is empty and there is no more.

    Those who are to be sent nothing (unsubscribed meanwhile, say) are settled here.
    """
    office, lease = run.office, run.lease
    now = office.clock()
    with office.database.write() as connection:
        if not batches.renew(connection, lease, _lease_end(office, now)):
            return [], False
        found = deliveries.due(connection, lease.issue_id, lease.batch, office.settings.deliver.window + 1, now)
        more = len(found) > office.settings.deliver.window
        group = [
            mail for one in found[: office.settings.deliver.window] if (mail := _consider(connection, run, one, now))
        ]
        ids = [mail.due.subscription_id for mail in group]
        run.journal.took(ids)
        deliveries.move(connection, lease.issue_id, ids, DeliveryEvent.TAKE, now)
    return group, more


def _consider(connection: Connection, run: _Run, due: Due, now: datetime) -> Mail | None:
    """What this reader is to get; or settle the delivery at once when they are to get nothing."""
    variant = run.chooser.choose(due.sections, due.covered_until)
    event, reason = _verdict(due, variant, run.compiled.content)
    issue_id, ids = run.lease.issue_id, [due.subscription_id]
    if event is DeliveryEvent.TAKE:
        return Mail(due, variant)
    if event is DeliveryEvent.DEFER:
        deliveries.move(connection, issue_id, ids, DeliveryEvent.TAKE, now)
        due_at = now + _OVERLAP_PAUSE
        deliveries.move(connection, issue_id, ids, DeliveryEvent.DEFER, now, reason=reason, due_at=due_at)
    else:
        deliveries.move(connection, issue_id, ids, event, now, reason=reason)
    return None


def _verdict(due: Due, variant: Variant, content: IssueContent) -> tuple[DeliveryEvent, str]:
    """What is to happen with a delivery that is due: pure, and the last look before the wire."""
    if due.bar is Bar.SUPPRESSED:
        return DeliveryEvent.SUPPRESS, due.suppressed or ""
    if due.bar:
        return DeliveryEvent.CANCEL, str(due.state if due.bar is Bar.NOT_ACTIVE else due.bar)
    if is_served(due.covered_until, content.covers_until):
        return DeliveryEvent.CANCEL, "superseded by a later issue"
    if due.overlapping:
        return DeliveryEvent.DEFER, "another issue of this edition is on its way to this reader"
    if not variant.shown:
        return DeliveryEvent.SKIP, nothing_new(content.edition.sections, due.sections)
    return DeliveryEvent.TAKE, ""


# -------------------------------------------------------------------------------------- send | settle


def _carry(run: _Run, group: Sequence[Mail]) -> Stop:
    """send | decide | settle: hand the group to the courier as it has room, and settle what came of it every second.
    Returns how far the worst failure reaches."""
    office, hand = run.office, _Hand(run, group)
    stop, settled_at = Stop.NOTHING, office.clock()
    try:
        for answers in office.courier.send(hand, hand.on_wire):
            hand.heard(answers)
            if abs(office.clock() - settled_at) > _SETTLE_EVERY:  # abs: clocks jump, back too
                stop = _worse(stop, _settle(run, hand.results()))
                run.ours()  # the courier may have all of the group by now, and a slow server
                settled_at = office.clock()
    except UnavailableError:  # the journal: what servers have said until then is known all the same
        _settle(run, hand.results())
        raise
    return _worse(stop, _settle(run, [*hand.results(), *hand.unasked()]))


class _Hand:
    """A group in the courier's hand: iterating it writes each envelope when there is room for it."""

    def __init__(self, run: _Run, group: Sequence[Mail]) -> None:
        self._run = run
        self._group = deque(group)
        self._handed: list[Mail] = []
        self._results: list[tuple[Mail, Outcome]] = []

    def __iter__(self) -> Iterator[Envelope]:
        """Looks twice a second whether the issue is paused or the lease lost, and ends early; and who has left. That
        first of all, too: everybody can see by now that these are being mailed, so who leaves from here on can wait."""
        office = self._run.office
        looked_at = office.clock()
        self._let_go(looked_at)
        while self._group:
            now = office.clock()
            if abs(now - looked_at) > _LOOK_EVERY:
                looked_at = now
                if not self._run.ours():
                    return
                self._let_go(now)
                if not self._group:
                    return
            mail = self._group.popleft()  # one at least behind each look, however long looking takes
            try:
                envelope = office.writer(self._run.compiled, mail.variant, _reader(self._run, mail.due), now)
            except (DigestError, ValueError) as error:  # one reader's data must not stop the others' mail
                why = addresses.hidden(f"the mail could not be written: {error}")
                fault = Outcome(Result.PERMANENT, why, stage=Stage.LOCAL)
                self._results.append((mail, fault))
                continue
            self._handed.append(mail)
            yield envelope

    def _let_go(self, now: datetime) -> None:
        """A reader who has left, or is away, goes back in line; the look before the wire settles their delivery
        there."""
        ids = [mail.due.subscription_id for mail in self._group]
        try:
            with self._run.office.database.read() as connection:
                wanted = deliveries.still_wanted(connection, ids, now)
        except UnavailableError:  # raised amid sending, it would lose what servers said; soon we ask again
            return
        held = Outcome(Result.HELD, "the reader has left in the meantime", stage=Stage.LOCAL)
        self._results += [(mail, held) for mail in self._group if mail.due.subscription_id not in wanted]
        self._group = deque(mail for mail in self._group if mail.due.subscription_id in wanted)

    def on_wire(self, indices: Sequence[int]) -> None:
        self._run.journal.wire(self._handed[index].due.subscription_id for index in indices)

    def heard(self, answers: Answers) -> None:
        results = [(self._handed[index], outcome) for index, outcome in answers]
        self._results += results
        self._run.journal.heard((mail.due.subscription_id, outcome) for mail, outcome in results)

    def results(self) -> list[tuple[Mail, Outcome]]:
        """What has come since the last call."""
        results, self._results = self._results, []
        return results

    def unasked(self) -> list[tuple[Mail, Outcome]]:
        """What was never asked for: it goes back in line."""
        held = Outcome(Result.HELD, "the issue was paused or its batch taken over", stage=Stage.LOCAL)
        return [(mail, held) for mail in self._group]


def _reader(run: _Run, due: Due) -> Reader:
    subscription_id = due.subscription_id
    subject = run.trial.subject_of(run.lease.batch, subscription_id) if run.trial else ""
    return Reader(run.issue.id, subscription_id, due.address, due.name, due.sections, due.covered_until, subject)


def _worse(one: Stop, other: Stop) -> Stop:
    return max(one, other, key=list(Stop).index)


def _settle(run: _Run, results: Sequence[tuple[Mail, Outcome]]) -> Stop:
    """decide | settle: write what came of some tries. It may be written twice, so a database that fails, or picks us to
    end a deadlock, is asked again: mail that was taken must not be in doubt for that."""
    office, lease, issue = run.office, run.lease, run.issue
    tries = [(mail.due.subscription_id, mail.due.attempts, outcome) for mail, outcome in results]
    for wait in _ASK_AGAIN:
        with suppress(UnavailableError):
            return settle(office.database, office.settings, lease, issue, tries, office.clock(), office.chance)
        office.sleep(wait)
    return settle(office.database, office.settings, lease, issue, tries, office.clock(), office.chance)


def settle(
    database: Database,
    settings: Settings,
    lease: Lease,
    issue: Issue,
    tries: Sequence[tuple[int, int, Outcome]],
    now: datetime,
    chance: random.Random,
) -> Stop:
    """decide | settle, for tries as (subscription, attempts before, outcome). Returns how far the worst failure
    reaches. A worker that has lost ``lease`` says what it knows of mail in doubt, and changes nothing of the next
    holder's."""
    with database.read() as connection:
        began = issue.sending_at or now
        since = max(began, batches.since(connection, lease) or began)
    give_up = timedelta(hours=settings.deliver.give_up_hours)
    settled, failed, stop, why = [], [], Stop.NOTHING, ""
    for subscription_id, before, outcome in tries:
        decision = retry.decide(outcome, before + 1, now, since, give_up, chance.random())
        attempts = before + (1 if decision.counts else 0)
        settled.append(
            Settled(subscription_id, decision.event, outcome.code, outcome.reason, decision.due_at, attempts)
        )
        if decision.event is DeliveryEvent.FAIL:
            failed.append((subscription_id, outcome))
        if decision.stop is Stop.RUN or (decision.stop is Stop.BATCH and stop is Stop.NOTHING):
            stop, why = decision.stop, outcome.reason
    refusals = refused.in_dialogue(failed, len(tries))
    with database.write() as connection:
        if not batches.hold(connection, lease):
            doubted = deliveries.in_doubt(connection, issue.id, [one.subscription_id for one in settled])
            settled = [one for one in settled if one.event is DeliveryEvent.ACCEPT or one.subscription_id in doubted]
        deliveries.settle(connection, issue, settled, now)
        ours = {one.subscription_id for one in settled}
        said = [one for one in refusals if one.subscription_id in ours]
        refused.remember_once(connection, settings, issue.id, said, now)
    if any(one.event is DeliveryEvent.LOSE for one in settled):
        with database.write() as connection:
            resolve_by_policy(connection, issue.id, settings, now)
    if stop is Stop.RUN:
        with database.write() as connection:
            issues.move(connection, issue.id, IssueEvent.PAUSE, now, reason=f"the SMTP server refuses us: {why}")
    return stop


def _release(office: PostOffice, lease: Lease, stop: Stop) -> None:
    now = office.clock()
    with office.database.write() as connection:
        failures, not_before = 0, None
        if stop is Stop.BATCH:
            failures = batches.failures(connection, lease) + 1
            not_before = now + retry.batch_pause(failures, office.chance.random())
        batches.release(connection, lease, failures, not_before)
    with office.database.write() as connection:
        close(connection, lease.issue_id, now)


def close(connection: Connection, issue_id: int, now: datetime) -> None:
    """End the issue if it is settled. What came back from the wire after it was cancelled is cancelled too."""
    if not issues.finish_if_settled(connection, issue_id, now):
        issue = issues.get(connection, issue_id)
        if issue and issue.state is IssueState.CANCELLED:
            deliveries.cancel_open(connection, issue_id, now)


def resolve_by_policy(connection: Connection, issue_id: int, settings: Settings, now: datetime) -> None:
    """Take an issue's deliveries out of doubt as ``deliver.in_doubt`` says; ``hold`` leaves them to the operator."""
    issues.lock(connection, issue_id)
    issue = issues.get(connection, issue_id)
    assert issue
    if settings.deliver.in_doubt == "assume-sent":
        deliveries.resolve(connection, issue, DeliveryEvent.ASSUME_SENT, now)
    elif settings.deliver.in_doubt == "resend" and issue.state is not IssueState.CANCELLED:
        deliveries.resolve(connection, issue, DeliveryEvent.RESEND, now)
        batches.wake(connection, issue.id, now)
