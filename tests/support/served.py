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
def served(app: App, proxies: str = "") -> Iterator[httpx.Client]:
    """A client of the pages, which are there for as long as the block runs and believe ``proxies``."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # whoever connects before uvicorn accepts waits
        config = uvicorn.Config(create_app(app), log_config=None, lifespan="off", forwarded_allow_ips=proxies)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with httpx.Client(base_url=base, timeout=30, verify=False) as client:  # certificates take long to read
            yield client
        server.should_exit = True
        thread.join()
