"""The same resizes by Pillow itself: where few pictures are made small, and as what the kernels are held against."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, __version__

from dedup_core.images.resizing.wanted import BILINEAR, LANCZOS, Wanted
from dedup_core.images.strips import Cuttable, Striped, strips_of, whole_of

_FILTERS = {LANCZOS: Image.Resampling.LANCZOS, BILINEAR: Image.Resampling.BILINEAR}

_WEIGHTED = {"RGBA": "RGBa"}  # colours count as much as they are opaque

VERSION = __version__


Box = tuple[float, float, float, float]
"""Left, top, right and bottom of what counts of a picture, in pixels."""


def made_small(source: np.ndarray | Cuttable, wanted: Sequence[Wanted], box: Box | None = None) -> list[np.ndarray]:
    """Return an image as is wanted: uint8 (height, width, 3) each, of one of mode L uint8 (height, width).

    Args:
        source: an RGB image, or uint8 (height, width, 3), or an image of mode L.
        wanted: sizes, filters and gaps.
        box: what counts of it; all, if None.
    """
    image = Image.fromarray(source) if isinstance(source, np.ndarray) else source
    return [np.asarray(made) for made in resized(image, wanted, box)]


def resized(image: Cuttable, wanted: Sequence[Wanted], box: Box | None = None) -> list[Image.Image]:
    """Return an image as is wanted, in its own mode; arguments as of `made_small`. One of mode RGBA takes no gaps."""
    if isinstance(image, Striped) and box is None and not _is_any_lowered(image.size, wanted):
        return _from_strips(image, wanted)
    whole = whole_of(image)
    return [whole.resize(each.size, _FILTERS[each.reach], box, each.gap or None) for each in wanted]


def _from_strips(source: Striped, wanted: Sequence[Wanted]) -> list[Image.Image]:
    """Average each strip both ways, or resize its width alone; then the rest is done to all of them, one below another.

    Pillow does the same to each row of a whole image.
    """
    cells = [factors_of(source.size, each) for each in wanted]
    parts: list[list[Image.Image]] = [[] for _ in wanted]
    for _, strip in strips_of(source, math.lcm(*(down for _, down in cells))):
        weighted = strip.convert(_WEIGHTED.get(strip.mode, strip.mode))
        for each, factors, mine in zip(wanted, cells, parts, strict=True):
            narrow, is_averaged = (each.size[0], strip.height), factors != (1, 1)
            mine.append(weighted.reduce(factors) if is_averaged else weighted.resize(narrow, _FILTERS[each.reach]))
    small = []
    for each, (across, down), mine in zip(wanted, cells, parts, strict=True):
        box = (0, 0, source.size[0] / across, source.size[1] / down) if (across, down) != (1, 1) else None
        small.append(_stacked(mine).resize(each.size, _FILTERS[each.reach], box).convert(source.mode))
    return small


def _is_any_lowered(shape: tuple[int, int], wanted: Sequence[Wanted]) -> bool:
    return any(factors_of(shape, each) == (1, 1) and is_lowered_first(shape, each.size) for each in wanted)


def _stacked(parts: Sequence[Image.Image]) -> Image.Image:
    whole, top = Image.new(parts[0].mode, (parts[0].width, sum(part.height for part in parts))), 0
    for part in parts:
        whole.paste(part, (0, top))
        top += part.height
    return whole


def gray(pixels: np.ndarray) -> np.ndarray:
    """Return luma, uint8 (height, width) of uint8 (height, width, 3)."""
    return np.asarray(Image.fromarray(pixels).convert("L"))


def factors_of(shape: tuple[int, int], wanted: Wanted) -> tuple[int, int]:
    """Return by how many pixels each way a picture is averaged before it is resized: (1, 1) for not at all."""
    if not wanted.gap:
        return 1, 1
    across, down = (int(side / size / wanted.gap) or 1 for side, size in zip(shape, wanted.size, strict=True))
    return across, down


def is_lowered_first(shape: tuple[int, int], size: tuple[int, int]) -> bool:
    """Return whether Pillow resizes the height before the width: from its version 13 on, where it shrinks far more."""
    width, height = shape[0] - size[0], shape[1] - size[1]
    return height > max(0, 2 * width) and lowers_first()


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
