"""What the judges found, in figures: each test leaves a row, the end of `make judge` joins them into one report."""

from __future__ import annotations

import json
import os
import shutil
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import mkdtemp
from uuid import uuid4

from tests.judge.tools import BUILD

_ROWS = "DIGEST_JUDGE_ROWS"
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


def begin() -> None:
    """Make room for the rows of this run, which its worker processes inherit."""
    os.environ[_ROWS] = mkdtemp(prefix="judge-")


def note(judge: str, subject: str, judged: int, worst: float, bar: str) -> None:
    """Keep a row: in a file each, since tests run side by side."""
    if _ROWS in os.environ:
        row = Row(judge, subject, judged, round(worst, 2), bar)
        (Path(os.environ[_ROWS]) / f"{uuid4().hex}.json").write_text(json.dumps(asdict(row)), encoding="utf-8")


def write() -> None:
    """``report.md``, a line for each judge, and ``report.json`` with all rows."""
    folder = Path(os.environ.pop(_ROWS))
    rows = sorted(
        (Row(**json.loads(file.read_text(encoding="utf-8"))) for file in folder.glob("*.json")),
        key=lambda row: (row.judge, row.subject),
    )
    shutil.rmtree(folder)
    BUILD.mkdir(parents=True, exist_ok=True)
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
