"""Fill blocks of bounded size with pairs of positions: from few codes directly, else from pairs of distinct codes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from dedup_core.hamming.popcount import ROWS, SPARE, rows_within
from dedup_core.jit.bits import lowest_bit, popcount
from dedup_core.jit.compiled import compiled

ZERO, ONE = np.uint64(0), np.uint64(1)
VECTOR_ROWS = np.uint64(ROWS)  # compared before the answer is looked at


class PairBuffer(NamedTuple):
    """A buffer of pairs.

    Attributes:
        left: (size,), ids on the left.
        right: (size,), ids on the right.
        score: int16 (size,), distances.
        filled: uint64 (1,), how many entries are in use.
    """

    left: np.ndarray
    right: np.ndarray
    score: np.ndarray
    filled: np.ndarray

    @classmethod
    def empty(cls, size: int, dtype: type[np.unsignedinteger] | type[np.signedinteger]) -> PairBuffer:
        """Return an empty buffer for so many pairs."""
        return cls(np.empty(size, dtype), np.empty(size, dtype), np.empty(size, np.int16), np.zeros(1, np.uint64))


class Groups(NamedTuple):
    """The positions that hold each distinct code: code g stands at ``members[starts[g]:starts[g + 1]]``."""

    members: np.ndarray
    starts: np.ndarray


@compiled
def expand(
    pairs: PairBuffer, sides: tuple[Groups, Groups], triangle: bool, out: PairBuffer, cursor: np.ndarray
) -> bool:
    """Append to ``out`` every pair of positions that hold a pair of codes.

    Args:
        pairs: the pairs of codes; in a self-join (``triangle``) a code may stand beside itself.
        sides: the positions of the left and of the right codes.
        triangle: whether both sides are one array, so that the smaller position goes left.
        out: the buffer to append to.
        cursor: uint64 (3,), zeros at first: where to go on.

    Returns:
        True at the end; False if the buffer is full: empty it, then call again with the same arguments.
    """
    left, right = sides
    count, size = out.filled[0], np.uint64(len(out.left))
    for k in range(cursor[0], pairs.filled[0]):
        g, h = np.uint64(pairs.left[k]), np.uint64(pairs.right[k])
        same = triangle and g == h
        for a in range(max(left.starts[g], cursor[1]), left.starts[g + ONE]):
            for b in range(max(a + ONE if same else right.starts[h], cursor[2]), right.starts[h + ONE]):
                if count == size:
                    out.filled[0] = count
                    cursor[:] = k, a, b
                    return False
                first, second = left.members[a], right.members[b]
                swap = triangle and second < first
                out.left[count] = second if swap else first
                out.right[count] = first if swap else second
                out.score[count] = pairs.score[k]
                count += ONE
            cursor[2] = 0
        cursor[1] = 0
    out.filled[0] = count
    return True


@compiled
def scan(
    sides: tuple[np.ndarray, np.ndarray], triangle: bool, limit: np.uint64, out: PairBuffer, cursor: np.ndarray
) -> bool:
    """Append to ``out`` every close pair of positions, by (left, right).

    Args:
        sides: uint64 (n,), the left codes, and uint64 (m + SPARE,), the right ones and spare words.
        triangle: whether both are the same codes, so that each pair is wanted once.
        limit: uint64, the largest distance.
        out: the buffer to append to.
        cursor: uint64 (2,), zeros at first: where to go on.

    Returns:
        True at the end; False if the buffer is full: empty it, then call again with the same arguments.
    """
    left, right = sides
    count, size, end = out.filled[0], np.uint64(len(out.left)), np.uint64(len(right) - SPARE)
    for i in range(cursor[0], np.uint64(len(left))):
        j = max(i + ONE if triangle else ZERO, cursor[1])
        while j < end:
            near = rows_within(right, j, left[i], limit) & ((ONE << min(end - j, VECTOR_ROWS)) - ONE)
            while near:
                k = j + lowest_bit(near)
                if count == size:
                    out.filled[0] = count
                    cursor[:] = i, k
                    return False
                near &= near - ONE
                out.left[count], out.right[count], out.score[count] = i, k, popcount(left[i] ^ right[k])
                count += ONE
            j += VECTOR_ROWS
        cursor[1] = 0
    out.filled[0] = count
    return True


def scanned(left: np.ndarray, right: np.ndarray | None, max_distance: int, out: PairBuffer) -> Iterator[PairBuffer]:
    """Fill ``out`` again and again with the close pairs of positions, by (left, right), and yield it each time.

    Args:
        left: uint64 (n,).
        right: uint64 (m,); None for a self-join.
        max_distance: the largest distance wanted.
        out: the buffer to fill.
    """
    sides = left, np.concatenate([left if right is None else right, np.zeros(SPARE, np.uint64)])
    cursor = np.zeros(2, np.uint64)
    is_done = False
    while not is_done:
        out.filled[0] = 0
        is_done = scan(sides, right is None, np.uint64(max_distance), out, cursor)
        yield out
