"""What every table of the settings is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Anchored:
    """Marks the type of a setting that holds a path: it is relative to the configuration's folder. ``prefix``: what
    stands before the path; a value that begins otherwise holds none."""

    prefix: str = ""


FilePath = Annotated[Path, Anchored()]
"""The path of a file or folder."""

DatabaseUrl = Annotated[str, Anchored("sqlite:///")]
"""Where the database is; SQLite's is a file."""
