"""Pictures for invented news, drawn by code as SVG: landscapes in a few flat layers, and portraits of nobody."""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sin
from random import Random
from zlib import crc32

WIDTH, HEIGHT = 1184, 666
_HORIZON = 430
# top and bottom of the sky, the sun, then four layers from far to near
_PALETTES = [
    ("#f7b267", "#fde8c8", "#fff4dd", "#c9a98f", "#8f7d86", "#5b5b73", "#2f3550"),
    ("#7fb7d6", "#e4f1f2", "#ffffff", "#a3c4cc", "#6c9aa8", "#3f6f80", "#1f4557"),
    ("#c86b85", "#f9cdad", "#ffe9d0", "#b0708a", "#7d4f78", "#523a66", "#2c2448"),
    ("#8fc0a9", "#f2f0d0", "#fffbe6", "#a9c7a0", "#6f9f83", "#417a67", "#20504a"),
    ("#141c3a", "#3d4a7a", "#f6f1d5", "#323f6b", "#263159", "#1b2446", "#10162e"),
]


def picture(name: str) -> bytes:
    """The picture called ``name``, such as ``sails-3``: what it shows, and which one of those. Always the same."""
    subject, _, _ = name.partition("-")
    chance = Random(crc32(name.encode()))
    if subject == "face":
        return _svg(600, 600, _face(chance))
    colours = _PALETTES[{"stars": 4, "desert": 0}.get(subject, chance.randrange(4))]
    return _svg(WIDTH, HEIGHT, _sky(colours, chance) + _SUBJECTS[subject](colours, chance))


def _svg(width: int, height: int, inner: str) -> bytes:
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{inner}</svg>'.encode()


def _sky(colours: tuple[str, ...], chance: Random) -> str:
    x, y, radius = chance.randrange(200, 980), chance.randrange(150, 330), chance.randrange(46, 84)
    bands = 14  # a gradient in few colours stays small as PNG
    mixed = [_mix(colours[0], colours[1], band / (bands - 1)) for band in range(bands)]
    step = _HORIZON / bands
    sky = "".join(
        f'<rect y="{band * step:.1f}" width="{WIDTH}" height="{HEIGHT - band * step:.1f}" fill="{colour}"/>'
        for band, colour in enumerate(mixed)
    )
    return f'{sky}<circle cx="{x}" cy="{y}" r="{radius}" fill="{colours[2]}"/>'


