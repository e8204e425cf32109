"""The limits on what makes us send a mail to an address somebody typed."""

from __future__ import annotations

from digest import addresses, admission
from digest.app import App
from digest.gate.turnstile import Refused


def refused(app: App, address: str, ip: str) -> Refused | None:
    """Whether a mail for a normalised ``address``, asked for by a visitor at ``ip``, is one too many."""
    turnstile, settings, domain = app.turnstile, app.settings.sign_up, address.rpartition("@")[2]
    own = admission.concerned(settings, ip, addresses.key(address))
    found = turnstile.admit([*own, *admission.common(settings, domain)])
    if found and found.limit.name in admission.SHARED and (kept := admission.newcomers(settings, ip, domain)):
        return turnstile.admit([*own, *kept])
    return found
