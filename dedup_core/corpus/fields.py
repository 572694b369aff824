"""Drawn pictures that are mostly ground: scenes with captions, and pictures with next to nothing on them.

Each function takes what those of ``documents`` take.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from dedup_core.corpus.drawing import (
    INK,
    WHITE,
    Random,
    colour_field,
    combination,
    font,
    numbered_word,
    some_colour,
    with_noise,
    words,
)

_PAGE = (600, 800)
_SCENE = (320, 240)
_SHADES = tuple(range(0, 197, 14))
_TINTS = tuple(range(255, 199, -5))
_STYLES = 4


def caption(number: int, random: Random, shared: Random) -> Image.Image:
    """Even numbers: one scene, each time with other words. Odd ones: other scenes with the same words."""
    usual = " ".join(words(shared, 4))
    is_usual_scene = number % 2 == 0
    image = _scene(shared if is_usual_scene else random)
    text = f"{numbered_word(number)} {' '.join(words(random, 2))}" if is_usual_scene else usual
    ImageDraw.Draw(image).text((160, 208), text, WHITE, font(20), "mm", stroke_width=2, stroke_fill=INK)
    return image


def _scene(random: Random) -> Image.Image:
    """Draw a sky with clouds, three chains of hills of some texture before it, and the noise of a camera."""
    image = ImageChops.overlay(colour_field(_SCENE, random, 3, 45), colour_field(_SCENE, random, 9, 25))
    texture = colour_field(_SCENE, random, 40, 30).convert("L").convert("RGB")
    for depth in range(3):
        tops = np.convolve(random.normal(0, 60, 42), np.hanning(9) / 4, "same") + 120 + 40 * depth
        hill = [(8 * place - 8, top) for place, top in enumerate(tops.tolist())]
        mask = Image.new("L", _SCENE)
        ImageDraw.Draw(mask).polygon([*hill, (330, 240), (-10, 240)], 255)
        ground = Image.new("RGB", _SCENE, some_colour(random, 30, 170 - 30 * depth))
        image.paste(ImageChops.overlay(texture, ground), mask=mask)
    return with_noise(image, random, 3)


def flat(number: int, random: Random, shared: Random) -> Image.Image:  # noqa: ARG001 - as all kinds
    """A colour, a blank page, a faint gradient or faint noise. No two have one colour."""
    index, style = divmod(number, _STYLES)
    if style == 1:
        return Image.new("RGB", _PAGE, _pick(index, _TINTS))
    wide, high = random.integers(64, 321, 2).tolist()
    plain = Image.new("RGB", (wide, high), _pick(number, _SHADES))
    if style == 2:
        return _gradient(plain, random)
    return with_noise(plain, random, 0.6) if style == 3 else plain


def sparse_page(number: int, random: Random, shared: Random) -> Image.Image:  # noqa: ARG001 - as all kinds
    """A white page with its number alone, or with one word, another one on each."""
    index, has_word = divmod(number, 2)
    if has_word:
        return _written(numbered_word(index), (300, int(random.integers(60, 740))), 16)
    return _written(str(index + 1), (300, 770), 12)


def _pick(number: int, levels: tuple[int, ...]) -> tuple[int, int, int]:
    red, green, blue = (levels[digit] for digit in combination(number, [len(levels)] * 3))
    return red, green, blue


def _gradient(plain: Image.Image, random: Random) -> Image.Image:
    """Return the picture lighter towards one side, by one to four levels."""
    steps = int(random.integers(1, 5))
    ramp = np.linspace(0, steps + 1, plain.width, endpoint=False).astype(np.uint8)[None, :, None]
    image = Image.fromarray(np.asarray(plain) + ramp)
    return image if random.random() < 0.5 else image.transpose(Image.Transpose.ROTATE_90)


def _written(text: str, place: tuple[int, int], size: int) -> Image.Image:
    page = Image.new("RGB", _PAGE, WHITE)
    ImageDraw.Draw(page).text(place, text, INK, font(size), "mm")
    return page
