"""The weights of a resize, as Pillow has them: 22 bits each.

Pillow asks the C library for two sines a weight. Here they are proposed by turning a pointer, which is as good to some
nine digits more than are kept; where such a weight would lie at the border of two whole numbers, Pillow's own
computation decides.
"""

from __future__ import annotations

import math

import numpy as np

from dedup_core.images.resizing.wanted import BILINEAR, LANCZOS
from dedup_core.images.resizing.weights import ONE
from dedup_core.jit.compiled import compiled

Windows = tuple[np.ndarray, np.ndarray, np.ndarray]

_NEAR_BORDER = 1e-6
_NEAR_ZERO = 0.1  # where a sine is divided by so little, its error grows


@compiled
def weigh(sizes: tuple[int, int], scale: float, reach: int, windows: Windows, row: np.ndarray) -> None:
    """Fill in where each window starts, int64 (n,), how many pixels it has, int64 (n,), and int32 (n, most).

    Args:
        sizes: pixels that there are, and that are made.
        scale: how many of these become one.
        reach: the filter.
        windows: written; the weights hold 0.
        row: float64 (most,), to work in.
    """
    starts, counts, weights = windows
    n_in, n_out = sizes
    stretch = max(scale, 1.0)
    support = reach * stretch
    for place in range(n_out):
        center = (place + 0.5) * scale
        start = max(int(center - support + 0.5), 0)
        n = min(int(center + support + 0.5), n_in) - start
        starts[place], counts[place] = start, n
        window = start, n, center, 1.0 / stretch
        if reach == BILINEAR or not _proposed(window, row, weights[place]):
            _decided(window, reach, row, weights[place])


@compiled
def count(n_in: int, factor: int, most: int, windows: Windows) -> None:
    """Fill in windows of weights 1, as `weigh` does. Of an empty one the sum is to be 0, and not left out.

    Args:
        n_in: pixels that there are.
        factor: how many of these become one.
        most: in a window; those of one may take several.
        windows: written; the weights hold 0.
    """
    starts, counts, weights = windows
    parts = -(-factor // most)
    for place in range(len(starts)):
        cell, part = place // parts, place % parts
        start, stop = cell * factor + part * most, min((cell + 1) * factor, n_in)
        starts[place], counts[place] = min(start, n_in - 1), max(1, min(stop - start, most))
        if start < stop:
            weights[place] = 1


@compiled
def _decided(window: tuple[int, int, float, float], reach: int, row: np.ndarray, whole: np.ndarray) -> None:
    """Fill in Pillow's weights of one window, by the same steps in the same order."""
    start, n, center, step = window
    total = 0.0
    for k in range(n):
        x = (k + start - center + 0.5) * step
        row[k] = _lanczos(x) if reach == LANCZOS else max(0.0, 1.0 - abs(x))
        total += row[k]
    for k in range(n):
        share = row[k] / total if total != 0.0 else row[k]
        whole[k] = int(share * ONE - 0.5) if share < 0 else int(share * ONE + 0.5)


@compiled
def _lanczos(x: float) -> float:
    if not -3.0 <= x < 3.0:
        return 0.0
    if x == 0.0:
        return 1.0
    wide, third = x * math.pi, x / 3 * math.pi
    return (math.sin(wide) / wide) * (math.sin(third) / third)


@compiled
def _proposed(window: tuple[int, int, float, float], row: np.ndarray, whole: np.ndarray) -> bool:
    """Fill in the weights of one window; False where one of them is too near to a border to say."""
    start, n, center, step = window
    angle = (start - center + 0.5) * step * math.pi
    sine, cosine, third, co_third = math.sin(angle), math.cos(angle), math.sin(angle / 3), math.cos(angle / 3)
    turn = step * math.pi
    up, along, third_up, third_along = math.sin(turn), math.cos(turn), math.sin(turn / 3), math.cos(turn / 3)
    total = 0.0
    for k in range(n):
        x = (k + start - center + 0.5) * step
        if abs(x) < _NEAR_ZERO or abs(x) > 3.0 - 1e-9:
            row[k] = _lanczos(x)
        else:
            row[k] = sine * third * 3 / (math.pi * math.pi * x * x)
        total += row[k]
        sine, cosine = sine * along + cosine * up, cosine * along - sine * up
        third, co_third = third * third_along + co_third * third_up, co_third * third_along - third * third_up
    factor = ONE / total
    for k in range(n):
        number = abs(row[k] * factor) + 0.5
        rounded = int(number)
        if not _NEAR_BORDER < number - rounded < 1 - _NEAR_BORDER:
            return False
        whole[k] = rounded if row[k] >= 0 else -rounded
    return True


@compiled
def pack(windows: Windows, rows: np.ndarray, taps: np.ndarray) -> int:
    """Cut weights into parts of 16 bits, and pair them: the pairs begin at even pixels.

    Args:
        windows: as of `weigh`.
        rows: int32 (n, WINDOW), written.
        taps: int32 (m,), written.

    Returns:
        How many taps there are.
    """
    starts, counts, weights = windows
    used = 0
    for place in range(len(starts)):
        start, n = starts[place], counts[place]
        first, stop = start // 2, (start + n + 1) // 2
        rows[place, 0], rows[place, 1], rows[place, 2] = first, stop - first if n else 0, used
        begin, end = stop, first
        for high in range(2):
            for pair in range(first, stop):
                low = _part(weights[place], 2 * pair - start, n, high)
                up = _part(weights[place], 2 * pair + 1 - start, n, high)
                if high and (low or up):
                    begin, end = min(begin, pair), pair + 1
                if not high or begin < stop:
                    taps[used] = (low & 0xFFFF) | (up << 16)
                    used += 1
            if high:
                used -= stop - max(begin, end) if begin < stop else 0
                rows[place, 4], rows[place, 5] = begin, max(end - begin, 0)
                rows[place, 6], rows[place, 7] = used - rows[place, 5], 16
    return used


@compiled
def _part(weights: np.ndarray, k: int, n: int, high: int) -> int:
    """Return the low 16 bits of a weight, signed, or what is left of it; 0 outside of the window."""
    if k < 0 or k >= n:
        return 0
    low = ((weights[k] + 0x8000) & 0xFFFF) - 0x8000
    return (weights[k] - low) >> 16 if high else low
