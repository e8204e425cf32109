"""Why an issue shows what it shows: each story's rank in a section, its score in parts, and what stands in its way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from digest.editorial.ranking import Score
from digest.values import IssueContent, Reason, Variant


@dataclass(frozen=True, slots=True)
class Placed:
    """A story in a section. ``rank``: its place by merit, 0 where an editor put what merit would not have; ``place``:
    where it is shown, 0 if it is not, and then ``instead`` says why; ``parts``: of its ``score``, in days."""

    rank: int
    place: int
    story_id: int
    title: str
    score: float
    parts: Mapping[str, float]
    instead: str = ""

    @property
    def because(self) -> str:
        """The score as an editor reads it."""
        return str(Score(**self.parts)) if self.rank else "an editor's choice"


def explained(content: IssueContent, variant: Variant) -> dict[int, list[Placed]]:
    """Per section (its place in the edition) that had something to show: the stories that ``variant`` shows there, in
    order, then those it does not."""
    shown = dict(variant.shown)
    home = {story_id: content.edition.sections[index].title for index, ids in variant.shown for story_id in ids}
    found = {
        index: _explained(content, reasons, shown.get(index, ()), home)
        for index, reasons in enumerate(content.reasons or [()] * len(content.candidates))
    }
    return {index: placed for index, placed in found.items() if placed}


def _explained(
    content: IssueContent, reasons: Sequence[Reason], ids: Sequence[int], home: Mapping[int, str]
) -> list[Placed]:
    ranks = {reason.story_id: rank for rank, reason in enumerate(reasons, 1)}
    parts = {reason.story_id: reason.parts for reason in reasons}
    last = max((ranks.get(story_id, 0) for story_id in ids), default=0)
    placed = [
        _placed(ranks.get(story_id, 0), place, story_id, content.items[story_id].title, parts.get(story_id, {}))
        for place, story_id in enumerate(ids, 1)
    ]
    for rank, each in enumerate(reasons, 1):
        if each.story_id not in ids:
            missed = "an editor took it out" if rank < last else "there was no more room"
            instead = f"stands in {home[each.story_id]}" if each.story_id in home else missed
            placed.append(_placed(rank, 0, each.story_id, each.title, each.parts, instead))
    return placed


def _placed(rank: int, place: int, story_id: int, title: str, parts: Mapping[str, float], instead: str = "") -> Placed:
    return Placed(rank, place, story_id, title, round(sum(parts.values()), 2), parts, instead)
