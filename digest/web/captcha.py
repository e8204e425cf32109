"""A proof that a person signs up, where the operator has set one up: their own function, or a verifying service."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from importlib import import_module

import httpx

from digest.errors import ConfigError
from digest.settings import CaptchaSettings

Check = Callable[[Mapping[str, str], str], bool]
_TIMEOUT_SECONDS = 5.0
log = logging.getLogger(__name__)


def make_check(settings: CaptchaSettings) -> Check:
    """What says whether the posted fields, from a visitor's address, come from a person. Raises ``ConfigError`` for a
    callable that is not there."""
    if not settings.check:
        return lambda _fields, _ip: True
    if settings.check.startswith("https://"):
        return lambda fields, ip: _verified(settings, fields, ip)
    module, _, name = settings.check.partition(":")
    try:
        found: Check = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError("sign_up.captcha.check", [str(error)], "name it as module:function") from None
    return found


def _verified(settings: CaptchaSettings, fields: Mapping[str, str], ip: str) -> bool:
    """Ask the service. One that does not answer lets people pass: the limits hold all the same."""
    proof = fields.get(settings.field, "")
    if not proof:
        return False
    asked = {"secret": settings.secret.get_secret_value(), "response": proof, "remoteip": ip}
    try:
        answer = httpx.post(settings.check, data=asked, timeout=_TIMEOUT_SECONDS).raise_for_status().json()
    except (httpx.HTTPError, ValueError) as error:
        log.warning("captcha: %s does not answer (%s)", settings.check, error)
        return True
    return isinstance(answer, dict) and answer.get("success") is True
