"""Writes what is drawn from the code into the documents, between its marks: ``make diagram``.

The states come from ``digest.states``, the floors from the import contracts in ``pyproject.toml``, the
index of decisions from their files.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from digest import states

ROOT = Path(__file__).resolve().parents[1]


def floors() -> str:
    """The layers of the first import contract, top floor first, as a list in Markdown."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = project["tool"]["importlinter"]["contracts"][0]
    rows = [", ".join(f"`{name.strip()}`" for name in re.split(r"[|:]", layer)) for layer in contract["layers"]]
    return "".join(f"{number}. {row}\n" for number, row in enumerate(["`workers`", *rows], start=1))


def decisions() -> str:
    """A table of the decisions, oldest first: each file's date and its title."""
    paths = sorted((ROOT / "docs/decisions").glob("2*.md"))
    titles = {path.name: path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ") for path in paths}
    rows = [f"| {name[:10]} | [{title}]({name}) |\n" for name, title in titles.items()]
    return "".join(["| date | decision |\n", "|---|---|\n", *rows])


def drawn(page: str, name: str, text: str) -> str:
    """``page`` with ``text`` between the marks called ``name``; the page must have them."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"no marks for {name}")
    return before + begin + text + end + after


DRAWN = {
    "ARCHITECTURE.md": ("floors", floors),
    "docs/decisions/README.md": ("decisions", decisions),
    "docs/states.md": ("states", lambda: f"```mermaid\n{states.diagram()}```\n"),
}

if __name__ == "__main__":
    for path, (name, make) in DRAWN.items():
        page = (ROOT / path).read_text(encoding="utf-8")
        (ROOT / path).write_text(drawn(page, name, make()), encoding="utf-8")
