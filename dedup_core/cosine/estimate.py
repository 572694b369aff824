"""What a sample of vectors has in common with all: from that a cosine join's size is told before it runs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dedup_core.cosine.bounds import Basis
from dedup_core.cosine.join import cross_join_blocks
from dedup_core.pairs import Pairs


def partners(sample: np.ndarray, vectors: np.ndarray, thresholds: np.ndarray, basis: Basis) -> Iterator[Pairs]:
    """Yield what is like the sampled vectors, block by block.

    Args:
        sample: float32 (m, d).
        vectors: float32 (n, d), a part of all vectors; a sampled one among them comes out as like itself.
        thresholds: float64 (t,), least similarities from -1 to 1, ascending.
        basis: the bound to search with.

    Yields:
        Pairs of a sampled row and a row of the others; score is how many of the thresholds they reach, 1 to t.

    Example:
        >>> some, all_of_them = np.float32([[1, 0]]), np.float32([[1, 1], [0, 1], [2, 0]])
        >>> [block] = partners(some, all_of_them, np.array([0.5, 0.9]), Basis.plain(2))
        >>> block.right.tolist(), block.score.tolist()
        ([0, 2], [1, 2])
    """
    for block in cross_join_blocks(sample, vectors, float(thresholds[0]), basis=basis):
        yield Pairs(block.left, block.right, np.searchsorted(thresholds, block.score, side="right"))
