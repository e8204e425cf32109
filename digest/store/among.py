"""``column`` is one of some hundreds of ids: one bound array instead of a parameter for each.

The statement's text is then the same however many they are: compiled once here, planned once by the server. ``in_``
names each of them, which costs four to five times as much (measured with 500 ids: 5 µs an id and statement on
PostgreSQL instead of 1).
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Dialect, Select, Text, bindparam, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Boolean, TypeDecorator, TypeEngine


class _Ids(TypeDecorator[Collection[int]]):
    """An array on PostgreSQL, JSON on SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(ARRAY(BigInteger()) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Collection[int] | None, dialect: Dialect) -> Any:
        ids = list(value or ())
        return ids if dialect.name == "postgresql" else json.dumps(ids)


class _Among(FunctionElement[bool]):
    name = "among"
    type = Boolean()
    inherit_cache = True


def among(column: ColumnElement[Any], ids: Collection[int]) -> ColumnElement[bool]:
    """Whether ``column`` is one of ``ids``."""
    return _Among(column, bindparam(None, ids, type_=_Ids(), unique=True))


@compiles(_Among, "postgresql")
def _any(element: _Among, compiler: SQLCompiler, **how: Any) -> str:
    column, ids = (compiler.process(clause, **how) for clause in element.clauses)
    return f"{column} = ANY ({ids})"


@compiles(_Among, "sqlite")
def _in_json(element: _Among, compiler: SQLCompiler, **how: Any) -> str:
    column, ids = (compiler.process(clause, **how) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({ids}))"  # noqa: S608 - of compiled clauses, values are bound


def chosen_once(ids: Select[tuple[int]]) -> Select[tuple[int]]:
    """``ids``, worked out once, for ``column.in_(…)`` of a statement that changes those rows.

    PostgreSQL may work out a subquery with ``LIMIT … FOR UPDATE SKIP LOCKED`` again for each row of the table. It then
    skips what it has locked, so more rows than the limit are changed (seen where it chose a nested loop).
    """
    return select(ids.cte("chosen").c[0])
