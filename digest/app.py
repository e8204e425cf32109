"""Builds everything from the settings, lazily and once per process: what the doors hand to the flows."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import make_url

from digest.codec import codec
from digest.configuration import keep_private, load
from digest.errors import InputError, StateError
from digest.outcomes import Envelope
from digest.readers.errands import Errand
from digest.readers.subscriptions import Subscription
from digest.settings import DkimSettings, FieldType, Settings
from digest.store.clock import DatabaseClock
from digest.store.content import editions
from digest.store.database import Database
from digest.store.ledger import issues
from digest.store.readers import subscribers
from digest.values import CompiledIssue, IssueContent, Reader, Variant

if TYPE_CHECKING:  # what most commands don't need and takes long to import: Celery and Redis half a second
    from dns.resolver import Resolver
    from jinja2 import BytecodeCache, Environment

    from digest.flows.delivery.deliver import PostOffice
    from digest.flows.feedback.returned_mail import Box, Rules
    from digest.gate import Gate
    from digest.gate.turnstile import Turnstile
    from digest.mail.dkim import PrivateKey
    from digest.mailroom import Mailroom
    from digest.net.dns import Domain
    from digest.queue import Queue
    from digest.smtp.courier import Courier

_PACKAGE = Path(__file__).parent
_ISSUES_KEPT = 4  # by each process, of those it sends or shows


def clock() -> datetime:
    """This machine's time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Compiled:
    """What was compiled once and several applications in one process may share: SQL and templates."""

    sql: MutableMapping[Any, Any] | None = None
    templates: BytecodeCache | None = None


_OWN = Compiled()  # each its own


