"""Sets a database up, or brings it to this version: the one thing done to a database that App can't hand out yet."""

from __future__ import annotations

from digest.store.database import Database


def migrate(url: str) -> str:
    """Create the tables at ``url`` or bring them to this version. Returns the database's name as it may be shown."""
    database = Database(url)
    try:
        database.migrate()
    finally:
        database.dispose()
    return database.shown
