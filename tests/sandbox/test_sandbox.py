"""Reading in a child: what is read comes back as it is, and what costs too much ends the child and nothing else."""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from digest import sandbox
from digest.errors import InputError
from digest.feedback import bounce, unsubscribe_mail
from digest.feedback.bounce import Feedback, FeedbackKind
from digest.feedback.refusals import Grade
from digest.sandbox import Limits, Sandbox
from digest.sources.extract import extract
from digest.sources.parse import parse
from tests.support import hostile

URL = "https://news.example/feed"
ENOUGH = 6.0
"""Seconds of CPU that a hostile document may cost when it is not stopped by a limit: those are 10."""


@pytest.fixture
def box() -> Iterator[Sandbox]:
    box = Sandbox(Limits(cpu_seconds=2, seconds=6.0))
    yield box
    box.close()


def test_it_reads_what_the_readers_read_here() -> None:
    feed = hostile.entry("<description>Words &amp; more</description><pubDate>Mon, 23 Nov 2026 06:00:00 GMT</pubDate>")
    assert sandbox.read_feed(feed, "text/xml", URL) == parse(feed, "text/xml", URL)
    page = b"<html><head><title>Ferry</title></head><body><h1>Ferry</h1><p>" + b"It sails again. " * 20 + b"</p></body>"
    assert sandbox.read_page(page, URL) == extract(page, URL)
    mail = hostile.mail("To: b+aabbccddeeff00112233445566778899@x.example", "550 5.1.1 no such user")
    found = sandbox.read_mail(mail)
    assert (found.words, found.judged) == (unsubscribe_mail.words(mail), bounce.judge(mail))
    assert found.judged.feedback.kind is FeedbackKind.BOUNCE and found.judged.tokens


def test_what_is_at_fault_is_told_in_the_readers_own_words() -> None:
    with pytest.raises(InputError, match=r"feed is an HTML page: give the address of its RSS"):
        sandbox.read_feed(b"<html></html>", "text/html", URL)


def test_real_feeds_and_bounces_read_as_before(shared_data: Path) -> None:
    for file in sorted((shared_data / "feeds").iterdir()):
        assert sandbox.read_feed(file.read_bytes(), "", URL) == parse(file.read_bytes(), "", URL)
    mails = [path for path in sorted((shared_data / "bounces").rglob("*.eml")) if path.is_file()]
    for path in mails[:200]:
        mail = path.read_bytes()
        assert sandbox.read_mail(mail).judged == bounce.judge(mail)


@pytest.mark.parametrize("name", hostile.FEEDS)
def test_what_no_feed_is_like_is_told_at_once(name: str) -> None:
    with cheap(), pytest.raises(InputError, match=URL):
        sandbox.read_feed(hostile.FEEDS[name](), "", URL)


@pytest.mark.parametrize("name", hostile.STRANGE)
def test_what_is_strange_is_read_or_told(name: str) -> None:
    with cheap():
        assert _title(lambda: sandbox.read_feed(hostile.STRANGE[name](), "", URL).title) in {"T", ""}


@pytest.mark.parametrize("name", hostile.PAGES)
def test_what_no_page_is_like_is_told_at_once(name: str) -> None:
    with cheap(), pytest.raises(InputError):
        sandbox.read_page(hostile.PAGES[name](), URL)


@pytest.mark.parametrize("name", hostile.MAILS)
def test_no_mail_costs_much(name: str) -> None:
    with cheap():
        assert sandbox.read_mail(hostile.MAILS[name]()).judged.feedback.kind in FeedbackKind


def test_a_bounce_in_a_character_set_that_is_not_read_is_a_bounce_all_the_same() -> None:
    mail = hostile.mail("Content-Type: text/plain; charset=punycode", "550 5.1.1 no such user")
    assert sandbox.read_mail(mail).judged.feedback == Feedback(
        FeedbackKind.BOUNCE, None, Grade.HARD, "5.1.1", "550 5.1.1 no such user"
    )


# ------------------------------------------------------------------------------------------------ limits


def test_beyond_its_time_a_child_is_killed_and_the_next_job_has_another(box: Sandbox) -> None:
    box.limits = Limits(seconds=0.001)
    with pytest.raises(InputError, match=r"feed can't be read: it takes longer than 0\.001 s"):
        box.ask("feed", _slow(), URL, content_type="", url=URL)
    box.limits = Limits()
    assert box.ask("feed", hostile.entry(""), URL, content_type="", url=URL)


def test_beyond_its_cpu_it_is_killed(box: Sandbox) -> None:
    box.limits = Limits(cpu_seconds=1)
    with pytest.raises(InputError, match="takes more than 1 s of computing"):
        box.ask("feed", _slow(), URL, content_type="", url=URL)


@pytest.mark.skipif(sys.platform != "linux", reason="no other kernel limits the memory of a process")
def test_beyond_its_memory_it_is_replaced(box: Sandbox) -> None:
    box.limits = Limits(memory=100 * 1024 * 1024)
    large = b'{"items": [{"title": "' + b"a" * 60_000_000 + b'"}]}'
    with pytest.raises(InputError, match="can't be read: it takes more than 100 MB of memory"):
        box.ask("feed", large, URL, content_type="", url=URL)
    box.limits = Limits()
    assert box.ask("feed", hostile.entry(""), URL, content_type="", url=URL)


def test_a_child_that_somebody_kills_is_started_again_and_the_document_is_not_at_fault(box: Sandbox) -> None:
    assert box.ask("feed", hostile.entry(""), URL, content_type="", url=URL)
    first = box.child
    assert first
    killer = threading.Timer(0.3, os.kill, (first, signal.SIGKILL))
    killer.start()
    body = hostile.rss("".join(f"<item><title>{n}</title></item>" for n in range(4000)))
    assert box.ask("feed", body, URL, content_type="", url=URL)
    killer.join()
    assert box.child != first


def test_many_threads_take_turns(box: Sandbox) -> None:
    def read(number: int) -> bool:
        return f'"T{number}"'.encode() in box.ask(
            "feed", hostile.rss(f"<item><title>T{number}</title></item>"), URL, content_type="", url=URL
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(40)))


def test_a_forked_process_has_a_child_of_its_own() -> None:
    sandbox.read_feed(hostile.entry(""), "", URL)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:  # pragma: no cover - the forked process
        title = sandbox.read_feed(hostile.entry(""), "", URL).title
        os.write(writing, title.encode())
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(writing)
    assert os.read(reading, 10) == b"T"
    os.close(reading)
    assert sandbox.read_feed(hostile.entry(""), "", URL).title == "T"


def test_the_child_sees_no_environment_of_ours(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_SMTP__PASSWORD", "secret")
    box.ask("feed", hostile.entry(""), URL, content_type="", url=URL)
    assert b"secret" not in Path(f"/proc/{box.child}/environ").read_bytes()


# -------------------------------------------------------------------------------------------------- help


class cheap:  # noqa: N801 - reads as a statement
    """Within it, this process and its children that ended use little CPU; time is a multiple, for a busy machine."""

    def __enter__(self) -> None:
        self._begun, self._at = _cpu(), time.monotonic()

    def __exit__(self, *_: object) -> None:
        assert _cpu() - self._begun < ENOUGH
        assert time.monotonic() - self._at < 25


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _title(read: Callable[[], str]) -> str:
    try:
        return read()
    except InputError:
        return ""


def _slow() -> bytes:
    """A feed within all bounds that takes a few seconds."""
    return hostile.rss("<item>" + "<category>x</category>" * 190_000 + "</item>")
