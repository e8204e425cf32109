"""An edition as its TOML file declares it: read with every fault at once, and kept as JSON.

::

    [edition]       name, title, time_zone, from, postal_address; locale, reply_to, tagline, subject, accent,
                    copyright, cadences, feeds (names of feeds declared elsewhere)
    [[feed]]        name; url (none: a desk, filled by `digest article`), title, sector, kind, tags
    [[section]]     key, title, rule; count, optional, and what the rule needs: sectors, tags, countries, kinds
    [[link]]        role, title, url
    [[schedule]]    cadence, cron or at; time_zone
"""

from __future__ import annotations

import difflib
import re
import string
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from babel import Locale, UnknownLocaleError
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from digest import addresses, schedule
from digest.errors import ConfigError, InputError
from digest.values import Edition, FeedSpec, Kind, Link, Rule, ScheduleSpec, Section

PLACEHOLDERS = ("edition", "headline")


# ------------------------------------------------------------------------------------ checks of one value


def _told(check: Callable[[str], object]) -> Callable[[str], str]:
    """``check`` as a validator: its ``InputError`` becomes the ``ValueError`` pydantic collects."""

    def checked(text: str) -> str:
        try:
            check(text)
        except InputError as error:
            raise ValueError(str(error)) from None
        return text

    return checked


def _one_line(text: str) -> str:
    if any(unicodedata.category(c) in {"Cc", "Zl", "Zp"} for c in text):
        raise ValueError("must be one line without control characters")
    return text


def _lines(text: str) -> str:
    return "\n".join(_one_line(line.strip()) for line in text.splitlines())


def _locale(text: str) -> str:
    """The locale as a BCP 47 tag: ``en-IN``."""
    try:
        return str(Locale.parse(text.replace("-", "_"))).replace("_", "-")
    except (UnknownLocaleError, ValueError, TypeError):
        raise ValueError(f"no locale {text!r}: give a tag such as en, en-IN or pt-BR") from None


def _web_url(text: str) -> str:
    parts = _split(text)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{text!r} is no http(s) URL")
    return text


def _link_url(text: str) -> str:
    parts = _split(text)
    if parts is not None and parts.scheme == "mailto" and "@" in parts.path:
        return text
    try:
        return _web_url(text)
    except ValueError:
        raise ValueError(f"{text!r} must begin with https://, http:// or mailto:") from None


def _split(text: str) -> Any:
    try:
        return None if re.search(r"[\s\x00-\x1f\x7f]", text) else urlsplit(text)
    except ValueError:  # such as an unfinished [IPv6] address
        return None


def _subject(text: str) -> str:
    allowed = " and ".join(f"{{{name}}}" for name in PLACEHOLDERS)
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


def _moment(at: object) -> str | None:
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
        raise InputError(f"{text!r} is no sender", "write it as Name <address@example.org>")
    address = addresses.normalise(rest.removesuffix(">"))
    if not address.isascii():
        raise InputError(f"{address} has letters outside ASCII before the @", "send from a plain address")
    return name.strip().strip('"').strip(), address


def _distinct(words: tuple[str, ...]) -> tuple[str, ...]:
    for word, count in Counter(words).items():
        if count > 1:
            raise ValueError(f"{word!r} stands twice")
    return words


_Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300), AfterValidator(_one_line)
]
_OptionalLine = Annotated[str, StringConstraints(strip_whitespace=True, max_length=300), AfterValidator(_one_line)]
_FeedName = Annotated[_Line, Field(max_length=80)]
_Word = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, min_length=1), AfterValidator(_one_line)]
_Words = tuple[_Word, ...]
_TimeZone = Annotated[str, AfterValidator(_told(schedule.zone))]
_Mailbox = Annotated[_Line, AfterValidator(_told(read_mailbox))]
_WORD = r"^[a-z0-9]([a-z0-9_-]*[a-z0-9])?$"  # of what stands in URLs, lists and on command lines
_Cadence = Annotated[str, StringConstraints(pattern=_WORD, max_length=20)]


# ------------------------------------------------------------------------------------------------ tables


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Edition(_Table):
    name: Annotated[str, StringConstraints(pattern=_WORD, max_length=80)]
    title: _Line
    time_zone: _TimeZone
    sender: Annotated[_Mailbox, Field(alias="from")]
    postal_address: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=8, max_length=500), AfterValidator(_lines)
    ]
    locale: Annotated[str, AfterValidator(_locale)] = "en"
    reply_to: _Mailbox | None = None
    tagline: _OptionalLine = ""
    subject: Annotated[_Line, AfterValidator(_subject)] = "{edition}: {headline}"
    accent: Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")] = "#0b5394"
    copyright: _OptionalLine = ""
    cadences: Annotated[tuple[_Cadence, ...], Field(min_length=1), AfterValidator(_distinct)] = ("daily",)
    feeds: tuple[_FeedName, ...] = ()


