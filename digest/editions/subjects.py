"""What a mail list shows before a mail is opened: the subject line, and the preheader that stands behind it.

Both are composed from the stories that this reader gets, unless an editor wrote them. The sender's name is the
edition's, so the subject has room for the news.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from digest.language import wording
from digest.language.text import shorten
from digest.values import CompiledIssue, IssueContent, Item

PLACEHOLDERS = ("edition", "headline", "more", "date")
MOST = 120
"""Characters of a composed subject: what a wide screen shows of it."""
LEADING = 3  # stories that a preheader can name
_HEADLINE_LEAST = 40
_TITLE_MOST = 100
_PLACE = re.compile(r"\{\{|\}\}|\{(" + "|".join(PLACEHOLDERS) + r")\}")
_SEPARATORS = r" ,;:|/·–—-"
_NO_MORE = re.compile(rf"[(\[{_SEPARATORS}]*\{{more\}}[)\]]*")  # with the signs that would lead up to it


def template(content: IssueContent) -> str:
    """The subject as the editor wrote it, else as the edition's file has it; either may hold placeholders."""
    return content.subjects[0] if content.subjects else content.edition.subject


def subject(written: str, compiled: CompiledIssue, first: Item, others: int) -> str:
    """The subject of a mail that begins with ``first`` and has ``others`` stories besides. The headline is clipped, so
    that what stands behind it is seen; a ``{more}`` without others vanishes together with its comma or brackets."""
    if not others:
        written = _NO_MORE.sub("", written).strip(_SEPARATORS)
    words = {
        "edition": compiled.content.edition.title,
        "headline": "",
        "more": wording.form(compiled.more, others).replace("{count}", str(others)),
        "date": compiled.date,
    }
    room = max(MOST - len(_filled(written, words)), _HEADLINE_LEAST)
    return _filled(written, words | {"headline": shorten(first.title, room)})


def preheader(written: str, content: IssueContent, leading: Sequence[Item]) -> list[str]:
    """What stands behind the subject ``written``, in parts: the editor's preheader; else the next headlines, without
    the first where the subject has that; else what the only story is about."""
    if content.preheader:
        return [content.preheader]
    told = leading[1:] if "{headline}" in written else leading[: LEADING - 1]
    return [shorten(item.title, _TITLE_MOST) for item in told] or [shorten(leading[0].standfirst, 2 * _TITLE_MOST - 80)]


def _filled(written: str, words: dict[str, str]) -> str:
    return _PLACE.sub(lambda found: words[found[1]] if found[1] else found[0][0], written)
