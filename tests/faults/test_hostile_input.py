"""What strangers send while an issue goes out: it goes out as fast as without, and every document is told."""

from __future__ import annotations

import gzip
import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from digest.queue import Queue
from digest.store.content import feeds
from digest.values import FeedSpec
from tests.faults.conftest import Postgres, a_site
from tests.faults.site import Site, descendants
from tests.support import hostile
from tests.support.web_server import Page, WebServer

pytestmark = [pytest.mark.fault, pytest.mark.timeout(900)]
READERS = int(os.environ.get("FAULT_HOSTILE_READERS", "5000"))
RATE = 150.0  # messages a second, as the server takes them
SLOWER = 1.5
MOST_MEMORY = 400 * 1024  # KiB, of any process
_COPIES = 4  # of each hostile mail
_EXTRA = """
[fetch]
allow_private = true
[feedback]
maildir = "{maildir}"
"""


def test_hostile_documents_do_not_slow_an_issue_down(machine: Postgres) -> None:
    with machine.database() as name, a_site("undisturbed", machine.named(name)) as site:
        _staff(site)
        undisturbed, _ = _sent(site)
    documents = hostile.FEEDS | hostile.STRANGE
    with machine.database() as name, a_site("hostile", machine.named(name)) as site, WebServer() as web:
        maildir = site.folder / "returned"
        site.config.write_text(site.config.read_text() + _EXTRA.format(maildir=maildir))
        mails = _post(maildir)
        _staff(site)
        with site.database.write() as connection:
            for number, document in enumerate(documents):
                compressed = gzip.compress(documents[document](), 6)
                web.pages[f"/{number}"] = Page(compressed, headers={"Content-Encoding": "gzip"})
                feeds.ensure(connection, FeedSpec(f"f{number}", web.url(f"/{number}")))
        disturbed, most = _sent(site, poke=True)
        most = max(most, _until_read(site, len(documents), mails, maildir))
        told = {feed["spec"]["name"]: feed for feed in _feeds(site)}
        logs = site.logs()
    print(f"undisturbed {undisturbed:.1f} s, disturbed {disturbed:.1f} s, largest process {most / 1024:.0f} MB")
    silent = [document for n, document in enumerate(documents) if not _is_told(told[f"f{n}"], document)]
    assert not silent, f"{silent}\n{logs}"
    assert disturbed < SLOWER * undisturbed
    assert most < MOST_MEMORY


def _staff(site: Site) -> None:
    """As in production: one that only sends, one that only reads."""
    site.people(READERS)
    site.sink(rate=RATE)
    site.broker()
    site.digest("beat")
    for queues in ("publish,deliver", "collect,listen"):
        command = [sys.executable, "-m", "digest", "--config", str(site.config), "worker", "--queues", queues]
        site.start(queues, command)
    queue = Queue(site.settings)
    site.until(lambda: queue.workers() == 2, "two workers")
    queue.close()


def _sent(site: Site, poke: bool = False) -> tuple[float, int]:
    """Seconds until an issue is sent, and the most memory that a process took meanwhile."""
    if poke:
        _poke(site)
    site.send()
    most = 0
    while site.report()["state"] != "sent":
        most = max(most, _memory(site))
        time.sleep(0.2)
        assert time.monotonic() - site.begun < 600, site.logs()
    assert site.taken_count() == READERS
    return time.monotonic() - site.begun, most


def _poke(site: Site) -> None:
    """Beat pokes each minute; so long nobody here waits."""
    queue = Queue(site.settings)
    queue.poke("collect")
    queue.poke("feedback")
    queue.close()


def _until_read(site: Site, documents: int, mails: int, maildir: Path) -> int:
    most, begun = 0, time.monotonic()
    while True:
        seen = sum(1 for feed in _feeds(site) if feed["last_error"] or feed["last_ok_at"])
        left = len(list((maildir / "new").iterdir()))
        if seen == documents and left < mails:
            return most
        assert time.monotonic() - begun < 300, f"{seen} of {documents} feeds read\n{site.logs()}"
        _poke(site)
        most = max(most, _memory(site))
        time.sleep(1)


def _feeds(site: Site) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(site.run("feed", "list", "--json"))
    return [feed for feed in found if "//127.0.0.1" in feed["spec"]["url"]]


def _is_told(feed: dict[str, Any], document: str) -> bool:
    return bool(feed["last_error"] or (document in hostile.STRANGE and feed["last_ok_at"]))


def _post(maildir: Path) -> int:
    new = maildir / "new"
    new.mkdir(parents=True)
    mails = [make() for make in hostile.MAILS.values()] * _COPIES
    for number, mail in enumerate(mails):
        (new / f"{number:04}").write_bytes(mail)
    return len(mails)


def _memory(site: Site) -> int:
    """KiB of the largest of the site's processes now, at its height."""
    pids = [pid for process in site.started for pid in (process.pid, *descendants(process.pid))]
    return max((_height(pid) for pid in pids), default=0)


def _height(pid: int) -> int:
    with suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
    return 0
