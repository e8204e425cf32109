"""The operator's door: ``digest``. Each sub-command lives in a module of its own and only calls flows.

Only the module of the command that is called gets imported: with all that flows bring it takes a second to look at the
help otherwise. Names and summaries stand here for that reason.
"""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from digest import __version__
from digest.cli.common import CONFIG_NAME, Door
from digest.cli.common import run as run_command

COMMANDS = {
    "init": ("init", "Write digest.toml and create the database."),
    "migrate": ("init", "Create the database's tables, or migrate them to this version."),
    "send": ("run", "Send an issue now, outside its schedule."),
    "status": ("run", "Show processes, open and recent issues, and the next slots."),
    "report": (
        "report",
        "The exact account of an issue, from the ledger: deliveries accepted, not accepted and why, and in doubt.",
    ),
    "doctor": (
        "doctor",
        "Check configuration, keys, mail servers, database, broker, workers, pages and DNS.",
    ),
    "up": (
        "run",
        "Run everything on this machine: web, worker, beat, and an embedded mailbox and broker if none is configured.",
    ),
    "worker": ("run", "Run a Celery worker; run as many as you want, on as many machines as you want."),
    "beat": ("run", "Run the clock that opens slots, collects feeds and recovers abandoned work."),
    "web": ("run", "Serve the readers' pages: unsubscribe, preferences, sign-up, web version."),
    "preview": (
        "preview",
        "What a reader gets next and why. With --open or --out, or without a reader: the mail as html, text and eml.",
    ),
    "test-send": (
        "preview",
        "Send an edition's next mail, or its issue under review, to one address through the real mail server.",
    ),
    "dkim": ("dkim", "Make a DKIM key and show its DNS record and settings."),
    "edition": ("edition", "Declare publications: sections, feeds, schedules."),
    "feed": ("feed", "Sources to poll."),
    "article": ("article", "Put articles in by hand, from pages or files."),
    "subscriber": ("subscriber", "Readers and their choices."),
    "feedback": ("feedback", "What comes back by mail: bounces, complaints, mails that unsubscribe."),
    "key": ("key", "The keys that sign links: show, rotate."),
    "blocklist": ("blocklist", "Domains whose addresses can't be signed up."),
    "segment": ("segment", "Groups of readers by their data, for special issues."),
    "suppress": ("suppress", "Addresses never to be mailed."),
    "schedule": ("schedule", "When editions come out."),
    "issue": ("issue", "Review issues before they go out, and follow their sending."),
}
"""By name: the module that has it, and what its help begins with."""

_HELP = ["-h", "--help"]
_STAYING = {"up", "worker", "beat", "web"}
_OBJECTS = 100_000  # a command that soon ends spends a third of its time on looking for garbage every 700


class _Commands(TyperGroup):
    """Lists what ``COMMANDS`` says; what is called is then imported. ``help COMMAND`` is ``COMMAND --help``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [*args[1:], "--help"] if args[:1] == ["help"] else args)

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)
        if option:
            option.metavar = ""  # no type is named for a flag
        return option

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, listed, rest = super().resolve_command(ctx, args)
        command = load(name) if name and listed else None
        gc.freeze()
        gc.enable()
        return name, command, rest


app = typer.Typer(
    name="digest",
    cls=_Commands,
    help="Newsletter digests: the sections each reader chose, nothing repeated, every delivery accounted for.",
    epilog="Begin with: digest init --sample && digest edition apply edition.toml && digest up",
    rich_markup_mode="rich",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": _HELP},
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
    debug: Annotated[
        bool, typer.Option("--debug", envvar="DIGEST_DEBUG", metavar="", help="Show tracebacks of errors.")
    ] = False,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, metavar="", help="Show the version and end.")
    ] = False,
) -> None:
    door = ctx.ensure_object(Door)
    door.config, door.debug = config, debug


def load(name: str) -> Any:
    """A command or group of ``COMMANDS`` with all its options."""
    module, summary = COMMANDS[name]
    found, holder = import_module(f"digest.cli.{module}"), typer.Typer()
    if hasattr(found, "register"):
        found.register(holder)
    else:
        holder.add_typer(found.app, name=name, help=summary, no_args_is_help=True)
    return _readable(typer.main.get_group(holder).commands[name])


def _readable(command: Any) -> Any:
    """A command whose help any terminal may wrap: paragraphs in one line each, and no type named for a flag, since it
    takes no value."""
    paragraphs = cleandoc(command.help or "").split("\n\n")
    command.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    help_option = command.get_help_option(typer.Context(command, help_option_names=_HELP))
    for option in (*command.params, help_option):
        if getattr(option, "is_flag", False) and option.metavar is None:
            option.metavar = ""
    for each in getattr(command, "commands", {}).values():
        _readable(each)
    return command


for _name, (_, _summary) in COMMANDS.items():
    app.command(_name, help=_summary)(lambda: None)  # on the list only: ``load`` has the real one


def main() -> None:
    """The console script."""
    os.umask(0o077)  # exports, previews and the database hold readers' addresses
    gc.disable()  # until the command is imported: nothing of that is garbage
    if _STAYING.isdisjoint(sys.argv):
        gc.set_threshold(_OBJECTS)
    sys.exit(run_command(app))
