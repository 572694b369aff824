"""What can be said of two pictures without their pixels: looks refute most pairs that are not the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from dedup_core.images.looks import LOOK_BYTES, SIDE
from dedup_core.images.losses import LOSSLESS
from dedup_core.images.shapes import shapes_agree
from dedup_core.jit.compiled import compiled

LOOK_LIMITS = {0: 40, 256: 24, 512: 16}
"""Levels by which a cell of two looks may differ before the pictures are refuted, from the shortest of their sides on:
the larger a cell, the less it depends on how a picture was resized and compressed. All are looser than what pixels are
held to: copies of some hundred photographs, icons, flags and drawings by seven ways to resize, JPEG and WebP were
within two thirds of them, but for small ones that were resized without smoothing."""

LOSSLESS_LIMIT = 3
"""The same for two pictures of one size of which neither can have lost anything."""

_PIXELS_A_CELL = 4


class Looks(NamedTuple):
    """What is known of n pictures before their pixels are.

    Attributes:
        cells: uint8 (n, 32, 32, 4).
        width: int64 (n,).
        height: int64 (n,).
        frames: int64 (n,), how many each file holds; 0 where that is not known.
        is_lossless: bool (n,), whether its format keeps every pixel.
    """

    cells: np.ndarray
    width: np.ndarray
    height: np.ndarray
    frames: np.ndarray
    is_lossless: np.ndarray

    @classmethod
    def of(cls, looks: Iterable[bytes | None], numbers: np.ndarray, formats: Iterable[str | None]) -> Looks:
        """Take what is kept of pictures; a look that is not known is black, and nothing may be refuted by it.

        Args:
            looks: as `dedup_core.images.looks.Traits` has them.
            numbers: int64 (n, 3), width, height and frames of each; 0 where that is not known.
            formats: what each content is.
        """
        cells = np.frombuffer(b"".join(look or bytes(LOOK_BYTES) for look in looks), np.uint8)
        is_lossless = np.array([form in LOSSLESS for form in formats], bool)
        width, height, frames = numbers.T
        return cls(cells.reshape(-1, SIDE, SIDE, 4), width, height, frames, is_lossless)


def refuted(looks: Looks, left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which pairs can't be the same picture.

    Args:
        looks: of the pictures.
        left: int64 (m,), one end of each pair, as a position in ``looks``.
        right: int64 (m,), the other end.

    Returns:
        bool (m,), whether a pair is refuted; uint8 (m,), the largest difference of two cells, in levels; and int64
        (m,), which cell that is, row by row.
    """
    ends = [(looks.width[end], looks.height[end]) for end in (left, right)]
    (width, height), (other_width, other_height) = ends
    same_size = (width == other_width) & (height == other_height)
    exact = same_size & looks.is_lossless[left] & looks.is_lossless[right]
    shortest = np.minimum.reduce([width, height, other_width, other_height])
    limit = np.where(exact, LOSSLESS_LIMIT, look_limit(shortest))
    merged = np.where(exact, 1, merged_cells(shortest))
    difference, cell = cell_differences(looks.cells, left, right, merged)
    frames, other_frames = looks.frames[left], looks.frames[right]
    agree = shapes_agree(width, height, other_width, other_height)
    agree |= shapes_agree(width, height, other_height, other_width)  # one may be stored turned
    is_other = (frames != other_frames) | (frames == 0) | ~agree
    return is_other | (difference > limit), difference, cell


def look_limit(shortest: np.ndarray) -> np.ndarray:
    """Return by how much cells of two looks may differ, by the shortest side of the two pictures: int64 (n,)."""
    sides, limits = (np.array(list(values), np.int64) for values in (LOOK_LIMITS, LOOK_LIMITS.values()))
    return limits[np.searchsorted(sides, shortest, side="right") - 1]


def merged_cells(shortest: np.ndarray) -> np.ndarray:
    """Return how many cells a side become one before looks are compared, by the shortest side: 1, 2, 4, 8, or 32.

    Cells of less than four pixels a side differ by how pictures were resized and compressed. All as one they still
    tell colours.
    """
    cells = np.asarray(shortest) // _PIXELS_A_CELL
    merged = np.full(cells.shape, SIDE, np.int64)
    for size in (4, 8, 16, 32):
        merged[cells >= size] = SIDE // size
    return merged


@compiled
def _largest(one: np.ndarray, other: np.ndarray, channels: int) -> tuple[int, int]:
    """Return the largest difference of two looks, and the first cell that has it."""
    largest = np.uint8(0)
    for at in range(len(one)):
        a, b = one[at], other[at]
        largest = max(largest, np.uint8(max(a, b) - min(a, b)))
    for at in range(len(one)):
        a, b = one[at], other[at]
        if np.uint8(max(a, b) - min(a, b)) == largest:
            return largest, at // channels
    return largest, 0


@compiled
def cell_differences(
    cells: np.ndarray, left: np.ndarray, right: np.ndarray, merged: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest difference of two looks' cells, and which cell that is.

    Args:
        cells: uint8 (n, 32, 32, 4).
        left: int64 (m,).
        right: int64 (m,).
        merged: int64 (m,), how many cells a side are taken as one, by their mean.

    Returns:
        uint8 (m,), rounded down; int64 (m,), the first of the cells, row by row.
    """
    difference, at = np.zeros(len(left), np.uint8), np.zeros(len(left), np.int64)
    flat = cells.reshape(len(cells), -1)
    for pair in range(len(left)):
        one, other, side = cells[left[pair]], cells[right[pair]], merged[pair]
        if side == 1:
            difference[pair], at[pair] = _largest(flat[left[pair]], flat[right[pair]], one.shape[2])
            continue
        worst = -1
        for top in range(0, one.shape[0], side):
            for start in range(0, one.shape[1], side):
                for channel in range(one.shape[2]):
                    total = 0
                    for row in range(top, top + side):
                        for column in range(start, start + side):
                            total += np.int64(one[row, column, channel]) - np.int64(other[row, column, channel])
                    if abs(total) // (side * side) > worst:
                        worst, at[pair] = abs(total) // (side * side), top * one.shape[1] + start
        difference[pair] = worst
    return difference, at
