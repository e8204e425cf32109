"""What readers do: choose, unsubscribe, ask for their data. Each is one transaction, committed before the answer goes
out, and each is idempotent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from digest.errors import InputError, NotFoundError
from digest.flows.readers import choices
from digest.readers import addresses
from digest.readers.subscriptions import Choice, Person, Subscription, Unsubscription
from digest.states import SubscriptionEvent, SubscriptionState
from digest.store.content import editions
from digest.store.database import Database
from digest.store.ledger import clicks, deliveries, issues, trials
from digest.store.readers import consent, forgetting, subscribers, suppressions
from digest.store.readers.suppressions import Suppression
from digest.values import CompiledIssue, Edition

_REASON_LENGTH = 500
_SEE = "see `digest subscriber list`"


def edition_of(database: Database, name: str) -> Edition:
    """The edition as it was applied. Raises ``NotFoundError``."""
    with database.read() as connection:
        return editions.get(connection, name)


def subscription_of(database: Database, subscription_id: int) -> Subscription | None:
    """The subscription as it is now; ``None`` when it was erased."""
    with database.read() as connection:
        return subscribers.get(connection, subscription_id)


def compiled_issue(database: Database, issue_id: int) -> CompiledIssue | None:
    """The frozen issue for its web version; ``None`` when it is not kept any more."""
    with database.read() as connection:
        return issues.load_compiled(connection, issue_id)


def unsubscribe(
    database: Database, subscription_id: int, now: datetime, *, issue_id: int = 0, source: str, ip: str = ""
) -> bool:
    """unsubscribe: link, one-click, mail or operator | state | proof | feedback on the issue (0: none). False if it
    had ended before. Mails already waiting are held back when they are due."""
    with database.write() as connection:
        return bool(_unsubscribe(connection, [Unsubscription(subscription_id, issue_id, ip)], source, now))


def unsubscribe_many(database: Database, asked: Sequence[Unsubscription], now: datetime) -> list[bool]:
    """unsubscribe: one-clicks that came in together, in one transaction; see ``unsubscribe``. Says of each whether a
    mail to them is on the wire; see ``being_mailed``."""
    database.persist(lambda connection: _unsubscribe(connection, asked, "one-click", now))
    with database.read() as connection:  # only now: who is taken from here on is seen to have unsubscribed
        mailed = deliveries.on_the_wire(connection, [one.subscription_id for one in asked])
    return [one.subscription_id in mailed for one in asked]


def being_mailed(database: Database, subscription_ids: Sequence[int]) -> bool:
    """Whether a mail to one of these is on the wire. Readers who unsubscribed before this was asked are not
    sent any other."""
    with database.read() as connection:
        return bool(deliveries.on_the_wire(connection, subscription_ids))


def unsubscribe_all(
    database: Database, subscription_id: int, now: datetime, *, issue_id: int = 0, source: str, ip: str = ""
) -> list[int]:
    """unsubscribe: everything this reader gets. Returns the subscriptions that ended by it."""
    with database.write() as connection:
        found = subscribers.get(connection, subscription_id)
        theirs = subscribers.of_subscriber(connection, found.subscriber_id) if found else []
        asked = [Unsubscription(one.id, issue_id if one.id == subscription_id else 0, ip) for one in theirs]
        return _unsubscribe(connection, asked, source, now)


def _unsubscribe(connection: Connection, asked: Sequence[Unsubscription], source: str, now: datetime) -> list[int]:
    """state | proof | feedback. Returns the subscriptions that ended by it, by rising id."""
    by_id = {one.subscription_id: one for one in asked}
    ended = subscribers.unsubscribe(connection, sorted(by_id))
    consent.record_unsubscriptions(connection, [by_id[id_] for id_ in ended], source, now)
    return ended


def restore(database: Database, subscription_ids: Sequence[int], now: datetime, ip: str = "") -> int:
    """undo: subscriptions that ended a moment ago, if they had been confirmed | state | proof. Returns how many are
    active again."""
    with database.write() as connection:
        back = [
            one
            for one in subscription_ids
            if consent.was_given(connection, one) and subscribers.transition(connection, one, SubscriptionEvent.RESTORE)
        ]
        consent.record(connection, back, "confirmed", now, "undo", ip=ip)
    return len(back)


def say_why(database: Database, subscription_id: int, reason: str) -> None:
    """Keep why a reader unsubscribed, beside the unsubscription."""
    with database.write() as connection:
        consent.explain(connection, subscription_id, "unsubscribe", reason[:_REASON_LENGTH])


def all_of(database: Database, subscription: Subscription) -> list[Subscription]:
    """All subscriptions of the same reader, the oldest first."""
    with database.read() as connection:
        return subscribers.of_subscriber(connection, subscription.subscriber_id)


def sent_to(database: Database, subscription_id: int, limit: int) -> list[tuple[int, datetime, str]]:
    """The latest issues that were sent to a subscription, newest first, as (issue, its slot, the subject that a trial
    gave it or "")."""
    with database.read() as connection:
        return [
            (issue_id, slot, trial.subject_of(batch, subscription_id) if trial else "")
            for issue_id, slot, batch in consent.sent(connection, subscription_id, limit)
            for trial in [trials.get(connection, issue_id)]
        ]


def change_preferences(
    database: Database,
    subscription_id: int,
    person: Person,
    choice: Choice,
    now: datetime,
    *,
    source: str,
    ip: str = "",
) -> Subscription:
    """preferences: page or operator | name, zone, choice | proof if anything changed. Returns what was saved; raises
    ``NotFoundError`` when the subscription was erased."""

    def change(connection: Connection) -> Subscription:
        forgetting.hold_off(connection)
        found = subscribers.get(connection, subscription_id)
        if found is None:
            raise NotFoundError("there is no such subscription")
        if person != found.person:
            subscribers.change_people(connection, {found.subscriber_id: person})
        if choice != found.choice:
            subscribers.change_choices(connection, {found.id: choice})
        if (person, choice) != (found.person, found.choice):
            consent.record(connection, [found.id], "preferences", now, source, choices.described(choice), ip)
        return subscribers.get(connection, subscription_id) or found

    return database.persist(change)


def listing(
    database: Database,
    edition: str | None = None,
    state: SubscriptionState | None = None,
    after: int = 0,
    limit: int = 1000,
) -> list[Subscription]:
    """A page of subscriptions by rising id, beginning behind ``after``. Raises ``NotFoundError``."""
    with database.read() as connection:
        edition_id = editions.get_id(connection, edition) if edition else None
        return subscribers.listing(connection, edition_id, state, after, limit)


def of_address(database: Database, address: str, edition: str | None = None) -> list[Subscription]:
    """The subscriptions of an address, of one edition if it is named. Raises ``NotFoundError`` when there is none."""
    with database.read() as connection:
        found = subscribers.of_address(connection, addresses.key(addresses.normalise(address)))
    found = [one for one in found if edition in (None, one.edition)]
    if not found:
        raise NotFoundError(f"{address} is not subscribed" + (f" to {edition}" if edition else ""), _SEE)
    return found


def suppressed(database: Database, after: bytes = b"", limit: int = 1000) -> list[Suppression]:
    """A page of suppressions, beginning behind the key ``after``."""
    with database.read() as connection:
        return suppressions.listing(connection, after, limit)


def suppress(database: Database, address: str, now: datetime, reason: str = "operator", note: str = "") -> bool:
    """suppress: never mail this address again. False if it was suppressed before."""
    with database.write() as connection:
        return suppressions.suppress(connection, addresses.normalise(address), reason, now, note)


def suppress_all(
    database: Database, named: Sequence[tuple[str, str]], now: datetime, note: str = ""
) -> tuple[int, list[str]]:
    """suppress: many addresses, each with where it stands, in one transaction. Returns how many were not suppressed
    before, and what is wrong with those that are no addresses."""
    found, faults = dict[bytes, str](), []
    for where, text in named:
        try:
            address = addresses.normalise(text)
        except InputError as error:
            faults.append(f"{where}: {error}")
            continue
        found.setdefault(addresses.key(address), address)
    with database.write() as connection:  # in one order for all, so that two can't wait for each other
        added = [suppressions.suppress(connection, found[key], "operator", now, note) for key in sorted(found)]
    return sum(added), faults


def unsuppress(database: Database, address: str, now: datetime) -> bool:
    """unsuppress: let the address be mailed again, if it is subscribed; what was refused before counts no more. False
    if it was not suppressed."""
    key = addresses.key(addresses.normalise(address))
    with database.write() as connection:
        lifted = suppressions.unsuppress(connection, key)
        if lifted:
            ids = [one.id for one in subscribers.of_address(connection, key)]
            consent.record(connection, ids, consent.UNSUPPRESSED, now, "operator")
        return lifted


def export(database: Database, address: str) -> dict[str, Any]:
    """export: everything known of one person. Raises ``NotFoundError`` when nothing is."""
    key = addresses.key(addresses.normalise(address))
    with database.read() as connection:
        _, person = subscribers.find_people(connection, [key]).get(key, (0, None))
        suppression = suppressions.find(connection, key)
        if person is None and suppression is None:
            raise NotFoundError(f"nothing is known of {address}", _SEE)
        theirs = [
            {
                "subscription": _in_words(one),
                "consent": consent.events(connection, one.id),
                "sent": consent.history(connection, one.id),
                "feedback": consent.feedback(connection, one.id),
                "clicks": clicks.of_subscription(connection, one.id),
            }
            for one in subscribers.of_address(connection, key)
        ]
    return {
        "subscriber": asdict(person) if person else None,
        "suppression": asdict(suppression) if suppression else None,
        "subscriptions": theirs,
    }


def _in_words(subscription: Subscription) -> dict[str, Any]:
    """A subscription as its reader understands it: days of the week by name."""
    found = asdict(subscription)
    found["choice"]["days"] = choices.day_names(subscription.choice.days)
    return found
