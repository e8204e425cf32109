"""Makes docs/reference from the code: ``settings.md`` from the settings' fields, ``edition.md`` from the keys of an
edition file, ``templates.md`` from what templates are given, ``cli.md`` from the commands.

Run it with ``make docs``; a test compares.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from digest import cli
from digest.editions.checks import WORD
from digest.editions.dress import Colour
from digest.editions.tables import EditionFile
from digest.mail import vocabulary
from digest.settings import Settings

FOLDER = Path(__file__).parent / "reference"
_NOTE = "<!-- Made by `make docs`: change the code, not this file. -->"
_HOLDS: dict[Any, str] = {tuple: "array", UnionType: "table", Union: "table"}
_LIMITS: dict[type, tuple[str, str]] = {
    annotated_types.Ge: ("ge", "≥"),
    annotated_types.Gt: ("gt", ">"),
    annotated_types.Le: ("le", "≤"),
    annotated_types.Lt: ("lt", "<"),
}


def pages() -> dict[str, str]:
    """The text of every page, by the name of its file."""
    return {"settings.md": settings(), "edition.md": edition(), "templates.md": templates(), "cli.md": commands()}


# ---------------------------------------------------------------------------------------------- settings, editions


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


def edition() -> str:
    """Every key of an edition file, table by table."""
    head = [
        "# The edition file",
        "",
        _NOTE,
        "",
        "`digest edition check FILE` reports every fault of such a file. [editions.md](../editions.md) says how the",
        "keys work together. Text is one line without control characters, unless its description says otherwise.",
        "An array of tables is written `[[name]]`, one for each entry.",
    ]
    return "\n".join([*head, *_table(EditionFile, (), None)]) + "\n"


def _table(model: type[BaseModel], path: tuple[str, ...], variable: str | None) -> Iterator[str]:
    """``variable`` is what the names of its environment variables begin with: "" where there are none for single
    settings, ``None`` where nothing is read from the environment."""
    rows, below = [], list[str]()
    for name, field in model.model_fields.items():
        part, kind = _models_within(field.annotation)
        env = f"{variable}{name}".upper() if variable else ""
        if part and kind == "table":
            inner = list(_table(part, (*path, name), f"{env}__" if env else variable))
            below += ["", *_heading(f"[{'.'.join((*path, name))}]", field), *inner]
            continue
        if part:
            title = f"[[{name}]]" if kind == "array" else f"[{'.'.join((*path, name))}.NAME]"
            same = ["", "The same keys as `[smtp]`."] if name == "smtp_routes" else None
            inner = same or list(_table(part, (name,), None if variable is None else ""))
            below += ["", *_heading(title, field), *(["", f"As a whole: `{env}`."] if env else []), *inner]
            continue
        cells = [f"`{field.alias or name}`", f"`{env}`" if env else "–", _type(field), _default(field)]
        rows.append(_row([*(cells if variable is not None else cells[:1] + cells[2:]), field.description or ""]))
    if rows:
        columns = ["name", *(["variable"] if variable is not None else []), "value", "default", "what it is for"]
        yield from ("", _row(columns), "|" + "---|" * len(columns), *rows)
    yield from below


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _heading(title: str, field: FieldInfo) -> list[str]:
    return [f"## `{title}`", "", field.description or ""]


def _models_within(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """The table that a setting is, or that its items are: ``table``, ``array`` or ``named``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, "table"
    for item in get_args(annotation):
        if isinstance(item, type) and issubclass(item, BaseModel):
            return item, _HOLDS.get(get_origin(annotation), "named")
    return None, ""


def _type(field: FieldInfo) -> str:
    return ", ".join([_name(field.annotation), *_bounds(field.annotation, field.metadata)])


