"""All settings: what each is called, what it may be, and what holds without it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

_DOMAIN = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_ORIGIN = re.compile(r"https?://(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")  # as frame-ancestors takes it


FieldKind = Literal["text", "number", "date", "yes-no"]
"""What a field holds that a publisher keeps about readers."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


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


class FetchSettings(_Part):
    """Limits for reading feeds and pages from the web."""

    max_bytes: Annotated[int, Field(ge=1024)] = 4_000_000
    timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 20
    allow_private: bool = False
    interval_minutes: Annotated[int, Field(ge=1)] = 15
    user_agent: str = "digest-mailer (+https://pypi.org/p/digest-mailer)"


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
                raise ValueError(f'{name!r} is no domain in lower case (xn--… if not ASCII), nor "*" for all others')
        return domains

    @model_validator(mode="after")
    def _ramp_has_a_start(self) -> Self:
        if bool(self.ramp) != (self.ramp_from is not None):
            raise ValueError('ramp and ramp_from go together: ramp = [500, 1000] and ramp_from = "2026-12-01"')
        return self


class WorkerSettings(_Part):
    """Processes of ``digest worker`` and the rhythm of beat."""

    concurrency: Annotated[int, Field(ge=1, le=256)] = 2
    tick_seconds: Annotated[float, Field(ge=0.5, le=300)] = 5


class WebSettings(_Part):
    """Where ``digest web`` listens. ``forwarded_allow_ips``: the addresses of proxies that are believed what they say
    of a visitor's own address, or ``*`` where nobody else can connect; nobody is unless named here. ``embed_origins``:
    whose pages may show the sign-up form in a frame. Searches of the archive a minute, from one visitor (an IPv4
    address, an IPv6 /64) and over all; 0: no limit."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8025
    forwarded_allow_ips: str = ""
    embed_origins: tuple[str, ...] = ()
    visitor_searches_per_minute: Annotated[int, Field(ge=0)] = 20
    searches_per_minute: Annotated[int, Field(ge=0)] = 300

    @field_validator("embed_origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} must be a site such as https://www.example.org or https://*.example.org")
        return origins


class CaptchaSettings(_Part):
    """A proof that a person signs up; off without ``check``: a Python callable as ``module:function``, given the posted
    fields and the visitor's address and answering whether they pass, or the URL of a service that verifies what the
    browser put into ``field`` (the ``siteverify`` of the usual ones). ``html`` goes into the form, ``sources`` are
    where its scripts and frames come from."""

    check: Annotated[str, Field(pattern=r"^(|https://\S+|[A-Za-z_][\w.]*:[A-Za-z_]\w*)$")] = ""
    field: str = "captcha"
    secret: SecretStr = SecretStr("")
    html: str = ""
    sources: tuple[Annotated[str, Field(pattern=r"^https://[a-zA-Z0-9.*:-]+$")], ...] = ()


class SignUpSettings(_Part):
    """What holds robots off the sign-up form. Sign-ups an hour from one visitor (an IPv4 address, an IPv6 /64), from
    their network (/24, /48), of one address, of one recipient domain, and over all (of these two a quarter is kept for
    networks nobody signed up from in the last hour); 0: no limit. ``mails_per_week``: sign-ups of one address in seven
    days that lead to a mail. ``remind_after_hours``: one reminder to who did not confirm (0: none). ``form_seconds``:
    who fills the form in faster is asked to press once more (0: not looked at)."""

    visitor_per_hour: Annotated[int, Field(ge=0)] = 30
    network_per_hour: Annotated[int, Field(ge=0)] = 100
    address_per_hour: Annotated[int, Field(ge=0)] = 5
    domain_per_hour: Annotated[int, Field(ge=0)] = 500
    per_hour: Annotated[int, Field(ge=0)] = 1000
    mails_per_week: Annotated[int, Field(ge=1, le=100)] = 3
    remind_after_hours: Annotated[int, Field(ge=0, le=160)] = 24
    form_seconds: Annotated[float, Field(ge=0, le=60)] = 3
    captcha: CaptchaSettings = CaptchaSettings()


class DnsSettings(_Part):
    """Whom domains of addresses are asked of: these ``servers`` (addresses), or the system's if there are none."""

    servers: tuple[str, ...] = ()
    port: Annotated[int, Field(ge=1, le=65535)] = 53
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 5
    parallel: Annotated[int, Field(ge=1, le=200)] = 20


