"""listen : returned mail | whose, and what it says | move its delivery | policy | store.

A mail changes something once: the guarded move of its delivery from accepted decides, and all that follows from it is
in the same transaction. What no signed token of ours names, or was never accepted, is counted and nothing else.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from sqlalchemy import Connection

from digest.errors import DigestError, InputError
from digest.feedback import bounce, unsubscribe_mail
from digest.feedback.bounce import Feedback, FeedbackKind
from digest.feedback.refusals import Grade
from digest.flows.delivery.refused import Refusal, remember
from digest.flows.readers import audience
from digest.readers import addresses
from digest.readers.subscriptions import Subscription
from digest.readers.tokens import Keys
from digest.sandbox import MailRead, read_mail
from digest.settings import Settings
from digest.states import DeliveryEvent, DeliveryState, SubscriptionEvent, SubscriptionState
from digest.store.database import Database
from digest.store.ledger import deliveries, returned
from digest.store.readers import consent, forgetting, subscribers, suppressions

_log = logging.getLogger(__name__)


class Done(StrEnum):
    """What reading one mail came to."""

    LEFT = "unsubscribed"
    HARD = "hard bounces"
    SOFT = "soft bounces"
    UNCLEAR = "refused without a reason"
    BLOCKED = "refused because of the sender"
    COMPLAINT = "complaints"
    KNOWN = "known already"
    STRANGE = "not about mail of ours"
    NOTHING = "nothing to act on"
    EARLY = "to be read again later"  # the ledger does not know yet what became of that mail
    LETTER = "left for a person"
    UNREADABLE = "put aside and flagged, since reading it went beyond a limit"
    BROKEN = "left, since it could not be read"


SUPPRESSED = "suppressed"
"""What counts addresses and not mails."""
STAYS = frozenset({Done.EARLY, Done.LETTER, Done.BROKEN})
"""What stays where it is; the others are put aside."""
_GRADED = {Grade.HARD: Done.HARD, Grade.SOFT: Done.SOFT, Grade.UNCLEAR: Done.UNCLEAR, Grade.BLOCKED: Done.BLOCKED}
_WORDS = {
    Grade.HARD: "hard bounce: the address is dead",
    Grade.SOFT: "soft bounce: the address takes no mail now",
    Grade.UNCLEAR: "refused without a reason: the address may be good",
    Grade.BLOCKED: "refused because of the sender: the address may be good",
}


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one mail, and whether an address is suppressed since."""

    done: Done
    suppressed: bool = False


class Box(Protocol):
    """Where returned mails lie."""

    def mails(self) -> Iterator[tuple[str, bytes]]:
        """Those that nobody has read, by name."""

    def put_aside(self, name: str) -> None:
        """It has been dealt with."""

    def put_aside_flagged(self, name: str) -> None:
        """It could not be read and is for a person: put aside, with the flag that mail programs show."""

    def leave(self, name: str) -> None:
        """It is not ours to deal with, and need not be offered again."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What listening needs to know: keys that verify tokens, and when to give an address up."""

    keys: Keys
    settings: Settings


def listen(
    database: Database,
    rules: Rules,
    box: Box,
    clock: Callable[[], datetime],
    limit: int,
    budget: timedelta = timedelta.max,
) -> Mapping[str, int]:
    """Read what lies in a mailbox, at most ``limit`` mails, and begin none after ``budget``; the others are for the
    next round. Each is put aside when its transaction is over, so one that is read twice after a crash changes nothing.
    Returns how many came to what, and how many addresses are "suppressed" since."""
    count, begun = Counter[str](), clock()
    for name, mail in box.mails():
        taken = _taken(database, rules, name, mail, clock())
        count[taken.done] += 1
        count[SUPPRESSED] += taken.suppressed
        if taken.done in {Done.LETTER, Done.BROKEN}:
            box.leave(name)
        elif taken.done is Done.UNREADABLE:
            box.put_aside_flagged(name)
        elif taken.done not in STAYS:
            box.put_aside(name)
        if count.total() - count[SUPPRESSED] >= limit or clock() - begun >= budget:
            break
    return {what: number for what, number in count.items() if number}


def told(count: Mapping[str, int]) -> str:
    """What ``listen`` came to, in a line."""
    mails = {what: number for what, number in count.items() if what != SUPPRESSED}
    line = f"mails read: {sum(mails.values())}"
    if mails:
        line += " (" + ", ".join(f"{what}: {number}" for what, number in mails.items()) + ")"
    gone = count.get(SUPPRESSED, 0)
    return f"{line}; addresses suppressed: {gone}" if gone else line


def _taken(database: Database, rules: Rules, name: str, mail: bytes, now: datetime) -> Taken:
    try:
        try:
            found = read_mail(mail)
        except InputError as error:
            _log.warning("the returned mail %s is put aside and flagged: %s", name, error)
            return Taken(Done.UNREADABLE)
        return _follow(database, rules, found, now)
    except DigestError:  # the database can't be had now: it is read later
        raise
    except Exception:  # noqa: BLE001 - one mail must not hide all behind it
        _log.exception("the returned mail %s can't be read and is left", name)
        return Taken(Done.BROKEN)


