"""The same resizes by Pillow itself: where few pictures are made small, and as what the kernels are held against."""

from __future__ import annotations

import functools

import numpy as np
from PIL import Image

from dedup_core.images.resizing.wanted import BILINEAR, LANCZOS, Wanted

_FILTERS = {LANCZOS: Image.Resampling.LANCZOS, BILINEAR: Image.Resampling.BILINEAR}


def made_small(image: Image.Image, wanted: Wanted) -> np.ndarray:
    """Return an RGB image in a size that is wanted: uint8 (height, width, 3)."""
    return np.asarray(image.resize(wanted.size, _FILTERS[wanted.reach], reducing_gap=wanted.gap or None))


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
