"""Colours that can be read: contrast as WCAG 2 measures it, and the shades of a mail or page mixed from a few colours
of the publisher's."""

from __future__ import annotations

import colorsys
import re
from collections.abc import Iterable
from dataclasses import dataclass

from digest.errors import InputError

LEAST_CONTRAST = 4.5  # of text, WCAG 2.2, 1.4.3
_STEPS = 20

_Channels = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Shades:
    """All that a theme paints with, as #rrggbb. ``ink`` is for headlines, ``body`` for running text, ``soft`` for what
    stands back, ``line`` for rules, ``tint`` behind cards and pictures that do not load; each text colour can be read
    on ``paper``, ``tint`` and ``ground``; ``on_accent`` on ``accent``."""

    paper: str
    ground: str
    tint: str
    ink: str
    body: str
    soft: str
    line: str
    accent: str
    on_accent: str


def shades(accent: str, ink: str, paper: str, ground: str) -> Shades:
    """The shades that follow from four colours."""
    tint = mixed(paper, ink, 0.055)
    behind = (paper, tint, ground)
    accent = readable(accent, *behind)
    return Shades(
        paper=mixed(paper, paper, 0),
        ground=mixed(ground, ground, 0),
        tint=tint,
        ink=readable(ink, *behind),
        body=readable(mixed(ink, paper, 0.13), *behind),
        soft=readable(mixed(ink, paper, 0.36), *behind),
        line=mixed(paper, ink, 0.16),
        accent=accent,
        on_accent=on(accent),
    )


def contrast(one: str, other: str) -> float:
    """Between 1, alike, and 21, black on white."""
    low, high = sorted((_luminance(_channels(one)), _luminance(_channels(other))))
    return (high + 0.05) / (low + 0.05)


def readable(colour: str, *grounds: str) -> str:
    """``colour``, made lighter or darker, its hue kept, until text in it can be read on each of ``grounds``."""
    dark = all(_luminance(_channels(ground)) < 0.179 for ground in grounds)
    hue, lightness, saturation = colorsys.rgb_to_hls(*(channel / 255 for channel in _channels(colour)))
    target = 1.0 if dark else 0.0
    steps = (lightness + (target - lightness) * step / _STEPS for step in range(_STEPS + 1))
    tried = [_hexed(255 * channel for channel in colorsys.hls_to_rgb(hue, step, saturation)) for step in steps]
    legible = (one for one in tried if all(contrast(one, ground) >= LEAST_CONTRAST for ground in grounds))
    return next(legible, tried[-1])


def on(colour: str) -> str:
    """Black or white, whichever reads better on ``colour``."""
    return max("#ffffff", "#000000", key=lambda text: contrast(text, colour))


def mixed(one: str, other: str, share: float) -> str:
    """``one`` with a ``share`` (0 to 1) of ``other``."""
    pairs = zip(_channels(one), _channels(other), strict=True)
    return _hexed(a + (b - a) * share for a, b in pairs)


def _hexed(channels: Iterable[float]) -> str:
    return "#" + "".join(f"{round(channel):02x}" for channel in channels)


def _channels(colour: str) -> _Channels:
    digits = colour.removeprefix("#")
    if len(digits) == 3:
        digits = "".join(2 * digit for digit in digits)
    if not re.fullmatch("[0-9a-fA-F]{6}", digits):
        raise InputError(f"{colour!r} is not a colour", "write it as #rrggbb")
    return tuple(float(int(digits[i : i + 2], 16)) for i in (0, 2, 4))


def _luminance(channels: _Channels) -> float:
    linear = [c / 255 / 12.92 if c <= 10.3 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
