"""Exact joins of 64-bit codes by Hamming distance: every pair within a distance, and no other.

Distinct codes are searched band by band (see `dedup_core.hamming_plan`), then the pairs are spread over the positions
that hold each code. A pair is reported in the first band in which it is close, so that nothing has to be removed after.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from numbers import Integral

import numpy as np

from dedup_core.hamming_kernels import HIT_PAIRS, Buckets, Found, Groups, Sweep, compare_neighbours, decide, expand
from dedup_core.hamming_plan import Band, Plan, choose_plan, words_within
from dedup_core.pairs import Pairs

CODE_BITS = 64
MOST_CODES = 2**32 - 1  # positions within a band are 32 bits
BUFFERED_HITS = 1 << 12  # places with a close pair that are held before their pairs are decided
CACHED_CODES = (
    4096  # buckets are swept in groups of about so many codes: two groups stay in the cache nearest to the core
)


def self_join(codes: np.ndarray, max_distance: int) -> Pairs:
    """Return every pair of codes within ``max_distance`` bits of each other.

    Args:
        codes: uint64 (n,); int64 is read as the same 64 bits. Duplicates are pairs at distance 0.
        max_distance: 0 to 64.

    Returns:
        The pairs with ``left < right``, sorted by (left, right); score is the distance as int16.

    Raises:
        TypeError: if codes is no array of 64-bit integers, or max_distance no integer.
        ValueError: if codes has not one dimension, or max_distance is out of range.

    Example:
        >>> pairs = self_join(np.array([0b0000, 0b1111, 0b0001], np.uint64), 1)
        >>> pairs.left.tolist(), pairs.right.tolist(), pairs.score.tolist()
        ([0], [2], [1])
    """
    return Pairs.concatenate(self_join_blocks(codes, max_distance), np.int16).sorted()


def cross_join(left: np.ndarray, right: np.ndarray, max_distance: int) -> Pairs:
    """Return every pair of a left and a right code within ``max_distance`` bits of each other.

    Args:
        left: uint64 or int64 (n,).
        right: uint64 or int64 (m,).
        max_distance: 0 to 64.

    Returns:
        The pairs sorted by (left, right); score is the distance as int16.

    Raises:
        TypeError: if a side is no array of 64-bit integers, or max_distance no integer.
        ValueError: if a side has not one dimension, or max_distance is out of range.

    Example:
        >>> pairs = cross_join(np.array([0, 7], np.uint64), np.array([1, 6], np.uint64), 1)
        >>> pairs.left.tolist(), pairs.right.tolist()
        ([0, 1], [0, 1])
    """
    return Pairs.concatenate(cross_join_blocks(left, right, max_distance), np.int16).sorted()


def self_join_blocks(codes: np.ndarray, max_distance: int, block_pairs: int = 1 << 20) -> Iterator[Pairs]:
    """Yield the pairs of `self_join` in blocks, in a fixed order that is not sorted.

    Args:
        codes: uint64 or int64 (n,).
        max_distance: 0 to 64.
        block_pairs: how many pairs a block may hold. Memory is bounded by it and n, however many pairs there are.

    Yields:
        Pairs, at most ``block_pairs`` of them, at least one.

    Raises:
        TypeError: as `self_join`, before the first block.
        ValueError: as `self_join`, and if block_pairs is below 1.
    """
    return _join_blocks(
        _as_codes(codes, "codes"), None, _checked(max_distance, "max_distance", 0, CODE_BITS), block_pairs
    )


def cross_join_blocks(
    left: np.ndarray, right: np.ndarray, max_distance: int, block_pairs: int = 1 << 20
) -> Iterator[Pairs]:
    """Yield the pairs of `cross_join` in blocks, in a fixed order that is not sorted.

    Args:
        left: uint64 or int64 (n,).
        right: uint64 or int64 (m,).
        max_distance: 0 to 64.
        block_pairs: how many pairs a block may hold.

    Yields:
        Pairs, at most ``block_pairs`` of them, at least one.

    Raises:
        TypeError: as `cross_join`, before the first block.
        ValueError: as `cross_join`, and if block_pairs is below 1.
    """
    distance = _checked(max_distance, "max_distance", 0, CODE_BITS)
    return _join_blocks(_as_codes(left, "left"), _as_codes(right, "right"), distance, block_pairs)


def _as_codes(values: np.ndarray, name: str) -> np.ndarray:
    """Return the values as uint64, or say what is wrong with them."""
    if not isinstance(values, np.ndarray) or values.dtype not in (np.uint64, np.int64):
        found = f"dtype {values.dtype}" if isinstance(values, np.ndarray) else type(values).__name__
        raise TypeError(f"{name} must be a numpy array of 64-bit integers (uint64 or int64), not {found}")
    if values.ndim != 1:
        raise ValueError(f"{name} must have one dimension, not shape {values.shape}")
    if len(values) > MOST_CODES:
        raise ValueError(f"{name} must be at most {MOST_CODES:,} codes, not {len(values):,}: join them chunk by chunk")
    return np.ascontiguousarray(values).view(np.uint64)


def _checked(value: int, name: str, least: int, most: int) -> int:
    """Return the value as int, or say why it is none within the range."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    if not least <= value <= most:
        raise ValueError(f"{name} must be {least} to {most}, not {value}")
    return int(value)


