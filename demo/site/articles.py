"""What the newspapers print: read from the TOML files beside this module, with addresses and times filled in."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

_FOLDER = Path(__file__).parent
_PATHS = {"courier": "/news", "desk": "/news", "minutes": "/minutes", "telegraph": "/telegraph/news"}
_PRINTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the newspapers are. Two names for one machine, since what one publisher prints twice is no second
    source."""

    courier: str
    telegraph: str

    def of(self, source: str) -> str:
        return self.telegraph if source == "telegraph" else self.courier


@dataclass(frozen=True, slots=True)
class Piece:
    """One article. ``story`` is the same for all that tell the same news; ``picture`` is "" where there is none."""

    source: str
    slug: str
    story: str
    day: int
    title: str
    standfirst: str
    published: datetime
    url: str
    picture: str = ""
    byline: str = ""
    place: str = ""
    country: str = ""
    tags: tuple[str, ...] = ()
    credit: str = ""
    agency: str = ""
    more: str = ""


def read(addresses: Addresses, now: datetime) -> list[Piece]:
    """All articles of both days, as if ``now`` were the evening of the first."""
    return [piece for source in _PATHS for piece in _of_source(source, addresses, now)]


def _of_source(source: str, addresses: Addresses, now: datetime) -> Iterator[Piece]:
    entries = tomllib.loads((_FOLDER / f"{source}.toml").read_text(encoding="utf-8"))["article"]
    base = addresses.of(source)
    for number, entry in enumerate(entries):
        age = timedelta(hours=entry.pop("hours")) if "hours" in entry else number * _PRINTED_EVERY
        slug = entry["slug"]
        yield Piece(
            source=source,
            story=entry.pop("also", slug),
            published=now - age,
            url=f"{base}{_PATHS[source]}/{slug}",
            picture=f"{base}/pictures/{slug}.png" if "credit" in entry else "",
            tags=tuple(entry.pop("tags", ())),
            **entry,
        )


def printed(pieces: Sequence[Piece], source: str, day: int) -> list[Piece]:
    """What ``source`` has out on ``day``, the newest first."""
    found = [piece for piece in pieces if piece.source == source and piece.day <= day]
    return sorted(found, key=lambda piece: piece.published, reverse=True)
