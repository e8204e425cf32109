"""A real SMTP server that misbehaves on cue, and counts what it took: the receiving end of the tests.

It speaks plain SMTP line by line in a thread per connection. What it does at each step is data: a reply for a stage
and recipient, or ``DROP`` to end the connection there without one.
"""

from __future__ import annotations

import re
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

DROP = b"DROP"  # end the connection without a reply
_PATH = re.compile(rb"<([^>]*)>")


@dataclass
class Script:
    """How the server behaves. ``reply(stage, recipient, connection)`` is asked at ``banner``, ``EHLO``, ``STARTTLS``,
    ``AUTH``, ``MAIL``, ``RCPT``, ``DATA``, ``dot``; what it returns is said instead of the usual."""

    extensions: tuple[bytes, ...] = (b"8BITMIME", b"SMTPUTF8")
    reply: Callable[[str, str, int], bytes | None] = lambda _stage, _recipient, _connection: None
    tls: ssl.SSLContext | None = None
    tls_from_start: bool = False
    messages_per_connection: int = 0  # then 421; 0: no limit
    data_without_recipient: bool = False  # answer 354 though every recipient was refused, as some servers do


@dataclass
class Received:
    """One message that was taken: the envelope and its bytes, dots undone."""

    sender: str
    recipient: str
    content: bytes
    connection: int


class SmtpServer:
    """``with SmtpServer(Script(...)) as server: server.port, server.received``."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or Script()
        self.received: list[Received] = []
        self.logins: list[bytes] = []
        self.connections = 0
        self.commands: list[bytes] = []
        self.arrived = threading.Condition()
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                _Dialog(outer, self.request).run()

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                """A client that hangs up in mid-sentence is part of the tests."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> SmtpServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def recipients(self) -> list[str]:
        return [message.recipient for message in self.received]

    def wait_for(self, count: int, seconds: float = 60) -> None:
        """Block until ``count`` messages have been taken."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.received) >= count, seconds), (
                f"{len(self.received)} of {count}"
            )


@dataclass
class _Dialog:
    server: SmtpServer
    sock: socket.socket
    sender: str | None = None
    recipient: str = ""
    valid: bool = False
    taken: int = 0
    secure: bool = False
    number: int = field(init=False)

    def run(self) -> None:
        with self.server.arrived:
            self.server.connections += 1
            self.number = self.server.connections
        script = self.server.script
        if script.tls and script.tls_from_start:
            self._secure(script.tls)
        self.file = self.sock.makefile("rb")
        try:
            if self._say("banner", b"220 test.example ESMTP"):
                while line := self.file.readline():
                    self.server.commands.append(line.strip())
                    if not self._command(line):
                        break
        finally:
            self.file.close()
            self.sock.close()

    def _command(self, line: bytes) -> bool:
        verb = line[:4].upper().strip()
        script = self.server.script
        if verb == b"EHLO":
            offered = [b"test.example", *script.extensions]
            if script.tls and not self.secure:
                offered.append(b"STARTTLS")
            if self.secure or not script.tls:
                offered.append(b"AUTH PLAIN LOGIN")
            lines = [b"250-" + word for word in offered[:-1]] + [b"250 " + offered[-1]]
            return self._say("EHLO", b"\r\n".join(lines))
        if verb == b"STAR" and script.tls:
            said = self._say("STARTTLS", b"220 go ahead")
            if said and not self._scripted("STARTTLS"):
                self._secure(script.tls)
                self.file = self.sock.makefile("rb")
            return said
        if verb == b"AUTH":
            self.server.logins.append(line.strip())
            return self._say("AUTH", b"235 2.7.0 welcome")
        if verb == b"MAIL":
            if self.sender is not None:
                self._write(b"503 5.5.1 nested MAIL")
                return True
            if script.messages_per_connection and self.taken >= script.messages_per_connection:
                self._write(b"421 4.7.0 enough for one connection")
                return False
            if not (self._scripted("MAIL") or b"250").startswith(b"2"):
                return self._say("MAIL", b"")
            self.sender = _path(line)
            return self._say("MAIL", b"250 2.1.0 ok")
        if verb == b"RCPT":
            self.recipient = _path(line)
            if self.sender is None:
                self._write(b"503 5.5.1 no MAIL")
                return True
            self.valid = (self._scripted("RCPT") or b"250").startswith(b"2")
            return self._say("RCPT", b"250 2.1.5 ok")
        if verb == b"DATA":
            return self._data()
        if verb == b"BDAT" and b"CHUNKING" in script.extensions:
            return self._chunk(int(line.split()[1]))
        if verb == b"RSET":
            self.sender, self.valid = None, False
        if verb == b"QUIT":
            self._write(b"221 2.0.0 bye")
            return False
        self._write(b"250 2.0.0 ok" if verb in {b"RSET", b"NOOP", b"HELO"} else b"502 5.5.1 what?")
        return True

    def _data(self) -> bool:
        if not self.valid and not self.server.script.data_without_recipient:
            self._write(b"503 5.5.1 no valid recipient")
            return True
        if not self._say("DATA", b"354 go"):
            return False
        if self._scripted("DATA"):
            return True
        lines = []
        while (line := self.file.readline()) not in {b".\r\n", b""}:
            lines.append(line[1:] if line.startswith(b".") else line)
        return bool(line) and self._end(b"".join(lines))

    def _chunk(self, size: int) -> bool:
        """BDAT … LAST (RFC 3030): the bytes come whether the recipient was valid or not."""
        content = self.file.read(size)
        if len(content) < size:
            return False
        if not self.valid:
            self._write(b"503 5.5.1 no valid recipient")
            return True
        refused = self._scripted("DATA")
        return self._say("DATA", b"") if refused else self._end(content)

    def _end(self, content: bytes) -> bool:
        """The message is whole: take it or not, and answer."""
        sender, self.sender = self.sender or "", None
        if not self.valid:
            self._write(b"554 5.5.1 no valid recipients")
            return True
        self.valid = False
        special = self._scripted("dot")
        if special is None or special.startswith(b"2") or special == DROP + b" after taking it":
            with self.server.arrived:
                self.server.received.append(Received(sender, self.recipient, content, self.number))
                self.server.arrived.notify_all()
            self.taken += 1
        return self._say("dot", b"250 2.0.0 taken")

    def _scripted(self, stage: str) -> bytes | None:
        return self.server.script.reply(stage, self.recipient, self.number)

    def _say(self, stage: str, usual: bytes) -> bool:
        said = self._scripted(stage) or usual
        if said.startswith(DROP):
            return False
        self._write(said)
        return not said.startswith(b"421")

    def _write(self, reply: bytes) -> None:
        self.sock.sendall(reply + b"\r\n")

    def _secure(self, context: ssl.SSLContext) -> None:
        self.sock = context.wrap_socket(self.sock, server_side=True)
        self.secure = True


def _path(line: bytes) -> str:
    found = _PATH.search(line)
    return found[1].decode() if found else ""
