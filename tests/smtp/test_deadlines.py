"""How long a server may take: one that always says a little keeps nobody, and what has arrived is read before silence
is declared."""

from __future__ import annotations

import selectors
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from digest.outcomes import Envelope, Outcome, Result
from digest.settings import SmtpSettings
from digest.smtp.courier import SmtpCourier, in_order
from digest.smtp.session import Session
from tests.support.certificates import make_certificate
from tests.support.smtp_server import Script, SmtpServer

MAILS = [Envelope("b+x@bounces.example", f"{name}@x.org", b"Subject: x\r\n\r\nhello\r\n") for name in "abc"]


@contextmanager
def talking(dialog: Callable[[socketserver.StreamRequestHandler, threading.Event], None]) -> Iterator[int]:
    """A server that holds its side of each connection as ``dialog`` says, until the event; its port."""
    over = threading.Event()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            try:
                dialog(self, over)
            except OSError:
                """The client has gone."""

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.server_address[1]
        over.set()
        server.shutdown()


def dripping(side: socketserver.StreamRequestHandler, over: threading.Event) -> None:
    """Begins a greeting and never ends it."""
    while not over.wait(0.05):
        side.wfile.write(b"220-one moment\r\n")


def dripping_after_ehlo(side: socketserver.StreamRequestHandler, over: threading.Event) -> None:
    side.wfile.write(b"220 test.example ESMTP\r\n")
    side.rfile.readline()
    while not over.wait(0.05):
        side.wfile.write(b"250-AND\r\n")


def sent(port: int, seconds: float) -> list[Outcome]:
    route = SmtpSettings(
        host="127.0.0.1",
        port=port,
        security="none",
        timeout_seconds=seconds,
        connections=1,
    )
    with closing(SmtpCourier([route])) as courier:
        return in_order(courier.send(MAILS))


@pytest.mark.parametrize("dialog", [dripping, dripping_after_ehlo])
def test_a_server_that_never_comes_to_an_end_of_its_reply_is_left(
    dialog: Callable[[socketserver.StreamRequestHandler, threading.Event], None],
) -> None:
    with talking(dialog) as port:
        outcomes = sent(port, 0.3)
    assert {outcome.result for outcome in outcomes} == {Result.UNSENT}
    assert "no answer" in outcomes[0].text


def test_a_login_has_an_end() -> None:
    route = SmtpSettings(host="x", security="tls", username="news", password=SecretStr("secret"))
    session = Session(route, "me.example")
    session.feed(b"220 x\r\n")
    session.feed(b"250-x\r\n250 AUTH PLAIN\r\n")
    for _ in range(3):
        session.feed(b"334 \r\n")
    assert session.closed and session.failure
    assert session.failure.result is Result.UNSENT and "login" in session.failure.text


class Frozen(SmtpCourier):
    """Stands still, once, between the moment a reply arrives and reading it: as after SIGSTOP, or on a busy machine."""

    def __init__(self, route: SmtpSettings) -> None:
        self.ahead = 0.0
        super().__init__([route], clock=lambda: time.monotonic() + self.ahead)

    def _wait(self, seconds: float) -> None:
        awaited = any(connection.session.ready and connection.session.waiting for connection in self._of)
        readable = any(mask & selectors.EVENT_READ for _, mask in self._selector.select(seconds))
        if awaited and readable and not self.ahead:
            self.ahead = 60.0
        else:
            super()._wait(0)


class Slowed(SmtpCourier):
    """For whom 27 seconds pass with every reply."""

    def __init__(self, route: SmtpSettings) -> None:
        self.ahead = 0.0
        super().__init__([route], clock=lambda: time.monotonic() + self.ahead)

    def _wait(self, seconds: float) -> None:
        before = sum(connection.session.replies for connection in self._of)
        super()._wait(seconds)
        self.ahead += 27.0 * (sum(connection.session.replies for connection in self._of) - before)


def test_a_server_that_is_just_in_time_at_every_step_has_an_end_of_its_time_too(tmp_path: Path) -> None:
    ca_file, context = make_certificate(tmp_path)
    login = {"username": "news", "password": SecretStr("secret"), "auth": "login"}
    script = Script(tls=context, tls_from_start=True, reply=lambda s, _r, _c: b"334 " if s == "AUTH" else None)
    with SmtpServer(script) as server:
        where = {"host": "127.0.0.1", "port": server.port, "security": "tls", "ca_file": ca_file}
        route = SmtpSettings.model_validate({**where, **login, "timeout_seconds": 30, "connections": 1})
        with closing(Slowed(route)) as courier:
            outcomes = in_order(courier.send(MAILS))
    assert {outcome.result for outcome in outcomes} == {Result.UNSENT}
    assert "not done after 60 s" in outcomes[0].text


@pytest.mark.parametrize("extensions", [(), (b"PIPELINING",), (b"PIPELINING", b"CHUNKING")])
def test_what_arrived_while_we_stood_still_is_read_before_silence_is_declared(extensions: tuple[bytes, ...]) -> None:
    with SmtpServer(Script(extensions=extensions)) as server:
        route = SmtpSettings(host="127.0.0.1", port=server.port, security="none", timeout_seconds=30, connections=1)
        with closing(Frozen(route)) as courier:
            outcomes = in_order(courier.send(MAILS))
        assert courier.ahead, "it stood still"
    assert [outcome.result for outcome in outcomes] == [Result.ACCEPTED] * 3
    assert sorted(server.recipients) == ["a@x.org", "b@x.org", "c@x.org"]
