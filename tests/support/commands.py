"""Commands as an operator gives them, in this process and on an application of the test's."""

from __future__ import annotations

from collections.abc import Callable

from typer.testing import CliRunner

from digest import cli
from digest.app import App
from digest.cli.common import Door

Run = Callable[..., str]


def commands(app: App) -> Run:
    """Gives a command, word by word, and returns its output, 250 columns wide; an error a person caused is raised."""

    def run(*words: str) -> str:
        done = CliRunner().invoke(cli.app, list(words), obj=Door(app=app), env={"COLUMNS": "250"})
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.output

    return run
