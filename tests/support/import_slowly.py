"""``python -m tests.support.import_slowly URL FILE``: an import in small chunks that tells of each, to be killed."""

from __future__ import annotations

import sys
from pathlib import Path

from digest.flows.readers import importing as audience_import
from digest.store.database import Database
from digest.tables import open_csv
from tests.conftest import NOW


def main(url: str, file: str) -> None:
    audience_import.CHUNK = 500
    with Path(file).open(encoding="utf-8", newline="") as lines:
        audience_import.import_table(
            Database(url), "morning", open_csv(lines), NOW, source="slowly", agreed="z", on_progress=_tell
        )


def _tell(count: int) -> None:
    print(count, flush=True)


main(*sys.argv[1:])
