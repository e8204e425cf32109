"""``python -m bench.importing [--rows N] [--write]``: how fast readers are imported, and in how much memory.

The same file, of which one line in a hundred is bad, goes into a fresh PostgreSQL (with fsync) and a fresh SQLite, each
in a process of its own, and then once more, when every reader is known. The ceilings are what each database takes when
nothing is checked, compared or proved: COPY of the file, and ``executemany``, into one table without an index.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from bench import mail
from bench.measure import database, postgres
from digest.editions.file import parse
from digest.flows.issues import editions
from digest.flows.readers import importing as audience_import
from digest.store.database import Database
from digest.tables import decoded, open_csv

EDITION, SEED, BAD = "readers", 20261123, 100
NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
COLUMNS = ("address", "name", "cadence", "sections", "hour", "time_zone")
_FIRST = "Ann Bela Chidi Daya Emre Fatima Goran Hanna Ivo João Kemal Lena Mirela Nils Oksana Priya"
_LAST = "Abara Berg Costa Dimitrov Eriksen Ferrari García Hoxha Ito Jansen Kovač Lund Müller Nowak Okoye"
_HOSTS = ["mail.example.test", "post.example.org", "office.example.net", *(f"firm{n}.example" for n in range(2000))]
_FAULTS = ("nobody", "two@@example.org", "a b@example.org", "x@", "reader@example..org")
ABOUT = """`make bench-import`: imports a generated file of {rows:,} readers, in which one row in a hundred is bad,
with the flow of `digest subscriber import`, into a new PostgreSQL (with fsync) and a new SQLite; then again when every
reader is known. Memory is the process's peak. The ceilings are for one table without an index, and check
nothing. The import fills three tables with ten indexes and references between them.

