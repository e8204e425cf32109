"""What editors did to an issue before it went out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from digest.editorial.edits import Edit


class ChangeKind(StrEnum):
    """What sort of change."""

    EDIT = "edit"
    UNDO = "undo"
    REDRAFT = "redraft"
    HOLD = "hold"
    RELEASE = "release"
    APPROVE = "approve"
    TRIAL = "trial"


@dataclass(frozen=True, slots=True)
class Change:
    """One change of an issue: ``revision`` is its number, ``told`` says it in words. ``edit``: of an edit, which may
    have been ``undone``."""

    revision: int
    at: datetime
    by: str
    kind: ChangeKind
    told: str
    edit: Edit | None = None
    undone: bool = False
