"""The same resizes by Pillow itself: where few pictures are made small, and as what the kernels are held against."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from PIL import Image, __version__

from dedup_core.images.resizing.wanted import BILINEAR, LANCZOS, Wanted

_FILTERS = {LANCZOS: Image.Resampling.LANCZOS, BILINEAR: Image.Resampling.BILINEAR}


VERSION = __version__


Box = tuple[float, float, float, float]
"""Left, top, right and bottom of what counts of a picture, in pixels."""


def made_small(source: np.ndarray | Image.Image, wanted: Sequence[Wanted], box: Box | None = None) -> list[np.ndarray]:
    """Return an RGB image, or uint8 (height, width, 3), as is wanted: uint8 (height, width, 3) each.

    Args:
        source: the image.
        wanted: sizes, filters and gaps.
        box: what counts of it; all, if None.
    """
    image = Image.fromarray(source) if isinstance(source, np.ndarray) else source
    small = (image.resize(each.size, _FILTERS[each.reach], box, each.gap or None) for each in wanted)
    return [np.asarray(image) for image in small]


def gray(pixels: np.ndarray) -> np.ndarray:
    """Return luma, uint8 (height, width) of uint8 (height, width, 3)."""
    return np.asarray(Image.fromarray(pixels).convert("L"))


@functools.cache
def lowers_first() -> bool:
    """Return whether this Pillow resizes the height first, where that shrinks far more than the width.

    Up to version 12 it resizes the width first, always. Between the passes numbers are rounded, so that the order is
    seen in the result.
    """
    pixels = np.random.default_rng(0).integers(0, 256, (64, 8, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    lanczos = Image.Resampling.LANCZOS
    by_both = image.resize((7, 8), lanczos)
    return by_both.tobytes() == image.resize((8, 8), lanczos).resize((7, 8), lanczos).tobytes()
