"""Haar wavelets, as far as a hash needs them: the 64 approximations of a square, with PyWavelets' bits.

PyWavelets takes both ways of each level one after the other, and the details that a hash leaves out beside. What it
makes of two numbers is a sum of two products, rounded thrice: the same is done here, and held against it once.
"""

from __future__ import annotations

import functools

import numpy as np

from dedup_core.images.resizing.small import kernels_are_used

SHARE = float.fromhex("0x1.6a09e667f3bcdp-1")
"""What each of two numbers counts: the root of a half, as PyWavelets rounds it."""

LEVELS = 5


def approximation(gray: np.ndarray) -> np.ndarray:
    """Return the approximations at level 5, float64 (n, 8, 8), of grey pixels, uint8 (n, 256, 256)."""
    if not _is_pywavelets():
        return _by_pywavelets(gray)
    if kernels_are_used():
        from dedup_core.encoders.haar_kernel import approximated  # loads numba

        return approximated(np.ascontiguousarray(gray), SHARE)
    return np.stack([_plainly(square) for square in gray])


def _plainly(square: np.ndarray) -> np.ndarray:
    numbers = square.astype(np.float64)
    for _ in range(LEVELS):
        numbers = numbers * SHARE
        numbers = (numbers[0::2] + numbers[1::2]) * SHARE
        numbers = numbers[:, 0::2] + numbers[:, 1::2]
    return numbers


def _by_pywavelets(gray: np.ndarray) -> np.ndarray:
    import pywt  # here: only this hash needs it, and it takes long to load

    return pywt.wavedec2(gray, "haar", level=LEVELS, axes=(1, 2))[0]


@functools.cache
def _is_pywavelets() -> bool:
    """Return whether this very PyWavelets rounds as is done here: a compiler may have fused its products and sums."""
    gray = np.random.default_rng(0).integers(0, 256, (1, 256, 256), dtype=np.uint8)
    return np.array_equal(_plainly(gray[0]), _by_pywavelets(gray)[0])
