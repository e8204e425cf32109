"""Dataclasses to JSON and back, by pydantic: told the type, it needs no word more."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")
_made: dict[type, TypeAdapter[Any]] = {}


def codec(of: type[T]) -> TypeAdapter[T]:
    """What writes and reads ``of``. Made when it is first wanted: one takes 3 to 15 ms, and most commands want none."""
    if of not in _made:
        _made[of] = TypeAdapter(of)
    return _made[of]
