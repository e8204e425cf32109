"""What the pages say, by language: ``web/strings/<locale>.toml`` in the template folders. What a language lacks is said
in English."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from digest.errors import InputError
from digest.language.text import one_line

FALLBACK = "en"
_TYPED_SHOWN = 60  # characters


class Words:
    """Looks up a string by its dotted name and fills it in: ``t("unsubscribe.done", edition=…)``."""

    def __init__(self, strings: Mapping[str, Mapping[str, str]], locale: str) -> None:
        wanted = locale.replace("-", "_")
        ways = [name for name in (wanted, wanted.partition("_")[0]) if name in strings]
        self.language = ways[0] if ways else FALLBACK
        self._tables = [strings[name] for name in (*ways, FALLBACK) if name in strings]

    def __call__(self, name: str, /, **values: object) -> str:
        for table in self._tables:
            if name in table:
                return table[name].format(**values)
        raise KeyError(name)

    def fault(self, error: InputError) -> str:
        """What is wrong with what a reader gave."""
        return self(f"fault.{error.fault}", typed=one_line(error.typed)[:_TYPED_SHOWN])

    def cadence(self, cadence: str) -> str:
        """A cadence's name; the word itself where no language knows it."""
        known = any(f"cadence.{cadence}" in table for table in self._tables)
        return self(f"cadence.{cadence}") if known else cadence.capitalize()


def language(locale: str) -> str:
    """``pt`` of ``pt-BR``."""
    return locale.replace("-", "_").partition("_")[0]


def read(folders: Sequence[Path]) -> dict[str, dict[str, str]]:
    """The strings of every language; those of the first folder win."""
    strings: dict[str, dict[str, str]] = {}
    for folder in reversed(folders):
        for path in sorted((folder / "web" / "strings").glob("*.toml")):
            table = _flat(tomllib.loads(path.read_text(encoding="utf-8")))
            strings.setdefault(path.stem.replace("-", "_"), {}).update(table)
    return strings


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in table.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: str(value)}
    return flat
