"""Shows why stories stand where they do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from digest.cli.common import plain, show_table
from digest.editorial.why import Placed

COLUMNS = ("shown", "rank", "story", "headline", "score = parts, in days", "instead")


def show_why(sections: Mapping[str, Sequence[Placed]]) -> None:
    """A table for each section: what it shows, in order, and what it does not."""
    for title, placed in sections.items():
        rows = [(p.place or "", p.rank or "", p.story_id, p.title, p.because, p.instead) for p in placed]
        show_table(COLUMNS, rows, title)


def why_as_json(sections: Mapping[str, Sequence[Placed]]) -> list[dict[str, Any]]:
    return [{"section": title, "stories": [plain(each) for each in placed]} for title, placed in sections.items()]
