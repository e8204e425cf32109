"""The readers' pages of an application, served by uvicorn on a port of their own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn

from digest.app import App
from digest.web import create_app


@contextmanager
def served(app: App) -> Iterator[httpx.Client]:
    """A client of the pages, which are there for as long as the block runs."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # whoever connects before uvicorn accepts waits
        server = uvicorn.Server(uvicorn.Config(create_app(app), log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=30) as client:
            yield client
        server.should_exit = True
        thread.join()
