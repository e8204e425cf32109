"""The Nu HTML checker, which reads many pages at once."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.judge.tools import module, needed


def errors(pages: Mapping[str, str], folder: Path) -> dict[str, list[str]]:
    """Per page what the checker calls an error."""
    java = needed("java (Debian: default-jre-headless)", shutil.which("java"))
    jar = module("vnu-jar", "build", "dist", "vnu.jar")
    files = {name: folder / f"{number}.html" for number, name in enumerate(pages)}
    for name, file in files.items():
        file.write_text(pages[name], encoding="utf-8")
    done = subprocess.run(
        [java, "-jar", str(jar), "--errors-only", "--format", "json", *map(str, files.values())],
        capture_output=True,
        check=False,
        timeout=170,
    )
    told = json.loads(done.stderr)["messages"]
    return {
        name: [
            f"{message['message']} in {message.get('extract', '')!r}"
            for message in told
            if message["url"] == file.as_uri()
        ]
        for name, file in files.items()
    }
