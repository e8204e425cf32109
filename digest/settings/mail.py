"""Settings of sending: mail servers, signatures, batches, limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from digest.settings.part import _Part

_DOMAIN = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class SmtpSettings(_Part):
    """An SMTP server mail is handed to. Without a ``host`` mail goes to the embedded mailbox and nowhere else.

    A worker process opens up to ``connections`` to it; on each, up to ``window`` messages are on their way where the
    server takes them in chunks (RFC 3030), and one where it doesn't. ``weight``: its share among several routes.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")] = "default"
    weight: Annotated[int, Field(ge=1, le=1000)] = 1
    host: str = ""
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    auth: Literal["auto", "plain", "login", "xoauth2"] = "auto"
    username: str = ""
    password: SecretStr = SecretStr("")
    ca_file: Path | None = None
    helo: str = ""
    timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 60
    connections: Annotated[int, Field(ge=1, le=500)] = 4
    window: Annotated[int, Field(ge=1, le=64)] = 8
    messages_per_connection: Annotated[int, Field(ge=1)] = 1000
    connection_seconds: Annotated[int, Field(ge=1)] = 300

    @model_validator(mode="after")
    def _login_is_private(self) -> Self:
        if self.username and self.security == "none":
            raise ValueError('a username needs security = "starttls" or "tls": no password in the clear')
        return self


class DkimSettings(_Part):
    """A DKIM key: the PEM file and the selector its public half is published under. ``domain`` "": the From address's.
    With an RSA and an Ed25519 key a mail gets two signatures."""

    selector: Annotated[str, Field(pattern=r"^[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?$")]
    key_file: Path
    domain: str = ""


class DeliverSettings(_Part):
    """How deliveries go out: ``batch`` per Celery task, ``window`` per write to the ledger (the most that can be in
    doubt when a machine is lost with its disk; after kill -9 it is what was in flight), ``lease_seconds`` until another
    worker may take a batch over, ``requeue_seconds`` until a batch whose task nobody has begun is queued again
    (doubled tasks are harmless). An address is given up after so many ``soft_bounces`` in a row, spread over
    ``soft_bounce_days`` at least."""

    batch: Annotated[int, Field(ge=1, le=10_000)] = 1000
    window: Annotated[int, Field(ge=1, le=10_000)] = 500
    lease_seconds: Annotated[int, Field(ge=5, le=3600)] = 120
    requeue_seconds: Annotated[int, Field(ge=1, le=3600)] = 30
    give_up_hours: Annotated[int, Field(ge=1, le=240)] = 48
    in_doubt: Literal["hold", "resend", "assume-sent"] = "hold"
    size_budget: Annotated[int, Field(ge=10_000)] = 90_000
    catch_up_days: Annotated[int, Field(ge=1, le=60)] = 8
    soft_bounces: Annotated[int, Field(ge=2, le=100)] = 5
    soft_bounce_days: Annotated[int, Field(ge=1, le=365)] = 14


class RateSettings(_Part):
    """Messages per second (a fraction may stand: 0.2 is one in five seconds) and per hour; 0: no limit."""

    per_second: Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)] = 0
    per_hour: Annotated[int, Field(ge=0, le=1_000_000_000)] = 0


class RouteLimitSettings(RateSettings):
    """What one route may take; ``connections`` at the same time over all workers, 0: no limit."""

    connections: Annotated[int, Field(ge=0, le=10_000)] = 0


class LimitSettings(RateSettings):
    """Limits over all workers and machines: for the whole, per route, and per recipient domain, where ``"*"`` stands
    for each domain that isn't named. ``ramp`` warms up a new sender: so many messages on the day ``ramp_from``, on
    the next …; days are UTC, and after the last there is no ramp any more."""

    ramp: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(max_length=366)] = ()
    ramp_from: date | None = None
    domains: Mapping[str, RateSettings] = {}
    routes: Mapping[str, RouteLimitSettings] = {}

    @field_validator("domains")
    @classmethod
    def _domains(cls, domains: Mapping[str, RateSettings]) -> Mapping[str, RateSettings]:
        for name in domains:
            if name != "*" and not _DOMAIN.fullmatch(name):
                raise ValueError(
                    f'{name!r} is not a valid domain in lower case (xn--… if not ASCII), nor "*" for all others'
                )
        return domains

    @model_validator(mode="after")
    def _ramp_has_a_start(self) -> Self:
        if bool(self.ramp) != (self.ramp_from is not None):
            raise ValueError('ramp and ramp_from go together: ramp = [500, 1000] and ramp_from = "2026-12-01"')
        return self
