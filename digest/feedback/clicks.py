"""Which clicks are taken for a reader's own.

Mail servers and security products fetch the links of a mail to look for harm, mostly as it comes in and all at once.
Nothing in a request proves that a person made it, so the rules are few, said aloud, and err towards not counting:

- nothing within ``SETTLING`` of the mail's acceptance counts, nor before it;
- two different links followed within ``APART`` of each other don't count, neither of them.

A scanner that waits for minutes and fetches one link is counted; a person who opens five stories in a row as fast as
they can press is not. A click that did not count is no stain: the same link, followed again later, is judged anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

SETTLING = timedelta(seconds=10)
APART = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Click:
    """A story followed from one reader's mail of one issue: once that counts, or else the last time that did not."""

    story_id: int
    at: datetime
    counts: bool


def judged(story_id: int, at: datetime, accepted_at: datetime | None, before: Sequence[Click]) -> list[Click]:
    """What is to be written when a reader's link is followed: the click, and those ``before`` it that it shows to be a
    scanner's. ``accepted_at``: when their mail was accepted, ``None`` if it is not known to be. A click that counts
    already is not written again."""
    if any(click.story_id == story_id and click.counts for click in before):
        return []
    close = [click for click in before if click.story_id != story_id and abs(at - click.at) <= APART]
    settled = accepted_at is not None and at - accepted_at > SETTLING
    unmasked = [replace(click, counts=False) for click in close if click.counts]
    return [Click(story_id, at, settled and not close), *unmasked]
