"""Settings of sending: mail servers, signatures, batches, limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from digest.settings.part import FilePath, _Part

_DOMAIN = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class SmtpSettings(_Part):
    """An SMTP server mail is handed to. Without a ``host`` all mail goes to the embedded mailbox, none to readers.

    A worker process opens up to ``connections`` to it; on each, up to ``window`` messages are on their way where the
    server takes them in chunks (RFC 3030), and one where it doesn't. ``weight``: its share among several routes.
    """

    name: Annotated[
        str,
        Field(
            pattern=r"^[a-z0-9-]{1,40}$",
            description="What the route is called in limits and reports. The first, [smtp], is `default`.",
        ),
    ] = "default"
    weight: Annotated[
        int, Field(ge=1, le=1000, description="Its share of the mail among several routes, as a relative weight.")
    ] = 1
    host: Annotated[
        str,
        Field(description="The server mail is handed to. Empty: the embedded mailbox receives it, and nobody else."),
    ] = ""
    port: Annotated[int, Field(ge=1, le=65535, description="The port: 587 (STARTTLS), 465 (TLS) or 25 are usual.")] = (
        587
    )
    security: Annotated[
        Literal["starttls", "tls", "none"],
        Field(description="How the connection is encrypted. `none` is for a relay on this machine."),
    ] = "starttls"
    auth: Annotated[
        Literal["auto", "plain", "login", "xoauth2"],
        Field(
            description="How to log in. `auto`: PLAIN, or LOGIN where the server does not offer PLAIN. `xoauth2` is "
            "used only if you name it; the password is then the access token."
        ),
    ] = "auto"
    username: Annotated[str, Field(description="The login. Empty: no login. Needs an encrypted connection.")] = ""
    password: Annotated[SecretStr, Field(description="The password or access token that belongs to the username.")] = (
        SecretStr("")
    )
    ca_file: Annotated[
        FilePath | None,
        Field(
            description="A PEM file of the authority that signed the server's certificate. Without one the system's "
            "are trusted."
        ),
    ] = None
    helo: Annotated[str, Field(description="The name this machine gives itself in EHLO. Empty: its host name.")] = ""
    timeout_seconds: Annotated[
        float, Field(gt=0, le=600, description="Seconds to wait for each reply before the connection is given up.")
    ] = 60
    connections: Annotated[
        int, Field(ge=1, le=500, description="Connections that each worker process may open at the same time.")
    ] = 4
    window: Annotated[
        int,
        Field(
            ge=1,
            le=64,
            description="Messages under way on one connection where the server supports CHUNKING (RFC 3030) and "
            "PIPELINING; otherwise one.",
        ),
    ] = 8
    messages_per_connection: Annotated[
        int,
        Field(
            ge=1,
            description="Messages accepted on a connection after which it gets no more: what is under way is finished, "
            "then it is closed.",
        ),
    ] = 1000
    connection_seconds: Annotated[
        int,
        Field(
            ge=1,
            description="Seconds since a connection was opened after which it gets no more messages: what is under way "
            "is finished, then it is closed.",
        ),
    ] = 300

    @model_validator(mode="after")
    def _login_is_private(self) -> Self:
        if self.username and self.security == "none":
            raise ValueError('a username needs security = "starttls" or "tls": no password in the clear')
        return self


class DkimSettings(_Part):
    """A DKIM key: the PEM file and the selector its public half is published under. ``domain`` "": the From address's.
    With an RSA and an Ed25519 key a mail gets two signatures."""

    selector: Annotated[
        str,
        Field(
            pattern=r"^[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?$",
            description="The selector that the public key is published under, as in `SELECTOR._domainkey.example.org`.",
        ),
    ]
    key_file: Annotated[FilePath, Field(description="The PEM file of the private key; `digest dkim` makes one.")]
    domain: Annotated[str, Field(description="The domain that signs. Empty: the domain of the From address.")] = ""


class DeliverSettings(_Part):
    """How deliveries go out: ``batch`` per Celery task, ``window`` per write to the ledger (the most that can be in
    doubt when a machine is lost with its disk; after kill -9 it is what was in flight), ``lease_seconds`` until another
    worker may take a batch over, ``requeue_seconds`` until a batch whose task nobody has begun is queued again
    (doubled tasks are harmless)."""

    batch: Annotated[
        int,
        Field(
            ge=1,
            le=10_000,
            description="Deliveries in one Celery task. Fewer spread the load more evenly; more cost less.",
        ),
    ] = 1000
    window: Annotated[
        int,
        Field(
            ge=1,
            le=10_000,
            description="Deliveries in one write to the ledger: the most that can be in doubt when a machine is lost "
            "with its disk.",
        ),
    ] = 500
    lease_seconds: Annotated[
        int,
        Field(
            ge=5,
            le=3600,
            description="Seconds without a sign of life after which another worker may take over a batch.",
        ),
    ] = 120
    requeue_seconds: Annotated[
        int,
        Field(
            ge=1,
            le=3600,
            description="Seconds after which a batch whose task no worker has begun is queued again. Doubled tasks "
            "are harmless.",
        ),
    ] = 30
    give_up_hours: Annotated[
        int,
        Field(
            ge=1,
            le=240,
            description="Hours for which a delivery that the server put off is tried again, counted from when its "
            "issue began to go out, or from when the delivery was due if that was later. Then it has failed.",
        ),
    ] = 48
    in_doubt: Annotated[
        Literal["hold", "resend", "assume-sent"],
        Field(
            description="What becomes of deliveries whose outcome is unknown: `hold` leaves the decision to you, "
            "`resend` risks a second copy, `assume-sent` risks none."
        ),
    ] = "hold"


class ComposeSettings(_Part):
    """What an issue is composed of."""

    catch_up_days: Annotated[
        int,
        Field(
            ge=1,
            le=60,
            description="Days that an issue goes back for readers who missed earlier ones. With readers of "
            "single weekdays, at least 15.",
        ),
    ] = 8


class MailSettings(_Part):
    """How mails are rendered."""

    size_budget: Annotated[
        int,
        Field(
            ge=10_000,
            description="The most bytes the HTML of a mail may have. Beyond it stories are shortened, then left out "
            "with a link to the rest; the first story always stays. Gmail cuts mails off at 102 KB.",
        ),
    ] = 90_000


class SuppressSettings(_Part):
    """When an address that keeps refusing is given up."""

    soft_bounces: Annotated[
        int,
        Field(
            ge=2,
            le=100,
            description="Soft bounces in a row after which an address is suppressed, if they span `soft_bounce_days`.",
        ),
    ] = 5
    soft_bounce_days: Annotated[
        int,
        Field(
            ge=1,
            le=365,
            description="Days that these soft bounces must span, so that one bad afternoon suppresses nobody.",
        ),
    ] = 14


class RateSettings(_Part):
    """Messages per second (a fraction may stand: 0.2 is one in five seconds) and per hour; 0: no limit."""

    per_second: Annotated[
        float,
        Field(
            ge=0,
            le=1_000_000,
            allow_inf_nan=False,
            description="Messages per second; 0.2 is one in five seconds. 0: no limit.",
        ),
    ] = 0
    per_hour: Annotated[int, Field(ge=0, le=1_000_000_000, description="Messages per hour. 0: no limit.")] = 0


class RouteLimitSettings(RateSettings):
    """What one route may take; ``connections`` at the same time over all workers, 0: no limit."""

    connections: Annotated[
        int,
        Field(
            ge=0, le=10_000, description="Connections to this route at the same time, over all workers. 0: no limit."
        ),
    ] = 0


class LimitSettings(RateSettings):
    """Limits over all workers and machines: for the whole, per route, and per recipient domain, where ``"*"`` stands
    for each domain that isn't named. ``ramp`` warms up a new sender: so many messages on the day ``ramp_from``, on
    the next …; days are UTC, and after the last there is no ramp any more."""

    ramp: Annotated[
        tuple[Annotated[int, Field(ge=1)], ...],
        Field(
            max_length=366,
            description="Warms up a new sender: the most messages on the first day, the second, and so on. Days are "
            "UTC; after the last there is no ramp. Empty: none.",
        ),
    ] = ()
    ramp_from: Annotated[date | None, Field(description="The first day of the ramp; needed with `ramp`.")] = None
    domains: Annotated[
        Mapping[str, RateSettings],
        Field(description='Limits for each recipient domain; `"*"` stands for each domain that is not named.'),
    ] = {}
    routes: Annotated[Mapping[str, RouteLimitSettings], Field(description="Limits for each route, by its name.")] = {}

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