def _mix(one: str, other: str, share: float) -> str:
    pairs = zip(_channels(one), _channels(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _channels(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]


def _hills(colour: str, top: float, swing: float, chance: Random) -> str:
    waves = [(chance.uniform(0.6, 3.2), chance.uniform(0, 2 * pi), swing / (n + 1)) for n in range(3)]
    points = [
        (x, top + sum(high * sin(x / WIDTH * often * 2 * pi + shift) for often, shift, high in waves))
        for x in range(0, WIDTH + 1, 16)
    ]
    return _shape(colour, [(0, HEIGHT), *points, (WIDTH, HEIGHT)])


def _shape(colour: str, points: list[tuple[float, float]]) -> str:
    drawn = " ".join(f"{x:.0f},{y:.0f}" for x, y in points)
    return f'<polygon points="{drawn}" fill="{colour}"/>'


def _box(colour: str, x: float, y: float, width: float, height: float) -> str:
    return f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height:.0f}" fill="{colour}"/>'


def _water(colours: tuple[str, ...], chance: Random, top: int = _HORIZON) -> str:
    waves = "".join(
        _box(colours[1], chance.randrange(WIDTH), chance.randrange(top + 12, HEIGHT), chance.randrange(30, 150), 3)
        for _ in range(40)
    )
    return _box(colours[4], 0, top, WIDTH, HEIGHT - top) + f'<g opacity=".35">{waves}</g>'


def _turbines(colours: tuple[str, ...], chance: Random) -> str:
    far = _hills(colours[3], _HORIZON - 30, 26, chance) + _water(colours, chance)
    mills = ""
    for place in range(7):
        size = (0.5, 0.8, 1.25)[place % 3]
        x = 90 + place * 165 + chance.randrange(-30, 30)
        foot, hub = _HORIZON + 60 * size, _HORIZON + 60 * size - 250 * size
        turn = chance.randrange(120)
        blades = "".join(
            f'<path d="M0 0 L{7 * size:.0f} {-24 * size:.0f} L0 {-118 * size:.0f} L{-3 * size:.0f} {-20 * size:.0f} Z"'
            f' transform="rotate({turn + angle})"/>'
            for angle in (0, 120, 240)
        )
        tower = f'<path d="M{-4 * size:.0f} {foot - hub:.0f} L-2 0 L2 0 L{4 * size:.0f} {foot - hub:.0f} Z"/>'
        mills += f'<g transform="translate({x} {hub:.0f})" fill="#ffffff">{tower}{blades}</g>'
    return far + mills


def _sails(colours: tuple[str, ...], chance: Random) -> str:
    boats = ""
    for place in range(5):
        size, x = 0.7 + 0.35 * (place % 3), 120 + place * 230 + chance.randrange(-40, 40)
        y = _HORIZON + 20 + 46 * (place % 3)
        sails = '<path d="M-6 -8 L-6 -170 L-74 -8 Z" fill="#ffffff"/><path d="M6 -8 L6 -140 L58 -8 Z" fill="#fbe3c0"/>'
        hull = f'<path d="M-86 0 L82 0 L58 28 L-60 28 Z" fill="{colours[6]}"/>'
        boats += f'<g transform="translate({x} {y}) scale({size:.2f})">{sails}{hull}</g>'
    return _hills(colours[3], _HORIZON - 24, 30, chance) + _water(colours, chance) + boats


def _mountains(colours: tuple[str, ...], chance: Random) -> str:
    drawn = ""
    for layer, base in enumerate((190, 270)):
        for place in range(5):
            x, peak = place * 280 + chance.randrange(-60, 60), base + chance.randrange(-50, 60)
            half = chance.randrange(210, 330)
            colour = colours[3 + layer]
            drawn += _shape(colour, [(x - half, _HORIZON + 4), (x, peak), (x + half, _HORIZON + 4)])
            snow = (_HORIZON - peak) * 0.24
            edge = half * 0.24
            cap = [(x, peak), (x + edge, peak + snow), (x + edge / 3, peak + snow * 0.72), (x, peak + snow)]
            drawn += _shape("#ffffff", [*cap, (x - edge / 2, peak + snow * 0.75), (x - edge, peak + snow)])
    return drawn + _water(colours, chance) + _hills(colours[6], HEIGHT - 70, 26, chance)


def _city(colours: tuple[str, ...], chance: Random) -> str:
    drawn = ""
    for layer in (3, 4, 6):
        x = -20
        while x < WIDTH:
            width, height = chance.randrange(56, 130), chance.randrange(90, 250) + 26 * (6 - layer)
            drawn += _box(colours[layer], x, HEIGHT - 90 - height, width, height + 90)
            if layer == 6:
                lit = [(a, b) for a in range(x + 12, x + width - 18, 22) for b in range(0, height - 20, 30)]
                windows = chance.sample(lit, len(lit) // 2)
                drawn += "".join(_box("#ffdf9e", a, HEIGHT - 70 - height + b, 10, 14) for a, b in windows)
            x += width + (8 if layer == 6 else 0)
    return drawn


def _desert(colours: tuple[str, ...], chance: Random) -> str:
    dunes = "".join(_hills(colours[3 + n], _HORIZON - 40 + 62 * n, 44 - 8 * n, chance) for n in range(3))
    tower = _box(colours[6], 770, 220, 16, 280) + f'<circle cx="778" cy="214" r="26" fill="{colours[2]}"/>'
    panels = "".join(
        f'<path d="M{x} {y} l54 -16 l0 24 l-54 16 Z" fill="#23395b" stroke="#ffffff" stroke-width="2"/>'
        for y in (520, 566, 612)
        for x in range(40 + y % 50, WIDTH, 92)
    )
    return dunes + tower + panels


def _stars(colours: tuple[str, ...], chance: Random) -> str:
    dots = "".join(
        f'<circle cx="{chance.randrange(WIDTH)}" cy="{chance.randrange(_HORIZON)}" r="{chance.choice((1, 1.4, 2.4))}"/>'
        for _ in range(170)
    )
    dome = (
        '<path d="M560 500 a110 110 0 0 1 220 0 Z" fill="#dfe4f2"/><path d="M676 396 l52 -70 l24 18 l-46 70 Z" '
        'fill="#f6f1d5"/>' + _box("#aab3d0", 552, 498, 236, 70)
    )
    ground = _hills(colours[3], _HORIZON, 40, chance) + dome + _hills(colours[6], 570, 24, chance)
    return f'<g fill="#f6f1d5">{dots}</g>{ground}'


def _train(colours: tuple[str, ...], chance: Random) -> str:
    hills = "".join(_hills(colours[3 + n], 330 + 70 * n, 46, chance) for n in range(2))
    cars = ""
    for place in range(5):
        x = place * 232 - 30
        windows = "".join(_box("#ffe8b3", x + 18 + 40 * n, 496, 26, 26) for n in range(5))
        cars += f'<rect x="{x}" y="476" width="222" height="84" rx="12" fill="#a8322d"/>{windows}'
        cars += _box("#ffffff", x, 534, 222, 5)
    arches = "".join(
        f'<path d="M{x} 680 v-52 a40 40 0 0 1 80 0 v52 Z" fill="{colours[4]}"/>' for x in range(24, 1184, 116)
    )
    return hills + cars + _box(colours[6], 0, 562, WIDTH, 104) + arches


def _fields(colours: tuple[str, ...], chance: Random) -> str:
    far = _hills(colours[3], 360, 40, chance) + _hills(colours[4], _HORIZON - 10, 20, chance)
    ground = _box(_mix(colours[5], "#d9b44a", 0.55), 0, _HORIZON, WIDTH, HEIGHT - _HORIZON)
    rows = "".join(
        _shape(
            _mix(colours[5], "#2f6b3a", 0.5),
            [(592 + n * 26, _HORIZON), (592 + n * 210 - 62, HEIGHT), (592 + n * 210 + 62, HEIGHT)],
        )
        for n in range(-6, 7)
    )
    house = _box("#f4ede0", 846, 372, 96, 66) + _shape("#9c3d2e", [(832, 374), (894, 322), (956, 374)])
    return far + ground + rows + house


def _face(chance: Random) -> str:
    skin = chance.choice(("#f0c8a0", "#d9a066", "#a86b3c", "#7a4a2b", "#f6d7bd"))
    hair = chance.choice(("#2b1d14", "#5b3a1e", "#8a8a8a", "#1a1a1f"))
    coat = chance.choice(("#27476e", "#7b2d43", "#2f6b57"))
    wall = chance.choice(("#e8d8c3", "#cfe0e4", "#e3d5e6", "#dce5cd"))
    long = chance.random() < 0.5
    back = f'<path d="M150 330 a150 165 0 0 1 300 0 v130 h-300 Z" fill="{hair}"/>' if long else ""
    shoulders = f'<path d="M70 600 a230 170 0 0 1 460 0 Z" fill="{coat}"/>'
    neck = f'<path d="M240 420 h120 v60 a60 50 0 0 1 -120 0 Z" fill="{skin}"/>'
    head = f'<ellipse cx="300" cy="300" rx="122" ry="148" fill="{skin}"/>'
    fringe = f'<path d="M168 300 q-2 -166 132 -166 q134 0 132 166 q-40 -92 -132 -86 q-90 -4 -132 86 Z" fill="{hair}"/>'
    look = "".join(f'<circle cx="{x}" cy="306" r="11" fill="#2a2320"/>' for x in (252, 348))
    mouth = '<path d="M254 372 q46 40 92 0" fill="none" stroke="#8c3b33" stroke-width="9" stroke-linecap="round"/>'
    return _box(wall, 0, 0, 600, 600) + back + shoulders + neck + head + fringe + look + mouth


_SUBJECTS: dict[str, Callable[[tuple[str, ...], Random], str]] = {
    "turbines": _turbines,
    "sails": _sails,
    "mountains": _mountains,
    "city": _city,
    "desert": _desert,
    "stars": _stars,
    "train": _train,
    "fields": _fields,
}
