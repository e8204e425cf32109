"""Where mails are made: issues compiled, readers' mails written from them, letters; all signed.

Imported when a mail is made: Jinja, the calendars of all languages and the ciphers take a tenth of a second, and most
commands need none of them.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property, lru_cache
from pathlib import Path

from jinja2 import BytecodeCache, Environment

from digest.errors import NotFoundError
from digest.mail import dkim, render, themes
from digest.mail.dkim import PrivateKey, Signer
from digest.mail.letter import letter
from digest.mail.personalise import Press
from digest.outcomes import Envelope
from digest.readers import tokens
from digest.readers.errands import Errand, ErrandKind
from digest.readers.subscriptions import Subscription
from digest.settings import DkimSettings, Settings
from digest.values import CompiledIssue, Edition, IssueContent, Reader, Variant

_PRESSES = 4  # kept by a process: the issues it sends at a time


class Mailroom:
    """Makes mails as the settings say, with the templates in ``folders``, of which the first that has one counts."""

    def __init__(self, settings: Settings, folders: Sequence[Path], compiled: BytecodeCache | None = None) -> None:
        self._settings = settings
        self.templates: Environment = themes.environment(folders, compiled)
        self._press = lru_cache(maxsize=_PRESSES)(self._made_press)

    @cached_property
    def dkim_keys(self) -> tuple[tuple[DkimSettings, PrivateKey], ...]:
        """The DKIM keys, read from their files. Raises ``InputError`` or ``NotFoundError``."""
        return tuple((key, _read_key(key.key_file)) for key in self._settings.dkim)

    def compiled(self, content: IssueContent) -> CompiledIssue:
        """An issue rendered, inlined and encoded once for all its readers."""
        domain = _domain(content.edition)
        nonce, settings = secrets.token_hex(8), self._settings
        return render.compile_issue(content, self.templates, settings.base_url, nonce, domain, settings.leave_address)

    def mail(self, compiled: CompiledIssue, variant: Variant, reader: Reader, now: datetime) -> Envelope:
        """One reader's mail of an issue."""
        return self._press(_Identity(compiled)).message(variant, reader, now)

    def confirmation(self, subscription: Subscription, edition: Edition, now: datetime) -> Envelope:
        """The mail that asks to confirm a sign-up."""
        kind = "confirm_again" if subscription.confirm_mails else "confirm"
        path = f"/c/{tokens.confirm(self._settings.keys, subscription.id, now)}"
        return self._letter(kind, subscription, edition, subscription.person.address, path, now)

    def errand(self, errand: Errand, subscription: Subscription, edition: Edition, now: datetime) -> Envelope:
        """The mail of an errand."""
        token = tokens.errand(self._settings.keys, errand.id, errand.asked_at)
        path = "" if errand.kind == ErrandKind.MOVED else f"/e/{token}"
        return self._letter(errand.kind, subscription, edition, errand.address, path, now)

    def _letter(
        self, kind: str, subscription: Subscription, edition: Edition, address: str, path: str, now: datetime
    ) -> Envelope:
        token = tokens.return_path(self._settings.keys, 0, subscription.id)
        written = letter(
            kind,
            edition,
            address,
            f"{self._settings.base_url}{path}" if path else "",
            self.templates,
            now,
            f"b+{token}@{self._bounce_domain(edition)}",
            f"{token}.{now:%Y%m%d%H%M%S}@{_domain(edition)}",
        )
        return replace(written, message=dkim.sign(written.message, self._signers(edition), now))

    def _signers(self, edition: Edition) -> list[Signer]:
        return [Signer(key.domain or _domain(edition), key.selector, private) for key, private in self.dkim_keys]

    def _bounce_domain(self, edition: Edition) -> str:
        """Where return paths point: as configured, else the sender's own domain."""
        return self._settings.bounce_domain or _domain(edition)

    def _made_press(self, compiled: _Identity) -> Press:
        edition, settings = compiled.issue.content.edition, self._settings
        bounces, budget = self._bounce_domain(edition), settings.mail.size_budget
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
