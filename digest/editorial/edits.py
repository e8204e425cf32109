"""What an editor changes in an issue before it goes out: content and edits make content.

Edits are kept beside the content they change, so each can be taken back, and they hold for a fresh composition too. One
whose story or section is not there (any more) is left out and reported.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from digest.codec import codec
from digest.editorial.variants import choose
from digest.errors import InputError, NotFoundError
from digest.values import IssueContent, Item, Rule


class Verb(StrEnum):
    """What an edit does."""

    PIN = "pin"
    DROP = "drop"
    MOVE = "move"
    RETITLE = "retitle"
    SUBJECT = "subject"
    PREHEADER = "preheader"
    INTRO = "intro"


@dataclass(frozen=True, slots=True)
class Edit:
    """One change. ``story_id`` and its ``title`` at the time, of those about a story; ``text``: the new title, subject,
    preheader or introduction ("" gives the composed one back); ``section`` and ``place`` (from 1) of a move."""

    verb: Verb
    story_id: int = 0
    title: str = ""
    text: str = ""
    section: str = ""
    place: int = 1

    def __str__(self) -> str:
        match self.verb:
            case Verb.MOVE:
                return f"move {self.story_id} to {self.section}, place {self.place}: {self.title}"
            case Verb.RETITLE:
                return f"retitle {self.story_id} as “{self.text}”: {self.title}"
            case Verb.PIN | Verb.DROP:
                return f"{self.verb} {self.story_id}: {self.title}"
            case _:
                return f"{self.verb}: {self.text or 'as composed'}"


def apply(content: IssueContent, edits: Iterable[Edit]) -> tuple[IssueContent, tuple[Edit, ...]]:
    """``content`` with ``edits`` made in their order, and those that could not be made."""
    left_out = []
    for edit in edits:
        if _possible(content, edit):
            content = _MADE[edit.verb](content, edit)
        else:
            left_out.append(edit)
    return content, tuple(left_out)


def check(content: IssueContent, edit: Edit) -> None:
    """Raise what an editor should be told who wants ``edit`` made to ``content``."""
    if edit.verb is not Verb.MOVE:
        return
    keys = [section.key for section in content.edition.sections]
    if edit.section not in keys:
        raise NotFoundError(f"there is no section {edit.section!r}", f"one of {', '.join(keys)}")
    most = content.edition.sections[keys.index(edit.section)].count
    if not 1 <= edit.place <= most:
        raise InputError(f"section {edit.section} shows {most} stories", f"give a place from 1 to {most}")


def find(content: IssueContent, name: str) -> Item:
    """The story that an editor means by its number or by words of its headline. Raises ``NotFoundError`` with those it
    might have been, ``InputError`` when several fit."""
    items = content.items
    if name.isdecimal() and int(name) in items:
        return items[int(name)]
    fitting = [item for item in items.values() if name.casefold() in item.title.casefold()] if name.strip() else []
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise InputError(f"{len(fitting)} headlines have {name!r}", f"give a number: {_listed(fitting)}")
    raise NotFoundError(f"this issue has no story {name!r}", _nearest(name, items))


def _nearest(name: str, items: Mapping[int, Item]) -> str:
    """Stories that somebody who wrote ``name`` may have meant."""
    if name.isdecimal():
        near = [items[int(key)] for key in difflib.get_close_matches(name, map(str, items), n=3)]
    else:
        words = {word: item for item in items.values() for word in (item.title.casefold(), *_words(item.title))}
        found = difflib.get_close_matches(name.casefold(), words, n=4, cutoff=0.6)
        near = list({words[word].story_id: words[word] for word in found}.values())
    return f"did you mean {_listed(near)}?" if near else "`digest issue show ID --all` lists them"


def _words(title: str) -> list[str]:
    return [word for word in title.casefold().split() if len(word) > 3]


def _listed(items: Iterable[Item]) -> str:
    return ", ".join(f"{item.story_id} “{item.title}”" for item in list(items)[:4])


# ---------------------------------------------------------------------------------------------- each edit


def _possible(content: IssueContent, edit: Edit) -> bool:
    known = not edit.story_id or edit.story_id in content.items
    return known and (not edit.section or any(edit.section == section.key for section in content.edition.sections))


def _pin(content: IssueContent, edit: Edit) -> IssueContent:
    """It leads the lead section, or where there is none the first; and whatever other section shows it to those who
    don't have that one."""
    sections, story = content.edition.sections, edit.story_id
    lead = next((place for place, section in enumerate(sections) if section.rule is Rule.LEAD), 0)
    return _rearranged(
        content,
        lambda place, ids: (story, *_without(story, ids)) if place == lead or story in ids else ids,
    )


def _drop(content: IssueContent, edit: Edit) -> IssueContent:
    items = {key: item for key, item in content.items.items() if key != edit.story_id}
    return replace(_rearranged(content, lambda _, ids: _without(edit.story_id, ids)), items=items)


def _move(content: IssueContent, edit: Edit) -> IssueContent:
    """It stands in that section and in no other, at its place among what a reader of everything is shown there."""
    story = edit.story_id
    rest = _rearranged(content, lambda _, ids: _without(story, ids))
    target = next(n for n, section in enumerate(content.edition.sections) if section.key == edit.section)
    shown = dict(choose(rest, None, None).shown).get(target, ())
    ids = rest.candidates[target]
    at = ids.index(shown[edit.place - 1]) if edit.place <= len(shown) else _behind(ids, shown)
    return _rearranged(rest, lambda place, ids: (*ids[:at], story, *ids[at:]) if place == target else ids)


def _behind(ids: tuple[int, ...], shown: tuple[int, ...]) -> int:
    return ids.index(shown[-1]) + 1 if shown else 0


def _retitle(content: IssueContent, edit: Edit) -> IssueContent:
    item = content.items[edit.story_id]
    image = item.image
    if image and image.alt == item.title:
        image = replace(image, alt=edit.text)
    return replace(content, items={**content.items, item.story_id: replace(item, title=edit.text, image=image)})


def _subject(content: IssueContent, edit: Edit) -> IssueContent:
    return replace(content, subjects=(edit.text,) if edit.text else ())


def _preheader(content: IssueContent, edit: Edit) -> IssueContent:
    return replace(content, preheader=edit.text)


def _intro(content: IssueContent, edit: Edit) -> IssueContent:
    return replace(content, intro=edit.text)


_MADE: Mapping[Verb, Callable[[IssueContent, Edit], IssueContent]] = {
    Verb.PIN: _pin,
    Verb.DROP: _drop,
    Verb.MOVE: _move,
    Verb.RETITLE: _retitle,
    Verb.SUBJECT: _subject,
    Verb.PREHEADER: _preheader,
    Verb.INTRO: _intro,
}


def _without(story: int, ids: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(key for key in ids if key != story)


def _rearranged(content: IssueContent, arranged: Callable[[int, tuple[int, ...]], tuple[int, ...]]) -> IssueContent:
    return replace(content, candidates=tuple(arranged(n, ids) for n, ids in enumerate(content.candidates)))


# -------------------------------------------------------------------------------------------------- JSON


def to_json(edit: Edit) -> dict[str, object]:
    """``edit`` as the record of changes keeps it."""
    written: dict[str, object] = codec(Edit).dump_python(edit, mode="json", exclude_defaults=True)
    return written


def from_json(data: Mapping[str, object]) -> Edit:
    """The edit behind ``to_json``."""
    return codec(Edit).validate_python(data)
