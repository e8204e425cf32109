"""The issue made of real feeds, read by npm's mailparser."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.judge.tools import module, node
from tests.sources.test_real_feeds import real_issue, server, web, world
from tests.support.smtp_server import SmtpServer
from tests.support.world import World

pytestmark = pytest.mark.judge
__all__ = ["server", "web", "world"]  # fixtures
_READ = """require('mailparser').simpleParser(require('fs').readFileSync(process.argv[1])).then(m =>
  console.log(JSON.stringify({to: m.to.value[0], text: m.text, html: m.html, files: m.attachments.length,
    list: m.headers.get('list'), type: m.headers.get('content-type').value})))"""


def test_mailparser_reads_the_issue_of_real_feeds(world: World, server: SmtpServer, tmp_path: Path) -> None:
    module("mailparser")
    mail = tmp_path / "issue.eml"
    mail.write_bytes(real_issue(world, server))
    read = node(_READ, mail)
    assert read["to"] == {"address": "ana@x.example", "name": 'Ana Ñandú, "x"'}
    assert (read["type"], read["files"]) == ("multipart/alternative", 0)
    assert read["list"]["unsubscribe"]["url"].startswith("https://news.example.org/u/")
    for host in ("cnn.com", "nytimes.com", "elpais.com"):
        assert host in read["text"]
        assert host in read["html"]
