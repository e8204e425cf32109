"""The text part's lines: filled so that a terminal shows them well and a telephone may fill them anew."""

from __future__ import annotations

import textwrap

from rich.cells import cell_len

WIDTH = 74  # RFC 3676 4.2 asks for less than 78


def flowed(text: str, taken: int = 0) -> str:
    """``text`` as one paragraph of format=flowed (RFC 3676): lines of about ``WIDTH`` characters, all but the last
    ending with a space, which lets a reader's program fill them to its own width. ``taken`` is what stands before it
    on its first line."""
    broken = textwrap.wrap(text, WIDTH - 1, initial_indent="\0" * taken, break_long_words=False, break_on_hyphens=False)
    return " \n".join(map(_stuffed, broken)).replace("\0", "")


def _stuffed(line: str) -> str:
    """``line``, such that it is no quotation and no mailbox's "From " line (RFC 3676 4.4)."""
    return f" {line}" if line.startswith((">", "From ")) else line


def underlined(text: str, stroke: str = "-") -> str:
    """``text`` as a heading over a line of its own width."""
    return f"{_stuffed(text)}\n{stroke * min(cell_len(text), WIDTH)}"
