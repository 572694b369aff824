"""Exact joins of 64-bit codes by Hamming distance: every pair within a distance, and no other.

Few codes are compared one by one. Of more, the distinct ones are searched (see `dedup_core.hamming.search`), then the
pairs are spread over the positions that hold each code.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from numbers import Integral

import numpy as np

from dedup_core.hamming.bands import CODE_BITS, Bands
from dedup_core.hamming.blocks import Groups, PairBuffer, expand, scanned
from dedup_core.hamming.plan import is_small
from dedup_core.hamming.search import distinct_pairs
from dedup_core.jit.radix_sort import radix_sort
from dedup_core.pairs import Pairs

MOST_CODES = 2**32 - 1  # positions within a band are 32 bits
LARGEST_BLOCK = 1 << 24  # pairs, 300 MB


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
    """Yield the pairs of `self_join` in blocks, in a fixed order, which need not be sorted.

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
    """Yield the pairs of `cross_join` in blocks, in a fixed order, which need not be sorted.

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
        given = f"dtype {values.dtype}" if isinstance(values, np.ndarray) else type(values).__name__
        raise TypeError(f"{name} must be a numpy array of 64-bit integers (uint64 or int64), not {given}")
    if values.ndim != 1:
        raise ValueError(f"{name} must have one dimension, not shape {values.shape}")
    if len(values) > MOST_CODES:
        raise ValueError(f"{name} must be at most {MOST_CODES:,} codes, not {len(values):,}: join them chunk by chunk")
    codes = np.ascontiguousarray(values).view(np.uint64)
    return codes if codes.flags.writeable else codes.copy()  # kernels are compiled anew for what can't be written to


def _checked(value: int, name: str, least: int, most: int) -> int:
    """Return the value as int, or say why it is none within the range."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    if not least <= value <= most:
        raise ValueError(f"{name} must be {least} to {most}, not {value}")
    return int(value)


def _join_blocks(
    left: np.ndarray, right: np.ndarray | None, max_distance: int, block_pairs: int, plan: Bands | None = None
) -> Iterator[Pairs]:
    """Check block_pairs at once, then return the iterator: a generator would wait for the first block to complain."""
    return _spread(left, right, max_distance, _checked(block_pairs, "block_pairs", 1, 1 << 40), plan)


def _spread(
    left: np.ndarray, right: np.ndarray | None, max_distance: int, block_pairs: int, plan: Bands | None
) -> Iterator[Pairs]:
    """Yield pairs of positions, a block at a time."""
    compared = len(left) * len(left if right is None else right)
    block = PairBuffer.empty(min(block_pairs, compared, LARGEST_BLOCK), np.int64)
    if plan is None and is_small(compared):
        filled = scanned(left, right, max_distance, block)  # any preparation would take longer
    else:
        filled = _join_distinct(left, right, max_distance, block, plan)
    for _ in filled:
        if block.filled[0]:
            yield _take(block)


def _join_distinct(
    left: np.ndarray, right: np.ndarray | None, max_distance: int, block: PairBuffer, plan: Bands | None
) -> Iterator[PairBuffer]:
    """Fill the block again and again: search the distinct codes, expand their pairs over all positions of each."""
    left_codes, left_groups = _distinct(left)
    right_codes, right_groups = (None, left_groups) if right is None else _distinct(right)
    repeated = [_repeated(left_groups)] if right is None else []
    for pairs in chain(repeated, distinct_pairs(left_codes, right_codes, max_distance, plan)):
        cursor = np.zeros(3, np.uint64)
        while not expand(pairs, (left_groups, right_groups), right is None, block, cursor):
            yield block
    yield block


def _distinct(codes: np.ndarray) -> tuple[np.ndarray, Groups]:
    """Return the distinct codes in ascending order, and where each of them stands."""
    ordered, members = radix_sort(codes, np.arange(len(codes), dtype=np.uint32))
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1], [True])))
    if not len(codes):
        starts = np.zeros(1, np.int64)
    return ordered[starts[:-1]], Groups(members, starts.view(np.uint64))


def _repeated(groups: Groups) -> PairBuffer:
    """Return each code that occurs more than once as a pair with itself."""
    ids = np.flatnonzero(np.diff(groups.starts.view(np.int64)) > 1).astype(np.uint32)
    return PairBuffer(ids, ids, np.zeros(len(ids), np.int16), np.array([len(ids)], np.uint64))


def _take(block: PairBuffer) -> Pairs:
    """Return the filled part of a buffer as a copy, and mark the buffer empty."""
    count = int(block.filled[0])
    block.filled[0] = 0
    return Pairs(block.left[:count].copy(), block.right[:count].copy(), block.score[:count].copy())
