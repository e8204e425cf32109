"""Which of an issue's stories one reader gets. Pure, and done once for every mail."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache, partial
from itertools import filterfalse, islice

from digest.values import IssueContent, Section, Variant

_CUTOFFS_KEPT = 64
_ORDERS_KEPT = 1024
_NAMED = 8  # sections, in a reason


def arranged(offered: Sequence[Section], chosen: Collection[str] | None) -> tuple[int, ...]:
    """The places, among the sections an edition offers, of those a reader gets, in the order they get them. ``chosen``
    are keys in their order; ``None``: all, as the edition has them.

    A section that can't be switched off and that they do not name keeps its place; those they named fill the others."""
    if chosen is None:
        return tuple(range(len(offered)))
    by_key = {section.key: place for place, section in enumerate(offered)}
    named = [by_key[key] for key in dict.fromkeys(chosen) if key in by_key]
    own = set(named)
    in_own_order = iter(named)
    return tuple(
        next(in_own_order) if place in own else place
        for place, section in enumerate(offered)
        if place in own or not section.optional
    )


def nothing_new(offered: Sequence[Section], chosen: Collection[str] | None) -> str:
    """Why a reader gets no mail, with the keys of their sections; in the edition's order, so that readers of the same
    sections have the same reason."""
    keys = [offered[place].key for place in sorted(arranged(offered, chosen))]
    if len(keys) == len(offered):
        return "nothing new in any section"
    others = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    return f"nothing new in {', '.join(keys[:_NAMED])}{others}" if keys else "no section is chosen"


class Chooser:
    """Chooses for an issue's readers. What is new above a cut-off is looked up once for all who stand there."""

    def __init__(self, content: IssueContent) -> None:
        self._content = content
        self._all = lru_cache(maxsize=_CUTOFFS_KEPT)(partial(self._chosen, None))  # the choice of most readers
        self._above = lru_cache(maxsize=_CUTOFFS_KEPT)(self._found_above)
        self._arranged = lru_cache(maxsize=_ORDERS_KEPT)(partial(arranged, content.edition.sections))
        self._thin = content.edition.thin
        places = {section.key: place for place, section in enumerate(content.edition.sections)}
        self._fallback = places.get(content.edition.fallback)

    def choose(self, sections: tuple[str, ...] | None, covered_until: int | None) -> Variant:
        """What a reader gets who chose ``sections`` (as ``arranged`` says) and was served up to the intake
        ``covered_until`` (``None``: never, so they get what everybody gets). Sections without stories are left out.

        In which section a story stands follows the edition's order, whatever theirs: the candidates are as deep as that
        needs. Where that makes a thin mail the edition's fallback section comes behind, with what is left of it for
        them; alone it makes none."""
        cutoff = self._content.covers_from if covered_until is None else covered_until
        return self._all(cutoff) if sections is None else self._chosen(sections, cutoff)

    def _chosen(self, sections: tuple[str, ...] | None, cutoff: int) -> Variant:
        order = self._arranged(sections)
        above = self._above(cutoff)
        seen, picked = set[int](), dict[int, tuple[int, ...]]()
        for index, section, ids in above:
            if index in order:
                picked[index] = found = tuple(islice(filterfalse(seen.__contains__, ids), section.count))
                seen.update(found)
        if 0 < len(seen) < self._thin and self._fallback is not None and self._fallback not in order:
            index, section, ids = above[self._fallback]
            picked[index] = tuple(islice(filterfalse(seen.__contains__, ids), section.count))
            order = (*order, index)
        return Variant(tuple([(index, picked[index]) for index in order if picked[index]]))

    def _found_above(self, cutoff: int) -> list[tuple[int, Section, tuple[int, ...]]]:
        content = self._content
        found = enumerate(zip(content.edition.sections, content.candidates, strict=True))
        return [
            (index, section, tuple(story_id for story_id in ids if content.items[story_id].is_for(cutoff)))
            for index, (section, ids) in found
        ]


def choose(content: IssueContent, sections: tuple[str, ...] | None, covered_until: int | None) -> Variant:
    """What one reader gets of an issue, as ``Chooser`` says."""
    return Chooser(content).choose(sections, covered_until)
