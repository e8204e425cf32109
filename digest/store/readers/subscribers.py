"""Subscribers and their subscriptions.

A subscription changes state by one guarded UPDATE: of two that try, one is told that it made the change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    case,
    func,
    insert,
    literal,
    literal_column,
    select,
    update,
)

from digest import states
from digest.readers import addresses
from digest.readers.subscriptions import Choice, Person, Subscription
from digest.states import SubscriptionEvent, SubscriptionState
from digest.store.among import among, chosen_once
from digest.store.checkpoints import Checkpoint, reached
from digest.store.schema import (
    consent_events,
    editions,
    subscribers,
    subscriptions,
)
from digest.store.upsert import insert_into

# ------------------------------------------------------------------------------------------------ people


def put_people(connection: Connection, people: Iterable[Person], now: datetime) -> None:
    """Store those whose address is not known yet; the others are left as they are."""
    rows = {addresses.key(person.address): person for person in people}
    values = [
        {
            "address": person.address,
            "address_key": key,
            "name": person.name,
            "locale": person.locale,
            "time_zone": person.time_zone,
            "created_at": now,
        }
        for key, person in sorted(rows.items())  # one order for all, so that two writers can't wait for each other
    ]
    reached(connection, Checkpoint.ADD_READERS)
    _insert_new(connection, subscribers, values)


def find_ids(connection: Connection, keys: Collection[bytes]) -> dict[bytes, int]:
    """The subscribers' ids by address key, for those known."""
    query = select(subscribers.c.address_key, subscribers.c.id).where(subscribers.c.address_key.in_(keys))
    return {row.address_key: row.id for row in connection.execute(query)}


def change_people(connection: Connection, people: Mapping[int, Person]) -> None:
    """Give subscribers, by id, another name, locale and time zone; the address stays."""
    for subscriber_id, person in people.items():
        connection.execute(
            update(subscribers)
            .where(subscribers.c.id == subscriber_id)
            .values(name=person.name, locale=person.locale, time_zone=person.time_zone)
        )


def find_people(connection: Connection, keys: Collection[bytes]) -> dict[bytes, tuple[int, Person]]:
    """Subscribers' ids and what is known of them, by address key."""
    rows = connection.execute(select(subscribers).where(subscribers.c.address_key.in_(keys)))
    return {row.address_key: (row.id, Person(row.address, row.name, row.locale, row.time_zone)) for row in rows}


# ----------------------------------------------------------------------------------------- subscriptions


def get(connection: Connection, subscription_id: int) -> Subscription | None:
    row = connection.execute(_query().where(subscriptions.c.id == subscription_id)).one_or_none()
    return _subscription(row) if row else None


def find(connection: Connection, edition_id: int, keys: Collection[bytes]) -> dict[bytes, Subscription]:
    """The subscriptions to an edition by address key, for those there are."""
    query = _query().where(subscriptions.c.edition_id == edition_id, subscribers.c.address_key.in_(keys))
    return {row.address_key: _subscription(row) for row in connection.execute(query)}


def of_address(connection: Connection, key: bytes) -> list[Subscription]:
    """All subscriptions of one address, the oldest first."""
    query = _query().where(subscribers.c.address_key == key).order_by(subscriptions.c.id)
    return [_subscription(row) for row in connection.execute(query)]


def listing(
    connection: Connection,
    edition_id: int | None = None,
    state: SubscriptionState | None = None,
    after: int = 0,
    limit: int = 1000,
    chosen: ColumnElement[bool] | None = None,
) -> list[Subscription]:
    """A page of subscriptions by rising id, beginning behind ``after``; of those ``chosen`` if given."""
    query = _query().where(subscriptions.c.id > after).order_by(subscriptions.c.id).limit(limit)
    if edition_id is not None:
        query = query.where(subscriptions.c.edition_id == edition_id)
    if state is not None:
        query = query.where(subscriptions.c.state == state)
    if chosen is not None:
        query = query.where(chosen)
    return [_subscription(row) for row in connection.execute(query)]


def of_subscriber(connection: Connection, subscriber_id: int) -> list[Subscription]:
    """All subscriptions of one person, the oldest first."""
    query = _query().where(subscribers.c.id == subscriber_id).order_by(subscriptions.c.id)
    return [_subscription(row) for row in connection.execute(query)]


def change_address(connection: Connection, subscriber_id: int, address: str) -> None:
    """Give a person another normalised address, which must not be anybody else's."""
    values = {"address": address, "address_key": addresses.key(address)}
    reached(connection, Checkpoint.CHANGE_ADDRESS)
    connection.execute(update(subscribers).where(subscribers.c.id == subscriber_id).values(values))


