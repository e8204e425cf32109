"""What concerns a reader's address and data is confirmed by a click in a mail to him: a link that was forwarded with
an issue may change what is sent, but takes nothing away and gives nothing out.

```
ask  : page | one of a kind, not too soon | owe a mail
send : mails owed | claim | make | send | settle
do   : link | move to the new address, hand the data out, or erase
```
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from digest import addresses
from digest.errors import NotFoundError
from digest.flows import audience, erasure, letters
from digest.outcomes import Envelope
from digest.smtp.courier import Courier
from digest.states import SubscriptionEvent, SubscriptionState
from digest.store import consent, errands, subscribers, suppressions
from digest.store.database import Database
from digest.store.errands import Errand
from digest.store.subscribers import Subscription
from digest.tokens import CONFIRM_WITHIN

COOLDOWN = timedelta(minutes=10)


class Kind(StrEnum):
    """``MOVED`` is what the old address is told after a move."""

    MOVE = "move"
    DATA = "data"
    ERASE = "erase"
    MOVED = "moved"


def ask(database: Database, kind: Kind, subscription_id: int, now: datetime, address: str = "") -> None:
    """ask: one of a kind for each reader, within ``COOLDOWN`` none again; nothing for an address never to be mailed.
    Says nothing of what it found. ``address``: where a reader moves to. Raises ``NotFoundError`` when he was erased."""
    with database.write() as connection:
        found = subscribers.get(connection, subscription_id)
        if found is None:
            raise NotFoundError("there is no such subscription")
        to = address or found.person.address
        if errands.asked_since(connection, found.subscriber_id, kind, now - COOLDOWN):
            return
        if not suppressions.is_suppressed(connection, addresses.key(to)):
            errands.put(connection, found.subscriber_id, found.id, kind, to, now)


def find(database: Database, errand_id: int) -> tuple[Errand, Subscription] | None:
    """An errand that waits for its click, with the subscription it was asked for on."""
    with database.read() as connection:
        errand = errands.get(connection, errand_id)
        found = subscribers.get(connection, errand.subscription_id) if errand else None
    return (errand, found) if errand and found else None


def send(
    database: Database, courier: Courier, make_mail: Callable[[Errand], Envelope], now: datetime, limit: int = 100
) -> int:
    """send: mails owed | claim | make | send | settle. Returns how many were accepted. What the old address is told
    is done when it is told."""
    until = now + letters.RETRY_AFTER
    with database.write() as connection:
        claimed = errands.claim_mails(connection, now, until, limit)
        barred = suppressions.among(connection, [addresses.key(one.address) for one in claimed])
    posted = letters.post(courier, [(one.id, one.address, partial(make_mail, one)) for one in claimed], barred)
    told = {one.id for one in claimed if one.kind == Kind.MOVED}
    with database.write() as connection:
        settled = [*posted.sent, *posted.dropped]
        errands.settle_mails(connection, [id_ for id_ in settled if id_ not in told], until)
        for id_ in told.intersection(settled):
            errands.remove(connection, id_)
    return posted.accepted


def move(database: Database, errand_id: int, now: datetime, ip: str = "") -> bool:
    """do: give the reader his new address, tell the old one. Where the new address is a reader already, it takes over
    what it has not got itself. False when it was done before."""
    with database.write() as connection:
        errand = errands.get(connection, errand_id)
        if errand is None or errand.kind != Kind.MOVE or not errands.remove(connection, errand_id):
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
            consent.record(connection, [one.id for one in theirs], "preferences", now, "link", "a new address", ip)
        errands.put(connection, errand.subscriber_id, errand.subscription_id, Kind.MOVED, old, now)
    return True


def _hand_over(connection: Connection, theirs: list[Subscription], other: int, now: datetime, ip: str) -> None:
    """Give another subscriber what these active subscriptions hold, where he has none himself; then end them."""
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


def data(database: Database, errand_id: int) -> dict[str, Any] | None:
    """do: everything known of the reader; ``None`` when he was erased since."""
    found = find(database, errand_id)
    if found is None or found[0].kind != Kind.DATA:
        return None
    return audience.export(database, found[1].person.address)


def erase(database: Database, state_dir: Path, errand_id: int, now: datetime) -> None:
    """do: forget the reader; see ``erasure.erase``."""
    found = find(database, errand_id)
    if found and found[0].kind == Kind.ERASE:
        erasure.erase(database, state_dir, found[1].person.address, now)


def forget_old(database: Database, now: datetime) -> None:
    """Drop what nobody confirmed while the link was good."""
    with database.write() as connection:
        errands.remove_asked_before(connection, now - CONFIRM_WITHIN)
