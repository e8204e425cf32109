"""Where the judges are. `make judge` installs them by package name; a test whose judge can't be had says so and is
skipped."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

BUILD = Path(__file__).parents[2] / "build" / "judge"
MODULES = Path(os.environ.get("JUDGE_MODULES", BUILD / "node_modules"))


def needed(name: str, *places: str | Path | None) -> str:
    """The first of ``places`` that exists."""
    for place in places:
        if place and Path(place).exists():
            return str(place)
    pytest.skip(f"{name} is not installed; `make judge` says why")


def module(name: str, *inner: str) -> Path:
    """An npm module, or a file in it."""
    return Path(needed(f"{name} (npm)", MODULES.joinpath(name, *inner)))


def chromium() -> str:
    return needed("chromium (Debian)", *map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))


def node(script: str, *arguments: str | Path) -> Any:
    """What a Node ``script`` prints, as JSON; it finds the judges' modules by name and ``arguments`` in
    ``process.argv`` from 1 on."""
    program = needed("node", shutil.which("node"))
    done = subprocess.run(
        [program, "-e", script, *map(str, arguments)],
        env={**os.environ, "NODE_PATH": str(MODULES)},
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return json.loads(done.stdout)
