"""What the judges share: one browser, and the figures they write down, shown at the end of `make judge`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.judge import report
from tests.judge.browser import Browser
from tests.judge.tools import BUILD, chromium


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(chromium(), tmp_path_factory.mktemp("browser") / "profile")
    yield browser
    browser.close()


def pytest_sessionstart(session: pytest.Session) -> None:
    if _judging(session.config):
        report.begin()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if _judging(config):
        report.write()
        for file in sorted(BUILD.glob("*.md")):
            terminalreporter.write_line(f"\n{file}\n{file.read_text(encoding='utf-8')}")


def _judging(config: pytest.Config) -> bool:
    """Whether this is `make judge`, and the process that began it."""
    return config.getoption("markexpr") == "judge" and not hasattr(config, "workerinput")
