"""Two questions of whoever watches: is this process well (``/healthz``), and is all there that mail needs
(``/readyz``)?"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from digest.app import ForHealth
from digest.errors import DigestError

_log = logging.getLogger(__name__)
_UNAVAILABLE = 503


def health_routes(app: ForHealth) -> APIRouter:
    """``/healthz`` looks at this process and its database only: restart it when that fails. ``/readyz`` also looks at
    the broker, beat and the workers: 503 there calls for a person, not for a restart of this process."""
    router = APIRouter()

    @router.api_route("/healthz", methods=["GET", "HEAD"])
    def healthz() -> JSONResponse:
        return _answer({"database": _well(lambda: _database_answers(app), "answers", "does not answer")})

    @router.api_route("/readyz", methods=["GET", "HEAD"])
    def readyz() -> JSONResponse:
        queue = app.queue
        found = {
            "database": _well(lambda: _database_answers(app), "answers", "does not answer"),
            "broker": _well(queue.check, "answers", "does not answer"),
        }
        there = found["broker"].well  # else nobody can be seen, and each look would take seconds
        found["beat"] = _well(queue.beats, "seen", "not seen") if there else _NOT_SEEN
        found["workers"] = _well(queue.workers, "seen", "not seen") if there else _NOT_SEEN
        return _answer(found)

    return router


class _Found(NamedTuple):
    """What came of a look, and how it is said."""

    well: bool
    said: str


_NOT_SEEN = _Found(False, "not seen")


def _well(look: Callable[[], object], good: str, bad: str) -> _Found:
    """``look`` returns nothing, or what is true where all is well; what it raises is a fault."""
    try:
        result = look()
    except (DigestError, SQLAlchemyError) as error:
        _log.error("health: %s", error)
        return _Found(False, bad)
    well = result is None or bool(result)
    return _Found(well, good if well else bad)


def _answer(found: Mapping[str, _Found]) -> JSONResponse:
    well = all(one.well for one in found.values())
    said = {name: one.said for name, one in found.items()}
    return JSONResponse({"status": "ok" if well else "unavailable", **said}, 200 if well else _UNAVAILABLE)


def _database_answers(app: ForHealth) -> None:
    with app.database.read() as connection:
        connection.execute(text("SELECT 1"))
