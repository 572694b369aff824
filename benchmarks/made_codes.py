"""Uniform codes with planted neighbours, made up."""

from __future__ import annotations

import numpy as np


def planted_codes(size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return uniform codes, uint64 (size,), of which a hundredth are neighbours of others; and (k, 2), who of whom."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 2**64, size, dtype=np.uint64)
    planted = size // 100
    neighbours = codes[:planted].copy()
    for flip in range(10):
        flips = np.uint64(1) << rng.integers(0, 64, planted, dtype=np.uint64)
        neighbours ^= np.where(rng.random(planted) < 0.5 + 0.05 * flip, flips, np.uint64(0))
    codes[-planted:] = neighbours
    return codes, np.stack([np.arange(planted), np.arange(size - planted, size)], axis=1)
