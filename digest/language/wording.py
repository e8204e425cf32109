"""The fixed words of mails and pages, by locale: ``strings/<locale>.toml`` in the template folders. The table
``[mail]`` holds those of mails, every other table those of pages. What a language lacks is said in English.

A string that counts may be a table of plural categories (CLDR's, as Babel has them for each language)::

    and_more = { one = "and {count} more story", other = "and {count} more stories" }

Two older places are still read: ``strings.toml`` (mails, a table for each locale; also in a theme's folder) and
``web/strings/<locale>.toml`` (pages).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from digest.errors import InputError
from digest.language import dates
from digest.language.text import one_line
from digest.values import Counted

FALLBACK = "en"
CATEGORIES = ("zero", "one", "two", "few", "many", "other")
"""CLDR's plural categories. A table of strings that has no other keys is one string, in several forms."""
_MAIL = "mail."
_TYPED_SHOWN = 60  # characters

Text = str | Counted
Strings = Mapping[str, Mapping[str, Text]]
"""By locale (``pt``, ``pt_BR``), then by the string's name."""


class Words:
    """Looks up a string by its dotted name and fills it in: ``t("unsubscribe.done", edition=…)``."""

    def __init__(self, strings: Strings, locale: str) -> None:
        self.language = (known(strings, locale) or (FALLBACK,))[0]
        self._table = merged(strings, locale)

    def __call__(self, name: str, /, **values: Any) -> str:
        text = self._table[name]
        return (form(text, values["count"]) if isinstance(text, Counted) else text).format(**values)

    def fault(self, error: InputError) -> str:
        """What is wrong with what a reader gave."""
        return self(f"fault.{error.fault}", typed=one_line(error.typed)[:_TYPED_SHOWN])

    def cadence(self, cadence: str) -> str:
        """A cadence's name; the word itself where no language knows it."""
        name = f"cadence.{cadence}"
        return self(name) if name in self._table else cadence.capitalize()


def language(locale: str) -> str:
    """``pt`` of ``pt-BR``."""
    return locale.replace("-", "_").partition("_")[0]


def known(strings: Strings, locale: str) -> tuple[str, ...]:
    """Where to look for the words of ``locale``, nearest first: its own catalogue and its language's, where there are
    such. This is the one rule by which a locale falls back; what neither has is English."""
    return tuple(name for name in dict.fromkeys((locale.replace("-", "_"), language(locale))) if name in strings)


def merged(strings: Strings, locale: str) -> dict[str, Text]:
    """The words for ``locale``, each from the nearest catalogue that has it."""
    words: dict[str, Text] = dict(strings.get(FALLBACK, {}))
    for name in reversed(known(strings, locale)):
        words |= strings[name]
    return words


def form(text: Text, count: int) -> str:
    """``text`` in the form that its language has for ``count``."""
    if isinstance(text, str):
        return text
    return text.forms.get(_category(text.locale, count), text.forms["other"])


def untranslated(strings: Strings, locale: str) -> str:
    """What to tell the operator of the words that readers of ``locale`` get in English; "" when there are none."""
    parts = {"mails": of_mails(strings), "pages": of_pages(strings)}
    missing = {name: _missing(part, locale) for name, part in parts.items()}
    whole = [name for name, part in parts.items() if not known(part, locale)]
    some = [f"{name} {', '.join(missing[name])}" for name in parts if missing[name] and name not in whole]
    if not whole and not some:
        return ""
    told = ([f"all words of {' and '.join(whole)}"] if whole else []) + [f"of {one}" for one in some]
    place = f"strings/{locale}.toml of templates_dir"
    return f"locale {locale}: these will be in English: {'; '.join(told)}; translate them in {place}"


def of_mails(strings: Strings) -> dict[str, dict[str, Text]]:
    """The words of mails, under their names in ``[mail]``."""
    return _part(strings, {name: name.removeprefix(_MAIL) for name in _names(strings) if name.startswith(_MAIL)})


def of_pages(strings: Strings) -> dict[str, dict[str, Text]]:
    """The words of pages, under their dotted names."""
    return _part(strings, {name: name for name in _names(strings) if not name.startswith(_MAIL)})


def read(folders: Sequence[Path]) -> dict[str, dict[str, Text]]:
    """The strings of every locale; those of the first folder win. Raises ``InputError`` for a file that is not TOML or
    not a catalogue."""
    strings: dict[str, dict[str, Text]] = {}
    for folder in reversed(folders):
        for path, locale in _files(folder):
            for name, table in _parsed(path, path.stat().st_mtime_ns, locale).items():
                strings.setdefault(name, {}).update(table)
    return strings


@lru_cache(maxsize=4096)
def _category(locale: str, count: int) -> str:
    return str(dates.locale_of(locale).plural_form(count))


def _missing(strings: Strings, locale: str) -> list[str]:
    own = {name for place in known(strings, locale) for name in strings[place]}
    return [name for name in strings[FALLBACK] if name not in own]


def _names(strings: Strings) -> set[str]:
    return {name for table in strings.values() for name in table}


def _part(strings: Strings, names: Mapping[str, str]) -> dict[str, dict[str, Text]]:
    """The strings that ``names`` holds, renamed; no locale that has none of them."""
    parts = (
        (at, {names[name]: text for name, text in table.items() if name in names}) for at, table in strings.items()
    )
    return {locale: part for locale, part in parts if part}


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    """The catalogues in ``folder`` and the locale of each, "" for those with a table per locale. Later ones win."""
    for path in (*sorted((folder / "themes").glob("*/strings.toml")), folder / "strings.toml"):
        if path.is_file():
            yield path, ""
    for place in (folder / "web" / "strings", folder / "strings"):
        for path in sorted(place.glob("*.toml")):
            yield path, path.stem.replace("-", "_")


@lru_cache(maxsize=256)
def _parsed(path: Path, _changed_at: int, locale: str) -> dict[str, dict[str, Text]]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}", "correct the TOML") from None
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise InputError(f"{path}: {name} stands outside a table", "put it under a heading, such as [mail]")
    try:
        if locale:
            return {locale: _flat(tables, locale)}
        return {at.replace("-", "_"): _flat({"mail": table}, at) for at, table in tables.items()}
    except KeyError as error:
        raise InputError(f"{path}: {error.args[0]} has no form `other`", "add it: every language needs it") from None


def _flat(tables: Mapping[str, Mapping[str, Any]], locale: str) -> dict[str, Text]:
    """The strings by their dotted names. A heading is never a plural: a page's may hold ``other`` alone."""
    flat: dict[str, Text] = {}
    for heading, table in tables.items():
        for name, value in table.items():
            flat |= _texts(f"{heading}.{name}", value, locale)
    return flat


def _texts(name: str, value: Any, locale: str) -> dict[str, Text]:
    if not isinstance(value, dict):
        return {name: str(value)}
    if value and value.keys() <= set(CATEGORIES):
        if "other" not in value:
            raise KeyError(name)
        return {name: Counted(locale.replace("-", "_"), {category: str(said) for category, said in value.items()})}
    return {key: text for inner in value for key, text in _texts(f"{name}.{inner}", value[inner], locale).items()}
