"""What we aim at, and how far a run's results come: pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.contest import Row

Figures = Mapping[str, Mapping[str, float]]
PRECISE = "PostgreSQL"  # the ledger the targets are meant for


@dataclass(frozen=True, slots=True)
class Verdict:
    """One target: what is wanted, what was found and whether that is enough (``None``: not measured)."""

    number: int
    what: str
    wanted: str
    found: str
    met: bool | None


def judge(rows: Sequence[Row], figures: Figures) -> list[Verdict]:
    """Every target that a benchmark can measure, in order."""
    return [
        _least(1, "whole path, smtp-sink, to the best smtp-source", 0.90, _ratio(rows, "smtp-sink")),
        _least(2, "whole path, fast sink, to the best smtp-source", 0.80, _ratio(rows, "fast")),
        _most(3, "worker CPU µs a message, fast sink", 120, _cpu(rows)),
        _least(4, "times the usual Celery way, smtp-sink", 60, _times(rows, "smtp-sink", "usual")),
        _least(4, "times the usual Celery way, fast sink", 250, _times(rows, "fast", "usual")),
        _least(5, "times nodemailer's pool, smtp-sink", 9, _times(rows, "smtp-sink", "nodemailer")),
        _least(5, "times nodemailer's pool, fast sink", 40, _times(rows, "fast", "nodemailer")),
        _most(6, "round trips a message, one connection, no CHUNKING", 1.1, _round_trips(rows)),
        _least(6, "100 connections, no CHUNKING, to smtp-source's 100", 3.8, _far(rows, "100 connections, no")),
        _least(6, "one connection, CHUNKING to none", 8, _chunking(rows)),
        _most(7, "MB of a worker, 1,000,000 subscribers", 150, _million(figures.get("subscribers: rss MB"))),
        _most(7, "MB more than with 10,000 subscribers", 10, _more(figures.get("subscribers: rss MB"))),
        _least(8, "RSA-2048, to bare signatures", 0.8, _signed(figures, "rsa", "bare RSA-2048 signatures/s")),
        _least(8, "Ed25519, to unsigned", 0.35, _signed(figures, "ed25519", "none: messages/s")),
        _most(9, "20,000 variants, to one", 1.2, _grown(figures.get("write: µs by variants"), "20,000", "1")),
        _most(9, "160 articles, to 10", 7, _grown(figures.get("compile: ms by articles"), "160", "10")),
        _least(9, "messages/s, 1,000,000 subscribers to 10,000", 0.8, _steady(figures.get("subscribers: messages/s"))),
    ]


def _least(number: int, what: str, wanted: float, found: float | None) -> Verdict:
    return _verdict(number, what, f"≥ {wanted:g}", found, lambda value: value >= wanted)


def _most(number: int, what: str, wanted: float, found: float | None) -> Verdict:
    return _verdict(number, what, f"≤ {wanted:g}", found, lambda value: value <= wanted)


def _verdict(number: int, what: str, wanted: str, found: float | None, enough: Callable[[float], bool]) -> Verdict:
    if found is None:
        return Verdict(number, what, wanted, "not measured", None)
    shown = f"{found:,.0f}" if abs(found) >= 100 else f"{found:.2f}"
    return Verdict(number, what, wanted, shown, enough(found))


def _engine(rows: Sequence[Row], sink: str) -> Row | None:
    ours = (row for row in rows if row.engine == "digest" and (row.sink, row.rtt_ms, row.dkim) == (sink, 0, ""))
    return next((row for row in ours if row.ledger == PRECISE), None)


def _best(rows: Sequence[Row], start: str, sink: str, rtt_ms: int = 0) -> float | None:
    rates = [
        row.messages_per_second
        for row in rows
        if row.engine.startswith(start) and (row.sink, row.rtt_ms) == (sink, rtt_ms)
    ]
    return max(rates, default=None)


def _divided(value: float | None, by: float | None) -> float | None:
    return value / by if value is not None and by else None


def _ratio(rows: Sequence[Row], sink: str) -> float | None:
    row = _engine(rows, sink)
    return row.ratio if row else None


def _cpu(rows: Sequence[Row]) -> float | None:
    row = _engine(rows, "fast")
    return row.cpu_us_per_message if row else None


def _times(rows: Sequence[Row], sink: str, other: str) -> float | None:
    row = _engine(rows, sink)
    return _divided(row.messages_per_second if row else None, _best(rows, other, sink))


def _courier(rows: Sequence[Row], what: str) -> float | None:
    """The rate at the far end of the wire of the courier that is called so."""
    found = (row for row in rows if row.rtt_ms and row.engine.startswith(f"courier, {what}"))
    return next((row.messages_per_second for row in found), None)


def _round_trips(rows: Sequence[Row]) -> float | None:
    rtt = next((row.rtt_ms / 1000 for row in rows if row.rtt_ms), None)
    rate = _courier(rows, "1 connection, no")
    return 1 / rate / rtt if rate and rtt else None


def _far(rows: Sequence[Row], what: str) -> float | None:
    rtt = next((row.rtt_ms for row in rows if row.rtt_ms), 0)
    return _divided(_courier(rows, what), _best(rows, "smtp-source, 100", "fast", rtt))


def _chunking(rows: Sequence[Row]) -> float | None:
    return _divided(_courier(rows, "1 connection, CHUNKING"), _courier(rows, "1 connection, no"))


def _million(figures: Mapping[str, float] | None) -> float | None:
    return (figures or {}).get("1,000,000")


def _more(figures: Mapping[str, float] | None) -> float | None:
    many = _million(figures)
    few = (figures or {}).get("10,000")
    return many - few if many is not None and few is not None else None


def _steady(figures: Mapping[str, float] | None) -> float | None:
    return _divided(_million(figures), (figures or {}).get("10,000"))


def _signed(figures: Figures, kind: str, against: str) -> float | None:
    dkim = figures.get("dkim", {})
    return _divided(dkim.get(f"{kind}: messages/s"), dkim.get(against))


def _grown(figures: Mapping[str, float] | None, many: str, few: str) -> float | None:
    return _divided((figures or {}).get(many), (figures or {}).get(few))
