"""Choose how to search: which bits form which band, how far to look around a bucket, what to compare first."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from dedup_core.hamming_bands import ALL_BITS, CODE_BITS, SCAN, Band, Plan, cut, with_sketches
from dedup_core.hamming_kernels import count_meetings

# Nanoseconds, measured on one core with AVX-512. Only their ratios matter: they decide between plans.
COMPARE_PAIR = 0.06
COMPARE_SKETCHES = 0.03
VISIT_ROW = 0.52
VISIT_BUCKET = 3.4
SORT_CODE = 25.0
PASS_PAIR = 30.0  # look at a pair that its sketch lets pass
DECIDE_PAIR = 24.0

SMALL_JOIN = 400_000_000  # pairs, left times right
MOST_BANDS = 8
WIDEST_BAND = 24  # bits: the table of bucket starts takes 64 MiB
SAMPLE = 512


def is_small(left: int, right: int) -> bool:
    """Say whether comparing so many left codes with so many right ones takes less time than planning."""
    return left * right <= SMALL_JOIN


def choose_plan(left: np.ndarray, right: np.ndarray | None, max_distance: int) -> Plan:
    """Return the plan that the cost model expects to be the fastest.

    Args:
        left: uint64 (n,), distinct codes.
        right: uint64 (m,), distinct codes; None for a self-join.
        max_distance: the largest distance wanted.

    Returns:
        A plan of bands, or `SCAN`. A band's share of close pairs is taken from a sample of the codes where it is
        above what independent bits would give, so that no skew makes a plan dearer than the scan unseen.
    """
    size = len(left), len(left if right is None else right)
    if is_small(*size):
        return SCAN
    workload = _Workload.sample(left, right, max_distance)
    widest = min(WIDEST_BAND, int(math.log2(max(size))) + 1)
    best, best_cost = SCAN, workload.cost(SCAN)
    for plan in sorted(_plans(max_distance, widest, workload.agreement), key=workload.least_cost):
        if workload.least_cost(plan) >= best_cost:
            break
        fitted = workload.with_useful_sketches(plan)
        cost = workload.cost(fitted)
        if cost < best_cost:
            best, best_cost = fitted, cost
    return best


def _plans(max_distance: int, widest: int, agreement: np.ndarray) -> Iterator[Plan]:
    """Yield plans of every number of bands, with bands of various widths."""
    for bands in range(1, min(max_distance + 1, MOST_BANDS) + 1):
        for width in range(max(1, widest - 6), widest + 1):
            plan = cut(max_distance, bands, width, agreement)
            yield plan
            if all(len(band.bits) < width for band in plan):
                break  # all bits are given out: wider bands would get no more


@dataclass(frozen=True)
class _Workload:
    """What the cost of a plan depends on.

    Attributes:
        left: uint64 (k,), a sample of the left codes.
        right: uint64 (l,), a sample of the right codes.
        sizes: how many codes stand on either side.
        halved: 0.5 in a self-join, where each pair is compared once, else 1.
        max_distance: the largest distance wanted.
        agreement: float64 (64,), the share of pairs that agree in each bit.
    """

    left: np.ndarray
    right: np.ndarray
    sizes: tuple[int, int]
    halved: float
    max_distance: int
    agreement: np.ndarray = field(repr=False)

    @classmethod
    def sample(cls, left: np.ndarray, right: np.ndarray | None, max_distance: int) -> _Workload:
        other = left if right is None else right
        samples = [codes[np.linspace(0, len(codes) - 1, SAMPLE).astype(np.int64)] for codes in (left, other)]
        ones = [((codes[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)).mean(axis=0) for codes in samples]
        agreement = ones[0] * ones[1] + (1 - ones[0]) * (1 - ones[1])
        halved = 0.5 if right is None else 1.0
        return cls(samples[0], samples[1], (len(left), len(other)), halved, max_distance, agreement)

    def least_cost(self, plan: Plan) -> float:
        """Return the nanoseconds that a plan takes if the bits are independent and sketches tell all pairs apart."""
        return sum(self._sweep_cost(band) + self._pairs(band.share) * COMPARE_SKETCHES for band in plan)

    def with_useful_sketches(self, plan: Plan) -> Plan:
        """Return the plan, with a sketch for each band that is faster with one."""
        pairs = zip(with_sketches(plan, self.max_distance, self.agreement), plan, strict=True)
        return tuple(min(pair, key=self._band_cost) for pair in pairs)

    def cost(self, plan: Plan) -> float:
        """Return the nanoseconds that a plan is expected to take, for codes like the sampled ones."""
        # Each band meets most of the wanted pairs again, and drops those it knows: dear where there are many.
        return sum(map(self._band_cost, plan)) + len(plan) * self._wanted * DECIDE_PAIR

    @cached_property
    def _wanted(self) -> float:
        """How many pairs the join is expected to report."""
        return self._pairs(self._share(np.array([ALL_BITS, self.max_distance, ALL_BITS, CODE_BITS], np.uint64)))

    def _band_cost(self, band: Band) -> float:
        near = self._pairs(max(band.share, self._share(band.without_sketch().meeting)))
        if not band.sketch:
            return self._sweep_cost(band) + near * COMPARE_PAIR
        passing = self._pairs(max(band.passing, self._share(band.meeting)))
        return self._sweep_cost(band) + near * COMPARE_SKETCHES + passing * PASS_PAIR

    def _sweep_cost(self, band: Band) -> float:
        """Return the nanoseconds that it takes to sort codes and to visit buckets, whatever is in them."""
        neighbours = sum(math.comb(len(band.bits), ones) for ones in range(band.radius + 1))
        visits = (VISIT_BUCKET * (1 << len(band.bits)) + VISIT_ROW * self.sizes[0]) * neighbours
        return self.halved * (SORT_CODE * sum(self.sizes) + visits)

    def _share(self, meeting: np.ndarray) -> float:
        """Return the share of sampled pairs that meet."""
        # In a self-join the sample meets itself on the diagonal; those matches say nothing about other pairs.
        diagonal = SAMPLE if self.halved < 1 else 0
        return (count_meetings(self.left, self.right, meeting) - diagonal) / (SAMPLE * SAMPLE - diagonal)

    def _pairs(self, share: float) -> float:
        """Return how many pairs of all codes a share of them is."""
        return share * self.sizes[0] * self.sizes[1] * self.halved
