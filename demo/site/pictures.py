"""Press pictures, painted by ourselves: a sky, a sun and the sea, in colours that follow from the picture's name."""

from __future__ import annotations

import struct
import zlib
from colorsys import hls_to_rgb
from math import sqrt

WIDTH, HEIGHT = 640, 360
_HORIZON = 232


def png(name: str) -> bytes:
    """The picture ``name`` as a PNG of ``WIDTH`` x ``HEIGHT`` pixels; the same bytes each time."""
    seed = zlib.crc32(name.encode())
    hue, across, radius = seed % 360 / 360, 120 + seed // 360 % 400, 36 + seed // 7 % 40
    rows = (b"\0" + _row(y, hue, across, radius) for y in range(HEIGHT))
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(rows), 6)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _row(y: int, hue: float, across: int, radius: int) -> bytes:
    if y >= _HORIZON:
        swell = 0.05 * ((y - _HORIZON) // 6 % 2)
        return _pixels(hue + 0.08, 0.26 + swell + (HEIGHT - y) / 900, 0.3) * WIDTH
    sky = _pixels(hue, 0.45 + 0.4 * y / _HORIZON, 0.38)
    height = _HORIZON - 40 - y
    half = int(sqrt(radius**2 - height**2)) if abs(height) < radius else 0
    sun = _pixels(hue + 0.45, 0.85, 0.8) * (2 * half)
    return sky * (across - half) + sun + sky * (WIDTH - across - half)


def _pixels(hue: float, lightness: float, saturation: float) -> bytes:
    return bytes(round(255 * part) for part in hls_to_rgb(hue % 1, lightness, saturation))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
