"""Settings of work in the background: what is fetched, read, asked and deleted, and by how many processes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from digest.settings.part import _Part


class FetchSettings(_Part):
    """Limits for reading feeds and pages from the web."""

    max_bytes: Annotated[int, Field(ge=1024)] = 4_000_000
    timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 20
    allow_private: bool = False
    interval_minutes: Annotated[int, Field(ge=1)] = 15
    user_agent: str = "digest-mailer (+https://pypi.org/p/digest-mailer)"


class WorkerSettings(_Part):
    """Processes of ``digest worker`` and the rhythm of beat."""

    concurrency: Annotated[int, Field(ge=1, le=256)] = 2
    tick_seconds: Annotated[float, Field(ge=0.5, le=300)] = 5


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
