"""Which of an issue's stories one reader gets. Pure, and done once for every mail."""

from __future__ import annotations

from functools import lru_cache, partial
from itertools import filterfalse, islice

from digest.values import IssueContent, Section, Variant

_CUTOFFS_KEPT = 64


class Chooser:
    """Chooses for an issue's readers. What is above a cut-off is looked up once for all who stand there."""

    def __init__(self, content: IssueContent) -> None:
        self._content = content
        self._all = lru_cache(maxsize=_CUTOFFS_KEPT)(partial(self._chosen, None))  # the choice of most readers
        self._above = lru_cache(maxsize=_CUTOFFS_KEPT)(self._found_above)

    def choose(self, sections: frozenset[str] | None, covered_until: int | None) -> Variant:
        """What a reader gets who chose ``sections`` (keys of optional ones; ``None``: all) and was served up to the
        intake ``covered_until`` (``None``: never, so he gets what everybody gets). Sections without stories are left
        out."""
        cutoff = self._content.covers_from if covered_until is None else covered_until
        return self._all(cutoff) if sections is None else self._chosen(sections, cutoff)

    def _chosen(self, sections: frozenset[str] | None, cutoff: int) -> Variant:
        seen, shown = set[int](), []
        for index, section, ids in self._above(cutoff):
            if section.optional and sections is not None and section.key not in sections:
                continue
            picked = tuple(islice(filterfalse(seen.__contains__, ids), section.count))
            if picked:
                seen.update(picked)
                shown.append((index, picked))
        return Variant(tuple(shown))

    def _found_above(self, cutoff: int) -> list[tuple[int, Section, tuple[int, ...]]]:
        content = self._content
        found = enumerate(zip(content.edition.sections, content.candidates, strict=True))
        return [
            (index, section, tuple(story_id for story_id in ids if content.items[story_id].intake > cutoff))
            for index, (section, ids) in found
        ]


def choose(content: IssueContent, sections: frozenset[str] | None, covered_until: int | None) -> Variant:
    """What one reader gets of an issue, as ``Chooser`` says."""
    return Chooser(content).choose(sections, covered_until)
