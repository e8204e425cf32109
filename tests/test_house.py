"""What holds for every module of the house, so that a stranger finds their way in."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = 16
"""So many modules may stand in digest/ beside the rooms: a new subject gets a room."""
LINES = 400
"""A longer module has two subjects."""
_PRODUCT = ("digest", "workers")
_OURS = (*_PRODUCT, "tests", "bench", "demo")


def _sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def _named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_new_modules_go_into_rooms() -> None:
    assert len(list((ROOT / "digest").glob("*.py"))) <= MODULES


def test_every_room_says_what_it_is_for() -> None:
    rooms = [path for path in _sources(*_PRODUCT) if path.name == "__init__.py" and "migrations" not in path.parts]
    silent = [_named(path) for path in rooms if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert silent == []


def test_no_module_has_two_subjects() -> None:
    lengths = {_named(path): len(path.read_text(encoding="utf-8").splitlines()) for path in _sources(*_OURS)}
    assert {name: length for name, length in lengths.items() if length > LINES} == {}


def test_an_import_within_a_function_says_what_it_saves() -> None:
    assert [place for path in _sources(*_PRODUCT) for place in _unexplained(path)] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def f():\n    import json\n", ["x.py:2"]),
        ("def f():\n    import json  # here: few ask\n\n    import re\n", []),
        ("def f():\n    # here: few ask\n    import json\n", []),
        ("import json\nif True:\n    import re\n", []),
    ],
)
def test_the_rule_itself(tmp_path: Path, text: str, found: list[str]) -> None:
    path = tmp_path / "x.py"
    path.write_text(text, encoding="utf-8")
    assert [place.rpartition("/")[2] for place in _unexplained(path, tmp_path)] == found


def _unexplained(path: Path, root: Path = ROOT) -> Iterator[str]:
    """Where a function begins to import without ``# here: why`` on that line or the one before."""
    text = path.read_text(encoding="utf-8")
    lines = ["", *text.splitlines()]
    functions = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    for function in functions:
        before = 0
        imports = [node for node in ast.walk(function) if isinstance(node, ast.Import | ast.ImportFrom)]
        for line, end in sorted((node.lineno, node.end_lineno or 0) for node in imports):
            follows = before and not "".join(lines[before + 1 : line]).strip()
            if not follows and not any("# here: " in lines[number] for number in range(line - 1, end + 1)):
                yield f"{path.relative_to(root)}:{line}"
            before = end
