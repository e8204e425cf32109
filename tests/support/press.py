"""A month of news: what a paper and an agency bring, day by day, with newer words of some of it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from digest.editorial.updates import is_news
from digest.values import ArticleDraft, Kind
from tests.support.world import WORDS

START = datetime(2026, 3, 20, tzinfo=UTC)  # clocks change within the month
DAYS = 30


@dataclass
class Told:
    """A story of the simulated press: when it came, in which sections it fits, and when it was news again."""

    number: int
    at: datetime
    sector: str
    again: list[datetime] = field(default_factory=list)

    def draft(self, version: int) -> ArticleDraft:
        one, two = WORDS[self.number % 20], WORDS[(self.number * 7 + 3 + version) % 20]
        mark = f"{self.number}v{version}"
        said = f"{one}{mark} {two}{mark} {70_000 + self.number * 10 + version}"
        return ArticleDraft(
            title=f"Number{self.number} version{version} {said}",
            url=f"https://tide.example/{self.number}",
            guid=str(self.number),
            standfirst=f"About{mark} the {two}x{mark} and {one}y{mark}.",
            sector="" if self.sector == "views" else self.sector,
            kind=Kind.OPINION if self.sector == "views" else Kind.NEWS,
            published=self.at,
        )

    def fits(self, section: str) -> bool:
        return section in {"first", "latest", self.sector} or (section == "lead" and self.sector != "views")


@dataclass
class Press:
    """What is printed when: (time, feed, draft), in order."""

    stories: list[Told]
    printed: list[tuple[datetime, str, ArticleDraft]]


def press(chance: random.Random, copied: bool) -> Press:
    """Some seven stories a day; a third of them is polished, half are news again later, some twice; with ``copied`` the
    other feed tells some of them in the same words."""
    made = Press([], [])
    for number in range(1, 7 * DAYS + 1):
        at = START + timedelta(minutes=2 * chance.randrange(DAYS * 24 * 30) + 1, seconds=number % 60)
        story = Told(number, at, chance.choice(["sea", "sea", "land", "land", "views", "air"]))
        made.stories.append(story)
        made.printed.append((at, "desk", story.draft(0)))
        if chance.random() < 0.33:
            polished = replace(story.draft(0), title=f"{story.draft(0).title} now")
            assert not is_news(story.draft(0), polished, timedelta(days=1))
            made.printed.append((at + timedelta(hours=5), "desk", polished))
        for version in range(1, chance.choice([0, 0, 1, 2]) + 1):
            again = (story.again or [at + timedelta(hours=6)])[-1] + timedelta(minutes=chance.randrange(300, 6000))
            assert is_news(story.draft(version - 1), story.draft(version), timedelta(hours=4))
            if again >= START + timedelta(days=DAYS - 1):
                break
            story.again.append(again)
            made.printed.append((again, "desk", story.draft(version)))
        if copied and chance.random() < 0.2:
            copy = replace(story.draft(0), url=f"https://wire.example/{number}", guid=f"w{number}")
            made.printed.append((at + timedelta(minutes=chance.randrange(10, 280)), "wire", copy))
    end = START + timedelta(days=DAYS) - timedelta(minutes=2)
    for number, sector in enumerate(
        ("sea", "land", "views"), 1000
    ):  # so that the last issue has something for everyone
        story = Told(number, end + timedelta(seconds=number % 60), sector)
        made.stories.append(story)
        made.printed.append((story.at, "desk", story.draft(0)))
    made.printed.sort(key=lambda one: one[:2])
    return made
