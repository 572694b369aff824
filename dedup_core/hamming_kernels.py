"""The compiled loops of the Hamming join: put codes into buckets, compare buckets, spread pairs over duplicates.

Indices are uint64: for signed ones numba tests for a negative index at every access, which also keeps
LLVM from vectorising the loop.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dedup_core.compiled import compiled
from dedup_core.popcount import LANES, lanes_within, popcount

ZERO, ONE = np.uint64(0), np.uint64(1)
ROWS = np.uint64(32)  # compared with a vector of columns before its answer is looked at
COLUMNS = np.uint64(LANES)
HIT_PAIRS = int(ROWS) * LANES  # the most pairs in a hit


class Buckets(NamedTuple):
    """Codes ordered by their value in one band.

    Attributes:
        codes: uint64 (n + LANES,), the codes, bucket after bucket, then spare zeros that a vector may read.
        ids: uint32 (n,), where each code stood before.
        starts: uint32 (2**width + 1,), where each bucket begins.
    """

    codes: np.ndarray
    ids: np.ndarray
    starts: np.ndarray


class Sweep(NamedTuple):
    """What to compare with what: every bucket b with bucket ``b ^ high_mask ^ low_mask``, for each low mask.

    Attributes:
        high_mask: uint64, the differing bits above ``low_bits``.
        low_masks: uint64 (k,), the differing bits below.
        low_bits: uint64. The ``2**low_bits`` buckets that share their higher bits are swept together, for the cache.
        triangle: whether left and right are the same codes, so that each pair is wanted once.
        max_distance: uint64, the largest distance to report.
        earlier: uint64 (bands, 2), (mask, radius) of the bands swept before: what is close there is known already.
    """

    high_mask: np.uint64
    low_masks: np.ndarray
    low_bits: np.uint64
    triangle: bool
    max_distance: np.uint64
    earlier: np.ndarray


class Found(NamedTuple):
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


class Groups(NamedTuple):
    """The positions that hold each distinct code: code g stands at ``members[starts[g]:starts[g + 1]]``."""

    members: np.ndarray
    starts: np.ndarray


@compiled
def band_keys(codes: np.ndarray, tables: np.ndarray) -> np.ndarray:
    """Return uint32 (n,): the bits of a band, gathered from each code through one table of 256 entries a byte."""
    keys = np.empty(len(codes), np.uint32)
    for i in range(np.uint64(len(codes))):
        code = codes[i]
        key = np.uint32(0)
        for byte in range(8):
            key |= tables[byte, (code >> np.uint64(8 * byte)) & np.uint64(255)]
        keys[i] = key
    return keys


@compiled
def fill_buckets(codes: np.ndarray, keys: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return codes, ids and starts of `Buckets`, by a counting sort."""
    starts = np.zeros((1 << width) + 1, np.uint32)
    for key in keys:
        starts[np.uint64(key) + ONE] += np.uint32(1)
    for bucket in range(1, len(starts)):
        starts[bucket] += starts[bucket - 1]
    free = starts.copy()
    ordered = np.zeros(len(codes) + LANES, np.uint64)
    ids = np.empty(len(codes), np.uint32)
    for i in range(np.uint64(len(codes))):
        place = free[keys[i]]
        free[keys[i]] = place + np.uint32(1)
        ordered[place] = codes[i]
        ids[place] = i
    return ordered, ids, starts


