"""A thousand readers of the daily digest, as a CSV file with a few lines that can't be taken."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from random import Random

_NAMES = (
    ("Amara Ines Jonas Noor Tomasz Lucía Björn Siobhán", "Okafor Calloway Lindqvist Haddad Wilk Ferreira Ångström"),
    ("Анна Борис Вера Дмитрий", "Соколова Орлов Кузнецова"),
    ("आरती रोहन सीमा विक्रम", "शर्मा पाटिल वर्मा"),
    ("愛 健 美咲 大輔", "佐藤 鈴木 高橋"),
    ("ليلى عمر مريم يوسف", "حداد منصور الخطيب"),
    ("Ελένη Νίκος Μαρία Γιώργος", "Παππά Δήμου Αντωνίου"),
    ("지우 민준 서연 도윤", "김 이 박"),
)
_COLUMNS = ("email", "name", "sections", "locale", "time_zone")
_ZONES = ("", "Asia/Kolkata", "Africa/Nairobi", "America/Lima", "Europe/Oslo")
FAULTS = (
    ("no-at-sign.meridian.test", "No At Sign", "", "", ""),
    ("two@@meridian.test", "Two Signs", "", "", ""),
    ("nobody@meridian", "No Country", "", "", ""),
    ("astrologer@meridian.test", "Asks For Horoscopes", "horoscopes", "", ""),
    ("traveller@meridian.test", "On The Moon", "", "", "Moon/Tranquillity"),
)
"""Lines that the import must refuse, each for a reason of its own."""


def write(path: Path, count: int, sections: Sequence[str], seed: int = 1) -> None:
    """Write ``count`` readers who choose among the optional ``sections`` (keys), and ``FAULTS`` between them."""
    chance = Random(seed)
    lines = [_reader(number, sections, chance) for number in range(1, count + 1)]
    for line in FAULTS:
        lines.insert(chance.randrange(count // 2, len(lines)), line)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([_COLUMNS, *lines])


def _reader(number: int, sections: Sequence[str], chance: Random) -> tuple[str, ...]:
    first, last = (chance.choice(part.split()) for part in _NAMES[number % len(_NAMES)])
    return (f"reader{number:04}@meridian.test", f"{first} {last}", _choice(sections, chance), "", chance.choice(_ZONES))


def _choice(sections: Sequence[str], chance: Random) -> str:
    """A third take all, a few none of the optional ones, the others two to five."""
    kind = chance.random()
    if kind < 0.3:
        return ""
    return "-" if kind < 0.36 else ";".join(chance.sample(sections, chance.randint(2, 5)))


def read(path: Path, rejected: Path) -> dict[str, frozenset[str] | None]:
    """What each reader of the file chose (``None``: everything), without the lines that were rejected."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    with rejected.open(encoding="utf-8", newline="") as file:
        refused = [tuple(line[column] for column in _COLUMNS) for line in csv.DictReader(file)]
    taken = [line for line in lines if tuple(line[column] for column in _COLUMNS) not in refused]
    return {line["email"]: _chosen(line["sections"]) for line in taken}


def _chosen(text: str) -> frozenset[str] | None:
    return None if not text else frozenset(text.split(";")) - {"-"}
