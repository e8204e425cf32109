"""How an edition looks: the ``[look]`` table of its file, over that of its theme's ``theme.toml``.

::

    [look]  theme; headings, text (fonts); accent, ink, paper, ground (colours);
            logo = { url, width, height, alt }; dark = { accent, ink, paper, ground }
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from digest.editions import colours
from digest.editions.checks import WORD, OptionalLine, web_url
from digest.editions.colours import Shades
from digest.look import DEFAULT, Colours, Logo, Look

_GENERIC = ("serif", "sans-serif", "monospace", "cursive", "fantasy", "system-ui")
STACKS = {
    "serif": ("Georgia", "serif"),
    "old-style": ("Iowan Old Style", "Palatino Linotype", "Palatino", "Book Antiqua", "Georgia", "serif"),
    "sans": ("Helvetica", "Arial", "sans-serif"),
    "system": ("-apple-system", "Segoe UI", "Roboto", "Helvetica", "Arial", "sans-serif"),
    "humanist": ("Seravek", "Gill Sans", "Calibri", "Trebuchet MS", "sans-serif"),
    "mono": ("Menlo", "Consolas", "Courier New", "monospace"),
}
_IN_WORD = {"serif": "Georgia,serif", "monospace": "'Courier New',monospace"}  # what Outlook has for sure; else Arial
LIGHT = Colours(accent="#0b5394", ink="#14181c", paper="#ffffff", ground="#eef0f2")
DARK = Colours(accent="", ink="#eef1f4", paper="#16191d", ground="#0d0f12")


@dataclass(frozen=True, slots=True)
class Font:
    """A list of fonts as CSS, and what Outlook's Word engine is given in its place: it knows none but its own."""

    css: str
    word: str


@dataclass(frozen=True, slots=True)
class Dress:
    """What a theme's templates see as ``look``: all colours and fonts, chosen and derived."""

    theme: str
    light: Shades
    dark: Shades
    headings: Font
    text: Font
    logo: Logo | None


def dress(look: Look, theme: Look = DEFAULT) -> Dress:
    """``look`` put over that of its ``theme``, with every colour it leaves open derived."""
    light = _over(look.light, theme.light, LIGHT)
    dark = _over(look.dark, Colours(accent=light.accent), theme.dark, DARK)
    return Dress(
        look.theme,
        colours.shades(light.accent, light.ink, light.paper, light.ground),
        colours.shades(dark.accent, dark.ink, dark.paper, dark.ground),
        _font(look.headings or theme.headings or STACKS["serif"]),
        _font(look.text or theme.text or STACKS["sans"]),
        look.logo or theme.logo,
    )


def _over(*layers: Colours) -> Colours:
    """Of each colour the first that is given."""
    names = [field.name for field in fields(Colours)]
    return Colours(**{name: next((c for layer in layers if (c := getattr(layer, name))), "") for name in names})


def _font(stack: tuple[str, ...]) -> Font:
    css = ",".join(f"'{name}'" if " " in name else name for name in stack)
    return Font(css, _IN_WORD.get(stack[-1], "Arial,sans-serif"))


# ---------------------------------------------------------------------------------------------- the table


def _stack(said: object) -> object:
    """The fonts behind a stack's name; a list of fonts as it is."""
    if not isinstance(said, str):
        return said
    if said not in STACKS:
        raise ValueError(f"{said!r} is not a set of fonts: there are {', '.join(STACKS)}; or give a list of names")
    return STACKS[said]


def _ends_generic(stack: tuple[str, ...]) -> tuple[str, ...]:
    if stack[-1] not in _GENERIC:
        raise ValueError(f"a list of fonts must end with one of {', '.join(_GENERIC)}: not every reader has yours")
    return stack


def _colour(text: str) -> str:
    if not re.fullmatch("#[0-9a-fA-F]{6}", text):
        raise ValueError(f"{text!r} must be a colour such as #0b5394")
    return text.lower()


