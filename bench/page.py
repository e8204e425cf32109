"""docs/performance.md and its picture, made from the results."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from bench import importing
from bench.contest import Row
from bench.provide import HERE
from bench.report import COLUMNS, cells
from bench.targets import judge

DOCS = HERE.parent / "docs"
_METHOD = """
`make bench` writes this page. `make bench QUICK=1` shows the same with small counts in under five minutes and does not
change the page. Everything runs on one machine over 127.0.0.1; sender and receiver share its processors. Contestants
take turns, round by round, so that other work on the machine affects all of them. Figures are medians over the rounds.
**Ratios within one run mean more than absolute figures, which vary by a third from day to day.**

- **The mail** is the same for all: the sample issue, text and HTML, with personal links{size}.
- **smtp-source** is Postfix's load generator, a C program that sends one prepared message repeatedly: the ceiling. It
  never pipelines. It runs with several numbers of sessions; `ratio` compares with its best result at the same sink.
- **smtp-sink** is Postfix's receiver. It reads every line. With mails of this size it is the bottleneck itself, which
  hides the cost of a client. The **fast** sink (`bench/sink.c`) only looks for the end of each message.
- **digest** is the whole path as you run it: `digest up` with two Celery worker processes and the embedded
  broker, imported subscribers, every delivery in the ledger (PostgreSQL with fsync, or SQLite).
  Time runs from the first batch's lease to the issue's end; processor time is that of the workers.
- **courier alone** hands prepared bytes to our SMTP client in one process: no ledger, no Celery, nothing stored.
- **usual Celery way**: one task for each recipient that renders the same templates, inlines with premailer, builds an
  `EmailMessage` and opens an smtplib connection. Easier than in reality: articles in memory, no database, no record.
- **nodemailer pool**: 5 and 20 pooled connections, text and HTML prepared except for personal links. One Node process.
- **The wire** (`bench/delay.c`) is a proxy that delays each direction by half the round trip and limits nothing else.
"""
_LIMITS = """
smtp-source and its sink have the machine's processors to themselves. On the whole path, making mails, PostgreSQL, Redis
and Celery need a part of them. So at a sink that costs almost nothing the whole path is slower than smtp-source, while
our client alone is faster. smtp-sink takes one processor itself; the result depends on what all the others need of the
second one.

An RSA-2048 signature takes a quarter of a millisecond with this OpenSSL. That is a quarter of the time it took on the
machine for which the target was set. To reach four fifths of the possible signatures, the rest would have to take only
about 65 µs a message.
"""


def write(rows: Sequence[Row], about: Mapping[str, Any]) -> None:
    (DOCS / "performance.svg").write_text(picture(rows), encoding="utf-8")
    (DOCS / "performance.md").write_text(markdown(rows, about), encoding="utf-8")


def markdown(rows: Sequence[Row], about: Mapping[str, Any]) -> str:
    """The whole page."""
    figures: Mapping[str, Mapping[str, float]] = about["figures"]
    size = figures.get("mail", {}).get("bytes")
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    quick = " This was a quick run with small counts." if about["quick"] else ""
    verdicts = [
        (v.what, v.wanted, v.found, {True: "met", False: "**not met**", None: "–"}[v.met]) for v in judge(rows, figures)
    ]
    pieces = [
        "# Performance",
        f"{about['date'][:10]}, {about['machine']}. {versions}.{quick}",
        "![Messages a second by engine](performance.svg)",
        "## How it is measured",
        _METHOD.strip().format(size=f", {size:,.0f} bytes" if size else ""),
        "## Targets",
        _table(("target", "wanted", "found", ""), verdicts),
        "### What limits it",
        _LIMITS.strip(),
        "## All rows",
        _table(COLUMNS, map(cells, rows)),
        "## How cost grows",
        *(
            f"**{name}**\n\n{_table(tuple(line), [[f'{v:,}' for v in line.values()]])}"
            for name, line in figures.items()
        ),
    ]
    pieces += importing.section()
    if not_done := [*about["failed"], *about["problems"]]:
        pieces += ["## Not done", "\n".join(f"- {line}" for line in not_done)]
    return "\n\n".join(pieces) + "\n"


def _table(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    grid = [columns, ["---"] * len(columns), *lines]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in grid)


_COLOURS = {"digest": "#1f6f54", "courier": "#6fae97", "smtp-source": "#8a8f98"}
_LEFT, _WIDTH, _LINE = 250, 420, 22


def picture(rows: Sequence[Row]) -> str:
    """Bars of messages a second on a logarithmic scale, a group for each sink, without wire and signatures."""
    groups = {sink: _ranked(rows, sink) for sink in dict.fromkeys(row.sink for row in rows)}
    highest = max((row.messages_per_second for group in groups.values() for row in group), default=10.0)
    decades = max(1, math.ceil(math.log10(max(highest, 10))))
    body, y = [], 12
    for sink, group in groups.items():
        if not group:
            continue
        y += _LINE
        body.append(f'<text x="12" y="{y}" font-weight="bold">messages a second, {escape(sink)} sink</text>')
        for row in group:
            y += _LINE
            body.append(_bar(row, y, decades))
        y += _LINE // 2
    height = y + _LINE
    lines = "".join(
        f'<line x1="{x}" y1="16" x2="{x}" y2="{y}" stroke="#d9dce1"/>'
        f'<text x="{x}" y="{height - 6}" text-anchor="middle" fill="#5d636d">{10**n:,}</text>'
        for n in range(decades + 1)
        for x in [_LEFT + _WIDTH * n // decades]
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 780 {height}" font-family="sans-serif" font-size="13">'
        f'<rect width="780" height="{height}" fill="#ffffff"/>{lines}{"".join(body)}</svg>\n'
    )


def _ranked(rows: Sequence[Row], sink: str) -> list[Row]:
    """One bar for each engine and ledger at ``sink``, the quickest first."""
    best: dict[str, Row] = {}
    for row in rows:
        name = _label(row)
        plain = row.sink == sink and not row.rtt_ms and not row.dkim
        if plain and (name not in best or row.messages_per_second > best[name].messages_per_second):
            best[name] = row
    return sorted(best.values(), key=lambda row: -row.messages_per_second)


def _label(row: Row) -> str:
    name = row.engine.partition(",")[0].removesuffix(" 5").removesuffix(" 20")
    return f"{name}, {row.ledger}" if row.ledger else name


def _bar(row: Row, y: int, decades: int) -> str:
    width = max(2, round(_WIDTH * math.log10(max(row.messages_per_second, 1)) / decades))
    colour = next((c for name, c in _COLOURS.items() if row.engine.startswith(name)), "#c08a3e")
    return (
        f'<text x="{_LEFT - 8}" y="{y}" text-anchor="end">{escape(_label(row))}</text>'
        f'<rect x="{_LEFT}" y="{y - 12}" width="{width}" height="15" fill="{colour}"/>'
        f'<text x="{_LEFT + width + 6}" y="{y}">{row.messages_per_second:,.0f}</text>'
    )
