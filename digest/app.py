"""Builds everything from the settings, lazily and once per process: what the doors hand to the flows."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment
from sqlalchemy import make_url

from digest import dkim, message, render, themes, tokens
from digest.dkim import PrivateKey, Signer
from digest.errors import InputError, NotFoundError, StateError
from digest.fields import FieldType
from digest.flows import recover
from digest.flows.deliver import PostOffice
from digest.flows.errands import Kind
from digest.outcomes import Envelope
from digest.personalise import Press
from digest.settings import DkimSettings, Settings, load
from digest.smtp.courier import Courier, SmtpCourier
from digest.store import editions, issues, subscribers
from digest.store.clock import DatabaseClock
from digest.store.database import Database
from digest.store.errands import Errand
from digest.store.subscribers import Subscription
from digest.values import CompiledIssue, Edition, IssueContent, Reader, Variant

if TYPE_CHECKING:  # Celery and Redis take half a second to import, and most commands need neither
    from digest.gate import Gate
    from digest.gate.turnstile import Turnstile
    from digest.queue import Queue
    from digest.resolve import Domain

_PACKAGE = Path(__file__).parent
_ISSUES_KEPT = 4


def clock() -> datetime:
    """This machine's time."""
    return datetime.now(UTC)


class App:
    """Settings and the things made from them. Doors (CLI, web, workers) own one; flows get its parts as arguments."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.load = lru_cache(maxsize=_ISSUES_KEPT)(self._load)
        self._press = lru_cache(maxsize=_ISSUES_KEPT)(self._made_press)

    @classmethod
    def from_file(cls, path: Path) -> App:
        return cls(load(path))

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
        database = Database(self.settings.database_url)
        database.check()
        return database

    @cached_property
    def queue(self) -> Queue:
        from digest.queue import Queue

        return Queue(self.settings)

    @cached_property
    def template_folders(self) -> tuple[Path, ...]:
        """Where templates are looked for: the publisher's folder first, so that one file can be overridden."""
        return template_folders(self.settings.templates_dir)

    @cached_property
    def templates(self) -> Environment:
        """The Jinja environment of the mails."""
        return themes.environment(self.template_folders)

    @property
    def declared(self) -> dict[str, FieldType]:
        """The publisher's own fields about readers."""
        return {name: FieldType(kind) for name, kind in self.settings.fields.items()}

    def look_up(self, domains: Collection[str]) -> Iterator[Domain]:
        """Ask the name servers whether these domains take mail."""
        from digest import resolve  # for this alone: no worker asks

        dns = self.settings.dns
        asked = resolve.resolver(dns.servers, dns.port, dns.timeout_seconds)
        return resolve.look_up(domains, asked, dns.parallel)

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
        from digest.gate import open_gate
        from digest.queue import broker_url

        return open_gate(self.settings.limits, broker_url(self.settings))

    @cached_property
    def turnstile(self) -> Turnstile:
        """What keeps the limits of the sign-up form over all web processes."""
        from digest.gate.turnstile import Turnstile
        from digest.queue import broker_url

        return Turnstile(broker_url(self.settings), time.monotonic)

    @property
    def journals(self) -> Path:
        """Where this machine's workers keep their journals."""
        return self.settings.state_dir / "journal"

    def courier(self) -> Courier:
        """A new courier to the SMTP servers in use; the caller closes it."""
        from digest.gate import OpenGate

        gate = self.gate
        return SmtpCourier(self.settings.routes, None if isinstance(gate, OpenGate) else gate)

    def post_office(self, courier: Courier) -> PostOffice:
        """What the deliver flow needs. A DKIM key that can't be read is told here, not by every reader's mail."""
        assert len(self.dkim_keys) == len(self.settings.dkim)
        chance = random.Random()  # noqa: S311 - spreads retries, guards nothing
        return PostOffice(
            self.database, self.load, self.write, courier, self.journals, self.settings.deliver, self.now, chance
        )

    def replay_journals(self) -> int:
        """Settle what killed workers of this machine have left."""
        chance = random.Random()  # noqa: S311
        return recover.replay(self.database, self.journals, self.settings.deliver, self.now(), chance)

    # ------------------------------------------------------------------------------------------- mails

    def compile(self, content: IssueContent) -> str:
        """Render, inline and encode an issue once for all its readers, and freeze it as text."""
        return render.dumps(self.compiled(content))

    def compiled(self, content: IssueContent) -> CompiledIssue:
        domain = _domain(content.edition)
        nonce, settings = secrets.token_hex(8), self.settings
        return render.compile_issue(content, self.templates, settings.base_url, nonce, domain, settings.leave_address)

    def write(self, compiled: CompiledIssue, variant: Variant, reader: Reader, now: datetime) -> Envelope:
        """One reader's mail of a frozen issue."""
        return self._press(_Identity(compiled)).message(variant, reader, now)

    def write_confirmation(self, subscription: Subscription) -> Envelope:
        """The mail that asks to confirm a sign-up."""
        kind = "confirm_again" if subscription.confirm_mails else "confirm"
        path = f"/c/{tokens.confirm(self.settings.keys, subscription.id, self.now())}"
        return self._letter(kind, subscription, subscription.person.address, path)

    def write_errand(self, errand: Errand) -> Envelope:
        """The mail of an errand. Raises ``InputError`` when it has come to nothing."""
        with self.database.read() as connection:
            subscription = subscribers.get(connection, errand.subscription_id)
        if subscription is None:
            raise InputError("the subscription was erased")
        path = "" if errand.kind == Kind.MOVED else f"/e/{tokens.errand(self.settings.keys, errand.id, self.now())}"
        return self._letter(errand.kind, subscription, errand.address, path)

    def _letter(self, kind: str, subscription: Subscription, address: str, path: str) -> Envelope:
        with self.database.read() as connection:
            edition = editions.get(connection, subscription.edition)
        now = self.now()
        token = tokens.return_path(self.settings.keys, 0, subscription.id)
        written = message.letter(
            kind,
            edition,
            address,
            f"{self.settings.base_url}{path}" if path else "",
            self.templates,
            now,
            f"b+{token}@{self.bounce_domain(edition)}",
            f"{token}.{now:%Y%m%d%H%M%S}@{_domain(edition)}",
        )
        return self._signed(written, edition, now)

    @cached_property
    def dkim_keys(self) -> tuple[tuple[DkimSettings, PrivateKey], ...]:
        """The DKIM keys, read from their files. Raises ``InputError`` or ``NotFoundError``."""
        return tuple((key, _read_key(key.key_file)) for key in self.settings.dkim)

    def _signed(self, envelope: Envelope, edition: Edition, now: datetime) -> Envelope:
        return replace(envelope, message=dkim.sign(envelope.message, self._signers(edition), now))

    def _signers(self, edition: Edition) -> list[Signer]:
        return [Signer(key.domain or _domain(edition), key.selector, private) for key, private in self.dkim_keys]

    def bounce_domain(self, edition: Edition) -> str:
        """Where return paths point: as configured, else the sender's own domain."""
        return self.settings.bounce_domain or _domain(edition)

    def _load(self, issue_id: int) -> CompiledIssue:
        """A frozen issue; kept, since it never changes."""
        with self.database.read() as connection:
            frozen = issues.load_compiled(connection, issue_id)
        if frozen is None:
            raise StateError(f"the content of issue {issue_id} is not kept any more", "it can't be sent again")
        return render.loads(frozen)

    def _made_press(self, compiled: _Identity) -> Press:
        edition, settings = compiled.issue.content.edition, self.settings
        bounces, budget = self.bounce_domain(edition), settings.deliver.size_budget
        return Press(compiled.issue, settings.keys, bounces, budget, self._signers(edition))


class _Identity:
    """A compiled issue as a cache key: by identity, for its contents are large and can't be hashed."""

    def __init__(self, issue: CompiledIssue) -> None:
        self.issue = issue

    def __hash__(self) -> int:
        return id(self.issue)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.issue is self.issue


def _read_key(path: Path) -> PrivateKey:
    try:
        return dkim.read_key(path.read_bytes(), str(path))
    except OSError as error:
        raise NotFoundError(f"no DKIM key at {path} ({error.strerror})", "make one with `digest dkim`") from None


def _domain(edition: Edition) -> str:
    return edition.sender[1].rpartition("@")[2]


def template_folders(override: Path | None) -> tuple[Path, ...]:
    """The template folders, the publisher's own first. In a wheel the templates lie inside the package; in a checkout
    beside it."""
    packaged = _PACKAGE / "_templates"
    ours = packaged if packaged.is_dir() else _PACKAGE.parent / "templates"
    return (override, ours) if override else (ours,)
