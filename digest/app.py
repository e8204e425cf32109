"""Builds everything from the settings, lazily and once per process: what the doors hand to the flows."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from digest.queue import Queue
from digest.settings import Settings, load
from digest.store.database import Database

_PACKAGE = Path(__file__).parent


def clock() -> datetime:
    """The one place that asks the time."""
    return datetime.now(UTC)


class App:
    """Settings and the things made from them. Doors (CLI, web, workers) own one; flows get its parts as arguments."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @classmethod
    def from_file(cls, path: Path) -> App:
        return cls(load(path))

    def now(self) -> datetime:
        return clock()

    @cached_property
    def database(self) -> Database:
        """The database, checked: it exists and is at this version."""
        database = Database(self.settings.database_url)
        database.check()
        return database

    @cached_property
    def queue(self) -> Queue:
        return Queue(self.settings)

    @cached_property
    def template_folders(self) -> tuple[Path, ...]:
        """Where templates are looked for: the publisher's folder first, so that one file can be overridden."""
        return template_folders(self.settings.templates_dir)

    @property
    def mailbox_dir(self) -> Path:
        """The Maildir of the embedded mailbox."""
        return self.settings.state_dir / "mail"


def template_folders(override: Path | None) -> tuple[Path, ...]:
    """The template folders, the publisher's own first. In a wheel the templates lie inside the package; in a checkout
    beside it."""
    packaged = _PACKAGE / "_templates"
    ours = packaged if packaged.is_dir() else _PACKAGE.parent / "templates"
    return (override, ours) if override else (ours,)
