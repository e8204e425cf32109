"""Where returned mails lie until they are read: a Maildir, an IMAP mailbox, or a file.

A mail that was dealt with is put aside (marked as seen) only after that, so it is read again if we die in between. What
is not ours to deal with stays as it is, for a person; this process does not look at it again.
"""

from __future__ import annotations

import imaplib
import logging
import mailbox
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from digest.errors import InputError, NotFoundError, UnavailableError
from digest.settings import ImapSettings

MOST_BYTES = 1024 * 1024  # of one mail; what is said stands at its beginning
_MOST_KEPT = 100_000  # names of mails that were left, by one process
_log = logging.getLogger(__name__)


class _Left:
    """Names of mails that this process need not look at again."""

    def __init__(self) -> None:
        self._left = set[str]()

    def leave(self, name: str) -> None:
        if len(self._left) >= _MOST_KEPT:
            self._left.clear()
        self._left.add(name)


class Maildir(_Left):
    """A folder with ``new``, ``cur`` and ``tmp``."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def mails(self) -> Iterator[tuple[str, bytes]]:
        """The new ones in the order of their names, which begin with the time. Raises ``NotFoundError``."""
        new = self._folder / "new"
        if not new.is_dir():
            raise NotFoundError(f"{self._folder} is not a Maildir", "it should have folders new, cur and tmp")
        for path in sorted(new.iterdir()):
            if path.name in self._left:
                continue
            try:
                with path.open("rb") as file:
                    mail = file.read(MOST_BYTES)
            except FileNotFoundError:
                continue  # somebody else has taken it
            except OSError as error:  # one must not hide all behind it
                _log.warning("can't read %s (%s): it is left", path, error.strerror)
                self.leave(path.name)
                continue
            yield path.name, mail

    def put_aside(self, name: str) -> None:
        """Raises ``InputError``."""
        self._put_aside(name, "S")

    def put_aside_flagged(self, name: str) -> None:
        """Raises ``InputError``."""
        self._put_aside(name, "FS")

    def _put_aside(self, name: str, flags: str) -> None:
        cur = self._folder / "cur"
        try:
            cur.mkdir(exist_ok=True)
            with suppress(FileNotFoundError):  # somebody else has read it, too
                (self._folder / "new" / name).rename(cur / f"{name.partition(':')[0]}:2,{flags}")
        except OSError as error:
            raise InputError(f"can't put {name} into {cur} ({error.strerror})", "check its permissions") from None


class File(_Left):
    """One mail, or many in the mbox format; it stays as it is."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def mails(self) -> Iterator[tuple[str, bytes]]:
        """Raises ``InputError``."""
        try:
            with self._path.open("rb") as file:
                is_mbox = file.read(5) == b"From "
                file.seek(0)
                if not is_mbox:
                    yield self._path.name, file.read(MOST_BYTES)
                    return
            with closing(mailbox.mbox(self._path, create=False)) as box:
                for key in box.keys():  # noqa: SIM118 - iterating it parses every mail
                    yield str(key), box.get_bytes(key)[:MOST_BYTES]
        except OSError as error:
            raise InputError(f"can't read {self._path} ({error.strerror})", "check its permissions") from None

    def put_aside(self, name: str) -> None:
        """Nothing is changed in a file."""

    def put_aside_flagged(self, name: str) -> None:
        """Nothing is changed in a file."""


class Given(_Left):
    """A mail that is at hand already."""

    def __init__(self, mail: bytes) -> None:
        super().__init__()
        self._mail = mail

    def mails(self) -> Iterator[tuple[str, bytes]]:
        yield "-", self._mail

    def put_aside(self, name: str) -> None:
        """It lies nowhere."""

    def put_aside_flagged(self, name: str) -> None:
        """It lies nowhere."""


class Imap(_Left):
    """A mailbox on a server: what has no ``\\Seen`` flag is new (RFC 3501)."""

    def __init__(self, settings: ImapSettings) -> None:
        super().__init__()
        self._settings = settings
        self._server: imaplib.IMAP4 | None = None

    def mails(self) -> Iterator[tuple[str, bytes]]:
        """Raises ``UnavailableError``."""
        with self._translated(), self._connected() as server:
            for uid in self._asked(server, "SEARCH", "UNSEEN")[0].decode("ascii").split():
                if uid not in self._left:
                    yield uid, self._fetched(server, uid)

    def put_aside(self, name: str) -> None:
        self._put_aside(name, r"(\Seen)")

    def put_aside_flagged(self, name: str) -> None:
        self._put_aside(name, r"(\Seen \Flagged)")

    def _put_aside(self, name: str, flags: str) -> None:
        assert self._server
        with self._translated():
            self._asked(self._server, "STORE", name, "+FLAGS.SILENT", flags)

    @contextmanager
    def _connected(self) -> Iterator[imaplib.IMAP4]:
        wanted = self._settings
        verified = ssl.create_default_context(cafile=wanted.ca_file)
        if wanted.security == "tls":
            server: imaplib.IMAP4 = imaplib.IMAP4_SSL(
                wanted.host, wanted.port, ssl_context=verified, timeout=wanted.timeout_seconds
            )
        else:
            server = imaplib.IMAP4(wanted.host, wanted.port, timeout=wanted.timeout_seconds)
        try:
            if wanted.security == "starttls":
                server.starttls(verified)
            server.login(wanted.username, wanted.password.get_secret_value())
            answer, told = server.select(f'"{wanted.folder}"')
            if answer != "OK":
                raise imaplib.IMAP4.error(f"no folder {wanted.folder}: {told[0]!r}")
            self._server = server
            yield server
        finally:
            self._server = None
            with suppress(imaplib.IMAP4.error, OSError):
                server.logout()

    def _fetched(self, server: imaplib.IMAP4, uid: str) -> bytes:
        """A mail's bytes; none where the server can't give it: that one must not hide all behind it."""
        _, parts = server.uid("FETCH", uid, f"(BODY.PEEK[]<0.{MOST_BYTES}>)")
        return next((part[1] for part in parts or () if isinstance(part, tuple)), b"")

    @staticmethod
    def _asked(server: imaplib.IMAP4, command: str, *words: str) -> list[Any]:
        answer, found = server.uid(command, *words)
        if answer != "OK":
            raise imaplib.IMAP4.error(f"{command}: {found!r}")
        return [one for one in found if one] or [b""]

    @contextmanager
    def _translated(self) -> Iterator[None]:
        where = f"{self._settings.host}:{self._settings.port}"
        try:
            yield
        except UnicodeError:  # what it says holds the password
            hint = "write username, password and folder in ASCII"
            raise UnavailableError(f"the mailbox at {where} can't be read", hint) from None
        except (imaplib.IMAP4.error, OSError) as error:
            raise UnavailableError(f"the mailbox at {where} can't be read ({error})", "check [feedback.imap]") from None
