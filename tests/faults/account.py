"""The account after a fault: what the ledger says, against what the server took."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from digest.states import DeliveryState
from tests.faults.site import Site


@dataclass(frozen=True)
class Row:
    """One line of the table. ``allowed``: the most that may be in doubt, for so many were on the wire."""

    fault: str
    readers: int
    accepted: int
    failed: int
    lost: int
    duplicated: int
    in_doubt: int
    allowed: int
    seconds: float


@dataclass(frozen=True)
class Account:
    """Ledger and server side by side. ``lost``: accepted by the ledger, never taken by the server. ``duplicated``:
    copies beyond a reader's first."""

    site: Site
    states: dict[str, DeliveryState]
    copies: Counter[str]
    named_in_doubt: dict[str, str]

    @classmethod
    def of(cls, site: Site) -> Account:
        told = site.told()
        states = site.ledger()
        assert told["total"] == len(site.readers) == sum(told["deliveries"].values())
        assert {state: n for state, n in told["deliveries"].items() if n} == dict(Counter(states.values()))
        copies = Counter(one.recipient for one in site.took())
        return cls(site, states, copies, {one["address"]: one["reason"] for one in told["in_doubt"]})

    def standing(self, *states: DeliveryState) -> set[str]:
        return {address for address, state in self.states.items() if state in states}

    @property
    def lost(self) -> set[str]:
        return self.standing(DeliveryState.ACCEPTED) - set(self.copies)

    @property
    def duplicated(self) -> int:
        return sum(count - 1 for count in self.copies.values())

    def check(self, in_doubt: int, resent: int = 0) -> None:
        """What must hold after any fault: at most ``in_doubt`` deliveries are, at most ``resent`` copies too many."""
        accepted, doubted = self.standing(DeliveryState.ACCEPTED), self.standing(DeliveryState.IN_DOUBT)
        assert sorted(self.states) == self.site.readers, "every reader is in the ledger once"
        assert not self.lost, f"accepted, but never taken: {sorted(self.lost)[:9]}"
        assert not self.standing(DeliveryState.SENDING), "nobody stands on the wire for ever"
        unknown = set(self.copies) - accepted - doubted
        assert not unknown, f"taken, but the ledger does not know: {sorted(unknown)[:9]}"
        assert self.duplicated <= resent, self.copies.most_common(9)
        assert set(self.named_in_doubt) == doubted, "each one in doubt is named"
        why = f"{dict(Counter(self.named_in_doubt.values()))}\n{self.site.logs()}"
        assert len(doubted) <= in_doubt, f"{len(doubted)} in doubt; at most {in_doubt} were in flight: {why}"
        self._check_mails()

    def _check_mails(self) -> None:
        ids: dict[str, str] = {}
        for one in self.site.took():
            assert one.addressed == one.recipient, f"{one.recipient} got the mail of {one.addressed}"
            assert ids.setdefault(one.recipient, one.message_id) == one.message_id, "one Message-ID, whatever the try"
        assert len(set(ids.values())) == len(ids)
        assert not self.site.oddities()

    def row(self, fault: str, in_doubt: int, allowed: int, seconds: float) -> Row:
        return Row(
            fault,
            len(self.site.readers),
            len(self.standing(DeliveryState.ACCEPTED)),
            len(self.standing(DeliveryState.FAILED)),
            len(self.lost),
            self.duplicated,
            in_doubt,
            allowed,
            seconds,
        )


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    head = ["fault", "readers", "accepted", "failed", "lost", "duplicated", "in doubt", "at most", "seconds"]
    cells = [[row.fault, *(f"{value:,}" for value in _numbers(row)), f"{row.seconds:.0f}"] for row in rows]
    width = max(len(head[0]), *(len(line[0]) for line in cells)) if cells else 0
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *cells]
    return "\n".join("| " + " | ".join([line[0].ljust(width), *line[1:]]) + " |" for line in lines)


def _numbers(row: Row) -> tuple[int, ...]:
    return row.readers, row.accepted, row.failed, row.lost, row.duplicated, row.in_doubt, row.allowed


def write(file: Path, title: str, rows: list[Row]) -> str:
    """Write the table to a file, and return it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    text = f"{title}\n\n{table(rows)}\n"
    file.write_text(text, encoding="utf-8")
    return text