def take_over(connection: Connection, one: Subscription, owner: int, mine: Subscription | None, now: datetime) -> int:
    """Make ``owner`` an active subscriber of what ``one`` is a subscription to, with its choice and as far as they or
    it were served. ``mine`` is the subscription they have already, not active. Returns the id of their subscription."""
    served = max((by.covered_until for by in (one, mine) if by and by.covered_until is not None), default=None)
    values = {**columns(one.choice), "state": SubscriptionState.ACTIVE, "covered_until": served}
    if mine:
        connection.execute(
            update(subscriptions).where(subscriptions.c.id == mine.id).values(**values, confirm_due_at=None)
        )
        return mine.id
    edition = select(subscriptions.c.edition_id).where(subscriptions.c.id == one.id).scalar_subquery()
    row = {**values, "subscriber_id": owner, "edition_id": edition, "created_at": now}
    new: int = connection.execute(insert(subscriptions).values(row).returning(subscriptions.c.id)).scalar_one()
    return new


def counts(connection: Connection, edition_id: int | None = None) -> dict[SubscriptionState, int]:
    """How many subscriptions are in each state; every state is named."""
    query = select(subscriptions.c.state, func.count()).group_by(subscriptions.c.state)
    if edition_id is not None:
        query = query.where(subscriptions.c.edition_id == edition_id)
    found = {row[0]: row[1] for row in connection.execute(query)}
    return {state: found.get(state, 0) for state in SubscriptionState}


def put(
    connection: Connection,
    edition_id: int,
    choices: Mapping[int, Choice],
    state: SubscriptionState,
    now: datetime,
    *,
    confirm_due_at: datetime | None = None,
) -> list[int]:
    """Create subscriptions by subscriber id and return the new ones' ids; who has one already keeps it."""
    values = [
        {
            "subscriber_id": subscriber_id,
            "edition_id": edition_id,
            "state": state,
            "confirm_due_at": confirm_due_at,
            "created_at": now,
            **columns(choice),
        }
        for subscriber_id, choice in sorted(choices.items())
    ]
    return _insert_new(connection, subscriptions, values)


def change_choices(connection: Connection, choices: Mapping[int, Choice]) -> None:
    """Give subscriptions, by id, other choices."""
    for subscription_id, choice in choices.items():
        connection.execute(update(subscriptions).where(subscriptions.c.id == subscription_id).values(columns(choice)))


def transition(
    connection: Connection,
    subscription_id: int,
    event: SubscriptionEvent,
    *,
    confirm_due_at: datetime | None = None,
) -> bool:
    """Move a subscription by ``event`` if its state allows it; false if not. Any confirmation owed is dropped, or
    owed from ``confirm_due_at``; who asks anew is owed a reminder anew."""
    fresh = {"confirm_mails": 0} if event is SubscriptionEvent.REQUEST else {}
    result = connection.execute(
        update(subscriptions)
        .where(
            subscriptions.c.id == subscription_id,
            subscriptions.c.state.in_(states.sources(states.SUBSCRIPTION, event)),
        )
        .values(state=states.target(states.SUBSCRIPTION, event), confirm_due_at=confirm_due_at, **fresh)
    )
    return result.rowcount == 1


def unsubscribe(connection: Connection, ids: Sequence[int]) -> list[int]:
    """End subscriptions, of any number of readers. Returns those that had not ended before, by rising id."""
    event = SubscriptionEvent.UNSUBSCRIBE
    _hold(connection, ids)
    query = (
        update(subscriptions)
        .where(among(subscriptions.c.id, ids), subscriptions.c.state.in_(states.sources(states.SUBSCRIPTION, event)))
        .values(state=states.target(states.SUBSCRIPTION, event), confirm_due_at=None)
        .returning(subscriptions.c.id)
    )
    return sorted(connection.execute(query).scalars())


def expire(connection: Connection, requested_before: datetime, limit: int = 1000) -> list[int]:
    """End pending subscriptions nobody asked for since ``requested_before``; return the ids of up to ``limit``."""
    event = SubscriptionEvent.EXPIRE
    asked = select(consent_events.c.id).where(
        consent_events.c.subscription_id == subscriptions.c.id,
        consent_events.c.kind == "requested",
        consent_events.c.at >= requested_before,
    )
    pending = states.sources(states.SUBSCRIPTION, event)
    waits = subscriptions.c.state == literal_column("'pending'")  # spelled out, as in its index
    due = (
        select(subscriptions.c.id)
        .where(waits, subscriptions.c.created_at < requested_before, ~asked.exists())
        .order_by(subscriptions.c.created_at)
        .limit(limit)
        .with_for_update(skip_locked=True)  # who is just being written about is no case for it
    )
    query = (
        update(subscriptions)
        .where(subscriptions.c.id.in_(chosen_once(due)), subscriptions.c.state.in_(pending))
        .values(state=states.target(states.SUBSCRIPTION, event), confirm_due_at=None)
        .returning(subscriptions.c.id)
    )
    return list(connection.execute(query).scalars())


