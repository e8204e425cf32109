"""The limits on what makes us send a mail to an address somebody typed, and on searching the archive."""

from __future__ import annotations

from starlette.exceptions import HTTPException

from digest.app import Limited
from digest.delivery import admission
from digest.errors import InputError
from digest.gate.turnstile import Refused
from digest.readers import addresses


def refused(app: Limited, address: str, ip: str) -> Refused | None:
    """Whether a mail for a normalised ``address``, asked for by a visitor at ``ip``, is one too many."""
    turnstile, settings, domain = app.turnstile, app.settings.sign_up, address.rpartition("@")[2]
    mailbox = addresses.mailbox(address)
    own = admission.concerned(settings, ip, addresses.key(mailbox), tagged=mailbox != address.casefold())
    found = turnstile.admit([*own, *admission.common(settings, domain)])
    if found and found.limit.name in admission.SHARED and (kept := admission.newcomers(settings, ip, domain)):
        return turnstile.admit([*own, *kept])
    return found


def search_refused(app: Limited, ip: str) -> Refused | None:
    """Whether a search of the archive by a visitor at ``ip`` is one too many."""
    return app.turnstile.admit(admission.searching(app.settings.web, ip))


def blocked(address: str) -> InputError:
    """What is answered to who gives an address at a domain that is not wanted."""
    domain = address.rpartition("@")[2]
    return InputError(f"{domain} is on the block list", "give another address", fault="blocked", typed=domain)


def too_often(held: Refused) -> HTTPException:
    """What is answered to who is held off: 429, and when to come back (RFC 6585 4)."""
    return HTTPException(429, headers={"Retry-After": str(int(held.seconds) + 1)})
