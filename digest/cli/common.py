"""What every sub-command shares: the application built from ``--config``, tables, JSON, times, progress, and the
one place where an error becomes a line on stderr and an exit code.

Results go to stdout, everything said about them (notes, warnings, errors, progress) to stderr, so that ``--json`` and
pipes stay clean. Rich honours NO_COLOR.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.text import Text

from digest.cli.layout import NOTHING, laid_out
from digest.errors import ConfigError, DigestError, UnavailableError
from digest.language.text import on_terminal

if TYPE_CHECKING:  # the application and the libraries below it are imported when a command wants them: help doesn't
    from digest.app import App

CONFIG_NAME = "digest.toml"
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Number = Annotated[int, typer.Argument(metavar="ID", help="The issue's number, as `digest issue list` shows.")]
INTERRUPTED = 130
_ANY_WIDTH = 100_000


@dataclass
class Door:
    """What the options before the sub-command said, and the application once it is built. A test hands in one with an
    ``app`` of its own: ``CliRunner().invoke(cli.app, [...], obj=Door(app=app))``."""

    config: Path = Path(CONFIG_NAME)
    debug: bool = False
    app: App | None = None


def get_app(ctx: typer.Context) -> App:
    """The application, built from the configuration at the first call, so that ``--help`` works without one.
    Raises ``NotFoundError`` or ``ConfigError``."""
    # here: `--help` of every command comes without it in half the time
    from digest.app import App

    door = ctx.ensure_object(Door)
    if door.app is None:
        door.app = App.from_file(door.config)
    return door.app


# ------------------------------------------------------------------------------------------------ output


def say(message: str) -> None:
    """Tell the operator how it went: a line on stderr."""
    print(on_terminal(message), file=sys.stderr)  # noqa: T201


def warn(message: str) -> None:
    """A line on stderr about something to look after."""
    _console(stderr=True).print(Text.assemble(("warning: ", "yellow"), on_terminal(message)), soft_wrap=True)


def show_json(value: object) -> None:
    """Print ``value`` as JSON: dataclasses as objects, datetimes in ISO 8601 and UTC, sets and tuples as lists."""
    print(json.dumps(plain(value), indent=2, ensure_ascii=False))  # noqa: T201


def counted(number: int, noun: str) -> str:
    """``1 feed``, ``1,200 feeds``."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def stream_json(values: Iterable[object]) -> None:
    """Print a JSON list, one value a line, as they come: there may be a million."""
    before = "["
    for value in values:
        print(before + json.dumps(plain(value), ensure_ascii=False), end="")  # noqa: T201
        before = ",\n"
    print("[]" if before == "[" else "]")  # noqa: T201


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Print a table that fits the terminal, words whole; what it has no room for as ``name: value``. Nothing is cut
    off. Columns of numbers are aligned right, moments stand in the zone they are given in (see ``local``). Without
    rows only a line saying so is printed."""
    given = [tuple(row) for row in rows]
    if not given:
        say(f"{title or 'Result'}: none")
        return
    figures = [all(isinstance(row[place], int) for row in given) for place in range(len(columns))]
    lines = [[_cell(value) for value in row] for row in given]
    console = _console()
    room = console.width if console.is_terminal or "COLUMNS" in os.environ else None  # a pipe takes lines of any length
    if room is None:
        console.width = _ANY_WIDTH
    shown = laid_out(columns, lines, figures, room, title)
    console.print(shown, soft_wrap=isinstance(shown, Text))
    console.print()


def local(moment: datetime | None, time_zone: str) -> datetime | None:
    """The same moment in the zone it is to be shown in: an edition's for what belongs to the edition, a reader's for
    what belongs to them."""
    return moment.astimezone(ZoneInfo(time_zone)) if moment else None


def local_time(moment: datetime | None, time_zone: str = "UTC") -> str:
    """For a sentence: ``Mon 2026-12-07 07:00 IST``; a dash for ``None``."""
    return f"{local(moment, time_zone):%a %Y-%m-%d %H:%M %Z}" if moment else NOTHING


@contextmanager
def progress(total: int | None, description: str) -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr while the block runs; it yields ``advance(count)``. Silent when stderr is not a
    terminal. ``total`` may be unknown (``None``)."""
    # here: only long commands on a terminal draw one
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = _console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(description, total=total)
        yield lambda count: bar.advance(task, count)


def plain(value: object) -> Any:
    """``value`` as what JSON knows."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    return str(value)


def _cell(value: object) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M %Z}"
    return on_terminal(str(value))


def _console(*, stderr: bool = False) -> Console:
    return Console(stderr=stderr, highlight=False)


# ------------------------------------------------------------------------------------------------ errors


def run(command: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run ``command`` and return the exit code. A ``DigestError`` is told in a line, without a traceback; anything
    unexpected keeps its own."""
    door = Door()
    try:
        command(args=None if arguments is None else list(arguments), obj=door)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        told = _translated(error)
        if told is None:
            raise
        if door.debug:
            traceback.print_exception(error)
        return _tell(told)
    return 0


def _translated(error: Exception) -> DigestError | None:
    """What to tell of ``error``; ``None``: nobody expected it. Flows translate where they know more; this is for what
    slipped by. Of the database's errors it is being out of reach, or none: their siblings are programming errors."""
    if isinstance(error, DigestError):
        return error
    # here: only a command that failed asks
    from kombu.exceptions import OperationalError as BrokerError
    from redis.exceptions import RedisError
    from sqlalchemy.exc import DatabaseError, OperationalError

    if type(error) in {OperationalError, DatabaseError}:
        what = "database"
    elif isinstance(error, (RedisError, BrokerError)):
        what = "broker"
    else:
        return None
    cause = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    return UnavailableError(f"the {what} can't be used ({cause})", f"check {what}_url and the server")


def _tell(error: DigestError) -> int:
    lines = [str(error).replace("\n", " ")]
    if isinstance(error, ConfigError) and len(error.faults) > 1:
        lines = [f"{error.where}: {len(error.faults)} faults", *(f"  {fault}" for fault in error.faults)]
        lines += [f"  ({error.hint})"] if error.hint else []
    console = _console(stderr=True)
    console.print(Text.assemble(("error: ", "bold red"), on_terminal("\n".join(lines))), soft_wrap=True)
    return error.exit_code
