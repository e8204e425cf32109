"""What a reader asked for on a page and confirms by a click in a mail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ErrandKind(StrEnum):
    """``MOVED`` is what the old address is told after a move, kept for ``CONFIRM_WITHIN``."""

    MOVE = "move"
    DATA = "data"
    ERASE = "erase"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class Errand:
    """One errand. ``subscription_id`` is the one whose page it was asked for on; ``address`` where its mail goes."""

    id: int
    subscriber_id: int
    subscription_id: int
    kind: str
    address: str
    asked_at: datetime