def _no_data(url: str) -> str:
    if len(url) > 900 or re.search(r"[<>\"']", url):
        raise ValueError("must be a plain URL of at most 900 characters")
    return url


_FONTS = f"{', '.join(f'`{name}`' for name in STACKS)}, or a list of names that ends with a generic one such as `serif`"
Colour = Annotated[str, AfterValidator(_colour)]
FontName = Annotated[str, StringConstraints(pattern=r"^-?[A-Za-z0-9][A-Za-z0-9 -]*$", max_length=60)]
Stack = Annotated[
    tuple[FontName, ...], BeforeValidator(_stack), Field(min_length=1, max_length=8), AfterValidator(_ends_generic)
]


class ColoursTable(BaseModel):
    """Four colours; any may be left to the theme."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    accent: Annotated[
        Colour | None,
        Field(
            description="The colour of section names, numbers and buttons, such as `#0b5394`. One that is hard to read "
            "is made darker or lighter in its own hue."
        ),
    ] = None
    ink: Annotated[Colour | None, Field(description="The colour of headlines. It must be readable on the paper.")] = (
        None
    )
    paper: Annotated[Colour | None, Field(description="The colour of the page.")] = None
    ground: Annotated[Colour | None, Field(description="The colour of the area around the page.")] = None

    def colours(self) -> Colours:
        return Colours(**{field.name: getattr(self, field.name) or "" for field in fields(Colours)})

    def _check(self, base: Colours) -> None:
        given = self.colours()
        if not (given.ink or given.paper or given.ground):
            return  # an accent is moved until it can be read
        worn = _over(given, base)
        for name in ("paper", "ground"):
            found = colours.contrast(worn.ink, getattr(worn, name))
            if found < colours.LEAST_CONTRAST:
                raise ValueError(
                    f"ink {worn.ink} on {name} {getattr(worn, name)} has a contrast of {found:.1f} to 1:"
                    f" text needs {colours.LEAST_CONTRAST}"
                )


class DarkTable(ColoursTable):
    """The colours where a reader's device is set to dark."""

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        self._check(DARK)
        return self


class LogoTable(BaseModel):
    """The picture that stands for the title; its size in CSS pixels."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    url: Annotated[
        str,
        AfterValidator(web_url),
        AfterValidator(_no_data),
        Field(description="Where the picture is: an http(s) URL of at most 900 characters."),
    ]
    width: Annotated[int, Field(ge=16, le=576, strict=True, description="The width it is shown at, in CSS pixels.")]
    height: Annotated[int, Field(ge=8, le=300, strict=True, description="The height it is shown at, in CSS pixels.")]
    alt: Annotated[OptionalLine, Field(description="Its words where pictures are off. Empty: the title.")] = ""


class LookTable(ColoursTable):
    """``[look]`` of an edition, or a ``theme.toml``."""

    theme: Annotated[
        str,
        StringConstraints(pattern=WORD, max_length=40),
        Field(description="The folder of templates: `classic`, `plain`, or a theme of your own."),
    ] = DEFAULT.theme
    headings: Annotated[Stack | None, Field(description=f"The fonts of headlines: {_FONTS}.")] = None
    text: Annotated[Stack | None, Field(description=f"The fonts of all else: {_FONTS}.")] = None
    logo: Annotated[
        LogoTable | None,
        Field(
            description="The picture that stands for the title. It should have twice as many pixels as it is shown at."
        ),
    ] = None
    dark: Annotated[
        DarkTable,
        Field(description="Colours for readers whose device is in dark mode. What is left out is the theme's."),
    ] = DarkTable()

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        self._check(LIGHT)
        return self

    def value(self) -> Look:
        logo = Logo(**self.logo.model_dump()) if self.logo else None
        return Look(self.theme, self.colours(), self.dark.colours(), self.headings or (), self.text or (), logo)
