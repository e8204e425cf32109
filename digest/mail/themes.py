"""Themes: folders of templates for mails. A name is looked for in the publisher's folder first, then in the theme's,
then in the theme ``classic``, which is complete: overriding one small file, or writing a theme of two, is enough.

::

    templates_dir/themes/plain/lead.html.j2     the publisher's, for one theme
    templates_dir/lead.html.j2                  the publisher's, for every theme
    templates/themes/plain/lead.html.j2         ours
    templates/themes/classic/lead.html.j2

Files are looked at each time: what is changed or added holds for the next issue, in workers that run already too.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import (
    BaseLoader,
    BytecodeCache,
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
    pass_context,
)
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape
from pydantic import ValidationError

from digest.editions.dress import Dress, LookTable, dress
from digest.errors import InputError
from digest.language import dates, wording
from digest.look import DEFAULT, Look
from digest.mail import lines
from digest.mail.vocabulary import FILTERS, FUNCTIONS
from digest.values import Edition

BASE = "classic"


def environment(folders: Sequence[Path], compiled: BytecodeCache | None = None) -> Environment:
    """The Jinja environment for mails: ``folders`` are searched in order. Templates are named ``theme/file``; without
    a theme, that of the template which names them, else ``classic``. Sandboxed, since a publisher's own are not our
    code; autoescaping, but in ``.txt`` and ``.subject`` templates. ``compiled`` keeps templates that were compiled, for
    several environments of one process."""
    env = _Environment(
        loader=_Loader(folders),
        autoescape=lambda name: not (name or "").endswith((".txt.j2", ".subject.j2")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=compiled,
    )
    functions: dict[str, Callable[..., Any]] = {
        "texts": lambda locale: wording.merged(wording.of_mails(wording.read(folders)), locale),
        "dressed": dresser(folders),
        "direction": dates.direction,
        "has_italics": dates.has_italics,
    }
    filters: dict[str, Callable[..., Any]] = {
        "directed": _directed,
        "foldable": _foldable,
        "flowed": lines.flowed,
        "underlined": lines.underlined,
        "day": _dated(dates.day),
        "clock": _dated(dates.clock),
        "moment": _dated(dates.moment),
        "lately": _near(dates.lately),
        "briefly": _near(dates.briefly),
        "numeral": _numeral,
        "listed": _listed,
    }
    env.globals |= {name: functions[name] for name in FUNCTIONS}
    env.filters |= {name: filters[name] for name in FILTERS}
    return env


def themes(folders: Sequence[Path]) -> list[str]:
    """The themes there are."""
    found = (path.name for folder in folders for path in (folder / "themes").glob("*") if path.is_dir())
    return sorted(set(found))


class _Environment(ImmutableSandboxedEnvironment):
    def join_path(self, template: str, parent: str) -> str:
        """``template`` as ``parent`` means it: of the same theme."""
        theme, slash, _ = parent.partition("/")
        return f"{theme}/{template}" if slash and "/" not in template else template


class _Loader(BaseLoader):
    """Finds ``theme/file`` as the module says."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders, self._found = folders, lru_cache(maxsize=32)(self._searched)

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        theme, _, name = template.rpartition("/")
        try:
            return self._found(theme or BASE).get_source(environment, name)
        except TemplateNotFound:
            raise TemplateNotFound(name) from None

    def _searched(self, theme: str) -> FileSystemLoader:
        *own, ours = self._folders
        places = [place for folder in own for place in (folder / "themes" / theme, folder)]
        return FileSystemLoader([*places, ours / "themes" / theme, ours / "themes" / BASE])


def _look(folders: Sequence[Path], theme: str) -> Look:
    """What ``theme`` looks like where an edition does not say."""
    for path in (folder / "themes" / theme / "theme.toml" for folder in folders):
        if path.is_file():
            try:
                return LookTable(**_read(path)).value()
            except ValidationError as error:
                faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
                raise InputError(f"{path}: {faults}", "it takes what [look] of an edition takes") from None
    return DEFAULT


def dresser(folders: Sequence[Path]) -> Callable[[Edition], Dress]:
    """What dresses an edition: its own look over its theme's. Raises ``InputError`` for a theme there is not."""

    def dressed(edition: Edition) -> Dress:
        theme = edition.look.theme
        if not any((folder / "themes" / theme).is_dir() for folder in folders):
            known = ", ".join(themes(folders))
            raise InputError(f"edition {edition.name}: there is no theme {theme!r}", f"there are {known}")
        return dress(edition.look, _look(folders, theme))

    return dressed


def _read(path: Path) -> dict[str, Any]:
    return _parsed(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _parsed(path: Path, _changed_at: int) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}", "correct the TOML") from None


# ---------------------------------------------------------------------------------------------- filters


def _dated(function: Callable[[datetime, str, str], str]) -> Callable[[Context, datetime], str]:
    """A filter that writes a time as the edition being rendered does."""

    @pass_context
    def written(context: Context, at: datetime) -> str:
        edition = context["edition"]
        return function(at, edition.locale, edition.time_zone)

    return written


def _near(function: Callable[[datetime, datetime, str, str], str]) -> Callable[[Context, datetime], str]:
    """A filter that writes a time by its distance from the issue."""

    @pass_context
    def written(context: Context, at: datetime) -> str:
        edition = context["edition"]
        return function(at, context["issue_date"], edition.locale, edition.time_zone)

    return written


@pass_context
def _numeral(context: Context, number: object) -> str:
    return dates.numerals(str(number), context["edition"].locale)


@pass_context
def _listed(context: Context, names: Sequence[str]) -> str:
    """``A, B and C`` as the edition's language joins them."""
    return dates.listed(names, context["edition"].locale)


@pass_context
def _directed(context: Context, text: str) -> str | Markup:
    """``text``, marked with its own direction where that is not the edition's."""
    own = dates.written_direction(text)
    if not own or own == dates.direction(context["edition"].locale):
        return text
    return Markup('<span dir="{}">{}</span>').format(own, escape(text))


@pass_context
def _foldable(context: Context, markup: str) -> Markup:
    """What a story does without where the mail would grow too large. Whole elements only."""
    return Markup("{}{}{}").format(context["cut"]("fold"), markup, context["cut"]("unfold"))


def rendered(environment: Environment, name: str, context: Mapping[str, Any]) -> str:
    """The template ``name`` of the edition's theme with ``context``. Raises ``InputError`` for whatever its author got
    wrong."""
    try:
        return environment.get_template(f"{context['edition'].look.theme}/{name}").render(context)
    except TemplateNotFound as error:
        raise InputError(f"there is no template {error}", "check templates_dir") from None
    except (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, TemplateSyntaxError) else ""
        raise InputError(f"template {name}{line}: {error}", "mend it in your templates folder") from error
