"""Drawn pictures that differ in what is written on them: pages, forms, charts and screens.

Each function takes the picture's number, a generator of its own, and one that starts alike for all pictures of the
kind: what they share is drawn by the latter. The number decides something that can be read.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

from PIL import Image, ImageDraw

from dedup_core.corpus.drawing import INK, WHITE, Colour, Random, combination, font, numbered_word, words

_PAGE = (600, 800)
_FIELDS = (
    "Name", "First name", "Street", "Town", "Date", "Telephone", "Account", "Reference", "Amount", "Tax", "Total",
    "Signature",
)  # fmt: skip
_FIGURES = {"Date", "Telephone", "Account", "Reference", "Amount", "Tax", "Total"}
_VALUES, _LEVELS, _SWING = 8, 20, 2


def text_page(number: int, random: Random, shared: Random) -> Image.Image:
    """A page of words: title, margins, lines and paragraphs lie where they lie on every other page."""
    page = Image.new("RGB", _PAGE, WHITE)
    draw = ImageDraw.Draw(page)
    draw.text((60, 56), f"{numbered_word(number)} {' '.join(words(random, 2))}".title(), INK, font(22))
    ends = set(shared.choice(36, 5, replace=False).tolist())
    spoken = iter(words(random, 900))
    for line in range(36):
        draw.text((60, 110 + 17 * line), _line(spoken, 200 if line in ends else 480), INK, font(12))
    return page


def _line(spoken: Iterator[str], wide: int) -> str:
    """Return as many of the next words as that width holds."""
    line: list[str] = []
    while wide > 0:
        line.append(next(spoken))
        wide -= _width(line[-1])
    return " ".join(line[:-1])


@functools.lru_cache(20_000)
def _width(word: str) -> int:
    return round(font(12).getlength(f"{word} "))


def form(number: int, random: Random, shared: Random) -> Image.Image:
    """A form: boxes and labels are the same on all, and so are some of the entries."""
    page = Image.new("RGB", _PAGE, WHITE)
    draw = ImageDraw.Draw(page)
    draw.text((50, 40), " ".join(words(shared, 2)).upper(), INK, font(24))
    draw.line((50, 78, 550, 78), INK, 3)
    usual = [_entry(label, shared) for label in _FIELDS]
    kept = random.random()
    for row, label in enumerate(_FIELDS):
        entry = usual[row] if random.random() < kept else _entry(label, random)
        _field(draw, row, label, f"{numbered_word(number).title()} {entry}" if row == 0 else entry)
    draw.text((50, 750), " ".join(words(shared, 9)), INK, font(10))
    return page


def _entry(label: str, random: Random) -> str:
    if label == "Date":
        return f"{random.integers(1, 29):02d}.{random.integers(1, 13):02d}.{random.integers(1990, 2026)}"
    if label in _FIGURES:
        return f"{random.integers(1_000, 10_000_000):,}"
    return " ".join(words(random, 2)).title()


def _field(draw: ImageDraw.ImageDraw, row: int, label: str, entry: str) -> None:
    top = 100 + 53 * row
    draw.text((50, top + 12), label, INK, font(13))
    draw.rectangle((170, top, 550, top + 40), outline=INK)
    draw.text((182, top + 10), entry, (20, 40, 130), font(17))


def chart(number: int, random: Random, shared: Random) -> Image.Image:
    """A chart of eight values, as bars or a line: title and axes are those of all charts, the values near the usual."""
    image = Image.new("RGB", (480, 360), WHITE)
    draw = ImageDraw.Draw(image)
    draw.text((60, 12), " ".join(words(shared, 3)).title(), INK, font(16))
    for step in range(6):
        high = 320 - 56 * step
        draw.line((60, high, 460, high), (205, 205, 205))
        draw.text((26, high - 8), str(20 * step), INK, font(12))
    draw.line((60, 40, 60, 320, 460, 320), INK, 2)
    usual = shared.integers(_SWING, _LEVELS - _SWING, _VALUES).tolist()
    swings = combination(number, [2 * _SWING + 1] * _VALUES)
    values = [value + swing - _SWING for value, swing in zip(usual, swings, strict=True)]
    (_bars if random.random() < 0.5 else _curve)(draw, values)
    return image


def _bars(draw: ImageDraw.ImageDraw, values: list[int]) -> None:
    for place, value in enumerate(values):
        left = 72 + 48 * place
        draw.rectangle((left, 306 - 14 * value, left + 32, 319), (52, 101, 164))


def _curve(draw: ImageDraw.ImageDraw, values: list[int]) -> None:
    points = [(88 + 48 * place, 306 - 14 * value) for place, value in enumerate(values)]
    draw.line(points, (190, 60, 40), 3)
    for x, y in points:
        draw.ellipse((x - 4, y - 4, x + 4, y + 4), (190, 60, 40))


def screen(number: int, random: Random, shared: Random) -> Image.Image:
    """A program's window: bars, menus and frame as on every other one, and some lines inside."""
    image = Image.new("RGB", (640, 480), (236, 236, 238))
    draw = ImageDraw.Draw(image)
    _window(draw, shared)
    draw.rectangle((160, 76, 628, 452), WHITE, (170, 170, 175))
    draw.text((178, 92), numbered_word(number).title(), INK, font(18))
    for line in range(int(random.integers(1, 5))):
        draw.text((178, 128 + 22 * line), " ".join(words(random, 4)), (70, 70, 76), font(13))
    draw.text((12, 459), f"{random.integers(10_000):,} entries", INK, font(11))
    return image


def _window(draw: ImageDraw.ImageDraw, shared: Random) -> None:
    draw.rectangle((0, 0, 639, 27), (44, 62, 92))
    draw.text((12, 6), " ".join(words(shared, 2)).title(), WHITE, font(14))
    buttons: tuple[Colour, ...] = ((230, 190, 60), (90, 180, 90), (220, 80, 70))
    for place, colour in enumerate(buttons):
        draw.ellipse((566 + 24 * place, 7, 580 + 24 * place, 21), colour)
    for place, word in enumerate(("File", "Edit", "View", "Tools", "Help")):
        draw.text((12 + 54 * place, 32), word, INK, font(13))
    draw.line((0, 54, 639, 54), (190, 190, 195))
    for row, word in enumerate(words(shared, 11)):
        draw.rectangle((12, 82 + 32 * row, 24, 94 + 32 * row), (110, 140, 180))
        draw.text((32, 80 + 32 * row), word.title(), INK, font(13))
    draw.rectangle((0, 0, 639, 479), outline=(44, 62, 92), width=2)
