"""``python -m demo [--keep] [--readers N]``: the demo in ``var/demo`` of this checkout. 0 if all is as it must be."""

from __future__ import annotations

import argparse
import fcntl
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from demo.screen import DemoError, Screen
from demo.site.server import serving
from demo.story import Story

ROOT = Path(__file__).resolve().parents[1]
_LOG_LINES = 25
_INTERRUPTED = 130


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m demo", description="The whole story of digest on one machine.")
    parser.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    parser.add_argument("--readers", type=int, default=1000, metavar="N", help="how many get both issues (1000)")
    chosen = parser.parse_args()
    keep: bool = chosen.keep
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    screen = Screen()
    with _own_folder(ROOT / "var") as folder, serving(datetime.now(UTC)) as site:
        story = Story(folder, site, chosen.readers, screen)
        told = False
        try:
            story.tell()
            told = True
            story.where_to_look(ROOT, keep)
            if keep:
                screen.line("\nEverything is running. stop with Ctrl-C.")
                signal.pause()
        except KeyboardInterrupt:
            return 0 if told else _INTERRUPTED
        except (DemoError, OSError, ValueError) as error:
            _tell_failure(screen, error, story.log)
            return 1
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # an impatient second Ctrl-C must not leave processes behind
            story.end()
    return 0


@contextmanager
def _own_folder(var: Path) -> Iterator[Path]:
    """A fresh ``var/demo``, or ``var/demo-2`` and so on while other demos run."""
    var.mkdir(exist_ok=True)
    for number in range(1, 100):
        folder = var / ("demo" if number == 1 else f"demo-{number}")
        with folder.with_suffix(".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            yield folder
            return
    raise DemoError(f"too many demos run in {var}")


def _tell_failure(screen: Screen, error: Exception, log: Path) -> None:
    screen.error(str(error))
    if log.exists():
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
        screen.line("\n".join([f"The end of {log}:", *(f"  {line}" for line in lines)]))


if __name__ == "__main__":
    sys.exit(main())
