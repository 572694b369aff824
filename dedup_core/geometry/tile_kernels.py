"""The compiled loop that lays one small picture on another one and adds up what each tile holds."""

from __future__ import annotations

import math

import numpy as np

from dedup_core.jit.compiled import compiled

TILE = 8
"""The side of a tile in pixels of the picture that the grid is of."""

MARGIN = 1.0
"""Pixels at a picture's edge that are left out: they are mixed with what lies beyond."""

ROUNDS = 4
GAINS = (0.3, 3.0)
"""By how much contrast may shrink or grow."""

OUTLIER, ALWAYS_IN = 4.0, 16.0
"""A tile agrees up to so many times the median of squared differences, or so many squared levels."""

TINY = 1e-9

MIXED = 1.5
"""Pixels beside the other picture's edge that are mixed with it."""

COUNT, LUMA, COLOURS, SQUARE, PRODUCT = 0, 1, slice(2, 4), 4, 5
"""What is added up of a picture's pixels in a tile; the last two are brightness by itself, and by the other's."""


@compiled
def tile_sums(one: np.ndarray, other: np.ndarray, transform: np.ndarray) -> np.ndarray:
    """Return what each tile of an overlap holds, of each picture: float64 (rows, columns, 2, 6).

    Args:
        one: float32 (h, w, 3), brightness and two colours, which the tiles are of.
        other: the same of the other one, of about as many pixels where they overlap.
        transform: 6 numbers, row by row: where a place of ``one`` lies on ``other``, in pixels from the corner.
    """
    rows, columns = one.shape[0] // TILE, one.shape[1] // TILE
    high, wide = other.shape[:2]
    sums = np.zeros((rows, columns, 2, 6))
    for row in range(rows * TILE):
        for column in range(columns * TILE):
            x, y = column + 0.5, row + 0.5
            if x < MARGIN or y < MARGIN or x > one.shape[1] - MARGIN or y > one.shape[0] - MARGIN:
                continue
            across = transform[0] * x + transform[1] * y + transform[2]
            down = transform[3] * x + transform[4] * y + transform[5]
            if across < MARGIN or down < MARGIN or across > wide - MARGIN or down > high - MARGIN:
                continue
            across, down = min(max(across - 0.5, 0.0), wide - 1.0), min(max(down - 0.5, 0.0), high - 1.0)
            left, top = min(int(across), max(wide - 2, 0)), min(int(down), max(high - 2, 0))
            right, below = min(left + 1, wide - 1), min(top + 1, high - 1)
            u, v = across - left, down - top
            of_tile = sums[row // TILE, column // TILE]
            for plane in range(3):
                a = float(one[row, column, plane])
                upper = other[top, left, plane] * (1 - u) + other[top, right, plane] * u
                lower = other[below, left, plane] * (1 - u) + other[below, right, plane] * u
                b = upper * (1 - v) + lower * v
                of_tile[0, LUMA + plane] += a
                of_tile[1, LUMA + plane] += b
                if plane == 0:
                    of_tile[0, SQUARE] += a * a
                    of_tile[1, SQUARE] += b * b
                    of_tile[:, PRODUCT] += a * b
            of_tile[:, COUNT] += 1.0
    return sums


@compiled
def as_bright(mean: np.ndarray, variance: np.ndarray, common: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Fit the brightness of one picture to the other's, by the tiles in which they then agree.

    Args:
        mean: float64 (n, 2), of each tile in each picture.
        variance: float64 (n, 2).
        common: float64 (n,), the covariance.

    Returns:
        By how much its contrast grows, the mean squared difference in each tile, and which tiles agree.
    """
    count = len(mean)
    good, gain, error = np.ones(count, np.bool_), 1.0, np.zeros(count)
    for _ in range(ROUNDS if count else 0):
        n = float(good.sum())
        x_mean, y_mean = (mean[:, 0] * good).sum() / n, (mean[:, 1] * good).sum() / n
        squares, products = TINY, 0.0
        for tile in range(count):
            if good[tile]:
                about = mean[tile, 0] - x_mean
                squares += variance[tile, 0] + about * about
                products += common[tile] + about * (mean[tile, 1] - y_mean)
        gain = min(max(products / squares, GAINS[0]), GAINS[1])
        for tile in range(count):
            shift = mean[tile, 1] - y_mean - gain * (mean[tile, 0] - x_mean)
            about = variance[tile, 1] - 2 * gain * common[tile] + gain * gain * variance[tile, 0]
            error[tile] = max(about, 0.0) + shift * shift
        good = error <= max(OUTLIER * np.median(error[good]), ALWAYS_IN)
    return gain, error, good


@compiled
def counts_beyond(luma: np.ndarray, transform: np.ndarray, wide: float, high: float) -> np.ndarray:
    """Return how bright the pixels are that a picture shows beyond the other one: int64 (256,).

    Args:
        luma: float32 (h, w).
        transform: 6 numbers: where a place of it lies on the other one.
        wide: pixels of the other one across.
        high: and down.
    """
    counts = np.zeros(256, np.int64)
    edge = MIXED * math.sqrt(abs(transform[0] * transform[4] - transform[1] * transform[3]))
    for row in range(luma.shape[0]):
        for column in range(luma.shape[1]):
            x, y = column + 0.5, row + 0.5
            across = transform[0] * x + transform[1] * y + transform[2]
            down = transform[3] * x + transform[4] * y + transform[5]
            if across < -edge or across > wide + edge or down < -edge or down > high + edge:
                counts[min(max(int(luma[row, column]), 0), 255)] += 1
    return counts