class ImapSettings(_Part):
    """A mailbox on an IMAP server; none without a ``host``. The password may come from the environment alone."""

    host: str = ""
    port: Annotated[int, Field(ge=1, le=65535)] = 993
    security: Literal["tls", "starttls"] = "tls"
    username: str = ""
    password: SecretStr = SecretStr("")
    folder: Annotated[str, Field(pattern=r'^[^"\\\x00-\x1f]{1,200}$')] = "INBOX"
    ca_file: Path | None = None
    timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 30


class FeedbackSettings(_Part):
    """Where mail that comes back is read from, every so many seconds: a Maildir, an IMAP mailbox, both or neither."""

    maildir: Path | None = None
    imap: ImapSettings = ImapSettings()
    every_seconds: Annotated[int, Field(ge=5, le=86_400)] = 60

    @property
    def is_read(self) -> bool:
        return bool(self.maildir or self.imap.host)


class RetentionSettings(_Part):
    """Days after which rows are deleted by the nightly job; a delivery's account goes with its issue. What was
    published stays in the archive after that; ``archive_days`` 0: for good."""

    articles_days: Annotated[int, Field(ge=8)] = 120
    issues_days: Annotated[int, Field(ge=30)] = 400
    content_days: Annotated[int, Field(ge=8)] = 90
    clicks_days: Annotated[int, Field(ge=8)] = 90
    imports_days: Annotated[int, Field(ge=1)] = 30  # records of imports with the lines that were rejected
    unconfirmed_days: Annotated[int, Field(ge=1)] = 30
    archive_days: Annotated[int, Field(ge=0)] = 0


