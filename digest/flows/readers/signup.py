"""Signing up with double opt-in: a form, a mail with a link, a click.

```
ask     : form | keep it                                           in the answer to the form, the same for everybody
answer  : forms | not suppressed, not active | remember | owe a confirmation             by a worker, seconds later
confirm : link | pending becomes active | proof of consent
```

The form's answer is given before anybody looks whether the address is known: neither what it says nor how long it
takes tells a stranger whom we know.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from pydantic import ValidationError
from sqlalchemy import Connection

from digest.codec import codec
from digest.flows.delivery import letters
from digest.flows.readers import choices
from digest.outcomes import Envelope
from digest.readers import addresses, tokens
from digest.readers.subscriptions import Choice, Person, Subscription
from digest.settings import SignUpSettings
from digest.smtp.courier import Courier
from digest.states import SubscriptionEvent, SubscriptionState
from digest.store.content import editions
from digest.store.database import Database
from digest.store.readers import consent, forgetting, sign_ups, subscribers, suppressions

COOLDOWN = timedelta(minutes=10)
_WEEK = timedelta(days=7)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SignUp:
    """A filled-in form. ``wording`` is what the reader agreed to, kept as proof of consent."""

    person: Person
    choice: Choice
    wording: str = ""
    source: str = "form"
    ip: str = ""


def ask(database: Database, edition: str, wish: SignUp, now: datetime) -> None:
    """ask: keep a form. Raises ``NotFoundError`` for an unknown edition."""
    with database.write() as connection:
        edition_id = editions.get_id(connection, edition)
        sign_ups.keep(
            connection,
            edition_id,
            addresses.key(wish.person.address),
            codec(SignUp).dump_python(wish, mode="json"),
            now,
        )


def answer(database: Database, settings: SignUpSettings, now: datetime) -> int:
    """answer: the forms in the box, each in a transaction of its own. Returns how many."""
    answered = 0
    while True:
        with database.write() as connection:
            found = sign_ups.take(connection)
            if found is None:
                return answered
            edition, raw, at = found
            try:
                wish = codec(SignUp).validate_python(raw)
            except ValidationError:  # kept by another version
                log.warning("a sign-up for %s of %s can't be read and is dropped", edition, at)
                continue
            _sign_up(connection, settings, edition, wish, now)
        answered += 1


def sign_up(database: Database, settings: SignUpSettings, edition: str, wish: SignUp, now: datetime) -> None:
    """sign up: not suppressed, not active | remember the request | owe a confirmation.

    A stranger can't change what a known reader chose or is called. A second request within ``COOLDOWN`` owes no second
    mail, nor does one beyond ``mails_per_week``.
    """
    with database.write() as connection:
        _sign_up(connection, settings, edition, wish, now)


def _sign_up(connection: Connection, settings: SignUpSettings, edition: str, wish: SignUp, now: datetime) -> None:
    key = addresses.key(wish.person.address)
    edition_id = editions.get_id(connection, edition)
    forgetting.hold_off(connection)
    if suppressions.is_suppressed(connection, key):
        return
    subscribers.put_people(connection, [wish.person], now)
    owner = subscribers.find_ids(connection, [key])[key]
    if consent.times_asked(connection, owner, now - _WEEK) >= settings.mails_per_week:
        return
    new = subscribers.put(
        connection, edition_id, {owner: wish.choice}, SubscriptionState.PENDING, now, confirm_due_at=now
    )
    found = subscribers.find(connection, edition_id, [key])[key]
    if not new and not _asked_again(connection, found, wish.choice, now):
        return
    detail = f"{wish.wording} [{choices.described(wish.choice)}]".strip()
    consent.record(connection, [found.id], "requested", now, wish.source, detail, wish.ip)


def _asked_again(connection: Connection, found: Subscription, choice: Choice, now: datetime) -> bool:
    """Whether a sign-up for a subscription that was there already asks for another confirmation."""
    if found.state is SubscriptionState.PENDING:
        if consent.asked_since(connection, found.id, now - COOLDOWN):
            return False
        subscribers.owe_confirmation(connection, found.id, now)
    elif not subscribers.transition(connection, found.id, SubscriptionEvent.REQUEST, confirm_due_at=now):
        return False
    subscribers.change_choices(connection, {found.id: choice})
    return True


def confirm(
    database: Database, subscription_id: int, now: datetime, source: str = "link", ip: str = ""
) -> Subscription | None:
    """confirm: link | pending becomes active | proof of consent. Returns the subscription as it then is: not active
    when it was left or expired in the meantime, ``None`` when it was erased."""
    with database.write() as connection:
        if subscribers.transition(connection, subscription_id, SubscriptionEvent.CONFIRM):
            consent.record(connection, [subscription_id], "confirmed", now, source, ip=ip)
        return subscribers.get(connection, subscription_id)


def expire_pending(database: Database, now: datetime) -> int:
    """expire: sign-ups nobody confirmed while the link was good | state | proof. Returns how many."""
    expired = 0
    while True:
        with database.write() as connection:
            ids = subscribers.expire(connection, now - tokens.CONFIRM_WITHIN)
            consent.record(connection, ids, "expired", now, "time")
        expired += len(ids)
        if not ids:
            return expired


def send_confirmations(
    database: Database,
    courier: Courier,
    make_mail: Callable[[Subscription], Envelope],
    settings: SignUpSettings,
    now: datetime,
    limit: int = 100,
) -> int:
    """confirmations: those owed | claim | make | send | settle. Returns how many were accepted.

    Claiming owes them again in ``letters.RETRY_AFTER``: a crash or a temporary refusal needs nothing more. An address
    that can't be mailed (``make_mail`` raises ``InputError``) is owed nothing any longer. After the first mail one
    reminder is owed.
    """
    until = now + letters.RETRY_AFTER
    with database.write() as connection:
        claimed = subscribers.claim_confirmations(connection, now, until, limit)
        barred = suppressions.among(connection, [addresses.key(one.person.address) for one in claimed])
    owed = [(one.id, one.person.address, partial(make_mail, one)) for one in claimed]
    posted = letters.post(courier, owed, barred)
    remind_at = now + timedelta(hours=settings.remind_after_hours) if settings.remind_after_hours else None
    with database.write() as connection:
        subscribers.settle_confirmations(connection, posted.sent, posted.dropped, until, remind_at)
    return posted.accepted