class _Feed(_Table):
    name: _FeedName
    url: Annotated[str, AfterValidator(_web_url)] | None = None
    title: _OptionalLine = ""
    sector: Annotated[_OptionalLine, StringConstraints(to_lower=True, max_length=80)] = ""
    kind: Kind = Kind.NEWS
    tags: _Words = ()

    def value(self) -> FeedSpec:
        return FeedSpec(self.name, self.url or "", self.title, self.sector, self.kind, self.tags)


_NEEDS = {Rule.SECTOR: ("sectors", "tags"), Rule.REGION: ("countries",), Rule.KIND: ("kinds",)}
_MATCHES = ("sectors", "tags", "countries", "kinds")


class _Section(_Table):
    key: Annotated[str, StringConstraints(pattern=_WORD, max_length=40)]
    title: _Line
    rule: Rule
    count: Annotated[int, Field(ge=1, le=100)] = 5
    optional: bool = True
    sectors: _Words = ()
    tags: _Words = ()
    countries: _Words = ()
    kinds: tuple[Kind, ...] = ()

    @model_validator(mode="after")
    def _words_fit_the_rule(self) -> Self:
        needs = _NEEDS.get(self.rule, ())
        given = [name for name in _MATCHES if getattr(self, name)]
        if needs and not set(given) & set(needs):
            raise ValueError(f'rule = "{self.rule}" needs {" or ".join(needs)}')
        for name in given:
            if name not in needs:
                raise ValueError(f'rule = "{self.rule}" takes no {name}')
        return self

    def value(self) -> Section:
        match = (*self.sectors, *self.tags, *self.countries, *(str(kind) for kind in self.kinds))
        return Section(self.key, self.title, self.rule, self.count, tuple(dict.fromkeys(match)), self.optional)


class _Link(_Table):
    role: Literal["social", "sector", "edition", "product", "legal", "contact", "feedback", "privacy", "terms", "home"]
    title: _Line
    url: Annotated[str, AfterValidator(_link_url)]

    def value(self) -> Link:
        return Link(self.title, self.url, self.role)


class _Schedule(_Table):
    cadence: str
    cron: Annotated[str, AfterValidator(_told(schedule.check_cron))] | None = None
    at: Annotated[Any, AfterValidator(_moment)] = None
    time_zone: _TimeZone | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.cron is None) == (self.at is None):
            raise ValueError("needs either cron or at")
        return self

    def value(self, time_zone: str) -> ScheduleSpec:
        time_zone = self.time_zone or time_zone
        at = None if self.at is None else schedule.parse_at(self.at, time_zone)
        return ScheduleSpec(self.cadence, time_zone, self.cron or "", at)


class _File(_Table):
    edition: _Edition
    feed: tuple[_Feed, ...] = ()
    section: tuple[_Section, ...] = ()
    link: tuple[_Link, ...] = ()
    schedule: tuple[_Schedule, ...] = ()

    def value(self) -> Edition:
        head = self.edition
        name, address = read_mailbox(head.sender)
        return Edition(
            **head.model_dump(exclude={"sender", "reply_to", "feeds"}),
            sender=(name or head.title, address),
            reply_to=read_mailbox(head.reply_to) if head.reply_to else None,
            sections=tuple(section.value() for section in self.section),
            links=tuple(link.value() for link in self.link),
            feeds=(*(feed.value() for feed in self.feed), *(FeedSpec(feed, existing=True) for feed in head.feeds)),
            schedules=tuple(item.value(head.time_zone) for item in self.schedule),
        )


