"""The greedy pass over pairs that are held as arrays, in compiled code."""

from __future__ import annotations

import numpy as np

from dedup_core.jit.compiled import compiled


def keepers(left: np.ndarray, right: np.ndarray, size: int) -> np.ndarray:
    """Return for each image the one that stays in its place, by the pass of `dedup_core.groups.removals`.

    Args:
        left: int64 (m,), one end of each pair, as a position in the order in which images are kept.
        right: int64 (m,), the other end, in any order.
        size: how many images there are.

    Returns:
        int64 (size,): the position of the first image that is kept and has a pair with it; -1 for those that are kept.
    """
    first, second = np.minimum(left, right), np.maximum(left, right)
    order = np.lexsort((second, first))
    return _passed(first[order], second[order], np.full(size, -1, np.int64))


def remove(left: np.ndarray, right: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """Go on with the pass, over pairs that arrive in order, and return what goes now, int64 (k,).

    Args:
        left: int64 (m,), the end of each pair that comes first; pairs are sorted by (left, right).
        right: int64 (m,), the other end.
        gone: bool (size,), what went before; changed in place.
    """
    went = np.zeros(len(left), bool)
    _removed(left, right, gone, went)
    return right[went]


@compiled
def _removed(first, second, gone, went):  # type: ignore[no-untyped-def]  # numba compiles it for what it is called with
    for edge in range(len(first)):
        if not gone[first[edge]] and not gone[second[edge]]:
            gone[second[edge]] = True
            went[edge] = True


@compiled
def _passed(first, second, keeper):  # type: ignore[no-untyped-def]  # numba compiles it for what it is called with
    for edge in range(len(first)):
        one, other = first[edge], second[edge]
        if keeper[one] < 0 and keeper[other] < 0:
            keeper[other] = one
    return keeper
