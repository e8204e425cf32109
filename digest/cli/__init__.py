"""The operator's door: ``digest``. Each sub-command lives in a module of its own and only calls flows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from digest import __version__
from digest.cli import article, dkim, edition, feed, init, issue, preview, run, schedule, subscriber, suppress
from digest.cli.common import Door
from digest.cli.common import run as run_command
from digest.settings import CONFIG_NAME

app = typer.Typer(
    name="digest",
    help="Newsletter digests: the sections each reader chose, nothing repeated, every delivery accounted for.",
    epilog="Begin with: digest init --sample && digest edition apply edition.toml && digest up",
    rich_markup_mode="rich",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"digest {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    ctx: typer.Context,
    config: Annotated[
        Path, typer.Option("--config", "-c", envvar="DIGEST_CONFIG", metavar="FILE", help="The configuration.")
    ] = Path(CONFIG_NAME),
    debug: Annotated[bool, typer.Option("--debug", envvar="DIGEST_DEBUG", help="Show tracebacks of errors.")] = False,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    door = ctx.ensure_object(Door)
    door.config, door.debug = config, debug


init.register(app)
run.register(app)
preview.register(app)
dkim.register(app)
for name, group, summary in (
    ("edition", edition.app, "Declare publications: sections, feeds, schedules."),
    ("feed", feed.app, "The sources that are polled."),
    ("article", article.app, "Put articles in by hand, from pages or files."),
    ("subscriber", subscriber.app, "Readers and what they chose."),
    ("suppress", suppress.app, "Addresses never to be mailed."),
    ("schedule", schedule.app, "When editions come out."),
    ("issue", issue.app, "What was composed, and how its sending goes."),
):
    app.add_typer(group, name=name, help=summary, no_args_is_help=True)


def main() -> None:
    """The console script."""
    sys.exit(run_command(app))
