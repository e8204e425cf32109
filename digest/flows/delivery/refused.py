"""What an address that was refused comes to: policy | suppression, in the transaction that writes the refusal."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from digest.feedback import refusals
from digest.feedback.refusals import Grade
from digest.outcomes import Outcome, Result, Stage
from digest.readers import addresses
from digest.settings import Settings
from digest.store.ledger import returned
from digest.store.readers import consent, forgetting, suppressions

log = logging.getLogger(__name__)

_AFTERNOON = timedelta(hours=1)
_MANY_OF_A_DOMAIN = 20  # dead readers within that, from which on its provider may be at fault
_LOOK_BACK = timedelta(days=365)
_MANY = 10  # unknown readers in one go, from which on a server may be at fault that knows none


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reader's mail was refused, then or later: by ``grade``, with what was said."""

    subscription_id: int
    grade: Grade
    said: str


def in_dialogue(failed: Sequence[tuple[int, Outcome]], tried: int) -> list[Refusal]:
    """Those of the tries that ``failed`` for good that say something of the address: of a recipient, not of us or the
    mail. A server that knows hardly any of the many who were ``tried`` says something about itself: then none."""
    found = []
    for subscription_id, outcome in failed:
        if outcome.stage is Stage.RECIPIENT and outcome.result in {Result.PERMANENT, Result.TEMPORARY}:
            grade = refusals.grade(outcome.enhanced, outcome.text)
            if grade in {Grade.HARD, Grade.UNCLEAR} and outcome.result is Result.TEMPORARY:
                grade = Grade.SOFT
            if grade is not Grade.BLOCKED:
                found.append(Refusal(subscription_id, grade, outcome.reason))
    hard = sum(one.grade is Grade.HARD for one in found)
    return [] if hard > max(_MANY, tried // 2) else found


def remember_once(
    connection: Connection, settings: Settings, issue_id: int, refused: Sequence[Refusal], now: datetime
) -> None:
    """``remember`` what a worker or its journal tells, perhaps twice."""
    if refused:
        known = returned.known(connection, issue_id, [one.subscription_id for one in refused])
        fresh = [one for one in refused if one.subscription_id not in known]
        remember(connection, settings, issue_id, fresh, now)


def remember(
    connection: Connection, settings: Settings, issue_id: int, refused: Sequence[Refusal], now: datetime
) -> set[int]:
    """Write these refusals of an issue's mail, and mail an address no more that is dead, or has refused for long.
    Returns the subscriptions whose address was suppressed just now."""
    if not refused:
        return set()
    forgetting.hold_off(connection)
    for one in refused:
        consent.record_feedback(connection, issue_id or None, one.subscription_id, "bounce", now, one.said, one.grade)
    gone = [one for one in refused if one.grade is Grade.HARD or _is_worn_out(connection, settings, one, now)]
    found = returned.addresses_of(connection, [one.subscription_id for one in gone])
    return _suppress(connection, _believed(connection, gone, found, now), found, now)


def _believed(
    connection: Connection, gone: Sequence[Refusal], found: Mapping[int, str], now: datetime
) -> list[Refusal]:
    """Those of the ``gone`` that may be suppressed: of a domain that has lost many readers within the hour, nobody for
    being dead, since a provider in trouble says so of everybody. An address that is dead will be reported so again."""
    fresh = Counter(_domain(found, one) for one in gone if one.grade is Grade.HARD)
    lost = {domain: returned.dead_of(connection, domain, now - _AFTERNOON) for domain in sorted(filter(None, fresh))}
    doubted = {domain for domain, number in lost.items() if number > _MANY_OF_A_DOMAIN}
    for domain in sorted(doubted):
        if lost[domain] - fresh[domain] <= _MANY_OF_A_DOMAIN:
            log.warning("%s calls %d readers dead within an hour: no more are suppressed for now", domain, lost[domain])
    return [one for one in gone if one.grade is not Grade.HARD or _domain(found, one) not in doubted]


def _domain(found: Mapping[int, str], one: Refusal) -> str:
    return found.get(one.subscription_id, "").rpartition("@")[2]


def _is_worn_out(connection: Connection, settings: Settings, one: Refusal, now: datetime) -> bool:
    if one.grade is not Grade.SOFT:
        return False
    since = max(now - _LOOK_BACK, consent.begun_anew(connection, one.subscription_id) or now - _LOOK_BACK)
    pasts = returned.pasts(connection, one.subscription_id, since)
    return refusals.is_worn_out(
        pasts, settings.suppress.soft_bounces, timedelta(days=settings.suppress.soft_bounce_days), now
    )


def _suppress(connection: Connection, gone: Sequence[Refusal], found: Mapping[int, str], now: datetime) -> set[int]:
    """In one order for all, so that two can't wait for each other."""
    done = set()
    known = [one for one in gone if one.subscription_id in found]
    for one in sorted(known, key=lambda one: addresses.key(found[one.subscription_id])):
        note = one.said if one.grade is Grade.HARD else f"the latest of many soft bounces: {one.said}"
        if suppressions.suppress(connection, found[one.subscription_id], "bounce", now, note):
            done.add(one.subscription_id)
    return done
