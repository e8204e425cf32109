"""A session on a socket that never blocks, with TLS where the route asks for it."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import ssl
from functools import cache
from itertools import islice
from typing import Any

from digest.outcomes import Outcome, Result, Stage
from digest.settings import SmtpSettings
from digest.smtp.session import Session

_READ_SIZE = 65_536
_PIECES = 64  # buffers to one sendmsg(); the least that systems take is 16, Linux takes 1024
Address = tuple[socket.AddressFamily, socket.SocketKind, int, Any]
_BLOCKED = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Connection:
    """Connects, secures, writes what its session has to say and feeds it what comes. ``heard_at`` is the last moment
    anything moved, by the caller's clock: a byte of ours left, or a whole reply came."""

    def __init__(self, settings: SmtpSettings, address: Address, now: float) -> None:
        self.session = Session(settings, settings.helo or _own_name())
        self.opened_at = self.heard_at = now
        self._settings = settings
        self._offset = 0  # within the first outgoing buffer
        self._connected = self._shaking = self._must_write = False
        family, kind, protocol, target = address
        self.socket: socket.socket = socket.socket(family, kind, protocol)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = self.socket.connect_ex(target)
        if code not in {0, errno.EINPROGRESS}:
            self.session.lost(os.strerror(code))

    def interest(self) -> int:
        """What to wait for: reading always, writing when something is to be said."""
        writing = not self._connected or self._must_write or self.session.outgoing
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if writing else 0)

    def advance(self, now: float) -> None:
        """Read what can be read without waiting. Writing is left to ``flush``: what a reply calls for then leaves
        together with what the caller has to add."""
        try:
            if self._connected or self._finish_connecting():
                self._read(now)
        except _BLOCKED:
            return
        except ssl.SSLCertVerificationError as error:
            self.session.lost(f"{error.verify_message} ({error.reason})", Result.REFUSED_LOGIN)
        except OSError as error:
            self.session.lost(_said(error), by_server=isinstance(error, ConnectionError))

    def flush(self, now: float) -> None:
        """Write as much of what the session has to say as the kernel takes. What leaves counts as movement: a server
        has its time for an answer from then on, however long the connection lay idle before."""
        session, outgoing = self.session, self.session.outgoing
        try:
            while outgoing and self._connected and not self._shaking and not session.closed:
                sent = self._send()
                self.heard_at = now
                session.written += sent
                self._offset += sent
                while outgoing and self._offset >= len(outgoing[0]):
                    self._offset -= len(outgoing.popleft())
        except _BLOCKED:
            return
        except (BrokenPipeError, ConnectionResetError):
            return  # what the server said before it closed is still to be read
        except OSError as error:
            session.lost(_said(error))

    def close(self) -> None:
        self.session.lost("closed by us")
        self.socket.close()

    # ------------------------------------------------------------------------------------ steps

    def _finish_connecting(self) -> bool:
        code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        try:
            self.socket.getpeername()
        except OSError as error:
            if error.errno == errno.ENOTCONN:
                return False
            raise
        self._connected = True
        if self._settings.security == "tls":
            self._begin_tls()
        return True

    def _begin_tls(self) -> None:
        settings = self._settings
        context = ssl.create_default_context(cafile=str(settings.ca_file) if settings.ca_file else None)
        self.socket = context.wrap_socket(self.socket, server_hostname=settings.host, do_handshake_on_connect=False)
        self._shaking = True

    def _read(self, now: float) -> None:
        while not self.session.closed:
            if self._shaking:
                self._shake(now)
            data = self.socket.recv(_READ_SIZE)
            if not data:
                self.session.lost("the server closed the connection", by_server=True)
                return
            before = self.session.replies
            self.session.feed(data)
            if self.session.replies > before:
                self.heard_at = now
            if self.session.wants_tls:
                self.flush(now)
                self._begin_tls()
            elif len(data) < _READ_SIZE and not isinstance(self.socket, ssl.SSLSocket):
                return

    def _shake(self, now: float) -> None:
        assert isinstance(self.socket, ssl.SSLSocket)
        try:
            self._must_write = False
            self.socket.do_handshake()
        except ssl.SSLWantWriteError:
            self._must_write = True
            raise
        self._shaking = False
        if self.session.wants_tls:
            self.session.secured()
            self.flush(now)

    def _send(self) -> int:
        outgoing = self.session.outgoing
        first = memoryview(outgoing[0])[self._offset :] if self._offset else outgoing[0]
        if isinstance(self.socket, ssl.SSLSocket):
            return self.socket.send(first)
        if len(outgoing) == 1:
            return self.socket.send(first)
        return self.socket.sendmsg([first, *islice(outgoing, 1, _PIECES)])


def unreachable(error: OSError) -> Outcome:
    """The outcome of a server whose name or address leads nowhere."""
    return Outcome(Result.UNSENT, f"no connection: {_said(error)}", stage=Stage.CONNECT)


@cache
def _own_name() -> str:
    """What to call ourselves: asking may take the resolver a while."""
    return socket.getfqdn()


def _said(error: OSError) -> str:
    return " ".join(str(error.strerror or error).split()) or type(error).__name__
