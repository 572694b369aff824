"""How much each pixel of a row counts in each pixel of a shorter or a longer one, for a pass to read.

A window is what one pixel is made of: where it starts, how many pixels it has, and the weights of these.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dedup_core.images.resizing import native

BITS = 22
ONE = 1 << BITS
WINDOW = 8
"""Numbers that say which pixels count."""

MOST_SUMMED = 128
"""Columns that are averaged at a time: their sum is to fit the 15 bits of a number."""

_Windows = tuple[np.ndarray, np.ndarray, np.ndarray]
"""int64 (n,) where each starts, int64 (n,) how many pixels it has, and int32 (n, most) their weights."""


class Axis(NamedTuple):
    """The weights of one axis.

    Attributes:
        rows: int32 (n, WINDOW): of each pixel that is made the first pair of pixels that count, how many pairs, where
            their weights begin and by how many bits they are shifted; then the same of the pairs whose weights have a
            high part.
        taps: int32 (m,): two weights of 16 bits in each, low parts and high ones.
    """

    rows: np.ndarray
    taps: np.ndarray


def resized_axis(n_in: int, n_out: int, reach: int, span: float | None = None) -> Axis:
    """Return the weights of a resize.

    Args:
        n_in: pixels that there are.
        n_out: pixels that are made.
        reach: the filter.
        span: how many of the pixels are spread over those that are made; None for all.

    Source: Pillow's ``ImagingResample``, 8 bits a channel.
    """
    width = np.float32(n_in if span is None else span)
    if n_in == n_out == width:
        return _packed(np.arange(n_in, dtype=np.int64), np.ones(n_in, np.int64), np.full((n_in, 1), ONE, np.int32))
    scale = float(width) / n_out
    most = min(n_in, math.ceil(reach * max(scale, 1.0)) * 2 + 1)
    windows = _empty(n_out, most)
    native.call("weigh", *windows, np.empty(most), scale, _numbers(n_in, n_out, most, reach))
    return _packed(*windows)


def averaged_axis(n_in: int, factor: int, most: int = 2**31) -> Axis:
    """Return weights of 1 for each of ``factor`` pixels, and for those that are left at the end.

    Args:
        n_in: pixels that there are.
        factor: how many of them become one.
        most: the most that are summed at a time; a longer row of them becomes several sums.
    """
    n_out = -(-n_in // factor) * -(-factor // most)
    windows = _empty(n_out, min(factor, most, n_in))
    native.call("count", *windows, _numbers(n_in, n_out, windows[2].shape[1], factor))
    return _packed(*windows)


def _empty(n: int, most: int) -> _Windows:
    return np.empty(n, np.int64), np.empty(n, np.int64), np.zeros((n, most), np.int32)


def _numbers(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def _packed(starts: np.ndarray, counts: np.ndarray, weights: np.ndarray) -> Axis:
    n, most = weights.shape
    rows, taps = np.zeros((n, WINDOW), np.int32), np.empty(2 * (most // 2 + 2) * n, np.int32)
    used = native.call("pack", starts, counts, weights, rows, taps, _numbers(n, most, len(taps)))
    return Axis(rows, taps[:used].copy())