class App:
    """Settings and the things made from them. Doors (CLI, web, workers) own one; flows get its parts as arguments."""

    def __init__(self, settings: Settings, shared: Compiled = _OWN) -> None:
        self.settings, self.shared = settings, shared
        self.load = lru_cache(maxsize=_ISSUES_KEPT)(self._load)

    @classmethod
    def from_file(cls, path: Path) -> App:
        settings = load(path)
        keep_private(settings.state_dir)
        return cls(settings)

    def now(self) -> datetime:
        """The time that all processes on this database agree on."""
        return self._clock()

    @cached_property
    def _clock(self) -> Callable[[], datetime]:
        """A file is one machine's, and so is its time; a server has its own."""
        if make_url(self.settings.database_url).get_backend_name() == "sqlite":
            return clock
        return DatabaseClock(self.database, time.monotonic)

    @cached_property
    def database(self) -> Database:
        """The database, checked: it exists and is at this version."""
        database = Database(self.settings.database_url, self.shared.sql)
        database.check()
        return database

    @cached_property
    def queue(self) -> Queue:
        # here: Celery and Redis take half a second, and most commands poke nobody
        from digest.queue import Queue

        return Queue(self.settings)

    @cached_property
    def template_folders(self) -> tuple[Path, ...]:
        """Where templates are looked for: the publisher's folder first, so that one file can be overridden."""
        return template_folders(self.settings.templates_dir)

    @property
    def declared(self) -> dict[str, FieldType]:
        """The publisher's own fields about readers."""
        return dict(self.settings.fields)

    def look_up(self, domains: Collection[str]) -> Iterator[Domain]:
        """Ask the name servers whether these domains take mail."""
        # here: few commands and no worker ask name servers
        from digest.net import dns as resolve

        return resolve.look_up(domains, self._resolver(), self.settings.dns.parallel)

    def texts(self, name: str) -> list[str] | None:
        """The TXT records that the name servers give for ``name``; ``None``: they give no answer."""
        # here: few commands and no worker ask name servers
        from digest.net import dns as resolve

        return resolve.texts(name, self._resolver())

    def _resolver(self) -> Resolver:
        # here: few commands and no worker ask name servers
        from digest.net import dns as resolve

        dns = self.settings.dns
        return resolve.resolver(dns.servers, dns.port, dns.timeout_seconds)

    @property
    def mailbox_dir(self) -> Path:
        """The Maildir of the embedded mailbox."""
        return self.settings.state_dir / "mail"

    @cached_property
    def carrier(self) -> Courier:
        """The courier this process sends issues with, kept from batch to batch with its connections."""
        return self.courier()

    @cached_property
    def gate(self) -> Gate:
        """What keeps the limits over all workers."""
        # here: Redis, which only who sends needs
        from digest.gate import open_gate
        from digest.queue import broker_url

        return open_gate(self.settings.limits, broker_url(self.settings))

    @cached_property
    def turnstile(self) -> Turnstile:
        """What keeps the limits of the sign-up form and of searching over all web processes."""
        # here: Redis, which only the pages need
        from digest.gate.turnstile import Turnstile
        from digest.queue import broker_url

        return Turnstile(broker_url(self.settings), time.monotonic)

    @property
    def listening(self) -> Rules:
        """What reading returned mails needs: a bounce of a mail that was signed long ago is told, too."""
        # here: only a process that reads returned mail needs it
        from digest.flows.feedback.returned_mail import Rules

        return Rules(self.settings.all_keys, self.settings)

    @cached_property
    def boxes(self) -> list[Box]:
        """Where returned mails are read from, as the settings say."""
        # here: only a process that reads returned mail needs it
        from digest.net import mailboxes

        where = self.settings.feedback
        found: list[Box] = []
        if where.maildir:
            found.append(mailboxes.Maildir(where.maildir))
        if where.imap.host:
            found.append(mailboxes.Imap(where.imap))
        return found

    @property
    def journals(self) -> Path:
        """Where this machine's workers keep their journals."""
        return self.settings.state_dir / "journal"

    def courier(self) -> Courier:
        """A new courier to the SMTP servers in use; the caller closes it."""
        # here: only who sends mail needs it
        from digest.gate import OpenGate
        from digest.smtp.courier import SmtpCourier

        gate = self.gate
        return SmtpCourier(self.settings.routes, None if isinstance(gate, OpenGate) else gate)

    def post_office(self, courier: Courier) -> PostOffice:
        """What the deliver flow needs. A DKIM key that can't be read is told here, not by every reader's mail."""
        # here: only workers deliver
        from digest.flows.delivery.deliver import PostOffice

        assert len(self.dkim_keys) == len(self.settings.dkim)
        chance = random.Random()  # noqa: S311 - spreads retries, guards nothing
        return PostOffice(self.database, self.load, self.write, courier, self.journals, self.settings, self.now, chance)

    def replay_journals(self) -> int:
        """Settle what killed workers of this machine have left."""
        # here: only workers recover
        from digest.flows.delivery import recover

        chance = random.Random()  # noqa: S311
        return recover.replay(self.database, self.journals, self.settings, self.now(), chance)

    # ------------------------------------------------------------------------------------------- mails

    @cached_property
    def _mailroom(self) -> Mailroom:
        # here: templates and their engine, which most commands do without
        from digest.mailroom import Mailroom

        return Mailroom(self.settings, self.template_folders, self.shared.templates)

    @property
    def templates(self) -> Environment:
        """The Jinja environment of the mails."""
        return self._mailroom.templates

    @property
    def dkim_keys(self) -> Sequence[tuple[DkimSettings, PrivateKey]]:
        """The DKIM keys, read from their files. Raises ``InputError`` or ``NotFoundError``."""
        return self._mailroom.dkim_keys

    def compile(self, content: IssueContent) -> str:
        """Render, inline and encode an issue once for all its readers, and freeze it as text."""
        return codec(CompiledIssue).dump_json(self.compiled(content)).decode()

    def compiled(self, content: IssueContent) -> CompiledIssue:
        """The same, not frozen."""
        return self._mailroom.compiled(content)

    def write(self, compiled: CompiledIssue, variant: Variant, reader: Reader, now: datetime) -> Envelope:
        """One reader's mail of a frozen issue."""
        return self._mailroom.mail(compiled, variant, reader, now)

    def write_confirmation(self, subscription: Subscription) -> Envelope:
        """The mail that asks to confirm a sign-up."""
        with self.database.read() as connection:
            edition = editions.get(connection, subscription.edition)
        return self._mailroom.confirmation(subscription, edition, self.now())

    def write_errand(self, errand: Errand) -> Envelope:
        """The mail of an errand. Raises ``InputError`` when it has come to nothing."""
        with self.database.read() as connection:
            subscription = subscribers.get(connection, errand.subscription_id)
            if subscription is None:
                raise InputError("the subscription was erased")
            edition = editions.get(connection, subscription.edition)
        return self._mailroom.errand(errand, subscription, edition, self.now())

    def _load(self, issue_id: int) -> CompiledIssue:
        """A frozen issue; kept, since it never changes."""
        with self.database.read() as connection:
            issue = issues.load_compiled(connection, issue_id)
        if issue is None:
            raise StateError(f"the content of issue {issue_id} is not kept any more", "it can't be sent again")
        return issue


def template_folders(override: Path | None) -> tuple[Path, ...]:
    """The template folders, the publisher's own first. In a wheel the templates lie inside the package; in a checkout
    beside it."""
    packaged = _PACKAGE / "_templates"
    ours = packaged if packaged.is_dir() else _PACKAGE.parent / "templates"
    return (override, ours) if override else (ours,)


# ----------------------------------------------------- what a door needs of all this: no more than it says


class HasSettings(Protocol):
    """The settings, read and checked."""

    @property
    def settings(self) -> Settings: ...


class HasDatabase(Protocol):
    """The database, at this version."""

    @property
    def database(self) -> Database: ...


class Ground(HasSettings, HasDatabase, Protocol):
    """What a reader's own pages need."""

    def now(self) -> datetime: ...


class Limited(HasSettings, Protocol):
    """What a page needs that is asked for by anybody, and so not without end."""

    @property
    def turnstile(self) -> Turnstile: ...


class LimitedGround(Ground, Limited, Protocol):
    """What a page needs that asks for mail to be sent: the sign-up form, and what a reader asks for."""


class ForArchive(HasDatabase, Limited, Protocol):
    """What the public archive and its search need."""

    @property
    def templates(self) -> Environment: ...


class ForLinks(Ground, Protocol):
    """What the links of stories need: the issue that has them."""

    @property
    def load(self) -> Callable[[int], CompiledIssue]: ...


class ForHealth(HasDatabase, Protocol):
    """What is asked whether it answers."""

    @property
    def queue(self) -> Queue: ...
