"""A small IMAP server (RFC 3501) on loopback: one folder, just the commands that reading it takes."""

from __future__ import annotations

import re
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.certificates import make_certificate

PASSWORD = "open sesame"


class _Session(socketserver.StreamRequestHandler):
    server: ImapServer

    def handle(self) -> None:
        self._say(b"* OK ready")
        while line := self.rfile.readline():
            tag, _, command = line.strip().partition(b" ")
            self._say(tag + b" " + self._answer(command))
            if command == b"LOGOUT":
                return

    def _say(self, line: bytes) -> None:
        self.wfile.write(line + b"\r\n")

    def _answer(self, command: bytes) -> bytes:
        mails, seen = self.server.mails, self.server.seen
        if command.startswith(b"LOGIN"):
            return b"OK in" if f'"{PASSWORD}"'.encode() in command else b"NO wrong password"
        if command == b"CAPABILITY":
            self._say(b"* CAPABILITY IMAP4rev1")
        elif command.startswith(b"SELECT"):
            if b'"Bounces"' not in command:
                return b"NO no such folder"
            self._say(b"* %d EXISTS" % len(mails))
        elif command == b"UID SEARCH UNSEEN":
            self._say(b" ".join([b"* SEARCH", *(b"%d" % uid for uid in sorted(mails.keys() - seen))]))
        elif found := re.fullmatch(rb"UID FETCH (\d+) \(BODY\.PEEK\[\]<0\.(\d+)>\)", command):
            mail = mails[int(found[1])][: int(found[2])]
            self._say(b"* 1 FETCH (UID %s BODY[]<0> {%d}\r\n%s)" % (found[1], len(mail), mail))
        elif found := re.fullmatch(rb"UID STORE (\d+) \+FLAGS\.SILENT \(\\Seen( \\Flagged)?\)", command):
            seen.add(int(found[1]))
            if found[2]:
                self.server.flagged.add(int(found[1]))
        elif command != b"LOGOUT":
            return b"BAD what?"
        return b"OK done"


class ImapServer(socketserver.ThreadingTCPServer):
    """Mails by UID, and those that are marked as seen."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext, mails: dict[int, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.mails = mails
        self.seen = set[int]()
        self.flagged = set[int]()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


@contextmanager
def serve(folder: Path, mails: dict[int, bytes]) -> Iterator[tuple[ImapServer, Path]]:
    """A server with these mails, and the certificate to trust."""
    certificate, context = make_certificate(folder)
    with ImapServer(context, mails) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server, certificate
        finally:
            server.shutdown()
            thread.join()