def take(database: Database, rules: Rules, mail: bytes, now: datetime) -> Taken:
    """Read one mail and do what follows from it. Raises ``InputError`` where reading it goes beyond a limit."""
    return _follow(database, rules, read_mail(mail), now)


def _follow(database: Database, rules: Rules, found: MailRead, now: datetime) -> Taken:
    if names := unsubscribe_mail.named(rules.keys, found.words):
        audience.unsubscribe(database, names.subscription_id, now, issue_id=names.issue_id, source="mail")
        return Taken(Done.LEFT)
    said = bounce.named(rules.keys, found.judged)
    if said.kind is FeedbackKind.OTHER:
        return Taken(Done.LETTER)
    if said.kind is FeedbackKind.AUTOMATIC:
        return Taken(Done.NOTHING)
    if said.names is None:
        return Taken(Done.STRANGE)
    return database.persist(lambda connection: _act(connection, rules, said, now))


def summary(database: Database, since: datetime) -> list[tuple[str, Mapping[str, int]]]:
    """What came back since then, by edition: how many unsubscribed, complained, and bounced by grade."""
    with database.read() as connection:
        return returned.summary(connection, since)


# ---------------------------------------------------------------------------------------------- one mail


def _act(connection: Connection, rules: Rules, said: Feedback, now: datetime) -> Taken:
    assert said.names
    forgetting.hold_off(connection)
    issue_id, subscription_id = said.names.issue_id, said.names.subscription_id
    reader = subscribers.get(connection, subscription_id)
    if issue_id == 0:
        return _act_on_confirmation(connection, rules, said, reader, now)
    found = returned.standing(connection, issue_id, subscription_id)
    if found is None:
        return Taken(Done.STRANGE)
    state, accepted_at = found
    if state in {DeliveryState.SENDING, DeliveryState.IN_DOUBT}:
        return Taken(Done.EARLY)
    if state in {DeliveryState.BOUNCED, DeliveryState.COMPLAINED}:
        return Taken(Done.KNOWN)
    event = DeliveryEvent.COMPLAIN if said.kind is FeedbackKind.COMPLAINT else DeliveryEvent.BOUNCE
    reason = (
        "complaint"
        if said.kind is FeedbackKind.COMPLAINT
        else " ".join(filter(None, [_WORDS[said.grade], said.status]))
    )
    if not deliveries.move(connection, issue_id, [subscription_id], event, now, reason=reason):
        return Taken(Done.STRANGE)
    if reader is None:  # erased: the ledger keeps numbers
        return Taken(_done(said))
    moved = consent.moved_since(connection, subscription_id, accepted_at)
    return _conclude(connection, rules, said, reader, now, about_address=not moved)


def _act_on_confirmation(
    connection: Connection, rules: Rules, said: Feedback, reader: Subscription | None, now: datetime
) -> Taken:
    """Mails without an issue have no delivery. Of those only the ones that ask to confirm a sign-up surely went to the
    subscription's own address, and only as long as nobody has confirmed it."""
    if reader is None or reader.state is not SubscriptionState.PENDING or not reader.confirm_mails:
        return Taken(Done.STRANGE)
    if suppressions.is_suppressed(connection, addresses.key(reader.person.address)):
        return Taken(Done.KNOWN)
    return _conclude(connection, rules, said, reader, now, about_address=True)


def _conclude(
    connection: Connection, rules: Rules, said: Feedback, reader: Subscription, now: datetime, *, about_address: bool
) -> Taken:
    """Store what came back, and what follows from it. A reader who has moved since is mailed elsewhere by now."""
    assert said.names
    issue_id = said.names.issue_id or None
    if said.kind is FeedbackKind.COMPLAINT:
        consent.record_feedback(connection, issue_id, reader.id, "complaint", now, said.said)
        if subscribers.transition(connection, reader.id, SubscriptionEvent.UNSUBSCRIBE):
            consent.record(connection, [reader.id], "unsubscribed", now, "complaint")
        if not about_address:
            return Taken(Done.COMPLAINT)
        new = suppressions.suppress(connection, reader.person.address, "complaint", now, said.said)
        return Taken(Done.COMPLAINT, new)
    if not about_address:
        consent.record_feedback(connection, issue_id, reader.id, "bounce", now, "of an address left since")
        return Taken(_done(said))
    words = said.said if said.status in said.said else f"{said.status} {said.said}"
    refusal = Refusal(reader.id, said.grade, words)
    return Taken(_done(said), bool(remember(connection, rules.settings, issue_id or 0, [refusal], now)))


def _done(said: Feedback) -> Done:
    return Done.COMPLAINT if said.kind is FeedbackKind.COMPLAINT else _GRADED[said.grade]