def _bounds(annotation: Any, metadata: Iterable[Any]) -> Iterator[str]:
    """What a value must keep to, in words."""
    limits = list(_flat(metadata))
    for found in limits:
        if type(found) in _LIMITS:
            name, sign = _LIMITS[type(found)]
            yield f"{sign} {getattr(found, name):,}"
        if getattr(found, "pattern", None) == WORD:
            yield "small letters, digits, `-` and `_`"
    what = "entries" if get_origin(annotation) is tuple else "characters"
    if least := max((getattr(found, "min_length", None) or 0 for found in limits), default=0):
        yield f"at least {least} {what}" if least > 1 else "not empty"
    if most := min((n for found in limits if (n := getattr(found, "max_length", None))), default=0):
        yield f"at most {most} {what}"
    if get_origin(annotation) in {Union, UnionType}:
        for kind in get_args(annotation):
            yield from _bounds(*_parts(kind))
    if get_origin(annotation) is tuple and (each := list(_bounds(*_parts(get_args(annotation)[0])))):
        yield f"each: {', '.join(each)}"


def _flat(metadata: Iterable[Any]) -> Iterator[Any]:
    for found in metadata:
        if isinstance(found, FieldInfo):
            yield from _flat(found.metadata)
        else:
            yield found


def _parts(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type and what stands beside it."""
    if get_origin(annotation) is Annotated:
        return get_args(annotation)[0], annotation.__metadata__
    return annotation, ()


def _name(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation == Colour:
        return "colour"
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
    if isinstance(value, tuple):
        return f"`{json.dumps(value)}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


# ---------------------------------------------------------------------------------------------- templates

_THEMES = Path(__file__).parents[1] / "templates" / "themes"
_COMMENT = re.compile(r"\A(?:\{#\s*(.+?)\s*(?:\n\s*\n|#\})|# (.+?)\n)", re.DOTALL)


def templates() -> str:
    """The files of a theme, and what they may use."""
    lines = [
        "# Templates",
        "",
        _NOTE,
        "",
        "[look.md](../look.md) says how to change one file, and what a theme of your own needs.",
        "",
        "## Files",
        "",
        "Every file of `templates/themes/classic`, and those that `templates/themes/plain` has of its own.",
        "The files in `templates/strings` have the words of the frame.",
        "",
        _row(["file", "`classic`", "`plain`"]),
        "|---|---|---|",
    ]
    names = sorted({path.name for path in _THEMES.glob("*/*")})
    lines += [
        _row([f"`{name}`", *(_drawn(_THEMES / theme / name) for theme in ("classic", "plain"))]) for name in names
    ]
    for title, about, described in _USED:
        lines += ["", f"## {title}", "", about, "", "| name | what it is |", "|---|---|"]
        lines += [_row([f"`{name}`", told]) for name, told in described.items()]
    return "\n".join(lines) + "\n"


_USED: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    (
        "What an issue is given",
        "Names in `issue.html.j2`, `issue.txt.j2` and the files they include.",
        vocabulary.NAMES,
    ),
    ("What an issue sets", "Names that `issue.html.j2` sets for the files it includes.", vocabulary.SET),
    (
        "Slots",
        'Personal values, which `slot("NAME")` writes. There are no others. In the public archive all are empty but '
        "`rank`.",
        vocabulary.SLOTS,
    ),
    (
        "Marks of blocks",
        "An issue is rendered once. A reader's mail is put together from its blocks: the head, then for each of their "
        "sections its opening, stories and closing, then the tail. `cut(...)` marks where a block begins; what stands "
        "before the first mark is the head. Between two marks there are only whole elements. `issue.html.j2` and "
        "`issue.txt.j2` must set the marks `opening` to `tail`; there are no others.",
        vocabulary.CUTS,
    ),
    (
        "Filters",
        "Beside Jinja's own. Dates and numbers follow the edition's language and time zone.",
        vocabulary.FILTERS,
    ),
    ("Functions", "Beside Jinja's own.", vocabulary.FUNCTIONS),
    (
        "What the mail to confirm is given",
        "Names in `confirm.html.j2`, `confirm.txt.j2` and `confirm.subject.j2`.",
        vocabulary.LETTER_NAMES,
    ),
)


def _drawn(path: Path) -> str:
    """What a file says of itself: the first paragraph of the comment it begins with."""
    if not path.is_file():
        return "–"
    found = _COMMENT.match(path.read_text(encoding="utf-8"))
    if not found:
        raise SystemExit(f"{path}: does not begin with a comment that says what it draws")
    return " ".join((found[1] or found[2]).split())


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
