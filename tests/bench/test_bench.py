"""The benchmark's pure parts, and its sinks and wire as real processes: what they count must be so."""

from __future__ import annotations

import smtplib
import socket
import time
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import mail, page, usual
from bench.contest import Contestant, Row, Run, rows
from bench.processes import Processes
from bench.provide import Tools, built
from bench.report import table
from bench.sinks import behind_wire, fast_sink
from bench.targets import judge
from digest.editions.file import parse
from tests.support import samples

ROW = Row("digest", "fast", "sample", 0, "PostgreSQL", "", 900.0, 100.0, 0.9, 50.0)


def _contestant(engine: str, *rates: float, sink: str = "fast") -> Contestant:
    runs = [Run(1000, 1000 / rate, 0.1, 30) for rate in rates]
    return Contestant(engine, sink, lambda: runs[0], runs=runs)


def test_ratios_are_medians_to_the_best_smtp_source_at_the_same_sink() -> None:
    field = [
        _contestant("smtp-source, 4 sessions", 900, 1000, 5000),
        _contestant("smtp-source, 20 sessions", 800, 700, 900),
        _contestant("digest", 100, 500, 600),
        _contestant("digest", 500, 500, sink="smtp-sink"),
        _contestant("never ran"),
    ]
    found = rows(field, "sample")
    assert [(row.messages_per_second, row.ratio) for row in found] == [(1000, 1), (800, 0.8), (500, 0.5), (500, None)]
    assert found[0].cpu_us_per_message == 100


def test_targets_are_judged_from_rows_and_figures_and_what_was_not_measured_is_said() -> None:
    measured = [
        ROW,
        replace(ROW, ledger="SQLite", ratio=0.1),
        replace(ROW, engine="usual Celery way", ledger="", messages_per_second=10.0, ratio=0.01),
        replace(ROW, engine="courier, 1 connection, no CHUNKING", ledger="", rtt_ms=20, messages_per_second=40.0),
    ]
    figures = {"subscribers: rss MB": {"1,000": 50.0, "10,000": 60.0, "1,000,000": 75.0}}
    verdicts = {verdict.what: verdict for verdict in judge(measured, figures)}
    assert verdicts["whole path, fast sink, to the best smtp-source"].met is True
    assert verdicts["times the usual Celery way, fast sink"].found == "90.00"
    assert verdicts["times the usual Celery way, fast sink"].met is False
    assert verdicts["round trips a message, one connection, no CHUNKING"].found == "1.25"
    assert verdicts["MB more than with 10,000 subscribers"].found == "15.00"
    assert verdicts["whole path, smtp-sink, to the best smtp-source"].met is None
    assert {verdict.number for verdict in judge([], {})} == set(range(1, 10))


def test_the_page_shows_rows_targets_and_what_was_not_done_and_the_picture_is_well_formed() -> None:
    about = {
        "date": "2026-11-23T01:30:00+00:00",
        "machine": "2 x Example, 4 GB",
        "versions": {"Python": "3.11"},
        "quick": True,
        "figures": {"compile: ms by articles": {"10": 40.0}},
        "problems": ["nodemailer: needs node and npm"],
        "failed": ["usual Celery way at fast: a task failed"],
    }
    text = page.markdown([ROW, replace(ROW, engine="a|b")], about)
    for line in (
        "| digest | fast |  | PostgreSQL |  | 900 | 100 | 0.9 | 50 |",
        "| a/b |",
        "quick run",
        "needs node",
        "a task failed",
    ):
        assert line in text
    drawn = ElementTree.fromstring(page.picture([ROW, replace(ROW, engine="smtp-source, 4 sessions", ledger="")]))
    assert "digest, PostgreSQL" in "".join(drawn.itertext())


def test_tables_align_figures_to_the_right() -> None:
    assert table(("name", "rate"), [("a", "1,000"), ("long", "5")]) == "name   rate\na     1,000\nlong      5"


def test_everybody_is_given_the_same_mail() -> None:
    edition = parse(mail.edition_toml("bench"), "edition.toml")
    assert edition.sections == samples.EDITION.sections
    assert sum(map(len, mail.drafts().values())) > len(samples.stories())
    ready, parts = mail.envelope(), mail.parts()
    assert 45_000 < len(ready.message) < 90_000
    assert parts["html"].count("TOKEN") >= 3
    context = usual.context_of(samples.content(), "own-token", "Ann", "ann@example.org")
    assert sum(len(section["items"]) for section in context["sections"]) >= 28


@pytest.fixture(scope="module")
def tools() -> Tools:
    """Only what is built from our own files."""
    return Tools((), (), (), built("sink", []), built("delay", []), {}, ())


@pytest.mark.parametrize("chunking", [True, False])
def test_the_fast_sink_counts_messages_however_they_are_cut(tools: Tools, tmp_path: Path, chunking: bool) -> None:
    with Processes() as processes:
        sink = fast_sink(processes, tools, tmp_path, chunking)
        sink.clear()
        with smtplib.SMTP("127.0.0.1", sink.port) as smtp:
            smtp.ehlo("here")
            assert smtp.has_extn("chunking") is chunking
            smtp.sendmail("a@x.example", "b@x.example", "text\r\n.\r\n..\r\nmore.\r\n")
        talk = b"EHLO x\r\n" + b"".join(
            b"MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n" + body + b".\r\n"
            for body in (b"", b"a.\r\n", b"..\r\n\r\n", b".x\r\n")
        )
        if chunking:
            talk += b"MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nBDAT 5\r\n\r\n.\r\nBDAT 0 LAST\r\n"
        for size in (1, 2, 3, 7, len(talk)):
            _say(sink.port, talk + b"QUIT\r\n", size)
        counted = sink.counted()
        assert counted
        assert counted.messages == 1 + 5 * (5 if chunking else 4)


def _say(port: int, talk: bytes, size: int) -> None:
    """Send ``talk`` in pieces of ``size`` and read until the server ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(talk), size):
            connection.sendall(talk[at : at + size])
        while connection.recv(65536):
            pass


def test_the_wire_holds_back_each_direction_and_loses_nothing(tools: Tools, tmp_path: Path) -> None:
    with Processes() as processes:
        near = fast_sink(processes, tools, tmp_path)
        far = behind_wire(processes, tools, tmp_path, near, 60)
        near.clear()
        with smtplib.SMTP("127.0.0.1", far.port) as smtp:
            began = time.monotonic()
            smtp.noop()
            assert time.monotonic() - began >= 0.06
            for _ in range(3):
                smtp.sendmail("a@x.example", "b@x.example", "x" * 900 + "\r\n" + "y\r\n" * 300_000)
        counted = near.counted()
        assert counted
        assert counted.messages == 3
        assert counted.received > 2_700_000
