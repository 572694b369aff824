"""All pairs of some codes and all codes, each compared by our own kernel: what an exact join has to be held against."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dedup_core.hamming.blocks import PairBuffer, scanned
from dedup_core.pairs import Pairs

TILE = 1 << 16  # codes that stay in the cache


def scanned_tiles(rows: np.ndarray, codes: np.ndarray, distance: int) -> Iterator[Pairs]:
    """Yield the pairs of rows and codes, all compared, the codes by tiles that stay in the cache."""
    out = PairBuffer.empty(1 << 16, np.int64)
    for first in range(0, len(codes), TILE):
        for _ in scanned(rows, codes[first : first + TILE], distance, out):
            count = int(out.filled[0])
            yield Pairs(out.left[:count].copy(), out.right[:count] + first, out.score[:count].copy())
