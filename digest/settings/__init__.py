"""All settings: what each is called, what it may be, and what holds without it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from digest.settings.mail import (
    ComposeSettings,
    DeliverSettings,
    DkimSettings,
    LimitSettings,
    MailSettings,
    RateSettings,
    RouteLimitSettings,
    SmtpSettings,
    SuppressSettings,
)
from digest.settings.moved import renamed
from digest.settings.pages import CaptchaSettings, SignUpSettings, WebSettings
from digest.settings.part import DatabaseUrl, FilePath
from digest.settings.work import (
    DnsSettings,
    FeedbackSettings,
    FetchSettings,
    ImapSettings,
    RetentionSettings,
    WorkerSettings,
)

__all__ = [
    "CaptchaSettings",
    "ComposeSettings",
    "DeliverSettings",
    "DkimSettings",
    "DnsSettings",
    "FeedbackSettings",
    "FetchSettings",
    "FieldType",
    "ImapSettings",
    "LimitSettings",
    "MailSettings",
    "RateSettings",
    "RetentionSettings",
    "RouteLimitSettings",
    "Settings",
    "SignUpSettings",
    "SmtpSettings",
    "SuppressSettings",
    "WebSettings",
    "WorkerSettings",
]


class FieldType(StrEnum):
    """What a field holds that a publisher keeps about readers."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    YES_NO = "yes-no"


class Environment(EnvSettingsSource):
    """The ``DIGEST_*`` variables, with settings that moved under their new names."""

    def __call__(self) -> dict[str, Any]:
        return renamed(self.raw())

    def raw(self) -> dict[str, Any]:
        """As they are given."""
        return super().__call__()


class Settings(BaseSettings):
    """The whole configuration, frozen. ``secret_keys`` are ``id:secret`` with a one-character id, newest first: the
    first signs, all verify, so a key is rotated by putting a new one in front (``digest key rotate``). ``old_keys``
    verify what must never expire: leaving, and where a bounce belongs."""

    model_config = SettingsConfigDict(
        env_prefix="DIGEST_", env_nested_delimiter="__", frozen=True, extra="forbid", env_ignore_empty=True
    )

    database_url: Annotated[
        DatabaseUrl,
        Field(
            description="The database: `sqlite:///FILE`, or `postgresql://user:password@host/name` for more than one "
            "machine."
        ),
    ] = "sqlite:///var/digest.db"
    broker_url: Annotated[
        str,
        Field(
            description="The Redis server, such as `redis://127.0.0.1:6379/0`. Empty: the embedded server of `digest "
            "up`."
        ),
    ] = ""
    base_url: Annotated[
        str, Field(description="Where readers reach the pages of `digest web`. One-click unsubscribing needs https.")
    ] = "http://127.0.0.1:8025"
    bounce_domain: Annotated[
        str, Field(description="The domain that bounces come back to. Empty: the domain of the From address.")
    ] = ""
    leave_address: Annotated[
        str,
        Field(
            pattern=r"^$|^[A-Za-z0-9._+-]{1,64}@[a-z0-9.-]{1,190}$",
            description="The address that mails to unsubscribe come to. Empty: unsubscribing is by link only.",
        ),
    ] = ""
    mailbox_port: Annotated[
        int, Field(ge=1, le=65535, description="The port of the embedded mailbox on this machine.")
    ] = 8026
    state_dir: Annotated[
        FilePath,
        Field(description="The folder of the embedded broker's and mailbox's files, and of the workers' journals."),
    ] = Path("var")
    templates_dir: Annotated[
        FilePath | None, Field(description="A folder whose files replace the templates of the same name.")
    ] = None
    secret_keys: Annotated[
        tuple[SecretStr, ...],
        Field(
            description="Keys that sign links and return paths, as `x:secret`, the newest first: the first signs, all "
            "verify. Never remove one: links in mails already sent die with their key."
        ),
    ]
    old_keys: Annotated[
        tuple[SecretStr, ...],
        Field(description="Retired keys, which verify unsubscribing and bounces and nothing else."),
    ] = ()
    smtp: Annotated[SmtpSettings, Field(description="The server that mail is handed to.")] = SmtpSettings()
    smtp_routes: Annotated[
        tuple[SmtpSettings, ...],
        Field(description="More servers, which share the mail by weight and take over from each other."),
    ] = ()
    dkim: Annotated[
        tuple[DkimSettings, ...],
        Field(description="Keys that sign every mail. With an RSA and an Ed25519 key a mail gets two signatures."),
    ] = ()
    fetch: Annotated[FetchSettings, Field(description="How feeds and pages are read from the web.")] = FetchSettings()
    compose: Annotated[ComposeSettings, Field(description="What an issue is composed of.")] = ComposeSettings()
    mail: Annotated[MailSettings, Field(description="How mails are rendered.")] = MailSettings()
    suppress: Annotated[SuppressSettings, Field(description="When an address that keeps refusing is given up.")] = (
        SuppressSettings()
    )
    deliver: Annotated[DeliverSettings, Field(description="How deliveries go out.")] = DeliverSettings()
    limits: Annotated[LimitSettings, Field(description="How fast mail may go out, over all workers and machines.")] = (
        LimitSettings()
    )
    worker: Annotated[
        WorkerSettings, Field(description="The processes of `digest worker`, and the rhythm of beat.")
    ] = WorkerSettings()
    web: Annotated[WebSettings, Field(description="Where `digest web` listens, and whom it believes.")] = WebSettings()
    sign_up: Annotated[SignUpSettings, Field(description="What keeps robots off the sign-up form.")] = SignUpSettings()
    feedback: Annotated[FeedbackSettings, Field(description="Where returned mail is read from.")] = FeedbackSettings()
    retention: Annotated[RetentionSettings, Field(description="When rows are deleted by the nightly job.")] = (
        RetentionSettings()
    )
    dns: Annotated[DnsSettings, Field(description="Which servers are asked whether a domain takes mail.")] = (
        DnsSettings()
    )
    fields: Annotated[
        Mapping[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")], FieldType],
        Field(
            description="Your own fields about readers, by name: `text`, `number`, `date` or `yes-no`. They are "
            "columns of an import and can be used in segments."
        ),
    ] = {}

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
    def _fields(cls, fields: Mapping[str, FieldType]) -> Mapping[str, FieldType]:
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
        return Environment(settings_cls), init_settings


def _pairs(keys: tuple[SecretStr, ...]) -> tuple[tuple[str, bytes], ...]:
    pairs = (key.get_secret_value().partition(":") for key in keys)
    return tuple((kid, secret.encode()) for kid, _, secret in pairs)
