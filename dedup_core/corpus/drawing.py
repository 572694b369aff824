"""What drawn pictures are made of: numbered combinations, words, a font, and smooth fields of colour."""

from __future__ import annotations

import colorsys
import functools
import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageFont

Colour: TypeAlias = tuple[int, int, int]
Random: TypeAlias = np.random.Generator

WHITE: Colour = (255, 255, 255)
INK: Colour = (24, 24, 28)

_SYLLABLES = (
    "ba", "cor", "den", "fi", "gal", "hu", "jen", "ki", "lom", "ma", "nes", "or", "pal", "qui", "ro", "sel", "tan",
    "ul", "ver", "wi", "xa", "yor", "zim", "dru",
)  # fmt: skip
_GOLDEN = 0.6180339887498949


def combination(number: int, sizes: Sequence[int], first: int = 0) -> tuple[int, ...]:
    """Return one digit a size, each below its size: another combination for each number.

    Neighbours differ widely: a number is multiplied by something that has no divisor in common with the count of
    all combinations, which visits each of them once.

    Args:
        number: from 0 to below the product of the sizes.
        sizes: how many values each digit has.
        first: the combination that number 0 gets.
    """
    total = math.prod(sizes)
    step = max(1, round(total * _GOLDEN))
    while math.gcd(step, total) > 1:
        step += 1
    code = (number * step + first) % total
    digits = []
    for size in sizes:
        code, digit = divmod(code, size)
        digits.append(digit)
    return tuple(digits)


def numbered_word(number: int) -> str:
    """Return a word of three syllables: another one for each number below 13,824."""
    return "".join(_SYLLABLES[digit] for digit in combination(number, [len(_SYLLABLES)] * 3))


def words(random: Random, count: int) -> list[str]:
    """Return so many words of one to three syllables."""
    syllables = random.integers(0, len(_SYLLABLES), (count, 3))
    lengths = random.integers(1, 4, count)
    return ["".join(_SYLLABLES[one] for one in row[:length]) for row, length in zip(syllables, lengths, strict=True)]


@functools.cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Return the font that ships with Pillow, laid out by Pillow itself: other machines may lack a better way."""
    shipped = ImageFont.load_default(size)
    if not isinstance(shipped, ImageFont.FreeTypeFont):
        raise TypeError("Pillow was built without FreeType: install it from a wheel, by pip install Pillow")
    return shipped.font_variant(layout_engine=ImageFont.Layout.BASIC)


def colour(hue: float, saturation: float = 1.0, brightness: float = 1.0) -> Colour:
    """Return a colour by its place on the wheel, 0 to 1, how full it is and how bright."""
    red, green, blue = (round(255 * channel) for channel in colorsys.hsv_to_rgb(hue, saturation, brightness))
    return red, green, blue


def some_colour(random: Random, low: int = 0, high: int = 256) -> Colour:
    """Return a random colour, each channel from ``low`` to below ``high``."""
    red, green, blue = random.integers(low, high, 3).tolist()
    return red, green, blue


def colour_field(size: tuple[int, int], random: Random, cells: int, spread: float) -> Image.Image:
    """Return a picture whose colours run smoothly from cell to cell, each about so far from grey."""
    cell = 128 + spread * random.standard_normal((cells, cells, 3), np.float32)
    return Image.fromarray(cell.clip(0, 255).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)


def with_noise(image: Image.Image, random: Random, spread: float) -> Image.Image:
    """Return the picture with noise of that spread on each pixel."""
    pixels = np.asarray(image, np.float32)
    noise = random.standard_normal(pixels.shape, np.float32) * np.float32(spread)
    return Image.fromarray((pixels + noise).round().clip(0, 255).astype(np.uint8))
