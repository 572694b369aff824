"""Resizes by compiled code: this file loads numba, and whoever wants that imports it when first used."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from numba import config

from dedup_core.images.resizing import passes
from dedup_core.images.resizing.plan import Made, plan_of
from dedup_core.images.resizing.wanted import Wanted
from dedup_core.images.resizing.weights import MOST_SUMMED

IS_COMPILED = not config.DISABLE_JIT  # type: ignore[attr-defined]
gray = passes.gray


def made_small(
    pixels: np.ndarray, wanted: Sequence[Wanted], span: tuple[float, float] | None = None
) -> list[np.ndarray]:
    """Return a picture in all sizes that are wanted, from one pass over it.

    Args:
        pixels: uint8 (height, width, 3), contiguous.
        wanted: the sizes.
        span: as of `plan_of`.

    Returns:
        uint8 (height, width, 3) each.
    """
    height, width, _ = pixels.shape
    plan = plan_of((width, height), wanted, span)
    rooms = plan.rooms()
    weights = plan.across, plan.down, plan.taps, plan.n_weighted, plan.n_woven
    passes.passed(pixels.reshape(-1), width, weights, rooms)
    left = [_left(made, rooms[-1], (width, height)) for made in plan.made]  # before another pass uses the rooms
    return [_finished(small, made, each, (width, height), span)
            for small, made, each in zip(left, plan.made, wanted, strict=True)]  # fmt: skip


def _left(made: Made, sums: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return what a pass has left of a picture for one size, as pixels."""
    if made.outcome != "averaged":
        return passes.rounded(sums[made.start :], made.lanes, made.size)
    return passes.averaged(sums[made.start :], made.lanes, *_cells(shape, made.factors))


def _finished(
    small: np.ndarray, made: Made, wanted: Wanted, shape: tuple[int, int], span: tuple[float, float] | None
) -> np.ndarray:
    """Resize what was averaged, and what was resized in height alone."""
    if made.outcome == "averaged":
        span = shape[0] / made.factors[0], shape[1] / made.factors[1]
    elif made.outcome == "resized" or (made.size == wanted.size and span is None):
        return small
    else:
        span = span and (span[0], wanted.size[1])
    return made_small(small, [wanted._replace(gap=0.0)], span)[0]


@functools.lru_cache(maxsize=256)
def _cells(shape: tuple[int, int], factors: tuple[int, int]) -> tuple[tuple[np.ndarray, np.ndarray, int], np.ndarray]:
    """Return how many pixels each cell has each way and how many sums, and by what these are multiplied."""
    widths, heights = (
        np.minimum(np.arange(factor, side + factor, factor), side) - np.arange(0, side, factor)
        for side, factor in zip(shape, factors, strict=True)
    )
    shares = np.array([[_share(int(widths[x]) * int(heights[y])) for x in (0, -1)] for y in (0, -1)])
    return (widths, heights, -(-factors[0] // MOST_SUMMED)), shares


def _share(pixels: int) -> int:
    """Return by what Pillow multiplies a sum, to divide it by so many pixels in 24 bits: it divides in 32 of them."""
    return int(np.float32(2**32) / np.float32(pixels << 8))
