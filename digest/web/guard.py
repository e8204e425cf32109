"""What stands before every page: response headers, a limit on request bodies, a limit on how often one may ask."""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from threading import Lock

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_LIMIT = 64 * 1024
POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
POLICY_WITH_IMAGES = POLICY + "; img-src https: http: data:"  # an issue shows its articles' pictures
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}


def protect(headers: MutableHeaders) -> None:
    """Add the headers every answer carries, where it does not bring its own."""
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)


class Guard:
    """ASGI middleware: adds the headers and ends a request whose body passes ``BODY_LIMIT`` with 413."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        size = 0

        async def measured() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > BODY_LIMIT:
                raise HTTPException(413)
            return message

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                protect(MutableHeaders(scope=message))
            await send(message)

        await self._app(scope, measured, protected)


class Limiter:
    """Lets a key through ``most`` times in any window of ``per``. Counts in this process's memory: limits that hold
    across processes and machines come with Redis. Memory is bounded; beyond it the oldest keys are forgotten."""

    def __init__(self, most: int, per: timedelta, keys: int = 100_000) -> None:
        self._most, self._per, self._keys = most, per, keys
        self._seen: dict[str, list[datetime]] = {}
        self._lock = Lock()

    def allow(self, key: str, now: datetime) -> bool:
        """Whether ``key`` may pass at ``now``; passing counts, being refused does not."""
        with self._lock:
            recent = [moment for moment in self._seen.pop(key, []) if moment > now - self._per]
            allowed = len(recent) < self._most
            self._seen[key] = [*recent, now] if allowed else recent
            while len(self._seen) > self._keys:
                del self._seen[next(iter(self._seen))]
        return allowed


def network(ip: str) -> str:
    """What counts as one visitor: an IPv4 address, or the /64 an IPv6 customer has to himself."""
    try:
        address = ip_address(ip)
    except ValueError:
        return ip
    return str(int(address) >> 64) if isinstance(address, IPv6Address) else ip
