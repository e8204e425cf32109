"""CONTRIBUTING.md's recipes, followed word by word in a copy of the tree."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"\w+ (?P<path>\S+/\S+)(?: (?P<place>append|before)(?:=\"(?P<line>[^\"]+)\")?)?")


def _recipes() -> dict[str, str]:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("\n## Recipes\n")[1]
    return {part.partition("\n")[0]: part for part in text.split("\n### ")[1:]}


def _write(folder: Path, info: str, block: str) -> None:
    """What a block with a file's name says: a new file, lines at the end of one, or lines before a line."""
    match = FILE.fullmatch(info)
    assert match, f"a block that names no file: {info}"
    path = folder / match["path"]
    if match["place"] is None:
        assert not path.exists(), f"{path} already exists"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block, encoding="utf-8")
        return
    text = path.read_text(encoding="utf-8")
    if match["place"] == "append":
        text += "\n\n" + block
    else:
        assert text.count("\n" + match["line"]) == 1, f"{path}: not one line begins with {match['line']!r}"
        text = text.replace("\n" + match["line"], f"\n{block}{match['line']}")
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("name", _recipes())
def test_a_recipe_does_what_it_says(name: str, tmp_path: Path) -> None:
    for part in ("digest", "workers", "templates"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DIGEST_")}
    environment |= {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    checked = 0
    for info, block in BLOCK.findall(_recipes()[name]):
        if info == "sh":
            done = subprocess.run(
                ["sh", "-ec", block], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
            checked += 1
        else:
            _write(tmp_path, info, block)
    assert checked, f"{name}: nothing is checked"
