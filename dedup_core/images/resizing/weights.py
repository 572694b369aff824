"""How much each pixel of a row counts in each pixel of a shorter or a longer one, as Pillow has it: 22 bits each.

Pillow asks the C library for two sines a weight. Here they are proposed by turning a pointer, which is as good to some
nine digits more than are kept; where such a weight would lie at the border of two whole numbers, Pillow's own
computation decides.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dedup_core.images.resizing.wanted import BILINEAR, LANCZOS
from dedup_core.jit.compiled import compiled

BITS = 22
ONE = 1 << BITS
WINDOW = 8
"""Numbers that say which pixels count."""

MOST_SUMMED = 128
"""Columns that are averaged at a time: their sum is to fit the 15 bits of a number."""

_NEAR_BORDER = 1e-6
_NEAR_ZERO = 0.1  # where a sine is divided by so little, its error grows


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
        windows = np.arange(n_in, dtype=np.int64), np.ones(n_in, np.int64), np.full((n_in, 1), ONE, np.int32)
        return Axis(*_packed_rows(*windows))
    scale = float(width) / n_out
    return Axis(*_packed_rows(*_weights(n_in, scale, n_out, reach)))


def averaged_axis(n_in: int, factor: int, most: int = 2**31) -> Axis:
    """Return weights of 1 for each of ``factor`` pixels, and for those that are left at the end.

    Args:
        n_in: pixels that there are.
        factor: how many of them become one.
        most: the most that are summed at a time; a longer row of them becomes several sums.
    """
    return Axis(*_packed_rows(*_summed(n_in, factor, most)))


@compiled
def _summed(n_in: int, factor: int, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return windows as `_weights` does, of weights of 1. Of an empty one the sum is to be 0, and not left out."""
    parts = -(-factor // most)
    n_out = -(-n_in // factor) * parts
    starts, counts = np.zeros(n_out, np.int64), np.ones(n_out, np.int64)
    whole = np.ones((n_out, min(factor, most, n_in)), np.int32)
    for place in range(n_out):
        cell, part = place // parts, place % parts
        start, stop = cell * factor + part * most, min((cell + 1) * factor, n_in)
        starts[place] = min(start, n_in - 1)
        if start < stop:
            counts[place] = min(stop - start, most)
        else:
            whole[place] = 0
    return starts, counts, whole


@compiled
def _weights(n_in: int, scale: float, n_out: int, reach: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return where each window starts, int64 (n,), how many pixels it has, int64 (n,), and int32 (n, most)."""
    stretch = max(scale, 1.0)
    support = reach * stretch
    starts, counts = np.zeros(n_out, np.int64), np.zeros(n_out, np.int64)
    most = min(n_in, math.ceil(support) * 2 + 1)
    whole = np.zeros((n_out, most), np.int32)
    row = np.zeros(most)
    for place in range(n_out):
        center = (place + 0.5) * scale
        start = max(int(center - support + 0.5), 0)
        n = min(int(center + support + 0.5), n_in) - start
        starts[place], counts[place] = start, n
        window = start, n, center, 1.0 / stretch
        if reach == BILINEAR or not _proposed(window, row, whole[place]):
            _decided(window, reach, row, whole[place])
    return starts, counts, whole


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
def _packed_rows(starts: np.ndarray, counts: np.ndarray, whole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut weights into parts of 16 bits, and pair them: the pairs begin at even pixels."""
    rows = np.zeros((len(starts), WINDOW), np.int32)
    taps = np.zeros(2 * (whole.shape[1] // 2 + 2) * len(starts), np.int32)
    used = 0
    for place in range(len(starts)):
        start, n = starts[place], counts[place]
        first, stop = start // 2, (start + n + 1) // 2
        rows[place, 0], rows[place, 1], rows[place, 2] = first, stop - first if n else 0, used
        begin, end = stop, first
        for high in range(2):
            for pair in range(first, stop):
                low, up = _part(whole[place], 2 * pair - start, n, high), _part(
                    whole[place], 2 * pair + 1 - start, n, high)  # fmt: skip
                if high and (low or up):
                    begin, end = min(begin, pair), pair + 1
                if not high or begin < stop:
                    taps[used] = (low & 0xFFFF) | (up << 16)
                    used += 1
            if high:
                used -= stop - max(begin, end) if begin < stop else 0
                rows[place, 4], rows[place, 5] = begin, max(end - begin, 0)
                rows[place, 6], rows[place, 7] = used - rows[place, 5], 16
    return rows, taps[:used].copy()


@compiled
def _part(weights: np.ndarray, k: int, n: int, high: int) -> int:
    """Return the low 16 bits of a weight, signed, or what is left of it; 0 outside of the window."""
    if k < 0 or k >= n:
        return 0
    low = ((weights[k] + 0x8000) & 0xFFFF) - 0x8000
    return (weights[k] - low) >> 16 if high else low

