"""Both passes of a resize over a picture, block after block, for all sizes at a time.

A block is ROWS rows, and as many columns as fit a cache near to the core. Its rows are laid into lanes, so that every
size's horizontal pass reads it from there; what they make of all its columns is laid down again, so that the vertical
passes have columns in their lanes. Between the passes numbers have 8 bits, as in Pillow.
"""

from __future__ import annotations

import numpy as np

from dedup_core.images.resizing.lanes import (
    CHANNELS,
    GROUP,
    GROUP_BYTES,
    LANES,
    PAIRS,
    ROWS,
    TURN,
    add_products,
    lay_across,
    lay_down,
)
from dedup_core.images.resizing.weights import BITS
from dedup_core.jit.compiled import compiled

SEGMENT = 2048
"""Columns of a block: with its pairs it takes 192 bytes a column."""

BEGIN, LOW, HIGH = 0, 1, 2
_HALF = np.int32(1 << (BITS - 1))
Rooms = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@compiled
def passed(pixels: np.ndarray, width: int, plan: tuple, rooms: Rooms) -> None:
    """Pass over a picture, and leave the sums of all that is made of it.

    Args:
        pixels: uint8 (height * width * 3,).
        width: of the picture.
        plan: int64 (n, 6), int64 (m, 9) and int32 (k,): what is made of each row, what of each column, and the weights
            of both; how many of the lanes that are made have weights of 22 bits, for the others are sums; and how many
            lanes after them are the picture's own columns.
        rooms: int32 arrays to work in, the last for the sums.
    """
    across, down, taps, n_weighted, n_woven = plan
    pairs, sums, laid, made = rooms
    height = len(pixels) // (width * CHANNELS)
    columns = len(across) * CHANNELS
    stride = columns + n_woven
    for top in range(0, height, ROWS):
        for left in range(0, width if columns else 0, SEGMENT):
            stop = min(left + SEGMENT, width)
            _lay_block(pixels, width, (top, height, left, stop), pairs)
            _add_block(across, taps, (left // 2, (stop + 1) // 2, LANES, LANES), pairs, sums)
        for column in range(0, columns, TURN):
            weighted = column < n_weighted
            rounding = (_HALF, np.int32(BITS), np.int32(255)) if weighted else (
                np.int32(0), np.int32(0), np.int32(32767))  # fmt: skip
            lay_down(sums, column * ROWS, laid, (column, stride), rounding)
        if n_woven:
            _weave(pixels, width, (top, height), (columns, stride), laid)
        _add_rows(down, taps, (top // 2, min(top + ROWS, height + 1) // 2, stride), laid, made)


@compiled
def _weave(pixels: np.ndarray, width: int, span: tuple[int, int], to: tuple[int, int], laid: np.ndarray) -> None:
    """Lay a block's rows down as they are: of each two of them the columns, as pairs."""
    top, height = span
    n = width * CHANNELS
    for pair in range(PAIRS):
        upper = min(top + 2 * pair, height - 1) * n
        lower = min(top + 2 * pair + 1, height - 1) * n
        begin = to[0] + pair * to[1]
        above, below, both = pixels[upper : upper + n], pixels[lower : lower + n], laid[begin : begin + n]
        for k in range(n):
            both[k] = np.int32(above[k]) | np.int32(below[k]) << 16


@compiled
def _lay_block(pixels: np.ndarray, width: int, block: tuple[int, int, int, int], pairs: np.ndarray) -> None:
    top, height, left, stop = block
    starts = np.empty(PAIRS, np.int64)
    rest = np.zeros(PAIRS * GROUP_BYTES, np.uint8)
    rest_starts = np.arange(PAIRS) * GROUP_BYTES
    whole = left + (stop - left) // GROUP * GROUP
    for half in range(0, ROWS, PAIRS):
        for row in range(PAIRS):
            starts[row] = (min(top + half + row, height - 1) * width + left) * CHANNELS
        place = half
        for _ in range(left, whole, GROUP):
            lay_across(pixels, starts, pairs, place)
            starts += GROUP_BYTES
            place += GROUP // 2 * LANES
        if whole < stop:
            n = (stop - whole) * CHANNELS
            for row in range(PAIRS):
                for byte in range(n):
                    rest[row * GROUP_BYTES + byte] = pixels[starts[row] + byte]
            lay_across(rest, rest_starts, pairs, place)


@compiled
def _add_block(
    across: np.ndarray, taps: np.ndarray, span: tuple[int, int, int, int], pairs: np.ndarray, sums: np.ndarray
) -> None:
    """Add to the sums of each column that is made what the block's columns give."""
    for column in range(len(across)):
        _add_window(across[column], taps, (span[0], span[1], span[2], 0), pairs, (sums, column * span[3]))


@compiled
def _add_rows(
    down: np.ndarray, taps: np.ndarray, span: tuple[int, int, int], laid: np.ndarray, made: np.ndarray
) -> None:
    """Add to the sums of each row that is made what the block's rows give."""
    first, stop, stride = span
    for row in range(len(down)):
        if down[row, 0] < stop and first < down[row, 0] + down[row, 1]:
            for lane in range(0, down[row, 7], LANES):
                where = made, down[row, 8] + lane
                _add_window(down[row], taps, (first, stop, stride, down[row, 6] + lane), laid, where)


@compiled
def _add_window(
    window: np.ndarray, taps: np.ndarray, span: tuple, pairs: np.ndarray, where: tuple[np.ndarray, int]
) -> None:
    first, stop, stride, lane = span
    sums, at = where
    for part in range(2):
        start, n, tap = window[3 * part], window[3 * part + 1], window[3 * part + 2]
        begin, end = max(start, first), min(start + n, stop)
        if begin < end:
            how = HIGH if part else LOW if begin > start else BEGIN
            place = (begin - first) * stride + lane
            add_products(sums, pairs, taps, (at, place, stride, tap + begin - start, end - begin), how)


@compiled
def rounded(made: np.ndarray, lanes: int, size: tuple[int, int]) -> np.ndarray:
    """Return sums with 22 bits behind the point as uint8 (height, width, 3).

    Args:
        made: int32 (n,).
        lanes: how far apart its rows lie.
        size: width and height.
    """
    width, height = size
    pixels = np.empty((height, width * CHANNELS), np.uint8)
    for row in range(height):
        for lane in range(width * CHANNELS):
            number = (made[row * lanes + lane] + _HALF) >> BITS
            pixels[row, lane] = min(max(number, 0), 255)
    return pixels.reshape(height, width, CHANNELS)


@compiled
def averaged(made: np.ndarray, lanes: int, cells: tuple[np.ndarray, np.ndarray, int], shares: np.ndarray) -> np.ndarray:
    """Return sums of whole cells as their means, uint8 (height, width, 3).

    Args:
        made: int32 (n,), of each cell one sum or several.
        lanes: how far apart its rows lie.
        cells: of each column and of each row of cells how many pixels it has that way, and how many sums a cell has.
        shares: int64 (2, 2): by what a sum is multiplied to be divided by a cell's pixels, in 24 bits; last are those
            of the last row and of the last column.
    """
    widths, heights, parts = cells
    pixels = np.empty((len(heights), len(widths) * CHANNELS), np.uint8)
    for row in range(len(heights)):
        is_last = 1 if row == len(heights) - 1 else 0
        for column in range(len(widths)):
            share = np.uint32(shares[is_last, 1 if column == len(widths) - 1 else 0])
            half = np.uint32(widths[column] * heights[row] // 2)
            for channel in range(CHANNELS):
                total = half
                for part in range(parts):
                    lane = (column * parts + part) * CHANNELS + channel
                    total = np.uint32(total + np.uint32(made[row * lanes + lane]))
                pixels[row, column * CHANNELS + channel] = np.uint32(total * share) >> np.uint32(24)
    return pixels.reshape(len(heights), len(widths), CHANNELS)


@compiled
def gray(pixels: np.ndarray) -> np.ndarray:
    """Return the luma of pixels, uint8 (height, width) of uint8 (height, width, 3), as Pillow rounds it."""
    height, width, _ = pixels.shape
    luma = np.empty((height, width), np.uint8)
    for row in range(height):
        for column in range(width):
            red, green, blue = pixels[row, column]
            luma[row, column] = (19595 * np.int32(red) + 38470 * np.int32(green) + 7471 * np.int32(blue) + 0x8000) >> 16
    return luma
