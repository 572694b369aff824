"""Edits that a picture goes through on its way round the world, each made by code and repeatable.

An edit takes a picture and a random generator and returns the file that somebody else would have: bytes, and
the ending that belongs to them. The same picture, edit and seed give the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from dedup_core.corpus.originals import Copy, Original, seeded

Change = Callable[[Image.Image, np.random.Generator], Image.Image]


@dataclass(frozen=True)
class Edit:
    """What is done to a picture, and the format that the result is saved in."""

    name: str
    change: Change
    format: str = "JPEG"
    quality: int = 90

    def apply(self, image: Image.Image, random: np.random.Generator) -> bytes:
        """Return the edited picture as a file's content."""
        buffer = io.BytesIO()
        self.change(image, random).save(buffer, self.format, quality=self.quality)
        return buffer.getvalue()

    def copy_of(self, original: Original, seed: int = 0) -> Copy:
        """Return the edited copy. What is random in it depends on the seed, the edit and the original's name."""
        return Copy(self.apply(original.image, seeded(seed, self.name, original.name)), self.ending)

    @property
    def ending(self) -> str:
        """The usual ending of such a file's name."""
        return {"JPEG": ".jpg"}.get(self.format, f".{self.format.lower()}")


def _same(image: Image.Image, _: np.random.Generator) -> Image.Image:
    return image


def _resize(share: float) -> Change:
    return lambda image, _: image.resize(_scaled(image, share, share), Image.Resampling.BICUBIC)


def _aspect(image: Image.Image, _: np.random.Generator) -> Image.Image:
    return image.resize(_scaled(image, 1.0, 0.85), Image.Resampling.BICUBIC)


def _crop(share: float) -> Change:
    """Cut off that share of the width and of the height, more on one side than on the other."""

    def cut(image: Image.Image, random: np.random.Generator) -> Image.Image:
        wide, high = _scaled(image, 1 - share, 1 - share)
        left = int(random.integers(0, image.width - wide + 1))
        top = int(random.integers(0, image.height - high + 1))
        return image.crop((left, top, left + wide, top + high))

    return cut


def _border(image: Image.Image, _: np.random.Generator) -> Image.Image:
    return ImageOps.expand(image, border=max(2, min(image.size) // 30), fill="white")


def _text(image: Image.Image, _: np.random.Generator) -> Image.Image:
    marked = image.copy()
    size = max(10, image.height // 14)
    place = (image.width // 20, image.height - 2 * size)
    ImageDraw.Draw(marked).text(
        place, "sample photograph", fill="white", stroke_width=2, stroke_fill="black", font_size=size
    )
    return marked


def _logo(image: Image.Image, _: np.random.Generator) -> Image.Image:
    marked = image.copy()
    side = max(8, min(image.size) // 6)
    corner = (image.width - side - side // 4, side // 4)
    ImageDraw.Draw(marked).ellipse(
        (*corner, corner[0] + side, corner[1] + side), fill="crimson", outline="white", width=3
    )
    return marked


def _enhance(kind: type, factor: float) -> Change:
    return lambda image, _: kind(image).enhance(factor)


def _gray(image: Image.Image, _: np.random.Generator) -> Image.Image:
    return image.convert("L")


def _blur(image: Image.Image, _: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(max(1.0, min(image.size) / 200)))


def _noise(image: Image.Image, random: np.random.Generator) -> Image.Image:
    pixels = np.asarray(image, np.float32)
    return Image.fromarray((pixels + random.normal(0, 10, pixels.shape)).clip(0, 255).astype(np.uint8))


def _rotate(degrees: float) -> Change:
    return lambda image, _: image.rotate(degrees, Image.Resampling.BICUBIC, expand=degrees % 90 == 0)


def _flip(direction: Image.Transpose) -> Change:
    return lambda image, _: image.transpose(direction)


def _screenshot(image: Image.Image, _: np.random.Generator) -> Image.Image:
    """Put the picture in a window: a dark bar above, a light frame around."""
    bar, frame = max(8, image.height // 12), max(4, image.width // 40)
    screen = Image.new("RGB", (image.width + 2 * frame, image.height + bar + 2 * frame), "gainsboro")
    ImageDraw.Draw(screen).rectangle((0, 0, screen.width, bar), fill="#30343a")
    screen.paste(image, (frame, bar + frame))
    return screen


def _scaled(image: Image.Image, across: float, down: float) -> tuple[int, int]:
    return max(1, round(image.width * across)), max(1, round(image.height * down))


EDITS: dict[str, Edit] = {
    edit.name: edit
    for edit in (
        Edit("recompressed", _same, quality=40),
        Edit("png", _same, "PNG"),
        Edit("webp", _same, "WEBP", 80),
        Edit("half_size", _resize(0.5)),
        Edit("double_size", _resize(2.0)),
        Edit("thumbnail", _resize(0.2)),
        Edit("aspect", _aspect),
        Edit("crop_2", _crop(0.02)),
        Edit("crop_10", _crop(0.10)),
        Edit("crop_25", _crop(0.25)),
        Edit("border", _border),
        Edit("text", _text),
        Edit("logo", _logo),
        Edit("brighter", _enhance(ImageEnhance.Brightness, 1.3)),
        Edit("darker", _enhance(ImageEnhance.Brightness, 0.7)),
        Edit("contrast", _enhance(ImageEnhance.Contrast, 1.4)),
        Edit("colour", _enhance(ImageEnhance.Color, 1.8)),
        Edit("gray", _gray),
        Edit("blur", _blur),
        Edit("noise", _noise),
        Edit("rotate_2", _rotate(2)),
        Edit("rotate_25", _rotate(25)),
        Edit("rotate_90", _rotate(90)),
        Edit("flip_horizontal", _flip(Image.Transpose.FLIP_LEFT_RIGHT)),
        Edit("flip_vertical", _flip(Image.Transpose.FLIP_TOP_BOTTOM)),
        Edit("screenshot", _screenshot),
    )
}
