"""Writes the state diagram into ARCHITECTURE.md, between its marks: ``make diagram``."""

from __future__ import annotations

import re
from pathlib import Path

from digest import states

PAGE = Path(__file__).resolve().parents[1] / "ARCHITECTURE.md"
MARKED = re.compile(r"(<!-- states: begin -->\n).*?(<!-- states: end -->)", re.DOTALL)

if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    drawn = MARKED.sub(lambda mark: f"{mark[1]}```mermaid\n{states.diagram()}```\n{mark[2]}", text)
    PAGE.write_text(drawn, encoding="utf-8")
