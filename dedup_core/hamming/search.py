"""Search distinct codes band by band. The first band that proposes a pair reports it: nothing is removed after."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from dedup_core.hamming.bands import Band, Bands, words_within
from dedup_core.hamming.blocks import PairBuffer, scanned
from dedup_core.hamming.buckets import Buckets, Room
from dedup_core.hamming.kernels import CANDIDATE_PAIRS, Neighbours, propose, verify
from dedup_core.hamming.plan import choose_plan

BUFFERED_PAIRS = 1 << 16
BUFFERED_CANDIDATES = 1 << 12  # places where what is compared first is close, held before their pairs are verified
CACHED_CODES = 16384  # buckets are compared in groups of about so many codes: two groups stay in the second cache


def distinct_pairs(
    left: np.ndarray, right: np.ndarray | None, max_distance: int, plan: Bands | None = None
) -> Iterator[PairBuffer]:
    """Yield the pairs of distinct codes within a distance, in a buffer that is filled anew for each step.

    Args:
        left: uint64 (n,), distinct codes.
        right: uint64 (m,), distinct codes; None for a self-join.
        max_distance: the largest distance wanted.
        plan: how to search, if not as `choose_plan` says.
    """
    if not len(left) or (right is not None and not len(right)) or (right is None and max_distance == 0):
        return
    if right is not None and len(left) < len(right):
        # The larger side gives the rows, which the kernel takes many at a time.
        for pairs in distinct_pairs(right, left, max_distance, plan):
            yield pairs._replace(left=pairs.right, right=pairs.left)
        return
    plan = choose_plan(left, right, max_distance) if plan is None else plan
    if not plan:
        yield from scanned(left, right, max_distance, PairBuffer.empty(BUFFERED_PAIRS, np.uint32))
        return
    earlier: list[np.ndarray] = []
    pairs = PairBuffer.empty(BUFFERED_CANDIDATES * CANDIDATE_PAIRS, np.uint32)
    left_room = Room.of(len(left))
    right_room = left_room if right is None else Room.of(len(right))
    for band in plan:
        left_buckets = band.sort(left, left_room)
        right_buckets = left_buckets if right is None else band.sort(right, right_room)
        for neighbours in _neighbours(band, len(left), right is None, max_distance, earlier):
            yield from _near_pairs(left_buckets, right_buckets, neighbours, pairs)
        earlier.append(band.condition)


def _near_pairs(left: Buckets, right: Buckets, neighbours: Neighbours, pairs: PairBuffer) -> Iterator[PairBuffer]:
    """Yield the pairs of neighbouring buckets, a buffer at a time."""
    candidates = np.empty((BUFFERED_CANDIDATES, 5), np.uint32)
    cursor = np.zeros(4, np.uint64)
    count = BUFFERED_CANDIDATES
    while count == BUFFERED_CANDIDATES:
        count = propose(left, right, neighbours, candidates, cursor)
        verify(left, right, candidates[:count], neighbours, pairs)
        yield pairs


def _neighbours(
    band: Band, size: int, triangle: bool, max_distance: int, earlier: list[np.ndarray]
) -> Iterator[Neighbours]:
    """Yield the neighbours of all buckets, one part of them for each difference in the higher bits."""
    known = np.array(earlier, np.uint64).reshape(-1, 4)
    width = len(band.bits)
    high_bits = min(width, max(0, math.ceil(math.log2(size / CACHED_CODES))))
    low_bits = width - high_bits
    low_masks = [np.sort(words_within(low_bits, radius)) for radius in range(band.radius + 1)]
    for high_mask in words_within(high_bits, band.radius):
        high_ones = int(high_mask).bit_count()
        nearby = low_masks[band.radius - high_ones]
        differing = [high_ones + int(low_mask).bit_count() for low_mask in nearby]
        limits = np.array([band.limit_beyond(bits, max_distance) for bits in differing], np.uint64)
        shifted = high_mask << np.uint64(low_bits)
        yield Neighbours(shifted, nearby, np.uint64(low_bits), triangle, np.uint64(max_distance), limits, known)
