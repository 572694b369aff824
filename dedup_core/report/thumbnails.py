"""Pictures for the report: small files of a size known beforehand."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image, features

from dedup_core.images.picture import MAX_PIXELS, MAX_SIDE, Failure, thumbnail

_QUALITIES = (72, 50, 30, 15)
_SMALLEST_SIDE = 16


def small_file(content: bytes | Failure, side: int, max_bytes: int, max_pixels: int = MAX_PIXELS) -> bytes | Failure:
    """Return a WebP file (JPEG where Pillow lacks WebP) that is no larger than asked for, at the cost of its detail.

    Args:
        content: the image file, or why it could not be read.
        side: the longer side in pixels.
        max_bytes: how large the result may be.
        max_pixels: an image that declares more is refused.
    """
    pixels = content if isinstance(content, Failure) else thumbnail(content, side, max_pixels)
    if isinstance(pixels, Failure):
        return pixels
    for encoded in _ever_smaller(pixels):
        if len(encoded) <= max_bytes:
            return encoded
    return Failure("too_large", "no room on the page")


def shape_of(small: bytes) -> tuple[int, int] | None:
    """Return width and height of a picture that ``small_file`` made; None of what is no picture."""
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