class Settings(BaseSettings):
    """The whole configuration, frozen. ``secret_keys`` are ``id:secret`` with a one-character id, newest first: the
    first signs, all verify, so a key is rotated by putting a new one in front (``digest key rotate``). ``old_keys``
    verify what must never expire: leaving, and where a bounce belongs."""

    model_config = SettingsConfigDict(
        env_prefix="DIGEST_", env_nested_delimiter="__", frozen=True, extra="forbid", env_ignore_empty=True
    )

    database_url: str = "sqlite:///var/digest.db"
    broker_url: str = ""
    base_url: str = "http://127.0.0.1:8025"
    bounce_domain: str = ""
    leave_address: Annotated[str, Field(pattern=r"^$|^[A-Za-z0-9._+-]{1,64}@[a-z0-9.-]{1,190}$")] = ""
    mailbox_port: Annotated[int, Field(ge=1, le=65535)] = 8026
    state_dir: Path = Path("var")
    templates_dir: Path | None = None
    secret_keys: tuple[SecretStr, ...]
    old_keys: tuple[SecretStr, ...] = ()
    smtp: SmtpSettings = SmtpSettings()
    smtp_routes: tuple[SmtpSettings, ...] = ()
    dkim: tuple[DkimSettings, ...] = ()
    fetch: FetchSettings = FetchSettings()
    deliver: DeliverSettings = DeliverSettings()
    limits: LimitSettings = LimitSettings()
    worker: WorkerSettings = WorkerSettings()
    web: WebSettings = WebSettings()
    sign_up: SignUpSettings = SignUpSettings()
    feedback: FeedbackSettings = FeedbackSettings()
    retention: RetentionSettings = RetentionSettings()
    dns: DnsSettings = DnsSettings()
    fields: Mapping[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")], FieldKind] = {}

    @field_validator("secret_keys", "old_keys")
    @classmethod
    def _keys(cls, keys: tuple[SecretStr, ...], info: ValidationInfo) -> tuple[SecretStr, ...]:
        seen = {key.get_secret_value()[:1] for key in info.data.get("secret_keys", ())}
        for key in keys:
            kid, colon, secret = key.get_secret_value().partition(":")
            if not colon or len(kid) != 1 or not (kid.isascii() and kid.isalnum()) or len(secret) < 32:
                raise ValueError("each must be `x:secret`, x one letter or digit, secret at least 32 characters")
            if kid in seen:
                raise ValueError(f"key id {kid!r} stands twice")
            seen.add(kid)
        if not keys and info.field_name == "secret_keys":
            raise ValueError("at least one key is needed")
        return keys

    @field_validator("fields")
    @classmethod
    def _fields(cls, fields: Mapping[str, FieldKind]) -> Mapping[str, FieldKind]:
        own = {"address", "email", "state", "name", "locale", "time_zone", "cadence", "sections", "hour", "days"}
        taken = sorted((own | {"reason"}) & set(fields))
        if taken:
            raise ValueError(f"{', '.join(taken)}: every reader has that anyway; give it another name")
        return fields

    @field_validator("smtp_routes")
    @classmethod
    def _routes(cls, routes: tuple[SmtpSettings, ...]) -> tuple[SmtpSettings, ...]:
        names = [route.name for route in routes]
        if len({*names, "default"}) <= len(names) or not all(route.host for route in routes):
            raise ValueError("each needs a host and a name of its own (the first, [smtp], is called default)")
        return routes

    @field_validator("base_url")
    @classmethod
    def _base(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must be an http(s) URL without query, such as https://news.example.org")
        return url.rstrip("/")

    @field_validator("database_url")
    @classmethod
    def _database(cls, url: str) -> str:
        if url.startswith("postgresql://"):
            return "postgresql+psycopg://" + url.removeprefix("postgresql://")
        if not url.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("must start with sqlite:/// or postgresql://")
        return url

    @field_validator("broker_url")
    @classmethod
    def _broker(cls, url: str) -> str:
        if url and not url.startswith(("redis://", "rediss://", "redis+socket://")):
            raise ValueError("must start with redis://, rediss:// or redis+socket:// (empty: the embedded server)")
        return url

    @model_validator(mode="after")
    def _limited_routes_exist(self) -> Self:
        for name in self.limits.routes:
            if name not in self.route_names:
                raise ValueError(f"limits.routes.{name}: no such route; there is {', '.join(self.route_names)}")
        return self

    @property
    def route_names(self) -> tuple[str, ...]:
        """The names of the routes that mail can take."""
        return tuple(route.name for route in (self.smtp, *self.smtp_routes))

    @property
    def keys(self) -> tuple[tuple[str, bytes], ...]:
        """The signing keys as (id, secret), the one that signs first."""
        return _pairs(self.secret_keys)

    @property
    def all_keys(self) -> tuple[tuple[str, bytes], ...]:
        """Those too that verify only what must never expire."""
        return _pairs((*self.secret_keys, *self.old_keys))

    @property
    def embedded_broker(self) -> bool:
        return not self.broker_url

    @property
    def embedded_mailbox(self) -> bool:
        return not any(route.host for route in (self.smtp, *self.smtp_routes))

    @property
    def routes(self) -> tuple[SmtpSettings, ...]:
        """The SMTP servers in use: those configured, or the embedded mailbox."""
        configured = tuple(route for route in (self.smtp, *self.smtp_routes) if route.host)
        mailbox = SmtpSettings(host="127.0.0.1", port=self.mailbox_port, security="none", timeout_seconds=20)
        return configured or (mailbox,)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings


def _pairs(keys: tuple[SecretStr, ...]) -> tuple[tuple[str, bytes], ...]:
    pairs = (key.get_secret_value().partition(":") for key in keys)
    return tuple((kid, secret.encode()) for kid, _, secret in pairs)
