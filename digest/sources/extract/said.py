"""What a page was found to say, in the page's own words, before it becomes an article."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from lxml.html import HtmlElement

from digest.values import Image, Kind

LONGEST = {"title": 400, "standfirst": 1000, "byline": 200, "place": 100, "agency": 200}  # characters kept of a text


@dataclass(frozen=True, slots=True)
class Said:
    """One witness's account of an article: "" and empty where it says nothing. Times are as written."""

    title: str = ""
    standfirst: str = ""
    byline: str = ""
    place: str = ""
    agency: str = ""
    countries: tuple[str, ...] = ()
    sector: str = ""
    tags: tuple[str, ...] = ()
    kind: Kind | None = None
    language: str = ""
    url: str = ""
    image: Image | None = None
    published: str = ""
    updated: str = ""

    def or_else(self, other: Said) -> Said:
        """This account, with the other's word where this one is silent."""
        silent = {item.name: getattr(other, item.name) for item in fields(self) if not getattr(self, item.name)}
        return replace(self, **silent)


def text_of(element: HtmlElement) -> str:
    """The text an element shows, on one line."""
    return " ".join("".join(element.itertext()).split())
