"""An issue made of real feeds, from HTTP to what an SMTP server took: its mails parse without defects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from digest.flows.sources import collect
from digest.settings import FetchSettings, Settings, SmtpSettings
from digest.states import IssueState
from tests.support.smtp_server import SmtpServer
from tests.support.web_server import Page, WebServer
from tests.support.world import EDITION, World, WorldApp

FEEDS = {"cnn": "cnn.xml", "nyt": "nytimes.xml", "pais": "elpais.xml"}
TRENDING = """
[[section]]
key = "trending"
title = "TRENDING"
rule = "trending"
count = 5
"""
DECLARED = """
[[section]]
key = "{name}"
title = "From {name}"
rule = "sector"
sectors = ["{name}"]
count = 8

[[feed]]
name = "{name}"
url = "{url}"
sector = "{name}"
"""


@pytest.fixture
def web(shared_data: Path) -> Iterator[WebServer]:
    with WebServer() as web:
        for name, file in FEEDS.items():
            web.pages[f"/{name}"] = Page(
                (shared_data / "feeds" / file).read_bytes(), headers={"Content-Type": "text/xml"}
            )
        yield web


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


@pytest.fixture
def world(settings: Settings, server: SmtpServer, web: WebServer) -> Iterator[World]:
    route = SmtpSettings(host="127.0.0.1", port=server.port, security="none")
    changed = {"fetch": FetchSettings(allow_private=True), "smtp": route}
    app = WorldApp(settings.model_copy(update=changed))
    declared = "".join(DECLARED.format(name=name, url=web.url(f"/{name}")) for name in FEEDS)
    world = World(app)
    world.edition(EDITION + TRENDING + declared)
    yield world
    app.database.dispose()


def real_issue(world: World, server: SmtpServer) -> bytes:
    """The mail of an issue made of the feeds, as the server took it."""
    for report in collect.collect(world.app.database, world.app.settings, world.app.now(), force=True):
        assert not report.error, report
    world.readers("ana@x.example", name='Ana Ñandú, "x"')
    assert world.publish().state is IssueState.SENDING
    with closing(world.app.courier()) as courier:
        assert world.deliver(courier) == 1
    return server.received[0].content


def test_an_issue_of_three_real_feeds_parses_without_defects(world: World, server: SmtpServer) -> None:
    raw = real_issue(world, server)
    mail = message_from_bytes(raw, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert [part.defects for part in mail.walk()] == [[], [], []]
    assert [value.defects for _, value in mail.items() if value.defects] == []
    text, html = (body.get_content() for body in map(mail.get_body, (("plain",), ("html",))) if body)
    for host in ("cnn.com", "nytimes.com", "elpais.com"):
        assert host in text
        assert host in html
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")
