"""Serves the newspapers over HTTP on loopback, until the day is turned with the feeds of the first day only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from demo.site import articles, documents, pictures
from demo.site.articles import Addresses, Piece

COURIER, TELEGRAPH, MINUTES = "The Meridian Courier", "Harbour Telegraph", "Courier Minutes"


@dataclass
class Site:
    """The newspapers as they stand: ``day`` says which news is out."""

    addresses: Addresses
    pieces: list[Piece]
    day: int = 1

    def answer(self, path: str) -> tuple[str, bytes] | None:
        """Content type and body of the document at ``path``; ``None`` where there is none."""
        out = {f"/{piece.url.split('/', 3)[3]}": piece for piece in self.pieces if piece.day <= self.day}
        home = self.addresses.courier
        if path == "/feed.xml":
            return _utf8("application/rss+xml", documents.rss(COURIER, f"{home}/", self._printed("courier")))
        if path == "/telegraph/atom.xml":
            home = f"{self.addresses.telegraph}/telegraph/"
            return _utf8("application/atom+xml", documents.atom(TELEGRAPH, home, self._printed("telegraph")))
        if path == "/minutes/feed.json":
            return _utf8("application/feed+json", documents.json_feed(MINUTES, home, self._printed("minutes")))
        if path.startswith("/pictures/"):
            return "image/png", pictures.png(path)
        if path in out:
            paper = TELEGRAPH if out[path].source == "telegraph" else COURIER
            return _utf8("text/html", documents.page(out[path], paper))
        if path.startswith(("/news/", "/telegraph/news/", "/minutes/")):
            return None
        return _utf8("text/html", documents.front(COURIER, self._printed("courier")))

    def newsroom(self) -> list[Piece]:
        """What the newsroom hands in: the regional desks' reports, and what the feed can't say of its own."""
        return [
            piece
            for piece in self.pieces
            if piece.day == self.day and (piece.source == "desk" or (piece.source == "courier" and piece.country))
        ]

    def _printed(self, source: str) -> list[Piece]:
        return articles.printed(self.pieces, source, self.day)


@contextmanager
def serving(now: datetime) -> Iterator[Site]:
    """The newspapers on a free port of loopback while the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    port = server.server_address[1]
    addresses = Addresses(courier=f"http://127.0.0.1:{port}", telegraph=f"http://localhost:{port}")
    site = _Handler.site = Site(addresses, articles.read(addresses, now))
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()


def _utf8(kind: str, text: str) -> tuple[str, bytes]:
    return f"{kind}; charset=utf-8", text.encode()


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        found = self.site.answer(self.path.partition("?")[0])
        if found is None:
            self.send_error(404)
            return
        kind, body = found
        tag = f'"{blake2b(body, digest_size=8).hexdigest()}"'
        known = self.headers.get("If-None-Match") == tag
        self.send_response(304 if known else 200)
        self.send_header("ETag", tag)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", "0" if known else str(len(body)))
        self.end_headers()
        if not known:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the demo has the screen."""
