"""Articles from a file: the fields of a record, checked and cleaned, become a draft or a reason why not.

Fields are called as :class:`~digest.values.ArticleDraft` calls them. In JSON, lists are lists and ``image`` is an
address or an object (url, alt, credit, width, height); in CSV, lists are separated by ``;`` and a picture's details
stand in ``image_alt`` and ``image_credit``. Texts may hold HTML, of which the plain text is kept. Other fields are
passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from digest.errors import InputError
from digest.language.text import one_line, shorten
from digest.sources.clean import plain, web_url
from digest.sources.extract.said import LONGEST
from digest.tables import Row
from digest.values import ArticleDraft, Image, Kind, Rejected

REQUIRED = ("title",)
IGNORED = "-"
"""What a field is mapped to that is passed over."""
_LISTS = ("countries", "tags")
_PICTURE = ("image", "image_alt", "image_credit")
_FIELDS = frozenset({*LONGEST, *_LISTS, *_PICTURE, "url", "guid", "sector", "kind", "language", "published", "updated"})
_IMAGE_FIELDS = frozenset({"url", "alt", "credit", "width", "height"})


def drafts(rows: Iterable[Row | Rejected]) -> Iterator[ArticleDraft | Rejected]:
    """Each record as a draft, or rejected with every fault it has."""
    for row in rows:
        yield row if isinstance(row, Rejected) else _read(row)


def unknown(row: Row) -> list[str]:
    """The fields of a record that are passed over."""
    return [name for name in row.values if name and name not in _FIELDS]


def check_targets(names: Mapping[str, str]) -> None:
    """Raises ``InputError`` when a field of theirs is to be called what no field of ours is."""
    for theirs, ours in names.items():
        if ours not in _FIELDS and ours != IGNORED:
            hint = f"there are {', '.join(sorted(_FIELDS))}; {IGNORED} passes a field over"
            raise InputError(f"--map {theirs}={ours}: there is no {ours}", hint)


def renamed(rows: Iterable[Row | Rejected], names: Mapping[str, str]) -> Iterator[Row | Rejected]:
    """Records with some fields, by their names in lower case, called as ours are."""
    for row in rows:
        if isinstance(row, Rejected):
            yield row
            continue
        values = {names.get(name.strip().lower(), name): value for name, value in row.values.items()}
        yield Row(row.line, values, row.raw)


def _read(row: Row) -> ArticleDraft | Rejected:
    faults: list[str] = []
    fields = {name: _read_field(name, row.values, faults) for name in sorted(_FIELDS - {"image_alt", "image_credit"})}
    if not fields["title"] and not faults:
        faults.append("has no title")
    return row.rejected("; ".join(faults)) if faults else ArticleDraft(**fields)


def _read_field(name: str, said: Mapping[str, Any], faults: list[str]) -> Any:
    try:
        return _field(name, said)
    except InputError as error:
        faults.append(str(error))
        return None


def _field(name: str, said: Mapping[str, Any]) -> Any:
    value = said.get(name)
    if name in LONGEST:
        return shorten(plain(_text(name, value), markup=False), LONGEST[name])
    if name in _LISTS:
        words = (plain(word, markup=False) for word in _list(name, value))
        return tuple(dict.fromkeys((word.lower() if name == "tags" else word) for word in words if word))
    if name in {"published", "updated"}:
        return _moment(name, _text(name, value))
    if name == "image":
        return _image(value, said)
    if name == "url":
        return _address(name, _text(name, value))
    if name == "kind":
        return _kind(_text(name, value))
    text = one_line(_text(name, value))
    return text.lower()[:80] if name == "sector" else text[:20] if name == "language" else text[:500]


def _text(name: str, value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, int) and not isinstance(value, bool) and name in {"guid", "title"}:
        return str(value)
    raise InputError(f"{name} is no text")


def _list(name: str, value: object) -> list[str]:
    if value is None or isinstance(value, str):
        return (value or "").split(";")
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return value
    raise InputError(f"{name} is no list of texts")


def _moment(name: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InputError(f"{name} {text!r} is not a valid date", "write 2026-11-23T07:00+05:30") from None
    if moment.tzinfo is None:
        raise InputError(f"{name} {text!r} has no time zone", "write 2026-11-23T07:00+05:30")
    return moment


def _address(name: str, text: str) -> str:
    address = web_url(text)
    if text.strip() and not address:
        raise InputError(f"{name} {one_line(text)!r} is not a valid http(s) address")
    return address


def _kind(text: str) -> Kind:
    try:
        return Kind(text.strip().lower() or Kind.NEWS)
    except ValueError:
        raise InputError(f"no kind {one_line(text)!r}", f"there are {', '.join(Kind)}") from None


def _image(value: object, said: Mapping[str, Any]) -> Image | None:
    details: Mapping[str, Any] = {"alt": said.get("image_alt"), "credit": said.get("image_credit")}
    if isinstance(value, dict):
        unknown = sorted(value.keys() - _IMAGE_FIELDS)
        if unknown:
            raise InputError(f"image has no {', '.join(unknown)}", f"it has {', '.join(sorted(_IMAGE_FIELDS))}")
        details, value = value, value.get("url")
    url = _address("image", _text("image", value))
    alt, credit = (shorten(plain(_text("image", details.get(key)), markup=False), 400) for key in ("alt", "credit"))
    width, height = (_pixels(details.get(key)) for key in ("width", "height"))
    return Image(url, alt, credit, width, height) if url else None


def _pixels(value: object) -> int:
    if value is None or (isinstance(value, int) and 0 <= value <= 100_000):
        return value or 0
    raise InputError("an image's width and height are numbers of pixels")
