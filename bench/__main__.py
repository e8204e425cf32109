"""``python -m bench [--quick] [--parts speed,wire,…] [--write]``: measure, tell, and keep the results.

``bench/results.json`` holds the rows, ``bench/results.about.json`` when and on what they were made and the other
figures, unless only some parts were run; with ``--write`` docs/performance.md and its picture are made anew. What
failed stands in red above all figures, and makes the exit status 1.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import time
from pathlib import Path
from tempfile import mkdtemp

from rich.console import Console

from bench import page, report
from bench.measure import FULL, PARTS, QUICK, Bench, Results
from bench.processes import BenchError
from bench.provide import provide
from digest.errors import DigestError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="How fast, against what, and how it grows.")
    parser.add_argument("--quick", action="store_true", help="small counts, three rounds: under five minutes")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md and its picture")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parts = [part for part in chosen.parts.split(",") if part]
    if unknown := [part for part in parts if part not in PARTS]:
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    tools = provide()
    results = Results(problems=list(tools.missing))
    folder, began = Path(mkdtemp(prefix="bench-")), time.monotonic()
    bench = Bench(QUICK if chosen.quick else FULL, tools, folder, say, results)
    for line in tools.missing:
        say(f"left out: {line}")
    for part in parts:
        say(f"\n{part} ({time.monotonic() - began:.0f} s)")
        try:
            PARTS[part](bench)
        except KeyboardInterrupt:
            shutil.rmtree(folder, ignore_errors=True)
            say("interrupted; what was started has been ended")
            return 130
        except (BenchError, DigestError) as error:
            results.broken.append(f"all of {part}: {error}")
            say(f"  failed: {error}")
    about = report.about(parts, chosen.quick, time.monotonic() - began, results)
    say("")
    for line, style in report.troubles(about):
        say(line, style)
    if results.failed:
        say(f"the logs are kept in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    say(report.text(results.rows, about))
    if set(parts) == set(PARTS):
        report.save(results.rows, about)
    if chosen.write:
        page.write(results.rows, about)
    return 1 if results.failed else 0


def say(line: str, style: str = "") -> None:
    """Print a line; in colour, where there is a terminal."""
    Console(soft_wrap=True).print(line, style=style, markup=False, highlight=False)


if __name__ == "__main__":
    sys.exit(main())
