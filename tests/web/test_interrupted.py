"""Requests that end early or never: who hangs up leaves no trace in the log, and who drips is told so in time."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from digest.app import App
from digest.web.guard import Guard
from tests.conftest import on_sqlite
from tests.support.morning import reader, site, token

__all__ = ["reader", "site", "token"]  # fixtures


def _post(path: str, length: int) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: evil.example\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    return f"{head}Content-Length: {length}\r\n\r\nList-Unsub".encode()


@on_sqlite
def test_who_hangs_up_in_the_middle_of_a_form_leaves_no_traceback(
    app: App, site: httpx.Client, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", site.base_url.port or 80)) as client:
                client.sendall(_post(f"/u/{token}", 500))
        assert site.get("/healthz").status_code == 200, "and the server serves"
        assert site.post(f"/u/{token}").status_code == 200
    assert not [record for record in caplog.records if record.exc_info or "Exception" in record.getMessage()]


@on_sqlite
def test_an_address_with_a_slash_too_many_is_not_sent_on_to_whatever_host_was_named(site: httpx.Client) -> None:
    answer = site.get("/healthz/", headers={"Host": "evil.example"})
    assert answer.status_code == 404 and "location" not in answer.headers


def test_a_body_that_does_not_come_has_its_time() -> None:
    said: list[int] = []

    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await Request(scope, receive).body()
        except HTTPException as error:
            said.append(error.status_code)

    async def dripping() -> AsyncIterator[Message]:
        first = True
        while True:
            if not first:
                await asyncio.Event().wait()
            first = False
            yield {"type": "http.request", "body": b"a", "more_body": True}

    async def run() -> None:
        drip = dripping()
        scope = {"type": "http", "method": "POST", "path": "/", "headers": []}

        async def unheard(_message: Message) -> None:
            """Nothing is answered by this page."""

        await Guard(page, https=False, body_seconds=0.05)(scope, drip.__anext__, unheard)

    asyncio.run(run())
    assert said == [408]
