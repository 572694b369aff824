"""Images made small, for people to look at."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np

from dedup_core.images import jpeg
from dedup_core.images.decoding import decode
from dedup_core.images.picture import MAX_PIXELS, Failure, Picture, not_encoded
from dedup_core.images.upright import turned


def thumbnail(data: bytes, size: int, max_pixels: int = MAX_PIXELS) -> np.ndarray | Failure:
    """Decode an image small.

    Args:
        data: the whole file.
        size: the longer side in pixels.
        max_pixels: as for ``decode``.

    Returns:
        uint8 (height, width, 3), turned as the camera says and never enlarged; or a Failure.
    """
    picture = small_picture(data, size, max_pixels)
    return picture if isinstance(picture, Failure) else upright_pixels(picture)


def small_picture(data: bytes, size: int, max_pixels: int = MAX_PIXELS) -> Picture | Failure:
    """Decode an image small and as it is stored; its ``turn`` says how the camera wants it turned.

    Args:
        data: the whole file.
        size: the longer side in pixels.
        max_pixels: as for ``decode``.
    """
    picture = decode(data, max_pixels, shrink=partial(_times_for_less, side=size))
    if isinstance(picture, Failure):
        return picture
    try:
        small = picture.image
        small.thumbnail((size, size))
        return replace(picture, source=small)
    except Exception as error:  # noqa: BLE001 - whatever a picture does, it is the picture's failure
        return not_encoded(error, "its thumbnail")


def upright_pixels(picture: Picture) -> np.ndarray:
    """Return a stored picture turned as the camera says, uint8 (height, width, 3)."""
    return np.asarray(turned(picture.image, picture.turn))


def _times_for_less(width: int, height: int, side: int) -> int:
    """Have a JPEG decoded at a half, a quarter or an eighth, if that is no smaller. No hash may see such pixels."""
    share = side / max(width, height)
    least = min(width // math.ceil(width * share), height // math.ceil(height * share))
    return next((times for times in jpeg.TIMES if times <= least), 1)
