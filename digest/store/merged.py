"""``merged(object, changes)``: a JSON object with some of its members changed, by the database itself."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from digest.store.schema import subscribers


class _Merged(FunctionElement[Any]):
    name = "merged"
    type = subscribers.c.fields.type
    inherit_cache = True


def merged(before: ColumnElement[Any], changes: ColumnElement[Any]) -> ColumnElement[Any]:
    """The members of both, those of ``changes`` first; what they set to ``null`` is gone (RFC 7396, one level)."""
    return _Merged(before, changes)


@compiles(_Merged, "postgresql")
def _joined(element: _Merged, compiler: SQLCompiler, **how: Any) -> str:
    before, changes = (compiler.process(clause, **how) for clause in element.clauses)
    return f"CAST(jsonb_strip_nulls(CAST({before} AS JSONB) || CAST({changes} AS JSONB)) AS JSON)"


@compiles(_Merged, "sqlite")
def _patched(element: _Merged, compiler: SQLCompiler, **how: Any) -> str:
    before, changes = (compiler.process(clause, **how) for clause in element.clauses)
    return f"json_patch({before}, {changes})"
