"""The Hamming join of few codes, in plain numpy: it is over before compiled kernels are loaded."""

from __future__ import annotations

import numpy as np

from dedup_core.pairs import Pairs

MOST_COMPARED = 1 << 20  # pairs: a few thousandths of a second, where loading the kernels takes some tenths


def few_pairs(left: np.ndarray, right: np.ndarray | None, max_distance: int) -> Pairs:
    """Return what `dedup_core.hamming.join.self_join` returns, or with a right side `cross_join`.

    Args:
        left: uint64 (n,).
        right: uint64 (m,), or None for the left side itself.
        max_distance: 0 to 64.
    """
    differing = left[:, None] ^ (left if right is None else right)[None]
    distance = np.unpackbits(differing.view(np.uint8).reshape(*differing.shape, 8), axis=2).sum(axis=2, dtype=np.int16)
    is_pair = distance <= max_distance
    one, other = np.nonzero(np.triu(is_pair, 1) if right is None else is_pair)
    return Pairs(one, other, distance[one, other])
