"""What stands before every page: response headers and a limit on request bodies."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_LIMIT = 64 * 1024
BODY_SECONDS = 20.0  # for a form: a slow phone needs three, and who drips holds a connection no longer
_NOTHING_ELSE = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def policy(*, scripts: Sequence[str] = (), frames: Sequence[str] = (), images: Sequence[str] = ()) -> str:
    """A Content-Security-Policy that lets nothing in but what is named here, and our own style."""
    sources = {"script-src": scripts, "frame-src": frames, "connect-src": frames, "img-src": images}
    named = "".join(f"; {kind} {' '.join(places)}" for kind, places in sources.items() if places)
    return _NOTHING_ELSE + named


POLICY_WITH_IMAGES = policy(images=["https:", "http:", "data:"])  # an issue shows its articles' pictures
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": policy(),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}


def protect(headers: MutableHeaders, https: bool) -> None:
    """Add the headers every answer carries, where it does not bring its own. ``https``: the pages are behind TLS, and
    browsers are to remember it (RFC 6797)."""
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    if https:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")


class Guard:
    """ASGI middleware: adds the headers; ends a request whose body passes ``BODY_LIMIT`` with 413, and one whose body
    has not come after ``body_seconds`` with 408. Pages of ``framers`` may put the sign-up form, and what it answers,
    into a frame; nobody may frame anything else."""

    def __init__(
        self, app: ASGIApp, https: bool, framers: Sequence[str] = (), body_seconds: float = BODY_SECONDS
    ) -> None:
        self._app, self._https, self._body_seconds = app, https, body_seconds
        self._framers = f"frame-ancestors {' '.join(framers)}" if framers else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        loop = asyncio.get_running_loop()
        size, until, whole = 0, loop.time() + self._body_seconds, False

        async def measured() -> Message:
            nonlocal size, whole
            try:
                async with asyncio.timeout_at(None if whole else until):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408) from None
            size += len(message.get("body", b""))
            if size > BODY_LIMIT:
                raise HTTPException(413)
            whole = not message.get("more_body", False)
            return message

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                protect(headers, self._https)
                if self._framers and scope["path"].startswith("/s/"):
                    own = headers["Content-Security-Policy"]
                    headers["Content-Security-Policy"] = own.replace("frame-ancestors 'none'", self._framers)
                    del headers["X-Frame-Options"]  # it knows no list of origins
            await send(message)

        with suppress(ClientDisconnect):  # in the middle of the form: there is nobody to tell, and nothing was done
            await self._app(scope, measured, protected)