def _join_blocks(
    left: np.ndarray, right: np.ndarray | None, max_distance: int, block_pairs: int, plan: Plan | None = None
) -> Iterator[Pairs]:
    """Check block_pairs at once, then return the iterator: a generator would wait for the first block to complain."""
    return _spread(left, right, max_distance, _checked(block_pairs, "block_pairs", 1, 1 << 40), plan)


def _spread(
    left: np.ndarray, right: np.ndarray | None, max_distance: int, block_pairs: int, plan: Plan | None
) -> Iterator[Pairs]:
    """Yield pairs of positions: join the distinct codes, expand each pair over all positions with these codes."""
    left_codes, left_groups = _distinct(left)
    right_codes, right_groups = (None, left_groups) if right is None else _distinct(right)
    block = _buffer(block_pairs, np.int64)
    for found in _distinct_pairs(left_codes, right_codes, left_groups, max_distance, plan):
        cursor = np.zeros(3, np.uint64)
        while not expand(found, (left_groups, right_groups), right is None, block, cursor):
            yield _take(block)
    if block.filled[0]:
        yield _take(block)


def _distinct(codes: np.ndarray) -> tuple[np.ndarray, Groups]:
    """Return the distinct codes in ascending order, and where each of them stands."""
    members = np.argsort(codes)
    ordered = codes[members]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1], [True])))
    if not len(codes):
        starts = np.zeros(1, np.int64)
    return ordered[starts[:-1]], Groups(members.view(np.uint64), starts.view(np.uint64))


def _distinct_pairs(
    left: np.ndarray, right: np.ndarray | None, groups: Groups, max_distance: int, plan: Plan | None
) -> Iterator[Found]:
    """Yield pairs of distinct codes; in a self-join also each code that occurs twice with itself, by ``groups``."""
    if not len(left) or (right is not None and not len(right)):
        return
    if right is None:
        yield from _repeated_codes(groups)
        if max_distance == 0:
            return
    elif len(left) < len(right):  # the larger side gives the rows, which the kernel takes many at a time
        for found in _distinct_pairs(right, left, groups, max_distance, plan):
            yield found._replace(left=found.right, right=found.left)
        return
    earlier: list[tuple[np.uint64, int]] = []
    for band in choose_plan(left, right, max_distance) if plan is None else plan:
        left_buckets = band.sort(left)
        right_buckets = left_buckets if right is None else band.sort(right)
        for sweep in _sweeps(band, len(left), right is None, max_distance, earlier):
            yield from _swept(left_buckets, right_buckets, sweep)
        earlier.append((band.mask, band.radius))


def _repeated_codes(groups: Groups) -> Iterator[Found]:
    """Yield each code that occurs more than once as a pair with itself."""
    repeated = np.flatnonzero(np.diff(groups.starts.view(np.int64)) > 1)
    for first in range(0, len(repeated), BUFFERED_HITS):
        ids = repeated[first : first + BUFFERED_HITS].astype(np.uint32)
        yield Found(ids, ids, np.zeros(len(ids), np.int16), np.array([len(ids)], np.uint64))


def _swept(left: Buckets, right: Buckets, sweep: Sweep) -> Iterator[Found]:
    """Yield the pairs of one sweep, a buffer at a time."""
    found = _buffer(BUFFERED_HITS * HIT_PAIRS, np.uint32)
    hits = np.empty((BUFFERED_HITS, 4), np.uint32)
    cursor = np.zeros(5, np.uint64)
    count = BUFFERED_HITS
    while count == BUFFERED_HITS:
        count = compare_neighbours(left, right, sweep, hits, cursor)
        decide(left, right, hits[:count], sweep, found)
        yield found


def _sweeps(
    band: Band, size: int, triangle: bool, max_distance: int, earlier: list[tuple[np.uint64, int]]
) -> Iterator[Sweep]:
    """Yield the sweeps that visit every neighbour of every bucket: one for each difference in the higher bits."""
    width = len(band.bits)
    high_bits = min(width, max(0, math.ceil(math.log2(size / CACHED_CODES))))
    low_bits = width - high_bits
    known = np.array(earlier, np.uint64).reshape(-1, 2)
    low_masks = [np.sort(words_within(low_bits, radius)) for radius in range(band.radius + 1)]
    for high_mask in words_within(high_bits, band.radius):
        nearby = low_masks[band.radius - int(high_mask).bit_count()]
        shifted = high_mask << np.uint64(low_bits)
        yield Sweep(shifted, nearby, np.uint64(low_bits), triangle, np.uint64(max_distance), known)


def _buffer(size: int, dtype: type[np.unsignedinteger] | type[np.signedinteger]) -> Found:
    return Found(np.empty(size, dtype), np.empty(size, dtype), np.empty(size, np.int16), np.zeros(1, np.uint64))


def _take(block: Found) -> Pairs:
    """Return the filled part of a buffer as a copy, and mark the buffer empty."""
    count = int(block.filled[0])
    block.filled[0] = 0
    return Pairs(block.left[:count].copy(), block.right[:count].copy(), block.score[:count].copy())