def parse(text: str, where: str) -> Edition:
    """The edition that ``text``, the contents of the file ``where``, declares. Raises ``ConfigError`` with every
    fault, each naming its table."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(where, [str(error)], "mend the TOML") from None
    faults = []
    try:
        declared = _File(**raw)
    except ValidationError as error:
        faults = [_fault(item, raw) for item in error.errors()]
    faults += _faults_between_tables(raw)
    if faults:
        raise ConfigError(where, faults)
    return declared.value()


_MODELS: Mapping[str, type[_Table]]
_MODELS = {"edition": _Edition, "feed": _Feed, "section": _Section, "link": _Link, "schedule": _Schedule}
_PLAINLY = {"missing": "is missing", "model_type": "must be a table", "tuple_type": "must be a list"}


def _fault(item: Any, raw: Mapping[str, Any]) -> str:
    """A fault as pydantic found it, in the words of the file."""
    place = _place(item["loc"], raw)
    kind, message = item["type"], item["msg"].removeprefix("Value error, ")
    if kind == "extra_forbidden":
        message = "unknown key" + _suggestion(item["loc"])
    elif kind == "tuple_type" and len(item["loc"]) == 1:
        message = f"a table of its own for each, in double brackets: {place}"
    elif kind in _PLAINLY:
        message = _PLAINLY[kind]
    elif kind == "string_pattern_mismatch":
        shape = "a colour such as #0b5394" if "#" in item["ctx"]["pattern"] else "small letters, digits and hyphens"
        message = f"{item['input']!r} must be {shape}"
    if "postal_address" in place:
        message += " (mail to many must give the sender's postal address)"
    return f"{place}: {message}"


def _place(loc: Sequence[Any], raw: Mapping[str, Any]) -> str:
    """``[edition] from`` or ``[[section]] 2 (trending) rule``."""
    table, *keys = loc
    if table not in _File.model_fields:
        return str(table)
    if table == "edition":
        return " ".join(["[edition]", *map(str, keys)])
    if not keys or not isinstance(keys[0], int):
        return f"[[{table}]]"
    entry = raw[table][keys[0]]
    names = [entry[name] for name in ("key", "name", "title", "cadence") if name in entry] if keys[1:] else []
    return " ".join([f"[[{table}]] {keys[0] + 1}", *(f"({name})" for name in names[:1]), *map(str, keys[1:])])


def _suggestion(loc: Sequence[Any]) -> str:
    fields = (_MODELS[loc[0]] if len(loc) > 1 else _File).model_fields
    known = [field.alias or name for name, field in fields.items()]
    close = difflib.get_close_matches(str(loc[-1]), known, n=1, cutoff=0.75)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(known)}"


def _faults_between_tables(raw: Mapping[str, Any]) -> list[str]:
    """What no table shows on its own. Looks at the raw file, so that it is told along with the other faults."""
    return [*_doubled(raw), *_schedule_faults(raw), *_absent(raw)]


def _tables(raw: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    tables = raw.get(name, [])
    return [table for table in tables if isinstance(table, dict)] if isinstance(tables, list) else []


def _head(raw: Mapping[str, Any]) -> dict[str, Any]:
    head = raw.get("edition", {})
    return head if isinstance(head, dict) else {}


def _doubled(raw: Mapping[str, Any]) -> Iterator[str]:
    mentioned = _head(raw).get("feeds", [])
    feeds = [table.get("name") for table in _tables(raw, "feed")] + (mentioned if isinstance(mentioned, list) else [])
    keys = [table.get("key") for table in _tables(raw, "section")]
    for what, names in (("[[section]] key", keys), ("feed", feeds)):
        for name, count in Counter(name for name in names if isinstance(name, str)).items():
            if count > 1:
                yield f"{what} {name!r} stands {count} times"


def _schedule_faults(raw: Mapping[str, Any]) -> Iterator[str]:
    cadences = _head(raw).get("cadences", ["daily"])
    for number, table in enumerate(_tables(raw, "schedule"), start=1):
        cadence, at = table.get("cadence"), table.get("at")
        if isinstance(cadence, str) and isinstance(cadences, list) and cadence not in cadences:
            yield f"[[schedule]] {number} cadence: {cadence!r} is not among the edition's cadences"
        if isinstance(at, (str, date)):
            try:
                schedule.parse_at(_moment(at) or "", str(table.get("time_zone") or _head(raw).get("time_zone")))
            except InputError as error:
                if "no time zone" not in str(error):  # told where it stands
                    yield f"[[schedule]] {number} at: {error}"


def _absent(raw: Mapping[str, Any]) -> Iterator[str]:
    if not raw.get("section"):
        yield "[[section]]: at least one is needed"
    if not raw.get("feed") and not _head(raw).get("feeds"):
        yield "[[feed]]: at least one is needed, or feeds = [...] under [edition]"


# -------------------------------------------------------------------------------------------------- JSON


_ADAPTER = TypeAdapter(Edition)


def to_json(edition: Edition) -> dict[str, Any]:
    """``edition`` as the JSON that the store and frozen issues keep."""
    data: dict[str, Any] = _ADAPTER.dump_python(edition, mode="json")
    return data


def from_json(data: Mapping[str, Any]) -> Edition:
    """The edition behind ``to_json``; what the store keeps in tables of its own may be left out."""
    return _ADAPTER.validate_python(data)
