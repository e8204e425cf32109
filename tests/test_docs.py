"""What the documents say is drawn from, or compared with, what the code does."""

from __future__ import annotations

from pathlib import Path

from digest import states

ROOT = Path(__file__).resolve().parents[1]


def test_the_state_diagram_is_the_codes_own() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert f"```mermaid\n{states.diagram()}```" in text, "run `make diagram`"
