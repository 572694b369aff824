"""Resizes by compiled code."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

import numpy as np

from dedup_core.images.resizing import native
from dedup_core.images.resizing.plan import Made, Plan, plan_of
from dedup_core.images.resizing.wanted import Wanted
from dedup_core.images.resizing.weights import MOST_SUMMED


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
    room = plan.room()
    native.call("passed", np.ascontiguousarray(pixels), *plan.addresses, room)
    return _all_made(plan, room, (width, height), wanted, span)


def made_of_strips(
    strips: Iterable[tuple[int, np.ndarray]], shape: tuple[int, int], wanted: Sequence[Wanted]
) -> list[np.ndarray]:
    """Return a picture in all sizes that are wanted, as `made_small` does, from some of its rows after the other.

    Args:
        strips: the number of the first row, and uint8 (n, width, 3), contiguous; n is a multiple of ``ROWS``, but for
            the last.
        shape: width and height of the picture.
        wanted: the sizes.
    """
    plan = plan_of(shape, wanted)
    room = plan.room()
    for top, pixels in strips:
        native.call("passed", pixels, *plan.addresses[:-1], plan.sizes_of(top, len(pixels)), room)
    return _all_made(plan, room, shape, wanted)


def gray(pixels: np.ndarray) -> np.ndarray:
    """Return luma, uint8 (height, width) of uint8 (height, width, 3): as Pillow's mode L."""
    luma = np.empty(pixels.shape[:2], np.uint8)
    native.call("gray", np.ascontiguousarray(pixels), luma, luma.size)
    return luma


def _all_made(
    plan: Plan,
    room: np.ndarray,
    shape: tuple[int, int],
    wanted: Sequence[Wanted],
    span: tuple[float, float] | None = None,
) -> list[np.ndarray]:
    """Return what a pass has left in a room: it holds until this thread asks again."""
    sums = room[plan.first_sum :]
    left = [_left(made, sums, shape) for made in plan.made]  # before another pass uses the rooms
    return [_finished(small, made, each, shape, span)
            for small, made, each in zip(left, plan.made, wanted, strict=True)]  # fmt: skip


def _left(made: Made, sums: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return what a pass has left of a picture for one size, as pixels."""
    pixels = np.empty((made.size[1], made.size[0], 3), np.uint8)
    if made.outcome == "averaged":
        native.call("averaged", sums[made.start :], *_cells(shape, made.factors), pixels, _sizes(made))
    else:
        native.call("rounded", sums[made.start :], pixels, _sizes(made))
    return pixels


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
def _sizes(made: Made) -> np.ndarray:
    return np.array([*made.size, made.lanes], np.int64)


@functools.lru_cache(maxsize=256)
def _cells(shape: tuple[int, int], factors: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return how many pixels a cell has each way, and the last one, and how many sums; then how sums are divided."""
    last = [(side - 1) % factor + 1 for side, factor in zip(shape, factors, strict=True)]
    whole = [min(side, factor) for side, factor in zip(shape, factors, strict=True)]
    shares = [[_share(width * height) for width in (whole[0], last[0])] for height in (whole[1], last[1])]
    cell = [*whole, *last, -(-factors[0] // MOST_SUMMED)]
    return np.array(cell, np.int64), np.array(shares, np.int64)


def _share(pixels: int) -> int:
    """Return by what Pillow multiplies a sum, to divide it by so many pixels in 24 bits: it divides in 32 of them."""
    return int(np.float32(2**32) / np.float32(pixels << 8))
