"""The compiled loops of the verifier: pixels to planes, and the tile in which two planes differ most."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dedup_core.jit.compiled import compiled

TILE = 8
"""The side of a tile in pixels of its plane: that of JPEG's tiles."""


class Limits(NamedTuple):
    """By how much a tile of two planes may differ, in levels of 0 to 255.

    Attributes:
        base: whatever was done: rounding, one after the other.
        mean: more, for the mean of a tile.
        deviation: more, for what lies about the mean; never more than the tile itself has.
        of_contrast: more, for the mean, as a share of how much the tile itself has about its mean.
        of_spread: more, for what lies about the mean, as a share of how much two ways to resize differ.
    """

    base: float
    mean: float
    deviation: float
    of_contrast: float
    of_spread: float


@compiled
def luma_of(pixels: np.ndarray) -> np.ndarray:
    """Return the brightness (ITU-R BT.601) of uint8 (h, w, 3): float32 (h, w)."""
    height, width = pixels.shape[:2]
    luma = np.empty((height, width), np.float32)
    for row in range(height):
        for column in range(width):
            red, green, blue = pixels[row, column, 0], pixels[row, column, 1], pixels[row, column, 2]
            luma[row, column] = (
                np.float32(0.299) * np.float32(red)
                + np.float32(0.587) * np.float32(green)
                + np.float32(0.114) * np.float32(blue)
            )
    return luma


@compiled
def chroma_of(pixels: np.ndarray, luma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the colours (BT.601's Cb and Cr about 0) of uint8 (h, w, 3), means of 2 x 2 pixels: float32 (h/2, w/2)."""
    height, width = (luma.shape[0] + 1) // 2, (luma.shape[1] + 1) // 2
    blues, reds = np.empty((height, width), np.float32), np.empty((height, width), np.float32)
    for row in range(height):
        top, below = 2 * row, min(2 * row + 1, luma.shape[0] - 1)  # at an odd edge the last one counts twice
        for column in range(width):
            left, beside = 2 * column, min(2 * column + 1, luma.shape[1] - 1)
            of_luma = luma[top, left] + luma[top, beside] + luma[below, left] + luma[below, beside]
            blue = np.float32(pixels[top, left, 2]) + np.float32(pixels[top, beside, 2])
            blue += np.float32(pixels[below, left, 2]) + np.float32(pixels[below, beside, 2])
            red = np.float32(pixels[top, left, 0]) + np.float32(pixels[top, beside, 0])
            red += np.float32(pixels[below, left, 0]) + np.float32(pixels[below, beside, 0])
            blues[row, column] = (blue - of_luma) * np.float32(0.564 / 4)
            reds[row, column] = (red - of_luma) * np.float32(0.713 / 4)
    return blues, reds


@compiled
def worst_tile(one: np.ndarray, other: np.ndarray, spread: np.ndarray, limits: Limits) -> tuple[float, float, int, int]:
    """Return what two planes differ by, in the tile where that is most against what it may be.

    Args:
        one: float32 (h, w).
        other: float32 (h, w).
        spread: float32 (h, w), how two ways to resize differ there; (0, 0) for not at all.
        limits: what a tile may differ by.

    Returns:
        The largest share of a limit (1 is at the limit), the largest root mean square of a tile's differences in
        levels, and the first row and column of the tile with the largest share. The last tile of a row or column has
        4 to 11 pixels of it.
    """
    height, width = one.shape
    down, across = max(1, (height + TILE // 2) // TILE), max(1, (width + TILE // 2) // TILE)
    worst, largest, at_row, at_column = -1.0, 0.0, 0, 0
    for tile_row in range(down):
        top, bottom = tile_row * TILE, height if tile_row == down - 1 else (tile_row + 1) * TILE
        for tile_column in range(across):
            left, right = tile_column * TILE, width if tile_column == across - 1 else (tile_column + 1) * TILE
            n = (bottom - top) * (right - left)
            a = b = aa = bb = d = dd = s = ss = 0.0
            for row in range(top, bottom):
                for column in range(left, right):
                    x, y = np.float64(one[row, column]), np.float64(other[row, column])
                    a += x
                    b += y
                    aa += x * x
                    bb += y * y
                    d += x - y
                    dd += (x - y) * (x - y)
                    if spread.size:
                        z = np.float64(spread[row, column])
                        s += z
                        ss += z * z
            contrast = np.sqrt(max(0.0, aa / n - (a / n) ** 2, bb / n - (b / n) ** 2))
            of_spread = np.sqrt(max(0.0, ss / n - (s / n) ** 2))
            deviation = np.sqrt(max(0.0, dd / n - (d / n) ** 2))
            mean_limit = limits.base + limits.mean + limits.of_contrast * contrast
            limit = limits.base + min(limits.deviation, contrast) + limits.of_spread * of_spread
            share = max(abs(d / n) / mean_limit, deviation / limit)
            largest = max(largest, np.sqrt(dd / n))
            if share > worst:
                worst, at_row, at_column = share, top, left
    return worst, largest, at_row, at_column