# ----------------------------------------------------------------------------------------- confirmations


def owe_confirmation(connection: Connection, subscription_id: int, due_at: datetime) -> None:
    """Ask for a confirmation mail to a pending subscription."""
    connection.execute(
        update(subscriptions)
        .where(subscriptions.c.id == subscription_id, subscriptions.c.state == SubscriptionState.PENDING)
        .values(confirm_due_at=due_at)
    )


def claim_confirmations(connection: Connection, now: datetime, until: datetime, limit: int) -> list[Subscription]:
    """Take the confirmations owed at ``now``: nobody else is given them before ``until``, when they are owed again."""
    owed = subscriptions.c.confirm_due_at <= now
    due = select(subscriptions.c.id).where(owed).order_by(subscriptions.c.confirm_due_at).limit(limit)
    due = due.with_for_update(skip_locked=True)  # what somebody holds is not waited for: no deadlock
    query = (
        update(subscriptions)
        .where(subscriptions.c.id.in_(chosen_once(due)), owed)
        .values(confirm_due_at=until)
        .returning(subscriptions.c.id)
    )
    claimed = sorted(connection.execute(query).scalars())
    rows = connection.execute(_query().where(subscriptions.c.id.in_(claimed)).order_by(subscriptions.c.id))
    return [_subscription(row) for row in rows]


def settle_confirmations(
    connection: Connection,
    sent: Collection[int],
    dropped: Collection[int],
    claimed_until: datetime,
    remind_at: datetime | None,
) -> None:
    """Of those still claimed as we claimed them: nothing is owed any more to ``dropped``, and to ``sent`` a reminder at
    ``remind_at`` if this was the first mail."""
    table = subscriptions.c
    _hold(connection, [*sent, *dropped])
    first = case((table.confirm_mails == 0, literal(remind_at, table.confirm_due_at.type)), else_=None)
    claimed = update(subscriptions).where(table.confirm_due_at == claimed_until)
    connection.execute(
        claimed.where(table.id.in_(sent)).values(confirm_due_at=first, confirm_mails=table.confirm_mails + 1)
    )
    connection.execute(claimed.where(table.id.in_(dropped)).values(confirm_due_at=None))


# ---------------------------------------------------------------------------------------------- plumbing


def _hold(connection: Connection, ids: Sequence[int]) -> None:
    """Lock subscriptions in the order in which everybody does, so that two who do so don't wait for each other."""
    mine = select(subscriptions.c.id).where(among(subscriptions.c.id, ids)).order_by(subscriptions.c.id)
    connection.execute(mine.with_for_update())


def _query() -> Select[Any]:
    return (
        select(
            subscriptions,
            editions.c.name.label("edition"),
            subscribers.c.address,
            subscribers.c.address_key,
            subscribers.c.name,
            subscribers.c.locale,
            subscribers.c.time_zone,
            subscribers.c.fields,
        )
        .join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .join(editions, editions.c.id == subscriptions.c.edition_id)
    )


def _subscription(row: Row[Any]) -> Subscription:
    return Subscription(
        id=row.id,
        subscriber_id=row.subscriber_id,
        edition=row.edition,
        state=SubscriptionState(row.state),
        person=Person(row.address, row.name, row.locale, row.time_zone),
        choice=Choice(row.cadence, sections_of(row.sections), row.hour, row.days, row.paused_until),
        covered_until=row.covered_until,
        confirm_due_at=row.confirm_due_at,
        created_at=row.created_at,
        confirm_mails=row.confirm_mails,
        fields=row.fields,
    )


def sections_of(stored: str | None) -> tuple[str, ...] | None:
    return None if stored is None else tuple(filter(None, stored.split(",")))


def columns(choice: Choice) -> dict[str, Any]:
    sections = None if choice.sections is None else ",".join(choice.sections)
    return {
        "cadence": choice.cadence,
        "sections": sections,
        "hour": choice.hour,
        "days": choice.days,
        "paused_until": choice.paused_until,
    }


def _insert_new(connection: Connection, table: Any, values: Sequence[Mapping[str, Any]]) -> list[int]:
    """Insert the rows no unique key forbids, whoever else is inserting; return the new ids."""
    if not values:
        return []
    query = insert_into(connection, table).on_conflict_do_nothing().returning(table.c.id)
    return list(connection.execute(query, values).scalars())
