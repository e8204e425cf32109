"""check : domains | what was heard of late | ask the name servers for the others | remember."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from digest.net.dns import Domain
from digest.store.content import editions
from digest.store.database import Database
from digest.store.readers import mail_domains

LookUp = Callable[[Collection[str]], Iterator[Domain]]
_CHUNK = 1000
_GOOD_FOR = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Dead:
    """A domain that takes no mail, and how many active readers of the edition have an address there."""

    domain: str
    reason: str
    readers: int


def refused(
    database: Database, domains: Collection[str], look_up: LookUp, now: datetime, *, remember: bool = True
) -> Mapping[str, str]:
    """Those of ``domains`` that take no mail, with the reason. What was heard within thirty days is believed; where no
    name server answers, nobody is refused and nothing remembered."""
    with database.read() as connection:
        known = mail_domains.known(connection, domains, now - _GOOD_FOR)
    heard = [one for one in look_up(sorted(set(domains) - known.keys())) if one.takes_mail is not None]
    if remember:
        with database.write() as connection:
            mail_domains.put(connection, [(one.name, bool(one.takes_mail), one.reason) for one in heard], now)
    known |= {one.name: (bool(one.takes_mail), one.reason) for one in heard}
    return {domain: reason for domain, (takes_mail, reason) in known.items() if not takes_mail}


def dead(
    database: Database, edition: str, look_up: LookUp, now: datetime, on_progress: Callable[[int], object] = int
) -> tuple[int, list[Dead]]:
    """How many domains an edition's active readers have, and those that take no mail, the most frequent first. Raises
    ``NotFoundError``."""
    with database.read() as connection:
        edition_id, _ = editions.require(connection, edition)
        counts = dict(mail_domains.of_readers(connection, edition_id))
    found, left = dict[str, str](), iter(counts)
    while some := list(islice(left, _CHUNK)):
        found |= refused(database, some, look_up, now)
        on_progress(len(some))
    return len(counts), [Dead(name, found[name], number) for name, number in counts.items() if name in found]
