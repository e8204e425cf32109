"""What the judges found, in figures: each test leaves a row, the end of `make judge` joins them into one report."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass
from hashlib import blake2b

from .tools import BUILD

_ROWS = BUILD / "rows"
_HEAD = """# Mails and pages, judged

| judge | looked at | things judged | worst | where | bar |
|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Row:
    """``judge`` looked at ``subject``: ``judged`` things, of which the worst is ``worst``. ``bar`` begins with ``<=``
    or ``>=``, which tells what is better."""

    judge: str
    subject: str
    judged: int
    worst: float
    bar: str


def note(judge: str, subject: str, judged: int, worst: float, bar: str) -> None:
    """Keep a row, in place of the one an earlier run wrote about the same. A file each: tests run side by side."""
    _ROWS.mkdir(parents=True, exist_ok=True)
    name = blake2b(f"{judge}\0{subject}".encode(), digest_size=8).hexdigest()
    row = Row(judge, subject, judged, round(worst, 2), bar)
    (_ROWS / f"{name}.json").write_text(json.dumps(asdict(row)), encoding="utf-8")


def clear() -> None:
    """Forget what earlier runs found."""
    for file in _ROWS.glob("*.json"):
        file.unlink()


def write() -> None:
    """``report.md``, a line for each judge, and ``report.json`` with all rows."""
    rows = sorted(
        (Row(**json.loads(file.read_text(encoding="utf-8"))) for file in _ROWS.glob("*.json")),
        key=lambda row: (row.judge, row.subject),
    )
    (BUILD / "report.json").write_text(json.dumps(list(map(asdict, rows)), indent=1), encoding="utf-8")
    by_judge = defaultdict(list)
    for row in rows:
        by_judge[row.judge, row.bar].append(row)
    lines = [_line(judge, bar, found) for (judge, bar), found in by_judge.items()]
    (BUILD / "report.md").write_text(_HEAD + "".join(lines), encoding="utf-8")


def _line(judge: str, bar: str, rows: list[Row]) -> str:
    worst = (max if bar.startswith("<=") else min)(rows, key=lambda row: row.worst)
    judged = sum(row.judged for row in rows)
    return f"| {judge} | {len(rows)} | {judged} | {worst.worst:g} | {worst.subject} | {bar} |\n"
