"""Checks of single values that people write in files: each returns the value or raises what pydantic collects."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any
from urllib.parse import urlsplit

from babel import Locale, UnknownLocaleError
from pydantic import AfterValidator, Field, StringConstraints

from digest.editions import schedule
from digest.editions.subjects import PLACEHOLDERS
from digest.errors import InputError
from digest.language.text import is_line
from digest.readers import addresses


def told(check: Callable[[str], object]) -> Callable[[str], str]:
    """``check`` as a validator: its ``InputError`` becomes the ``ValueError`` pydantic collects."""

    def checked(text: str) -> str:
        try:
            check(text)
        except InputError as error:
            raise ValueError(str(error)) from None
        return text

    return checked


def one_line(text: str) -> str:
    """A text without line breaks or control characters."""
    if not is_line(text):
        raise ValueError("must be one line without control characters")
    return text


def lines(text: str) -> str:
    """Lines without control characters, each stripped."""
    return "\n".join(one_line(line.strip()) for line in text.splitlines())


def locale_tag(text: str) -> str:
    """The locale as a BCP 47 tag: ``en-IN``."""
    try:
        return str(Locale.parse(text.replace("-", "_"))).replace("_", "-")
    except (UnknownLocaleError, ValueError, TypeError):
        raise ValueError(f"no locale {text!r}: give a tag such as en, en-IN or pt-BR") from None


def web_url(text: str) -> str:
    """An http or https URL."""
    parts = _split(text)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{text!r} is not a valid http(s) URL")
    return text


def link_url(text: str) -> str:
    """An http, https or mailto URL."""
    parts = _split(text)
    if parts is not None and parts.scheme == "mailto" and "@" in parts.path:
        return text
    try:
        return web_url(text)
    except ValueError:
        raise ValueError(f"{text!r} must begin with https://, http:// or mailto:") from None


def _split(text: str) -> Any:
    try:
        return None if re.search(r"[\s\x00-\x1f\x7f]", text) else urlsplit(text)
    except ValueError:  # such as an unfinished [IPv6] address
        return None


def subject_template(text: str) -> str:
    """A subject in which no other placeholder stands than ``PLACEHOLDERS``."""
    allowed = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    try:
        fields = [
            (name, spec, conversion) for _, name, spec, conversion in string.Formatter().parse(text) if name is not None
        ]
    except ValueError:
        raise ValueError(f"a brace stands alone; write {{{{ or }}}} for a brace, {allowed} for what changes") from None
    for name, spec, conversion in fields:
        if name not in PLACEHOLDERS or spec or conversion:
            raise ValueError(f"unknown placeholder {{{name}}}; there are {allowed}")
    return text


def written_moment(at: object) -> str | None:
    """TOML has dates and times of its own; a string will do as well."""
    if at is None or isinstance(at, str):
        return at
    if isinstance(at, date):
        return at.isoformat()
    raise ValueError("must be a date and time such as 2026-12-01T07:00")


def read_mailbox(text: str) -> tuple[str, str]:
    """``Name <address>`` or a bare address as (name, address). The name needs no quotes. Raises ``InputError``; also
    for a local part outside ASCII, which many servers would refuse to take mail from."""
    name, bracket, rest = text.strip().rpartition("<")
    if (bracket and not rest.endswith(">")) or set(name) & set("<>"):
        raise InputError(f"{text!r} is not a valid sender", "write it as Name <address@example.org>")
    address = addresses.normalise(rest.removesuffix(">"))
    if not address.isascii():
        raise InputError(f"{address} has letters outside ASCII before the @", "send from a plain address")
    return name.strip().strip('"').strip(), address


def distinct(words: tuple[str, ...]) -> tuple[str, ...]:
    """Words of which none stands twice."""
    for word, count in Counter(words).items():
        if count > 1:
            raise ValueError(f"{word!r} stands twice")
    return words


Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300), AfterValidator(one_line)]
OptionalLine = Annotated[str, StringConstraints(strip_whitespace=True, max_length=300), AfterValidator(one_line)]
FeedName = Annotated[Line, Field(max_length=80)]
Word = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, min_length=1), AfterValidator(one_line)]
Words = tuple[Word, ...]
TimeZoneName = Annotated[str, AfterValidator(told(schedule.zone))]
Mailbox = Annotated[Line, AfterValidator(told(read_mailbox))]
WORD = r"^[a-z0-9]([a-z0-9_-]*[a-z0-9])?$"  # of what stands in URLs, lists and on command lines
Cadence = Annotated[str, StringConstraints(pattern=WORD, max_length=20)]
