"""Settings of work in the background: what is fetched, read, asked and deleted, and by how many processes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from digest.settings.part import FilePath, _Part


class FetchSettings(_Part):
    """Limits for reading feeds and pages from the web."""

    max_bytes: Annotated[
        int, Field(ge=1024, description="The most bytes a feed or page may have; a larger one is not read.")
    ] = 4_000_000
    timeout_seconds: Annotated[
        float,
        Field(
            gt=0,
            le=300,
            description="Seconds for a feed or page from the first connection to the last byte, redirects included.",
        ),
    ] = 20
    allow_private: Annotated[
        bool,
        Field(
            description="Whether feeds may be on this machine or in your private network. On: whoever can add a feed "
            "can reach them."
        ),
    ] = False
    interval_minutes: Annotated[
        int, Field(ge=1, description="Minutes between two polls of a feed. One that failed waits longer.")
    ] = 15
    user_agent: Annotated[str, Field(description="How the fetcher introduces itself to servers.")] = (
        "digest-mailer (+https://pypi.org/p/digest-mailer)"
    )


class WorkerSettings(_Part):
    """Processes of ``digest worker`` and the rhythm of beat."""

    concurrency: Annotated[int, Field(ge=1, le=256, description="Worker processes of one `digest worker`.")] = 2
    tick_seconds: Annotated[
        float,
        Field(
            ge=0.5,
            le=300,
            description="Seconds between two rounds of beat, each a task for a worker. A round opens due issues, hands "
            "out waiting batches and takes over abandoned ones, so each of these may be late by this much.",
        ),
    ] = 5


class DnsSettings(_Part):
    """Whom domains of addresses are asked of: these ``servers`` (addresses), or the system's if there are none."""

    servers: Annotated[tuple[str, ...], Field(description="Addresses of DNS servers. Empty: the system's.")] = ()
    port: Annotated[int, Field(ge=1, le=65535, description="The port of these servers.")] = 53
    timeout_seconds: Annotated[
        float, Field(gt=0, le=60, description="Seconds to wait for an answer, retries included.")
    ] = 5
    parallel: Annotated[int, Field(ge=1, le=200, description="Questions asked at the same time.")] = 20


class ImapSettings(_Part):
    """A mailbox on an IMAP server; none without a ``host``. The password may come from the environment alone."""

    host: Annotated[str, Field(description="The IMAP server. Empty: none is read.")] = ""
    port: Annotated[int, Field(ge=1, le=65535, description="The port: 993 (TLS) or 143 (STARTTLS) are usual.")] = 993
    security: Annotated[Literal["tls", "starttls"], Field(description="How the connection is encrypted.")] = "tls"
    username: Annotated[str, Field(description="The login.")] = ""
    password: Annotated[SecretStr, Field(description="The password that belongs to the username.")] = SecretStr("")
    folder: Annotated[
        str, Field(pattern=r'^[^"\\\x00-\x1f]{1,200}$', description="The folder that returned mail is read from.")
    ] = "INBOX"
    ca_file: Annotated[
        FilePath | None,
        Field(
            description="A PEM file of the authority that signed the server's certificate. Without one the system's "
            "are trusted."
        ),
    ] = None
    timeout_seconds: Annotated[
        float, Field(gt=0, le=600, description="Seconds to wait for each reply before the connection is given up.")
    ] = 30


class FeedbackSettings(_Part):
    """Where mail that comes back is read from, every so many seconds: a Maildir, an IMAP mailbox, both or neither."""

    maildir: Annotated[
        FilePath | None,
        Field(
            description="A Maildir that returned mail is read from. Without one, and without an IMAP host, none is "
            "read."
        ),
    ] = None
    imap: Annotated[ImapSettings, Field(description="An IMAP mailbox that returned mail is read from.")] = (
        ImapSettings()
    )
    every_seconds: Annotated[int, Field(ge=5, le=86_400, description="Seconds between two looks at them.")] = 60

    @property
    def is_read(self) -> bool:
        return bool(self.maildir or self.imap.host)


class RetentionSettings(_Part):
    """Days after which rows are deleted by the nightly job; a delivery's account goes with its issue. What was
    published stays in the archive after that; ``archive_days`` 0: for good."""

    articles_days: Annotated[
        int, Field(ge=8, description="Days after they were first seen at which articles are deleted.")
    ] = 120
    issues_days: Annotated[
        int,
        Field(
            ge=30,
            description="Days after they ended (sent, skipped or cancelled) at which issues are deleted, with the "
            "account of their deliveries; also days that records of returned mail are kept.",
        ),
    ] = 400
    content_days: Annotated[
        int,
        Field(
            ge=8,
            description="Days after an issue ended at which its compiled content is deleted. From then on the web "
            "version of its mails is gone, and it cannot be sent again. The public archive keeps its own copy.",
        ),
    ] = 90
    clicks_days: Annotated[int, Field(ge=8, description="Days after which single clicks are deleted.")] = 90
    imports_days: Annotated[
        int,
        Field(ge=1, description="Days after which records of imports are deleted, with the lines that were rejected."),
    ] = 30
    unconfirmed_days: Annotated[
        int, Field(ge=1, description="Days after their link expired at which readers who never confirmed are deleted.")
    ] = 30
    archive_days: Annotated[
        int, Field(ge=0, description="Days that published issues stay in the public archive. 0: for good.")
    ] = 0
