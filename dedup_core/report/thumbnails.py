"""Pictures for the report: small files of a size known beforehand."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, features

from dedup_core.images.picture import MAX_PIXELS, MAX_SIDE, Failure
from dedup_core.images.thumbnails import small_picture, thumbnail, upright_pixels

_QUALITIES = (72, 50, 30, 15)
_SMALLEST_SIDE = 16


@dataclass(frozen=True)
class SmallFile:
    """A picture of an image, upright.

    Attributes:
        content: a WebP or JPEG file.
        turn: how the picture was turned from how it is stored, as EXIF numbers it: 1 for not at all.
    """

    content: bytes
    turn: int


def small_file(
    content: bytes | Failure, side: int, max_bytes: int, max_pixels: int = MAX_PIXELS
) -> SmallFile | Failure:
    """Return a WebP file (JPEG where Pillow lacks WebP) that is no larger than asked for, at the cost of its detail.

    Args:
        content: the image file, or why it could not be read.
        side: the longer side in pixels.
        max_bytes: how large the result may be.
        max_pixels: an image that declares more is refused.
    """
    picture = content if isinstance(content, Failure) else small_picture(content, side, max_pixels)
    if isinstance(picture, Failure):
        return picture
    for encoded in _ever_smaller(upright_pixels(picture)):
        if len(encoded) <= max_bytes:
            return SmallFile(encoded, picture.turn)
    return Failure("too_large", "no room on the page")


def shape_of(small: bytes) -> tuple[int, int] | None:
    """Return width and height of what ``small_file`` made; None of what is no picture."""
    pixels = thumbnail(small, MAX_SIDE)
    return None if isinstance(pixels, Failure) else (pixels.shape[1], pixels.shape[0])


def _ever_smaller(pixels: np.ndarray) -> Iterator[bytes]:
    image = Image.fromarray(pixels)
    kind = "WEBP" if features.check("webp") else "JPEG"
    while max(image.size) >= _SMALLEST_SIDE:
        for quality in _QUALITIES:
            file = io.BytesIO()
            image.save(file, kind, quality=quality)
            yield file.getvalue()
        image = image.resize((max(1, image.width * 3 // 4), max(1, image.height * 3 // 4)))
