"""Whether a server lets us in: connection, TLS and login, as when mail is sent, and then goodbye."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable

from digest.outcomes import Outcome
from digest.settings import SmtpSettings
from digest.smtp.connection import Connection, unreachable

_GOODBYE_SECONDS = 1.0


def knock(settings: SmtpSettings, seconds: float) -> Outcome | None:
    """Why the server doesn't let us in within ``seconds``, by whichever of its addresses; ``None``: it does."""
    deadline = time.monotonic() + seconds
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
    except OSError as error:
        return unreachable(error)
    failure = None
    for left, (family, kind, protocol, _, target) in zip(range(len(found), 0, -1), found, strict=True):
        now = time.monotonic()
        connection = Connection(settings, (family, kind, protocol, target), now)
        failure = _enter(connection, now + (deadline - now) / left)
        if failure is None:
            break
    return failure


def _enter(connection: Connection, until: float) -> Outcome | None:
    session = connection.session
    _go_on(connection, lambda: session.ready, until)
    failure = session.failure
    if not session.ready and not session.closed:
        session.lost("no answer in time")
        failure = session.failure
    session.quit()
    _go_on(connection, lambda: False, time.monotonic() + _GOODBYE_SECONDS)
    connection.close()
    return failure


def _go_on(connection: Connection, reached: Callable[[], bool], until: float) -> None:
    """Talk until that is reached, the connection has ended, or the time is over."""
    while not reached() and not connection.session.closed:
        left = until - time.monotonic()
        if left <= 0:
            return
        with selectors.DefaultSelector() as selector:  # with TLS the socket becomes another
            selector.register(connection.socket, connection.interest())
            selector.select(left)
        connection.advance(time.monotonic())
        connection.flush(time.monotonic())
