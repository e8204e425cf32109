"""preview : edition | choose | compose | render | personalise, as if its slot were now. Nothing is stored or sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from digest import addresses
from digest.errors import InputError, NotFoundError
from digest.flows import publish
from digest.flows.deliver import Writer
from digest.settings import DeliverSettings
from digest.store import editions, subscribers
from digest.store.database import Database
from digest.store.subscribers import Subscription
from digest.values import CompiledIssue, Envelope, IssueContent, Reader
from digest.variants import choose


@dataclass(frozen=True, slots=True)
class Preview:
    """The mail a reader would get now. ``repeated``: nothing is new, so it shows what was sent already."""

    envelope: Envelope
    repeated: bool


def preview(
    database: Database,
    edition_name: str,
    reader_address: str,
    recipient: str,
    compiled: Callable[[IssueContent], CompiledIssue],
    write: Writer,
    settings: DeliverSettings,
    now: datetime,
) -> Preview:
    """The mail of ``edition_name`` for the subscriber ``reader_address`` ("": for somebody who chose everything),
    addressed to ``recipient``. Raises when there is no such edition or subscription, or no story at all."""
    with database.read() as connection:
        edition_id, edition = editions.require(connection, edition_name)
        found = _subscription(connection, edition_id, edition_name, reader_address) if reader_address else None
    cadence = found.choice.cadence if found else edition.default_cadence
    sections = found.choice.sections if found else None
    covered_until = found.covered_until if found else None
    for anew in (False, True):
        chosen = publish.choose(database, edition_name, cadence, now, settings, now, anew)
        content = replace(
            chosen, edition=replace(chosen.edition, track_clicks=False)
        )  # of no issue that links could name
        variant = choose(content, sections, None if anew else covered_until)
        if variant.shown:
            name = found.person.name if found else ""
            reader = Reader(0, found.id if found else 0, addresses.normalise(recipient), name, sections)
            return Preview(write(compiled(content), variant, reader, now), repeated=anew)
    raise InputError(f"edition {edition_name} has no story to show", "collect its feeds: `digest feed collect`")


def _subscription(connection: Connection, edition_id: int, edition: str, address: str) -> Subscription:
    key = addresses.key(addresses.normalise(address))
    found = subscribers.find(connection, edition_id, [key]).get(key)
    if found is None:
        raise NotFoundError(f"{address} does not subscribe to {edition}", "see `digest subscriber list`")
    return found
