"""Who writes about people and who forgets them keep out of each other's way.

Forgetting looks for all there is of a person. What another transaction has written and not committed by then can't be
seen, and would outlive it; so whoever may write an address holds forgetting off until they have committed, and
forgetting waits for all of these. Writers don't wait for one another. On SQLite one writes at a time anyway.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, select

_LOCK = 0x_D16E_57  # any number that means nothing else among the advisory locks of our database


def hold_off(connection: Connection) -> None:
    """Nobody is forgotten from now to the end of this transaction. To be called before it reads who was erased, for
    short transactions only: whoever comes after one that wants to forget waits for it."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock_shared(_LOCK)))


def begin(connection: Connection) -> None:
    """Wait until everybody who held forgetting off is done, and let nobody begin until this transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
