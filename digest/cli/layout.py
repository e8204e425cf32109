"""How rows are laid out: as a table whose columns leave every word whole, or, where the terminal is too narrow for
that, row by row as ``name: value``."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

_GAP = 2
_TALLEST = 6  # lines of a cell; a table of taller ones is no table any more
NOTHING = "-"

Lines = Sequence[Sequence[str]]


def laid_out(
    columns: Sequence[str], lines: Lines, figures: Sequence[bool], room: int | None, title: str = ""
) -> RenderableType:
    """The rows in ``room`` columns of characters (``None``: as many as it takes). Columns that nobody has anything in
    are left out; those of ``figures`` stand right."""
    kept = [place for place in range(len(columns)) if any(line[place] not in {"", NOTHING} for line in lines)]
    kept = kept or [0]
    cells = [[columns[place], *(line[place] for line in lines)] for place in kept]
    widths = _widths(cells, room)
    if widths is None:
        return Text("\n".join(_blocks([columns[place] for place in kept], cells, room or 0, title)))
    table = Table(
        box=box.SIMPLE_HEAD,
        title=title or None,
        title_justify="left",
        pad_edge=False,
        show_edge=False,
        show_header=any(columns),
        padding=(0, _GAP - 1, 0, 0),
    )
    for place, width in zip(kept, widths, strict=True):
        table.add_column(columns[place], width=width, justify="right" if figures[place] else "left", overflow="fold")
    for line in lines:
        table.add_row(*(Text(line[place]) for place in kept))
    return table


def _widths(cells: Sequence[Sequence[str]], room: int | None) -> list[int] | None:
    """Each column's width: its longest word at least, and of what is left over as much as it can use, those that need
    little first. ``None``: there is no room for the words."""
    wanted = [max(cell_len(line) for cell in column for line in cell.split("\n")) for column in cells]
    if room is None:
        return wanted
    widths = [max(cell_len(word) for cell in column for word in cell.split() or [""]) for column in cells]
    spare = room - sum(widths) - _GAP * (len(cells) - 1)
    if spare < 0:
        return None
    hungry = sorted(range(len(cells)), key=lambda place: wanted[place] - widths[place])
    for others, place in zip(range(len(cells), 0, -1), hungry, strict=True):
        more = min(wanted[place] - widths[place], spare // others)
        widths[place] += more
        spare -= more
    tall = any(need > _TALLEST * width for need, width in zip(wanted, widths, strict=True))
    return None if tall and len(cells) > 2 else widths


def _blocks(columns: Sequence[str], cells: Sequence[Sequence[str]], room: int, title: str) -> list[str]:
    told = [title, ""] if title else []
    rows = list(zip(*(column[1:] for column in cells), strict=True))
    for row in rows:
        if len(columns) == 2:
            told += _wrapped(f"{row[0]}: {row[1]}", room)
            continue
        for name, cell in zip(columns, row, strict=True):
            if cell not in {"", NOTHING}:
                told += _wrapped(f"{name}: {cell}" if name else cell, room)
        told.append("")
    return told[:-1] if told[-1] == "" else told


def _wrapped(text: str, room: int) -> list[str]:
    return textwrap.wrap(text, room, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False) or [""]
