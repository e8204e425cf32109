"""SQL and templates are compiled once in a process, not by each database and application that a test makes."""

from __future__ import annotations

from typing import Any

from jinja2 import BytecodeCache
from jinja2.bccache import Bucket

from digest.app import Compiled


class _Templates(BytecodeCache):
    """Compiled templates by name, content and kind of environment."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, type], Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._kept.get((bucket.key, bucket.checksum, type(bucket.environment)))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key, bucket.checksum, type(bucket.environment)] = bucket.code


class _Statements(dict[tuple[Any, ...], Any]):
    """Compiled statements by kind of database, where SQLAlchemy keeps them by engine."""

    def get(self, key: tuple[Any, ...], default: Any = None) -> Any:
        return super().get((type(key[0]), *key[1:]), default)

    def __setitem__(self, key: tuple[Any, ...], compiled: Any) -> None:
        super().__setitem__((type(key[0]), *key[1:]), compiled)


SHARED = Compiled(_Statements(), _Templates())
