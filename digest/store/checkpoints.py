"""Checkpoints: places in a transaction where something else may come in between, by name.

Where two write at once, tests show that every order of the two ends well. So that a test can put one between the
other's statements, the store says where it stands; ``Database.watchers`` holds what is called there. In service nothing
is, and a checkpoint costs two look-ups.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from sqlalchemy import Connection


class Checkpoint(Enum):
    """What is about to be done; ``ISSUE_HAS_MOVED``: what just was."""

    ADD_READERS = auto()
    CHANGE_ADDRESS = auto()
    RECORD_CONSENT = auto()
    NOTE_REJECTS = auto()
    CREATE_DELIVERIES = auto()
    CREATE_BATCHES = auto()
    RELEASE_BATCH = auto()
    MOVE_DELIVERIES = auto()
    SERVE_READERS = auto()
    MOVE_ISSUE = auto()
    ISSUE_HAS_MOVED = auto()
    COUNT_CLICKS = auto()


Watchers = dict[Checkpoint, Callable[[], object]]
OPTION = "watchers"
"""The execution option by which a connection knows its database's watchers."""


def reached(connection: Connection, checkpoint: Checkpoint) -> None:
    """Call what watches for ``checkpoint`` on the connection's database, if anything does."""
    watchers: Watchers = connection.get_execution_options().get(OPTION, {})
    if watch := watchers.get(checkpoint):
        watch()
