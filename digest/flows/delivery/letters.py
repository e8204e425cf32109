"""Single short mails, such as confirmations: made, sent, and sorted by what came of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from digest.errors import InputError
from digest.outcomes import Envelope, Result
from digest.readers import addresses
from digest.smtp.courier import Courier, in_order

RETRY_AFTER = timedelta(minutes=5)
_SENT = frozenset({Result.ACCEPTED, Result.UNKNOWN})  # a second one after UNKNOWN would be rude

Letter = tuple[int, str, Callable[[], Envelope]]
"""Its id, the address it is for, and what makes it."""


@dataclass(frozen=True, slots=True)
class Posted:
    """The ids of letters that are sent, and of those that can't be; the others are to be tried again."""

    sent: Sequence[int]
    dropped: Sequence[int]
    accepted: int


def post(courier: Courier, letters: Sequence[Letter], barred: Collection[bytes]) -> Posted:
    """Make and send letters; not those for a ``barred`` address, nor any whose making raises ``InputError``."""
    mails, dropped = [], []
    for id_, address, make in letters:
        try:
            if addresses.key(address) in barred:
                raise InputError("the address is suppressed")
            mails.append((id_, make()))
        except InputError:
            dropped.append(id_)
    outcomes = in_order(courier.send([mail for _, mail in mails]))
    results = [(id_, outcome.result) for (id_, _), outcome in zip(mails, outcomes, strict=True)]
    return Posted(
        sent=[id_ for id_, result in results if result in _SENT],
        dropped=[*dropped, *(id_ for id_, result in results if result is Result.PERMANENT)],
        accepted=sum(result is Result.ACCEPTED for _, result in results),
    )
