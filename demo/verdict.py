"""What a thousand received mails must come to, and whether they do."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from demo.mails import Mail

Choices = Mapping[str, frozenset[str] | None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. ``good``: it is as it must be."""

    what: str
    found: str
    good: bool


@dataclass(frozen=True, slots=True)
class Expected:
    """``choices`` are the readers that were imported, by address, with the optional sections they chose (titles;
    ``None``: all); ``always`` the titles of the sections everybody gets; ``gone`` who unsubscribed in between."""

    choices: Choices
    always: frozenset[str]
    gone: str


def judge(mails: Sequence[Mail], expected: Expected) -> list[Finding]:
    """The findings on two issues' mails."""
    issues = sorted({mail.issue for mail in mails})
    first, second = ([mail for mail in mails if mail.issue == number] for number in [*issues, 0, 0][:2])
    stayed = expected.choices.keys() - {expected.gone}
    repeated, unwanted = _repeated(mails), _unwanted(mails, expected)
    faults = [fault for mail in mails for fault in mail.faults]
    return [
        Finding("issues", f"{len(issues)}", len(issues) == 2),
        _reached("first issue", first, expected.choices.keys()),
        _reached("second issue", second, stayed),
        Finding(
            "unsubscribed in between",
            f"{expected.gone}: {_count(first, expected.gone)} mail of the first issue,"
            f" {_count(second, expected.gone)} of the second",
            (_count(first, expected.gone), _count(second, expected.gone)) == (1, 0),
        ),
        Finding(
            "stories",
            f"{len({s for mail in mails for s in mail.stories})} different ones shown"
            f" {sum(len(mail.stories) for mail in mails):,} times,"
            f" {repeated} repeated to anybody",
            repeated == 0 and all(mail.stories for mail in mails),
        ),
        Finding(
            "sections",
            f"{len({title for mail in mails for title in mail.sections})} different ones,"
            f" {unwanted} shown to somebody who had not chosen them",
            unwanted == 0 and all(mail.sections for mail in mails),
        ),
        Finding(
            "parse defects",
            f"{len(faults)}" + "".join(f"; {n} x {fault}" for fault, n in Counter(faults).most_common(3)),
            not faults,
        ),
    ]


def sections(mails: Sequence[Mail], titles: Sequence[str]) -> list[tuple[str, int, int]]:
    """For each section, in the edition's order, how many mails of the first and the second issue it stands in."""
    issues = sorted({mail.issue for mail in mails})
    counted = [Counter(title for mail in mails if mail.issue == issue for title in mail.sections) for issue in issues]
    first, second = [*counted, Counter[str](), Counter[str]()][:2]
    return [(title, first[title], second[title]) for title in titles]


def _reached(name: str, mails: Sequence[Mail], wanted: Iterable[str]) -> Finding:
    got, wanted = Counter(mail.recipient for mail in mails), set(wanted)
    good = got.keys() == wanted and got.total() == len(wanted)
    return Finding(name, f"{got.total():,} mails to {len(got):,} distinct recipients; {len(wanted):,} expected", good)


def _count(mails: Iterable[Mail], recipient: str) -> int:
    return sum(mail.recipient == recipient for mail in mails)


def _repeated(mails: Iterable[Mail]) -> int:
    """Stories that came to one reader more than once, in one mail or in two."""
    told: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for mail in mails:
        told[mail.recipient].update(mail.stories)
    return sum(count - 1 for stories in told.values() for count in stories.values())


def _unwanted(mails: Iterable[Mail], expected: Expected) -> int:
    return sum(len(set(mail.sections) - _allowed(mail, expected)) for mail in mails)


def _allowed(mail: Mail, expected: Expected) -> frozenset[str]:
    chosen = expected.choices.get(mail.recipient, frozenset())
    return frozenset(mail.sections) if chosen is None else expected.always | chosen
