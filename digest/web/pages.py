"""Pages: templates, words in the edition's language, colours."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from babel import Locale, UnknownLocaleError
from fastapi.responses import HTMLResponse
from jinja2 import BytecodeCache, FileSystemLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from digest.editions.dress import Dress, dress
from digest.errors import InputError
from digest.language import wording
from digest.language.wording import FALLBACK, Words, language
from digest.look import DEFAULT
from digest.mail import themes
from digest.values import Edition

_ACCEPTED_LENGTH = 200


class Pages:
    """Renders ``templates/web``; the publisher's folder is looked at first. Every locale whose catalogue has
    words for pages is a language: what it lacks is said in English."""

    def __init__(self, folders: Sequence[Path], compiled: BytecodeCache | None = None) -> None:
        self._environment = SandboxedEnvironment(
            loader=FileSystemLoader([str(folder) for folder in folders]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            bytecode_cache=compiled,
        )
        self._strings = wording.of_pages(wording.read(folders))
        self._dressed = themes.dresser(folders)

    def page(
        self, name: str, edition: Edition | None = None, /, *, status: int = 200, locale: str = "", **values: Any
    ) -> HTMLResponse:
        """The page ``name``, framed for ``edition`` (plain without one), in the reader's ``locale`` if we have it."""
        return HTMLResponse(self.part(f"{name}.html", edition, locale=locale, **values), status)

    def part(self, name: str, edition: Edition | None, /, *, locale: str = "", **values: Any) -> Markup:
        """What the template ``name`` (without ``.j2``) makes for ``edition``, in ``locale`` if we have it."""
        words = self.words(edition, locale)
        frame = {
            "t": words,
            "lang": words.language.replace("_", "-"),
            "dir": _direction(words.language),
            "edition": edition,
            "look": self._look(edition),
            "zone_script": self.zone_script,
        }
        return Markup(self._environment.get_template(f"web/{name}.j2").render(**frame, **values))  # noqa: S704 - escaped

    def _look(self, edition: Edition | None) -> Dress:
        """The edition's look; the usual one when its theme is gone: nobody's way out may hang on that."""
        with suppress(InputError):
            if edition:
                return self._dressed(edition)
        return dress(DEFAULT)

    def words(self, edition: Edition | None, locale: str = "") -> Words:
        """The strings in the language of ``locale`` if we have it, else in the edition's."""
        if locale and language(locale) in self.languages:
            return Words(self._strings, locale)
        return Words(self._strings, edition.locale if edition else FALLBACK)

    def wished(self, accepted: str) -> str:
        """The first language we have of those a browser asks for (RFC 9110 12.5.4); "" for none of them."""
        names = (language(one.partition(";")[0].strip().lower()) for one in accepted[:_ACCEPTED_LENGTH].split(","))
        return next((name for name in names if name in self.languages), "")

    @cached_property
    def languages(self) -> Mapping[str, str]:
        """The languages a reader may choose, each with its own name for itself."""
        found = sorted({language(name) for name in self._strings})
        return {name: Locale.parse(name).get_display_name(name) or name for name in found}

    @cached_property
    def zone_script(self) -> Markup:
        """The script that guesses the reader's time zone: the only one on any page, and nothing needs it."""
        return Markup(self._environment.get_template("web/zone.js").render())  # noqa: S704 - our own text

    @cached_property
    def zone_script_source(self) -> str:
        """What a Content-Security-Policy calls it by."""
        return f"'sha256-{b64encode(sha256(self.zone_script.encode()).digest()).decode()}'"

    @cached_property
    def time_zones(self) -> tuple[str, ...]:
        """Zones to choose from: those named after places, and UTC."""
        places = (name for name in available_timezones() if "/" in name and not name.startswith("Etc/"))
        return ("UTC", *sorted(places))


def _direction(language: str) -> str:
    try:
        return "rtl" if Locale.parse(language).character_order == "right-to-left" else "ltr"
    except (ValueError, UnknownLocaleError):
        return "ltr"