@compiled
def compare_neighbours(left: Buckets, right: Buckets, sweep: Sweep, hits: np.ndarray, cursor: np.ndarray) -> int:
    """Compare neighbouring buckets, and note which columns may be near some of a few rows.

    Args:
        left: buckets whose codes are the rows.
        right: buckets whose codes are the columns; the same object in a self-join.
        sweep: what to compare.
        hits: uint32 (size, 4), receives first and end of the rows, the first column, which columns are near (bits).
        cursor: uint64 (5,), zeros at first: where to go on.

    Returns:
        The number of hits. As many as fit: call again, for there may be more.
    """
    count, size = ZERO, ONE << sweep.low_bits
    blocks = np.uint64(len(left.starts) - 1) >> sweep.low_bits
    first_block, first_bucket, first_mask, first_row, first_column = cursor
    for block in range(first_block, blocks):
        base = np.uint64(block) << sweep.low_bits
        if sweep.triangle and base ^ sweep.high_mask < base:
            continue
        for bucket in range(base + first_bucket, base + size):
            top, bottom = np.uint64(left.starts[bucket]), np.uint64(left.starts[bucket + ONE])
            masks = np.uint64(len(sweep.low_masks)) if top < bottom else ZERO
            for mask in range(first_mask, masks):
                neighbour = bucket ^ sweep.high_mask ^ sweep.low_masks[mask]
                if sweep.triangle and neighbour < bucket:
                    continue
                same = sweep.triangle and neighbour == bucket
                begin, end = np.uint64(right.starts[neighbour]), np.uint64(right.starts[neighbour + ONE])
                # Loops by "while" from here on: stepping through a range costs a division at the start of each.
                i = top + first_row
                while i < bottom:
                    stop, start = min(i + ROWS, bottom), (i + ONE if same else begin)
                    j = start + first_column
                    while j < end:
                        if count == np.uint64(len(hits)):
                            cursor[0], cursor[1], cursor[2] = block, bucket - base, mask
                            cursor[3], cursor[4] = i - top, j - start
                            return np.int64(count)
                        near = lanes_within(left.codes, (i, stop), right.codes, j, sweep.max_distance)
                        near &= (ONE << min(end - j, COLUMNS)) - ONE
                        # Written always and counted if near: a branch here would be mispredicted at most hits.
                        hits[count, 0], hits[count, 1], hits[count, 2], hits[count, 3] = i, stop, j, near
                        count += np.uint64(near != ZERO)
                        j += COLUMNS
                    first_column = ZERO
                    i += ROWS
                first_row = ZERO
            first_mask = ZERO
        first_bucket = ZERO
    cursor[0] = blocks
    return np.int64(count)


@compiled
def decide(left: Buckets, right: Buckets, hits: np.ndarray, sweep: Sweep, found: Found) -> None:
    """Fill ``found`` with the pairs among the hits that no earlier band reported: at most ``HIT_PAIRS`` a hit."""
    count, some_known = ZERO, len(sweep.earlier) > 0
    for hit in range(np.uint64(len(hits))):
        first, stop = np.uint64(hits[hit, 0]), np.uint64(hits[hit, 1])
        near, k = np.uint64(hits[hit, 3]), np.uint64(hits[hit, 2])
        while near:
            if near & ONE:
                # In a self-join the neighbour never stands before the bucket, so this leaves each pair once.
                for i in range(first, min(stop, k) if sweep.triangle else stop):
                    differing = left.codes[i] ^ right.codes[k]
                    # As above: written always, counted if wanted.
                    found.left[count], found.right[count] = left.ids[i], right.ids[k]
                    found.score[count] = popcount(differing)
                    wanted = np.uint64(popcount(differing)) <= sweep.max_distance
                    if wanted and some_known:
                        wanted = not _known(differing, sweep.earlier)
                    count += np.uint64(wanted)
            near >>= ONE
            k += ONE
    found.filled[0] = count


@compiled
def _known(differing: int, earlier: np.ndarray) -> bool:
    """Say whether a band swept before has met a pair that differs in these bits."""
    for band in range(np.uint64(len(earlier))):
        if np.uint64(popcount(differing & earlier[band, 0])) <= earlier[band, 1]:
            return True
    return False


@compiled
def expand(pairs: Found, sides: tuple[Groups, Groups], triangle: bool, out: Found, cursor: np.ndarray) -> bool:
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
def count_within(left: np.ndarray, right: np.ndarray, mask: np.uint64, radius: int) -> int:
    """Return how many pairs (one code of either side) differ in at most ``radius`` of the bits in ``mask``."""
    total = 0
    for code in left:
        for other in right:
            total += popcount((code ^ other) & mask) <= radius
    return total
