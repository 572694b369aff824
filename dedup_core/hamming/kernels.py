"""The compiled loops of the banded Hamming join: neighbouring buckets propose candidates, whole codes verify them.

Indices are uint64: for signed ones numba tests for a negative index at every access, which also keeps
LLVM from vectorising the loop.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dedup_core.hamming.blocks import ONE, VECTOR_ROWS, ZERO, PairBuffer
from dedup_core.hamming.buckets import Buckets
from dedup_core.hamming.popcount import ROWS, VECTOR_BYTES, columns_within, rows_within
from dedup_core.jit.bits import lowest_bit, popcount
from dedup_core.jit.compiled import compiled

CANDIDATE_PAIRS = ROWS * VECTOR_BYTES // 4  # the most pairs in a candidate: a vector holds sixteen sketches


class Neighbours(NamedTuple):
    """Which buckets to compare: every bucket b with bucket ``b ^ high_mask ^ low_mask``, for each low mask.

    Attributes:
        high_mask: uint64, the differing bits above ``low_bits``.
        low_masks: uint64 (k,), the differing bits below.
        low_bits: uint64. The ``2**low_bits`` buckets that share their higher bits are compared together, for the cache.
        triangle: whether left and right are the same codes, so that each pair is wanted once.
        max_distance: uint64, the largest distance to report.
        limits: uint64 (k,), for each low mask: the largest distance of what is compared first.
        earlier: uint64 (bands, 4), `Band.condition` of the bands before: their candidates are known already.
    """

    high_mask: np.uint64
    low_masks: np.ndarray
    low_bits: np.uint64
    triangle: bool
    max_distance: np.uint64
    limits: np.ndarray
    earlier: np.ndarray


@compiled
def propose(left: Buckets, right: Buckets, neighbours: Neighbours, candidates: np.ndarray, cursor: np.ndarray) -> int:
    """Compare neighbouring buckets, and note as a candidate which columns may be near some of a few rows.

    Args:
        left: buckets whose codes are the rows.
        right: buckets whose codes are the columns; the same object in a self-join.
        neighbours: which buckets to compare.
        candidates: uint32 (size, 5), receives first and end of the rows, the first column, which columns are near
            (bits), and within which distance of what is compared first.
        cursor: uint64 (4,), zeros at first: where to go on.

    Returns:
        The number of candidates. As many as fit: call again, for there may be more.
    """
    count, lanes = ZERO, np.uint64(VECTOR_BYTES // right.compared.itemsize)
    first_bucket, first_mask, first_row, first_column = cursor
    for bucket in range(first_bucket, np.uint64(len(left.starts) - 1)):
        top, bottom = np.uint64(left.starts[bucket]), np.uint64(left.starts[bucket + ONE])
        # What stands before the bucket is compared with it from there.
        opposite = bucket ^ neighbours.high_mask
        is_behind = neighbours.triangle and opposite >> neighbours.low_bits < bucket >> neighbours.low_bits
        masks = ZERO if top == bottom or is_behind else np.uint64(len(neighbours.low_masks))
        for mask in range(first_mask, masks):
            neighbour, limit = opposite ^ neighbours.low_masks[mask], neighbours.limits[mask]
            if neighbours.triangle and neighbour < bucket:
                continue
            same = neighbours.triangle and neighbour == bucket
            begin, end = np.uint64(right.starts[neighbour]), np.uint64(right.starts[neighbour + ONE])
            # Loops by "while" from here on: stepping through a range costs a division at the start of each.
            i = top + first_row
            while i < bottom:
                stop, start = min(i + VECTOR_ROWS, bottom), (i + ONE if same else begin)
                j = start + first_column
                while j < end:
                    if count == np.uint64(len(candidates)):
                        cursor[:] = bucket, mask, i - top, j - start
                        return np.int64(count)
                    near = columns_within(left.compared, (i, stop), right.compared, j, limit)
                    near &= (ONE << min(end - j, lanes)) - ONE
                    # Written always and counted if near: a branch here would be mispredicted for most of them.
                    candidates[count, 0], candidates[count, 1], candidates[count, 2] = i, stop, j
                    candidates[count, 3], candidates[count, 4] = near, limit
                    count += np.uint64(near != ZERO)
                    j += lanes
                first_column = ZERO
                i += VECTOR_ROWS
            first_row = ZERO
        first_mask = ZERO
    cursor[0] = len(left.starts) - 1
    return np.int64(count)


@compiled
def verify(left: Buckets, right: Buckets, candidates: np.ndarray, neighbours: Neighbours, pairs: PairBuffer) -> None:
    """Fill ``pairs`` with those within the distance that no earlier band had: at most ``CANDIDATE_PAIRS`` a candidate.

    Three passes, each over all that the one before left: so the many codes that are read from all over the memory are
    read at a time, not each after a branch on the one before.
    """
    passing = _list_passing(left, right, candidates, neighbours.triangle, pairs)
    near = ZERO
    for n in range(passing):
        i, k = np.uint64(pairs.left[n]), np.uint64(pairs.right[n])
        distance = popcount(left.codes[i] ^ right.codes[k])
        # As above: written always, counted if near.
        pairs.left[near], pairs.right[near], pairs.score[near] = i, k, distance
        near += np.uint64(np.uint64(distance) <= neighbours.max_distance)
    count = ZERO
    for n in range(near):
        i, k = np.uint64(pairs.left[n]), np.uint64(pairs.right[n])
        pairs.left[count], pairs.right[count], pairs.score[count] = left.ids[i], right.ids[k], pairs.score[n]
        count += np.uint64(not _known(left.codes[i] ^ right.codes[k], neighbours.earlier))
    pairs.filled[0] = count


@compiled
def _list_passing(left: Buckets, right: Buckets, candidates: np.ndarray, triangle: bool, pairs: PairBuffer) -> int:
    """Put into ``pairs`` the row and the column of each pair near in what is compared first; return how many."""
    count = ZERO
    for at in range(np.uint64(len(candidates))):
        first, stop, limit = np.uint64(candidates[at, 0]), np.uint64(candidates[at, 1]), np.uint64(candidates[at, 4])
        columns = np.uint64(candidates[at, 3])
        while columns:
            k = np.uint64(candidates[at, 2]) + lowest_bit(columns)
            columns &= columns - ONE
            # In a self-join the neighbour never stands before the bucket, so this leaves each pair once.
            end = min(stop, k) if triangle else stop
            rows = rows_within(left.compared, first, right.compared[k], limit) & ((ONE << (end - first)) - ONE)
            while rows:
                pairs.left[count], pairs.right[count] = first + lowest_bit(rows), k
                rows &= rows - ONE
                count += ONE
    return count


@compiled
def _known(differing: int, earlier: np.ndarray) -> bool:
    """Say whether two codes that differ in these bits were candidates of an earlier band."""
    for band in range(np.uint64(len(earlier))):  # noqa: SIM110 - numba has no any() of a generator
        if _are_candidates(differing, earlier[band]):
            return True
    return False


@compiled
def _are_candidates(differing: int, condition: np.ndarray) -> bool:
    """Say whether two codes that differ in these bits are near in a band, and in what is compared first."""
    return _near(differing, condition[:2]) and _near(differing, condition[2:])


@compiled
def _near(differing: int, masked: np.ndarray) -> bool:
    """Say whether at most ``masked[1]`` of the bits in the mask ``masked[0]`` differ."""
    return np.uint64(popcount(differing & masked[0])) <= masked[1]


@compiled
def count_candidates(left: np.ndarray, right: np.ndarray, condition: np.ndarray) -> tuple[int, int]:
    """Return how many pairs (one code of either side) are near in a band, and how many of them are candidates there."""
    near, candidates = 0, 0
    for code in left:
        for other in right:
            if _near(code ^ other, condition[:2]):
                near += 1
                candidates += _near(code ^ other, condition[2:])
    return near, candidates