**At the start the machine had a load of {load:.1f} on its {processors} processors** from other programs. If the load is
higher than the number of processors, an idle machine imports several times as fast; memory is not affected."""
RESULT = Path(__file__).with_name("importing.json")


def lines(rows: int) -> Iterator[tuple[str, ...]]:
    """The file's records: the same for the same number of rows."""
    chance, first, last = random.Random(SEED), _FIRST.split(), _LAST.split()
    yield COLUMNS
    for number in range(rows):
        name = f"{chance.choice(first)} {chance.choice(last)}"
        address = f"{name.split()[0].lower()}.{number}@{chance.choice(_HOSTS)}".encode("ascii", "ignore").decode()
        if number % BAD == BAD // 2:
            address = chance.choice(_FAULTS)
        hour = str(chance.randrange(24)) if chance.random() < 0.5 else ""
        zone = chance.choice(("", "", "Europe/Oslo", "Asia/Kolkata", "America/Lima"))
        yield address, name, "", "", hour, zone


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.importing", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--write", action="store_true", help=f"keep the figures in {RESULT.name}")
    parser.add_argument("--child", nargs=2, metavar=("URL", "FILE"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        print(json.dumps(import_file(*chosen.child)))
        return 0
    load = os.getloadavg()[0]
    with TemporaryDirectory(prefix="bench-import-") as folder, postgres() as server:
        found = measured(Path(folder), server, chosen.rows)
    print(json.dumps(found, indent=1))
    if chosen.write:
        about = {"rows": chosen.rows, "load": load, "processors": os.cpu_count()}
        RESULT.write_text(json.dumps({**about, "found": found}, indent=1) + "\n", encoding="utf-8")
    return 0


def measured(folder: Path, server: str, rows: int) -> dict[str, dict[str, dict[str, float]]]:
    """The figures of each run by database: the ceiling, all readers new, all known."""
    file = folder / "readers.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows(lines(rows))
    urls = {"PostgreSQL": psycopg_url(database(server)), "SQLite": f"sqlite:///{folder}/digest.db"}
    found = {
        "PostgreSQL": {"ceiling: COPY into a bare table": copied(database(server), file, rows)},
        "SQLite": {"ceiling: executemany into a bare table": inserted(folder / "bare.db", file, rows)},
    }
    for name, url in urls.items():
        prepare(url)
        for run in ("all new", "all known"):
            found[name][run] = in_a_process(url, file)
            print(name, run, found[name][run], flush=True)
    return found


def section() -> list[str]:
    """What docs/performance.md says of it, from the figures that were kept."""
    if not RESULT.exists():
        return []
    kept = json.loads(RESULT.read_text(encoding="utf-8"))
    head = "| database | run | rows/s | seconds | MB after a tenth | MB at the end | added | unchanged | rejected |"
    rows = [head, "|" + " --- |" * 9]
    for name, runs in kept["found"].items():
        for run, figures in runs.items():
            cells = [f"{figures[key]:,}" if key in figures else "" for key in head.strip("| ").split(" | ")[2:]]
            rows.append(f"| {name} | {run} | {' | '.join(cells)} |")
    return ["## Importing readers", ABOUT.format_map(kept), "\n".join(rows)]


def psycopg_url(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://")


def prepare(url: str) -> None:
    target = Database(url)
    target.migrate()
    editions.apply(target, parse(mail.edition_toml(EDITION), "edition.toml"), NOW)
    target.dispose()


def in_a_process(url: str, file: Path) -> dict[str, float]:
    arguments = [sys.executable, "-m", "bench.importing", "--child", url, str(file)]
    told = subprocess.run(arguments, check=True, capture_output=True, text=True).stdout
    figures: dict[str, float] = json.loads(told)
    return figures


def import_file(url: str, name: str) -> dict[str, float]:
    """Import the file; rows a second, and the most memory after a tenth of it and at the end."""
    target, early, rows = Database(url), 0.0, 0
    with Path(name).open("rb") as source:
        total = sum(1 for _ in source) - 1

    def advance(count: int) -> None:
        nonlocal early, rows
        rows += count
        if not early and rows * 10 >= total:
            early = peak_mb()

    began = time.perf_counter()
    with Path(name).open("rb") as source:
        table = open_csv(decoded(iter(lambda: source.read(1 << 18), b"")))
        done = audience_import.import_table(
            target, EDITION, table, NOW, source="bench", agreed="bench", on_progress=advance
        )
    seconds = time.perf_counter() - began
    if done.read != total or done.read != done.added + done.changed + done.unchanged + done.rejected:
        raise SystemExit(f"{total} rows, and only these accounted for: {done}")
    figures = {"rows/s": round(total / seconds), "seconds": round(seconds, 1)}
    memory = {"MB after a tenth": round(early), "MB at the end": round(peak_mb())}
    return {**figures, **memory, "added": done.added, "unchanged": done.unchanged, "rejected": done.rejected}


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def copied(url: str, file: Path, rows: int) -> dict[str, float]:
    with psycopg.connect(url) as connection, file.open("rb") as source:
        connection.execute(f"CREATE TABLE bare ({', '.join(f'{name} text' for name in COLUMNS)})")
        began = time.perf_counter()
        with connection.cursor().copy("COPY bare FROM STDIN (FORMAT csv, HEADER)") as copy:
            while block := source.read(1 << 18):
                copy.write(block)
        connection.commit()
        return {"rows/s": round(rows / (time.perf_counter() - began))}


def inserted(target: Path, file: Path, rows: int) -> dict[str, float]:
    with sqlite3.connect(target) as connection, file.open(encoding="utf-8", newline="") as source:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"CREATE TABLE bare ({', '.join(COLUMNS)})")
        began = time.perf_counter()
        records = csv.reader(source)
        next(records)
        connection.executemany("INSERT INTO bare VALUES (?, ?, ?, ?, ?, ?)", records)
        connection.commit()
        return {"rows/s": round(rows / (time.perf_counter() - began))}


if __name__ == "__main__":
    sys.exit(main())
