"""What the name servers said of domains, and the domains of readers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from itertools import islice

from sqlalchemy import ColumnElement, Connection, func, select

from digest.states import SubscriptionState
from digest.store.schema import mail_domains, subscribers, subscriptions
from digest.store.upsert import insert_into

_CHUNK = 500


def known(connection: Connection, domains: Collection[str], since: datetime) -> dict[str, tuple[bool, str]]:
    """What was heard of these domains after ``since``: whether they take mail, and why not."""
    found, left = dict[str, tuple[bool, str]](), iter(domains)
    while some := list(islice(left, _CHUNK)):
        query = select(mail_domains.c.domain, mail_domains.c.takes_mail, mail_domains.c.reason)
        rows = connection.execute(query.where(mail_domains.c.domain.in_(some), mail_domains.c.at >= since))
        found |= {row.domain: (bool(row.takes_mail), row.reason) for row in rows}
    return found


def put(connection: Connection, heard: Iterable[tuple[str, bool, str]], now: datetime) -> None:
    """Remember what was heard just now: (domain, whether it takes mail, why not)."""
    rows = [
        {"domain": domain, "takes_mail": int(takes), "reason": reason, "at": now}
        for domain, takes, reason in sorted(heard)
    ]
    if rows:
        statement = insert_into(connection, mail_domains)
        newer = {name: statement.excluded[name] for name in ("takes_mail", "reason", "at")}
        connection.execute(statement.on_conflict_do_update(index_elements=["domain"], set_=newer), rows)


def of_readers(connection: Connection, edition_id: int) -> Iterator[tuple[str, int]]:
    """The domains of an edition's active readers with their number, the most frequent first."""
    domain: ColumnElement[str]
    if connection.dialect.name == "postgresql":
        domain = func.split_part(subscribers.c.address, "@", -1)
    else:
        domain = func.substr(subscribers.c.address, func.instr(subscribers.c.address, "@") + 1)
    query = (
        select(domain, func.count())
        .select_from(subscriptions.join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id))
        .where(subscriptions.c.edition_id == edition_id, subscriptions.c.state == SubscriptionState.ACTIVE)
        .group_by(domain)
        .order_by(func.count().desc(), domain)
    )
    for row in connection.execute(query):
        yield row[0], row[1]
