"""What concerns a reader's address and data is confirmed by a click in a mail to them: a link that was forwarded with
an issue may change what is sent, and even where to, but gives nothing out: for a week after a move their data and their
erasing are confirmed at the address before it, which was told and can object.

```
ask  : page | one of a kind, not too soon | owe a mail
send : mails owed | claim | make | send | settle
do   : link | move to the new address, hand the data out, or erase
```
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from digest.errors import NotFoundError
from digest.flows.delivery import letters
from digest.flows.readers import audience, erasure
from digest.outcomes import Envelope
from digest.readers import addresses
from digest.readers.errands import Errand, ErrandKind
from digest.readers.subscriptions import Subscription
from digest.readers.tokens import CONFIRM_WITHIN
from digest.smtp.courier import Courier
from digest.states import SubscriptionEvent, SubscriptionState
from digest.store.database import Database
from digest.store.readers import consent, errands, forgetting, subscribers, suppressions

COOLDOWN = timedelta(minutes=10)


def ask(database: Database, kind: ErrandKind, subscription_id: int, now: datetime, address: str = "") -> str:
    """ask: one of a kind for each reader, within ``COOLDOWN`` none again; nothing for an address never to be mailed.
    Says nothing of that, but where the mail goes. ``address``: where a reader moves to. Raises ``NotFoundError`` when
    they were erased."""
    with database.write() as connection:
        forgetting.hold_off(connection)
        found = subscribers.get(connection, subscription_id)
        if found is None:
            raise NotFoundError("there is no such subscription")
        moved = errands.of_kind(connection, found.subscriber_id, ErrandKind.MOVED)
        to = address or (moved.address if moved else found.person.address)
        before = errands.of_kind(connection, found.subscriber_id, kind)
        again = before is not None and before.asked_at > now - COOLDOWN
        if not again and not suppressions.is_suppressed(connection, addresses.key(to)):
            errands.put(connection, found.subscriber_id, found.id, kind, to, now)
    return to


def find(database: Database, errand_id: int, asked_at: datetime) -> tuple[Errand, Subscription] | None:
    """An errand that waits for its click, with the subscription it was asked for on; ``None`` if it was done, or one
    that was asked for at another second than ``asked_at`` has taken its place."""
    with database.read() as connection:
        errand = errands.get(connection, errand_id)
        if errand is None or errand.asked_at.replace(microsecond=0) != asked_at:
            return None
        found = subscribers.get(connection, errand.subscription_id)
    return (errand, found) if found else None


def send(
    database: Database, courier: Courier, make_mail: Callable[[Errand], Envelope], now: datetime, limit: int = 100
) -> int:
    """send: mails owed | claim | make | send | settle. Returns how many were accepted."""
    until = now + letters.RETRY_AFTER
    with database.write() as connection:
        claimed = errands.claim_mails(connection, now, until, limit)
        barred = suppressions.among(connection, [addresses.key(one.address) for one in claimed])
    posted = letters.post(courier, [(one.id, one.address, partial(make_mail, one)) for one in claimed], barred)
    with database.write() as connection:
        errands.settle_mails(connection, [*posted.sent, *posted.dropped], until)
    return posted.accepted


def move(database: Database, errand: Errand, now: datetime, ip: str = "") -> bool:
    """do: give the reader their new address, tell the old one. Where the new address is a reader already, it takes over
    what it has not got itself. False when it was done before, or replaced."""

    def act(connection: Connection) -> bool:
        forgetting.hold_off(connection)
        if not errands.remove(connection, errand):
            return False
        theirs = subscribers.of_subscriber(connection, errand.subscriber_id)
        old = theirs[0].person.address
        if addresses.key(old) == addresses.key(errand.address):
            subscribers.change_address(connection, errand.subscriber_id, errand.address)
            return True
        known = subscribers.find_ids(connection, [addresses.key(errand.address)])
        if known:
            (other,) = known.values()
            _hand_over(connection, theirs, other, now, ip)
        else:
            subscribers.change_address(connection, errand.subscriber_id, errand.address)
            consent.record(connection, [one.id for one in theirs], consent.MOVED, now, "link", ip=ip)
        _tell(connection, errand, old, now)
        return True

    try:
        return database.persist(act)
    except IntegrityError:  # the new address has become a reader's meanwhile
        return database.persist(act)


def _tell(connection: Connection, errand: Errand, old: str, now: datetime) -> None:
    """Owe the old address a mail about a move; of several within a week the first one's, which can move back."""
    told = errands.of_kind(connection, errand.subscriber_id, ErrandKind.MOVED)
    if told and addresses.key(told.address) == addresses.key(errand.address):
        errands.remove(connection, told)
    else:
        address = told.address if told else old
        errands.put(connection, errand.subscriber_id, errand.subscription_id, ErrandKind.MOVED, address, now)


def _hand_over(connection: Connection, theirs: list[Subscription], other: int, now: datetime, ip: str) -> None:
    """Give another subscriber what these active subscriptions hold, where they have none; then end them."""
    has = {one.edition: one for one in subscribers.of_subscriber(connection, other)}
    for one in theirs:
        if one.state is not SubscriptionState.ACTIVE:
            continue
        mine = has.get(one.edition)
        if mine is None or mine.state is not SubscriptionState.ACTIVE:
            new = subscribers.take_over(connection, one, other, mine, now)
            consent.record(connection, [new], "confirmed", now, "link", "moved from another address", ip)
        subscribers.transition(connection, one.id, SubscriptionEvent.UNSUBSCRIBE)
        consent.record(connection, [one.id], "unsubscribed", now, "link", "moved to another address", ip)


def data(database: Database, errand: Errand) -> dict[str, Any] | None:
    """do: everything known of the reader; ``None`` when they were erased since."""
    address = _owner(database, errand)
    return audience.export(database, address) if address else None


def erase(database: Database, state_dir: Path, errand: Errand, now: datetime) -> None:
    """do: forget the reader; see ``erasure.erase``."""
    if address := _owner(database, errand):
        erasure.erase(database, state_dir, address, now)


def _owner(database: Database, errand: Errand) -> str:
    """The address that the reader has by now; "" when they were erased."""
    with database.read() as connection:
        found = subscribers.get(connection, errand.subscription_id)
    return found.person.address if found else ""


def forget_old(database: Database, now: datetime) -> None:
    """Drop what nobody confirmed while the link was good, and addresses that readers have left."""
    with database.write() as connection:
        errands.remove_asked_before(connection, now - CONFIRM_WITHIN)
