"""Drawn icons: shapes and letters on transparency, alone or framed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from dedup_core.corpus.drawing import WHITE, Colour, Random, colour, combination, font

Polygon = tuple[tuple[float, float], ...]

_FINE = 4  # pixels drawn for each that is kept, across and down
_FULL, _EMPTY = 255, 0
_BLACK: Colour = (0, 0, 0)
_GLYPHS = "ABCDEFGHJKLMNPQRSTUVWXYZ2345678abdeghmnrty&@#%?!$*="
_CORNERS = ((0.82, 0.82), (0.18, 0.82), (0.82, 0.18), (0.18, 0.18))
_MARKS = 1 + 3 * len(_CORNERS)


def turned(points: Polygon, turns: float) -> Polygon:
    """Return a polygon turned about the middle."""
    across, up = math.cos(2 * math.pi * turns), math.sin(2 * math.pi * turns)
    return tuple((across * x - up * y, up * x + across * y) for x, y in points)


def regular(corners: int, *reaches: float) -> Polygon:
    """Return a polygon about the middle, its corners so far from there in turn: one reach, or two for a star."""
    angles = (2 * math.pi * corner / corners for corner in range(corners))
    return tuple((r * math.sin(a), -r * math.cos(a)) for a, r in zip(angles, itertools.cycle(reaches), strict=False))


def _box(left: float, top: float, right: float, bottom: float) -> Polygon:
    return (left, top), (right, top), (right, bottom), (left, bottom)


def _heart(angle: float) -> tuple[float, float]:
    high = 13 * math.cos(angle) - 5 * math.cos(2 * angle) - 2 * math.cos(3 * angle) - math.cos(4 * angle)
    return math.sin(angle) ** 3, -high / 17


def _arc(middle: float, reach: float, start: float, end: float) -> Polygon:
    return tuple((middle + reach * math.cos(a), reach * math.sin(a)) for a in np.linspace(start, end, 40).tolist())


_ARROW = ((0, -1), (0.8, -0.1), (0.3, -0.1), (0.3, 1), (-0.3, 1), (-0.3, -0.1), (-0.8, -0.1))
_SHAPES: tuple[tuple[Polygon, ...], ...] = (
    *((turned(_ARROW, turn / 8),) for turn in range(8)),
    *((turned(regular(3, 1), turn / 4),) for turn in range(4)),
    *((regular(2 * points, 1, 0.45),) for points in (4, 5, 6, 8, 12)),
    *((regular(sides, 1),) for sides in (4, 5, 6, 60)),
    (_box(-0.85, -0.85, 0.85, 0.85),),
    (_box(-1, -0.5, 1, 0.5),),
    (_box(-0.5, -1, 0.5, 1),),
    (_box(-1, -0.3, 1, 0.3), _box(-0.3, -1, 0.3, 1)),
    (turned(_box(-1, -0.22, 1, 0.22), 0.125), turned(_box(-1, -0.22, 1, 0.22), 0.375)),
    (_box(-1, -0.8, 1, -0.45), _box(-1, -0.17, 1, 0.17), _box(-1, 0.45, 1, 0.8)),
    (_box(-0.7, -1, -0.2, 1), _box(0.2, -1, 0.7, 1)),
    (_box(-0.9, 0.2, -0.4, 1), _box(-0.25, -0.3, 0.25, 1), _box(0.4, -1, 0.9, 1)),
    tuple(_box(x, y, x + 0.75, y + 0.75) for x in (-0.9, 0.15) for y in (-0.9, 0.15)),
    (((-0.9, -1), (0.9, -1), (-0.9, 1), (0.9, 1)),),  # an hourglass
    (((-1, 0), (-0.65, -0.35), (-0.25, 0.1), (0.7, -0.8), (1, -0.45), (-0.25, 0.8)),),  # a tick
    (((-0.7, -1), (-0.5, -1), (0.9, -0.5), (-0.5, 0), (-0.5, 1), (-0.7, 1)),),  # a flag
    (((-1, -0.7), (1, -0.7), (0, 0.15)), ((-1, -0.45), (0, 0.4), (1, -0.45), (1, 0.75), (-1, 0.75))),  # a letter
    (((0.3, -1), (-0.6, 0.15), (-0.05, 0.15), (-0.3, 1), (0.6, -0.25), (0.05, -0.25)),),  # a flash
    (((0, -1), (1, -0.1), (0.7, -0.1), (0.7, 0.9), (-0.7, 0.9), (-0.7, -0.1), (-1, -0.1)),),  # a house
    (tuple(_heart(2 * math.pi * step / 60) for step in range(60)),),
    (_arc(0, 1, 0.6, 2 * math.pi - 0.6) + _arc(0.35, 0.72, 2 * math.pi - 0.9, 0.9),),  # a moon
)
_SYMBOLS = len(_GLYPHS) + len(_SHAPES)


@dataclass(frozen=True)
class _Frame:
    """What is about a symbol: how it is drawn for a side, how far the symbol reaches, and whether it is cut out."""

    draw: Callable[[ImageDraw.ImageDraw, float], None]
    reach: float
    is_full: bool = False
    middle: float = 0.5


def _inside(side: float) -> tuple[float, float, float, float]:
    return 0.04 * side, 0.04 * side, 0.96 * side, 0.96 * side


def _hexagon(draw: ImageDraw.ImageDraw, side: float) -> None:
    corners = [(side * (0.5 + x), side * (0.5 + y)) for x, y in regular(6, 0.48)]
    draw.polygon(corners, outline=_FULL, width=int(side / 20))


def _underline(draw: ImageDraw.ImageDraw, side: float) -> None:
    draw.rectangle((0.04 * side, 0.88 * side, 0.96 * side, 0.96 * side), _FULL)


def _posts(draw: ImageDraw.ImageDraw, side: float) -> None:
    draw.rectangle((0.04 * side, 0.04 * side, 0.09 * side, 0.96 * side), _FULL)
    draw.rectangle((0.91 * side, 0.04 * side, 0.96 * side, 0.96 * side), _FULL)


_FRAMES = (
    _Frame(lambda _draw, _side: None, 0.46),
    _Frame(lambda draw, side: draw.ellipse(_inside(side), outline=_FULL, width=int(side / 20)), 0.28),
    _Frame(lambda draw, side: draw.rectangle(_inside(side), outline=_FULL, width=int(side / 20)), 0.34),
    _Frame(lambda draw, side: draw.ellipse(_inside(side), _FULL), 0.29, is_full=True),
    _Frame(lambda draw, side: draw.rounded_rectangle(_inside(side), side / 6, _FULL), 0.33, is_full=True),
    _Frame(_hexagon, 0.27),
    _Frame(_underline, 0.38, middle=0.45),
    _Frame(_posts, 0.34),
)
_UNMARKED = _SYMBOLS * len(_FRAMES)
ICONS = _UNMARKED * _MARKS
"""How many different icons there are, whatever their size and colour."""


def icon(number: int, random: Random, shared: Random) -> Image.Image:
    """A shape or a letter on transparency, 48 to 128 pixels across.

    No two have the same symbol, frame and mark in a corner: they differ in more than size and colour.
    """
    mark, unmarked = divmod(number, _UNMARKED)
    frame, symbol = combination(unmarked, (len(_FRAMES), _SYMBOLS), int(shared.integers(_UNMARKED)))
    side = int(random.integers(48, 129))
    mask = Image.new("L", (_FINE * side, _FINE * side))
    _stamp(ImageDraw.Draw(mask), _FINE * side, symbol, _FRAMES[frame])
    _mark(ImageDraw.Draw(mask), _FINE * side, mark)
    return _inked(mask.reduce(_FINE), random)


def _inked(mask: Image.Image, random: Random) -> Image.Image:
    """Return ink where the mask is: mostly black, at times white or coloured.

    What is hidden under full transparency is black, or at times the ink's colour.
    """
    chance, hue, hidden = random.random(3).tolist()
    ink = _BLACK if chance < 0.6 else WHITE if chance < 0.8 else colour(hue, 0.85, 0.8)
    image = Image.new("RGB", mask.size, ink if hidden < 0.3 else _BLACK)
    image.paste(ink, mask=mask.point(lambda value: 255 if value else 0))
    image.putalpha(mask)
    return image


def _stamp(draw: ImageDraw.ImageDraw, side: int, symbol: int, frame: _Frame) -> None:
    """Draw the frame and the symbol in it."""
    frame.draw(draw, side)
    fill, reach = _EMPTY if frame.is_full else _FULL, frame.reach * side
    middle = (side / 2, frame.middle * side)
    if symbol < len(_GLYPHS):
        draw.text(middle, _GLYPHS[symbol], fill, font(round(2.1 * reach)), "mm")
        return
    for polygon in _SHAPES[symbol - len(_GLYPHS)]:
        draw.polygon([(middle[0] + reach * x, middle[1] + reach * y) for x, y in polygon], fill)


def _mark(draw: ImageDraw.ImageDraw, side: int, mark: int) -> None:
    """Draw a dot, a plus or a square in a corner, with room around it; mark 0 is none."""
    if mark == 0:
        return
    form, corner = divmod(mark - 1, len(_CORNERS))
    x, y = (side * share for share in _CORNERS[corner])
    reach = 0.12 * side
    draw.ellipse((x - 1.5 * reach, y - 1.5 * reach, x + 1.5 * reach, y + 1.5 * reach), _EMPTY)
    if form == 0:
        draw.ellipse((x - reach, y - reach, x + reach, y + reach), _FULL)
    elif form == 1:
        draw.rectangle((x - reach, y - reach / 3, x + reach, y + reach / 3), _FULL)
        draw.rectangle((x - reach / 3, y - reach, x + reach / 3, y + reach), _FULL)
    else:
        draw.rectangle((x - reach, y - reach, x + reach, y + reach), outline=_FULL, width=side // 30)
