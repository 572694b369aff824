"""Images taken some rows at a time, so that nothing is held of a large one but what a decoder gave."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image

from dedup_core.images.opening import undisturbed

LARGE = 2**24
"""Pixels from which an image is taken strip by strip. Whole it would be held in two or three forms at a time."""

_STRIP_PIXELS = 2**20

Piece = tuple[int, int, int, int]
"""Left, top, right and bottom of a part of an image, in pixels."""


@dataclass(frozen=True, eq=False)
class Striped:
    """What is made of a large image, anew whenever it is asked for: a part of it at a time.

    Attributes:
        size: width and height.
        mode: Pillow's, of what is made: "RGB", "RGBA" or "L".
        part: makes what lies between left, top, right and bottom.
    """

    size: tuple[int, int]
    mode: str
    part: Callable[[Piece], Image.Image]


Cuttable = Image.Image | Striped
"""Of what a part can be taken."""


class Sized(Protocol):
    """Whatever has a width and a height."""

    @property
    def size(self) -> tuple[int, int]: ...  # noqa: D102 - told above


def is_large(image: Sized) -> bool:
    """Return whether an image is better taken in strips."""
    return image.size[0] * image.size[1] >= LARGE


def array_in_parts(pixels: np.ndarray) -> Striped:
    """Return uint8 (height, width, 3) as an image, of which no copy is made."""
    height, width, _ = pixels.shape
    return Striped((width, height), "RGB", lambda box: Image.fromarray(pixels[box[1] : box[3], box[0] : box[2]]))


def loaded(image: Image.Image) -> Image.Image:
    """Return an image that has been decoded without its decoder, which some would ask anew for each part."""
    image.load()
    return image._new(image.im)  # what can be called else makes a copy of all pixels


def part_of(image: Cuttable, box: Piece) -> Image.Image:
    """Return a part of an image."""
    if isinstance(image, Striped):
        return image.part(box)
    with undisturbed(image.width * image.height):  # Pillow holds what is cut out against its limit, too
        return image.crop(box)


def strips_of(image: Cuttable, multiple: int = 1) -> Iterator[tuple[int, Image.Image]]:
    """Yield an image's rows, some at a time, each with the number of the first.

    Args:
        image: any.
        multiple: of this many rows are all strips but the last.
    """
    width, height = image.size
    n_rows = -(-max(1, _STRIP_PIXELS // width) // multiple) * multiple
    for top in range(0, height, n_rows):
        yield top, part_of(image, (0, top, width, min(top + n_rows, height)))


def whole_of(image: Cuttable) -> Image.Image:
    """Return all of an image at once."""
    if isinstance(image, Image.Image):
        return image
    whole = Image.new(image.mode, image.size)
    for top, strip in strips_of(image):
        whole.paste(strip, (0, top))
    return whole


def pixels_of(image: Cuttable) -> np.ndarray:
    """Return an image of mode RGB as uint8 (height, width, 3), not to be written to."""
    if isinstance(image, Image.Image) and not is_large(image):
        return np.asarray(image)
    pixels = np.empty((image.size[1], image.size[0], 3), np.uint8)
    for top, strip in strips_of(image):
        pixels[top : top + strip.height] = np.asarray(strip)
    return pixels
