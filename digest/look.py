"""What a publisher chose of an edition's looks; ``dress`` makes of it what templates paint with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Logo:
    """The picture that stands for an edition's title; width and height in CSS pixels."""

    url: str
    width: int
    height: int
    alt: str = ""


@dataclass(frozen=True, slots=True)
class Colours:
    """What a publisher chose, as #rrggbb; "" leaves it to the theme. ``ground`` lies around the ``paper``."""

    accent: str = ""
    ink: str = ""
    paper: str = ""
    ground: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """How an edition looks. ``headings`` and ``text`` are lists of fonts, empty for the theme's own."""

    theme: str = "classic"
    light: Colours = Colours()
    dark: Colours = Colours()
    headings: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    logo: Logo | None = None


DEFAULT = Look()
