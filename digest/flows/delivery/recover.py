"""recover : journals of dead workers | decide | settle; leases that ran out | in doubt | policy.

A worker that was killed leaves a journal on its machine: what it says is settled as if the worker had done so, and only
what was on the wire without a reply is in doubt. Where there is no journal (the machine is gone), the lease runs out
and everything that stood on the wire is in doubt; a journal that turns up later still settles it.
"""

from __future__ import annotations

import logging
import random
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from digest.errors import DigestError
from digest.flows.delivery import deliver
from digest.settings import Settings
from digest.smtp import journal
from digest.smtp.journal import Record
from digest.states import DeliveryEvent, IssueState
from digest.store.database import Database
from digest.store.ledger import batches, deliveries, issues
from digest.store.ledger.batches import Lease
from digest.values import Issue

_log = logging.getLogger(__name__)


def replay(database: Database, folder: Path, settings: Settings, now: datetime, chance: random.Random) -> int:
    """Settle what the journals of this machine's dead workers say. Returns how many journals there were. One that can't
    be settled is put aside, for it would hold up all others: when its lease runs out, what it tells of is in doubt."""
    count = 0
    for path, record in journal.abandoned(folder):
        try:
            _settle(database, record, settings, now, chance)
        except DigestError:  # the database can't be had now: it is settled later
            raise
        except Exception:  # noqa: BLE001 - one journal must not hold up all others
            _log.exception("the journal %s can't be settled and is put aside", path)
            path.rename(path.with_suffix(".broken"))
            continue
        path.unlink(missing_ok=True)
        count += 1
    return count


def _settle(database: Database, record: Record, settings: Settings, now: datetime, chance: random.Random) -> None:
    with database.read() as connection:
        issue = issues.get(connection, record.issue_id)
        attempts = deliveries.attempts(connection, record.issue_id, sorted(record.heard))
    if issue is None:
        return
    tries = [(delivery, attempts[delivery], record.heard[delivery]) for delivery in attempts]
    lease = Lease(record.issue_id, record.batch, record.owner)
    deliver.settle(database, settings, lease, issue, tries, now, chance)
    with database.write() as connection:
        _put_back(connection, issue, record, now)
        batches.release(connection, lease, batches.failures(connection, lease), None)
    with database.write() as connection:
        deliver.resolve_by_policy(connection, issue.id, settings, now)
    with database.write() as connection:
        deliver.close(connection, issue.id, now)


def _put_back(connection: Connection, issue: Issue, record: Record, now: datetime) -> None:
    """What was on the wire is in doubt, by name; what never was goes back in line."""
    reason = "its worker ended while it was on the wire"
    deliveries.move(connection, issue.id, sorted(record.unheard), DeliveryEvent.LOSE, now, reason=reason)
    never_sent = sorted(record.never_sent)
    moved = 0
    for event in (DeliveryEvent.DEFER, DeliveryEvent.RESEND):  # from the wire; from a doubt that was none
        moved += deliveries.move(connection, issue.id, never_sent, event, now, reason="its worker ended", due_at=now)
    if moved:
        batches.wake(connection, issue.id, now)


def rest(database: Database, settings: Settings, now: datetime) -> list[tuple[int, int]]:
    """Take batches from dead workers, apply the policy to what they left in doubt, and end issues that are settled.
    Returns the batches that were taken."""
    with database.write() as connection:
        recovered = batches.recover(connection, now)
    touched = {issue_id for issue_id, _ in recovered}
    for issue_id in touched:
        with database.write() as connection:
            deliver.resolve_by_policy(connection, issue_id, settings, now)
    with database.read() as connection:
        touched |= {issue.id for issue in issues.in_states(connection, [IssueState.SENDING])}
    for issue_id in sorted(touched):
        with database.write() as connection:
            deliver.close(connection, issue_id, now)
    return recovered
