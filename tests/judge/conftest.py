"""At the end of `make judge`: the figures its judges wrote down."""

from __future__ import annotations

from pathlib import Path

import pytest

REPORTS = Path("build/judge")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.getoption("markexpr") == "judge":
        for report in sorted(REPORTS.glob("*.md")):
            terminalreporter.write_line(f"\n{report}\n{report.read_text(encoding='utf-8')}")
