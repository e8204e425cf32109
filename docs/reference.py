"""Makes docs/reference from the code: ``settings.md`` from the settings' fields, ``cli.md`` from the commands.

Run it with ``make docs``; a test compares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from digest import cli
from digest.settings import Settings

FOLDER = Path(__file__).parent / "reference"
_NOTE = "<!-- Made by `make docs`: change the code, not this file. -->"
_LIMITS: dict[type, tuple[str, str]] = {
    annotated_types.Ge: ("ge", "≥"),
    annotated_types.Gt: ("gt", ">"),
    annotated_types.Le: ("le", "≤"),
    annotated_types.Lt: ("lt", "<"),
}


def pages() -> dict[str, str]:
    """The text of every page, by the name of its file."""
    return {"settings.md": settings(), "cli.md": commands()}


# ---------------------------------------------------------------------------------------------- settings


def settings() -> str:
    """Every setting, table by table."""
    head = [
        "# Settings",
        "",
        _NOTE,
        "",
        "Settings are read from `digest.toml`; an environment variable wins over the file, and gives lists and tables",
        "as JSON. Paths are relative to the folder of `digest.toml`. An array of tables is written",
        "`[[name]]`, and a table with names of your own `[name.NAME]`; these are given as a whole in the environment.",
    ]
    return "\n".join([*head, *_table(Settings, (), "DIGEST_")]) + "\n"


def _table(model: type[BaseModel], path: tuple[str, ...], variable: str) -> Iterator[str]:
    rows, below = [], list[str]()
    for name, field in model.model_fields.items():
        part, kind = _models_within(field.annotation)
        env = f"{variable}{name}".upper() if variable else ""
        if part and kind == "table":
            below += ["", *_heading(f"[{'.'.join((*path, name))}]", field), *_table(part, (*path, name), f"{env}__")]
            continue
        if part:
            title = f"[[{name}]]" if kind == "array" else f"[{'.'.join((*path, name))}.NAME]"
            inner = ["", "The same keys as `[smtp]`."] if name == "smtp_routes" else list(_table(part, (name,), ""))
            below += ["", *_heading(title, field), *(["", f"As a whole: `{env}`."] if env else []), *inner]
            continue
        cells = (f"`{name}`", f"`{env}`" if env else "–", _type(field), _default(field), field.description or "")
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    if rows:
        yield from ("", "| name | variable | value | default | what it is for |", "|---|---|---|---|---|", *rows)
    yield from below


def _heading(title: str, field: FieldInfo) -> list[str]:
    return [f"## `{title}`", "", field.description or ""]


def _models_within(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """The table that a setting is, or that its items are: ``table``, ``array`` or ``named``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, "table"
    for item in get_args(annotation):
        if isinstance(item, type) and issubclass(item, BaseModel):
            return item, "array" if get_origin(annotation) is tuple else "named"
    return None, ""


def _type(field: FieldInfo) -> str:
    bounds = [
        f"{_LIMITS[type(m)][1]} {getattr(m, _LIMITS[type(m)][0]):,}" for m in field.metadata if type(m) in _LIMITS
    ]
    shown = _name(field.annotation)
    return f"{shown}, {', '.join(bounds)}" if bounds else shown


def _name(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _name(inner[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in inner)
    if origin in {Union, UnionType}:
        return _name(next(kind for kind in inner if kind is not NoneType))
    if origin is tuple:
        return f"list of {_name(inner[0])}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"table of {_name(inner[1])}"
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return " or ".join(f"`{value}`" for value in annotation)
    names = {
        str: "text",
        int: "whole number",
        float: "number",
        bool: "true or false",
        Path: "path",
        SecretStr: "secret",
    }
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined:
        return "required"
    if "SecretStr" in repr(field.annotation) or value is None or value in ("", (), {}):
        return "–"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


# ---------------------------------------------------------------------------------------------- commands


def commands() -> str:
    """Every command with its arguments, options and example."""
    lines = ["# Commands", "", _NOTE, "", "`digest COMMAND --help` shows the same in a terminal."]
    for name in cli.COMMANDS:
        lines += _command((name,), cli.load(name))
    return "\n".join(lines) + "\n"


def _command(path: tuple[str, ...], command: Any) -> Iterator[str]:
    yield from ("", f"{'#' * (len(path) + 1)} digest {' '.join(path)}", "", command.help or "")
    rows = [_parameter(each) for each in command.params if not getattr(each, "hidden", False)]
    if rows:
        yield from ("", "| argument or option | what it is for |", "|---|---|", *rows)
    if command.epilog:
        yield from ("", "```text", *(line for line in command.epilog.splitlines() if line.strip()), "```")
    for name, part in getattr(command, "commands", {}).items():
        yield from _command((*path, name), part)


def _parameter(each: Any) -> str:
    flag = getattr(each, "is_flag", False)
    if each.param_type_name == "argument":
        shown = f"`{each.metavar or each.name.upper()}`"
    else:
        value = "" if flag else f" {each.metavar or each.name.upper()}"
        shown = ", ".join(f"`{name}`" for name in (*each.opts, *each.secondary_opts)) + (f"`{value}`" if value else "")
    told = " ".join((each.help or "").split()) + (" Required." if each.required else "")
    return f"| {shown} | {told} |".replace("` `", " ").replace("``", "")


def main() -> None:
    """Write the pages."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
