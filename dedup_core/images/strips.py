"""Images taken some rows at a time, so that nothing is held of a large one but what it is and what it becomes."""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image

LARGE = 2**24
"""Pixels from which an image is brought into RGB strip by strip. Whole it is held in three forms at a time."""

_STRIP_PIXELS = 2**20


def strips_of(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Yield an image's rows, some at a time, each with the number of the first."""
    n_rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, n_rows):
        yield top, image.crop((0, top, image.width, min(top + n_rows, image.height)))


def is_large(image: Image.Image) -> bool:
    """Return whether an image is better taken in strips."""
    return image.width * image.height >= LARGE
