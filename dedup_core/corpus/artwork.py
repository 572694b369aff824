"""Drawn pictures of one thing that changes little: a shirt in other colours, another figure on the same card.

Each function takes what those of ``documents`` take.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np
from PIL import Image, ImageDraw

from dedup_core.corpus.drawing import Colour, Random, colour, combination, some_colour
from dedup_core.corpus.icons import regular, turned

_GREY, _HUES = 120, 18
_SEAM = (60, 60, 60)
_BODY = ((84, 40), (172, 40), (236, 92), (206, 130), (184, 112), (184, 226), (72, 226), (72, 112), (50, 130), (20, 92))
_CUFFS = (((20, 92), (50, 130), (62, 121), (34, 80)), ((236, 92), (206, 130), (194, 121), (222, 80)))
_BITS = 24  # of the left half of a figure, six rows of four


def recolour(number: int, random: Random, shared: Random) -> Image.Image:  # noqa: ARG001 - as all kinds
    """One shirt in other colours, all equally light: in grey every picture is the same."""
    parts = combination(number, [_HUES] * 3, int(shared.integers(_HUES**3)))
    body, trim, badge = (equal_greys()[part] for part in parts)
    image = Image.new("RGB", (256, 256), (244, 244, 244))
    draw = ImageDraw.Draw(image)
    draw.polygon(_BODY, body, _SEAM)
    for cuff in _CUFFS:
        draw.polygon(cuff, trim, _SEAM)
    draw.pieslice((100, 14, 156, 70), 0, 180, trim, _SEAM)
    draw.ellipse((96, 106, 160, 170), badge, _SEAM, 2)
    return image


@functools.cache
def equal_greys() -> tuple[Colour, ...]:
    """Return colours from all around the wheel that Pillow makes one and the same grey."""
    return tuple(_of_grey(colour(hue / _HUES)) for hue in range(_HUES))


def _of_grey(pure: Colour) -> Colour:
    """Return the colour of that hue whose grey is ``_GREY``: a darker one, or one with white in it."""
    light = np.dot(pure, (0.299, 0.587, 0.114))
    share, white = min(1.0, _GREY / light), max(0.0, (_GREY - light) / (255 - light))
    near = [round(share * channel + white * (255 - share * channel)) for channel in pure]
    tries = itertools.product(*([channel + change for change in (0, 1, -1, 2, -2)] for channel in near))
    return next((r, g, b) for r, g, b in tries if min(r, g, b) >= 0 and max(r, g, b) <= 255 and _grey(r, g, b) == _GREY)


def _grey(red: int, green: int, blue: int) -> int:
    """Return what Pillow makes of a colour in mode L."""
    return (19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16


def sprite(number: int, random: Random, shared: Random) -> Image.Image:
    """A card with an ornate frame that all have in common, and a small figure in its middle."""
    image = _card(shared)
    (code,) = combination(number, (1 << _BITS,), int(shared.integers(1 << _BITS)))
    half = np.array([code >> bit & 1 for bit in range(_BITS)], np.uint8).reshape(6, 4)
    figure = Image.fromarray(255 * np.hstack([half, half[:, ::-1]])).resize((64, 48), Image.Resampling.NEAREST)
    image.paste(colour(int(random.integers(8)) / 8, 0.8, 0.6), (88, 136), figure)
    return image


def _card(shared: Random) -> Image.Image:
    image = Image.new("RGB", (240, 320), (250, 246, 232))
    draw = ImageDraw.Draw(image)
    ink, star = some_colour(shared, 20, 130), regular(2 * int(shared.integers(5, 10)), 9, 4)
    draw.rectangle((4, 4, 235, 315), outline=ink, width=3)
    draw.rectangle((14, 14, 225, 305), outline=ink)
    along = [(x, y) for x in range(24, 240, 24) for y in (24, 296)]
    for x, y in [*along, *((x, y) for x in (24, 216) for y in range(58, 280, 34))]:
        draw.polygon([(x + across, y + down) for across, down in star], ink)
    draw.ellipse((60, 100, 180, 220), outline=ink, width=2)
    for bead in range(24):
        ((across, down),) = turned(((0, -68),), bead / 24)
        draw.ellipse((117 + across, 157 + down, 123 + across, 163 + down), ink)
    return image
