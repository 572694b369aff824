"""Pixels of more than 8 bits: stretched over 0 to 255 by where nearly all of them lie, so that no outlier decides."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from dedup_core.images.strips import strips_of

MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
"""Pillow's modes of 16-bit, 32-bit and float pixels."""

OUTSIDE = 0.001
"""The share of the pixels that may lie below what becomes black, and as many above what becomes white."""

_SIGN = np.uint32(2**31)


def is_cut(image: Image.Image) -> bool:
    """Return whether Pillow will cut an opened image to 8 bits: colours of 16 bits, which it has no mode for."""
    raw = [str(argument) for tile in getattr(image, "tile", ()) for argument in _arguments(tile)]
    return image.mode not in MODES and any(";16" in text for text in raw)


def _arguments(tile: Any) -> tuple[Any, ...]:
    arguments = tile[3] if len(tile) > 3 else ()
    return arguments if isinstance(arguments, tuple) else (arguments,)


def stretched(image: Image.Image, low: float, high: float) -> Image.Image:
    """Stretch deep pixels over 0 to 255.

    Pillow's own conversion clips at 255, which turns every 16-bit scan into the same white image. What is no finite
    number becomes black. Pixels are taken a block at a time, so that memory stays bounded.

    Args:
        image: of one of ``MODES``.
        low: what becomes black, and all below it.
        high: what becomes white, and all above it.

    Returns:
        An image of mode L.
    """
    scale = 255.0 / (high - low) if high > low else 0.0
    gray = np.empty((image.height, image.width), np.uint8)
    for top, block in _blocks(image):
        values = np.nan_to_num(block.astype(np.float64), nan=low, posinf=low, neginf=low)
        gray[top : top + len(block)] = ((values.clip(low, high) - low) * scale).round()
    return Image.fromarray(gray)


def _blocks(image: Image.Image) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the image's rows, some at a time, each with the number of the first."""
    return ((top, np.asarray(strip)) for top, strip in strips_of(image))


def stretch_of(image: Image.Image) -> tuple[float, float]:
    """Return between which finite values all but a thousandth at each end lie; at each end at least one is left out.

    One dead pixel at 65,535 must not turn all others black. Where all between the ends is of one value, as in a mask,
    the extremes count. What is no finite number counts for nothing.

    Exactly, and without ever holding more than a block: pixels are counted by the upper half of their bits, then those
    with the same upper half by the lower.
    """
    tops = np.zeros(2**16, np.int64)
    for keys in _keys(image):
        tops += np.bincount(keys >> 16, minlength=2**16)
    last = int(tops.sum()) - 1
    if last < 0:
        return 0.0, 0.0
    low, high = _ranked(image, tops, [math.ceil(OUTSIDE * last), math.floor((1 - OUTSIDE) * last)])
    if not high > low:
        low, high = _ranked(image, tops, [0, last])
    return low, high


def _ranked(image: Image.Image, tops: np.ndarray, ranks: list[int]) -> list[float]:
    """Return the finite values before which so many come, from how often each upper half occurs."""
    reached = tops.cumsum()
    halves = [int(np.searchsorted(reached, rank, side="right")) for rank in ranks]
    lows = {top: np.zeros(2**16, np.int64) for top in halves}
    for keys in _keys(image):
        for top, counts in lows.items():
            counts += np.bincount(keys[keys >> 16 == top] & 0xFFFF, minlength=2**16)
    rests = [rank - (reached[top] - tops[top]) for rank, top in zip(ranks, halves, strict=True)]
    return [
        _value(top << 16 | int(np.searchsorted(lows[top].cumsum(), rest, side="right")), image.mode)
        for top, rest in zip(halves, rests, strict=True)
    ]


def _keys(image: Image.Image) -> Iterator[np.ndarray]:
    """Yield the finite pixels as uint32 that are in the same order."""
    for _, block in _blocks(image):
        if image.mode == "F":
            bits = np.ascontiguousarray(block[np.isfinite(block)], np.float32).view(np.uint32)
            yield np.where(bits >> 31, ~bits, bits | _SIGN)
        else:
            values = block.astype(np.int32).ravel().view(np.uint32)
            yield values ^ _SIGN if image.mode == "I" else values


def _value(key: int, mode: str) -> float:
    bits = np.uint32(key)
    if mode == "F":
        return float((bits ^ _SIGN if bits & _SIGN else ~bits).view(np.float32))
    return float((bits ^ _SIGN).view(np.int32)) if mode == "I" else float(bits)
