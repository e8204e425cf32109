"""A scripted HTTP server on loopback: each path answers what the test says, and every request is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class Page:
    """An answer. With an ETag among ``headers`` it honours ``If-None-Match``. ``stall`` is called before
    every byte of the body, if it is given: so a test decides when, if ever, the next one comes."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    stall: Callable[[], object] | None = None


@dataclass(frozen=True)
class Asked:
    """A request that came in; header names in lower case."""

    path: str
    headers: Mapping[str, str]


class WebServer:
    """``with WebServer() as web: web.pages["/feed"] = Page(b"…")``; what was asked for is in ``web.asked``."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[Asked] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.web = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    web: WebServer

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up early is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        web = self.server.web
        web.asked.append(Asked(self.path, {name.lower(): value for name, value in self.headers.items()}))
        page = web.pages.get(self.path, Page(status=404))
        etag = page.headers.get("ETag")
        if etag and self.headers.get("If-None-Match") == etag:
            page = Page(status=304, headers=page.headers)
        self.send_response_only(page.status)
        for name, value in {"Content-Length": str(len(page.body)), **page.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if page.stall is None:
            self.wfile.write(page.body)
            return
        for byte in page.body:
            page.stall()
            self.wfile.write(bytes([byte]))

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""
