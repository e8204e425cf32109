"""Answers that may be kept, by browsers and by whatever stands between: with an ETag, asked for again in vain."""

from __future__ import annotations

from hashlib import blake2b

from fastapi import Request
from fastapi.responses import Response

from digest.web.guard import POLICY_WITH_IMAGES


def kept(request: Request, response: Response, seconds: int, *, found: bool = True) -> Response:
    """``response``, open to everybody and good for ``seconds``; 304 if the asker has it (RFC 9110 13.1.2). ``found``:
    search engines may list it."""
    etag = f'"{blake2b(bytes(response.body), digest_size=12).hexdigest()}"'
    headers = {
        "Cache-Control": f"public, max-age={seconds}",
        "Content-Security-Policy": POLICY_WITH_IMAGES,
        "ETag": etag,
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "X-Robots-Tag": "all" if found else "noindex",
    }
    if _has(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return response


def _has(condition: str, etag: str) -> bool:
    known = (tag.strip().removeprefix("W/") for tag in condition.split(","))
    return any(tag in (etag, "*") for tag in known)
