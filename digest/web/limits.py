"""The limits on what makes us send a mail to an address somebody typed."""

from __future__ import annotations

from digest import addresses, admission
from digest.app import App
from digest.gate.turnstile import Refused


def refused(app: App, address: str, ip: str) -> Refused | None:
    """Whether a mail for a normalised ``address``, asked for by a visitor at ``ip``, is one too many."""
    turnstile, settings = app.turnstile, app.settings.sign_up
    own = admission.concerned(settings, ip, addresses.key(address), address.rpartition("@")[2])
    found = turnstile.admit([*own, *admission.over_all(settings)])
    if found and found.limit.name == admission.WHOLE and (kept := admission.newcomers(settings, ip)):
        return turnstile.admit([*own, *kept])
    return found
