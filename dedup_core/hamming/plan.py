"""Choose how to search: which bits form which band, how far to look around a bucket, what to compare first."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter

import numpy as np

from dedup_core.hamming.bands import ALL_BITS, CODE_BITS, SCAN, Band, Bands, cut, share_differing, with_sketches
from dedup_core.hamming.kernels import count_candidates

# Nanoseconds, fitted to joins of 50,000 to 3 million codes on one core with AVX-512. Only their ratios matter.
SORT_CODE = 15.0
VISIT_BUCKET = 11.5
SCAN_PAIR = 0.09  # compare two codes without any band
SCAN_WANTED = 8.0  # note a wanted pair there
COMPARE_CODES = 0.066  # a pair of them
COMPARE_SKETCHES = 0.037
VERIFY_PAIR = 18.0  # look at the codes of a pair that its sketches let pass
KNOWN_PAIR = 20.0  # look whether an earlier band had a wanted pair

SMALL_JOIN = 400_000_000
MOST_BANDS = 8
WIDEST_BAND = 24  # bits: the table of bucket starts takes 64 MiB, twice while it is filled
FEWEST_SAMPLED, MOST_SAMPLED = 256, 1024


def is_small(compared: int) -> bool:
    """Say whether comparing so many pairs (left times right) one by one takes less time than planning."""
    return compared <= SMALL_JOIN


def choose_plan(left: np.ndarray, right: np.ndarray | None, max_distance: int) -> Bands:
    """Return the plan that the cost model expects to be the fastest.

    Args:
        left: uint64 (n,), distinct codes.
        right: uint64 (m,), distinct codes; None for a self-join.
        max_distance: the largest distance wanted.

    Returns:
        A plan of bands, or `SCAN`. A band's share of close pairs is taken from a sample of the codes where that has
        clearly more of them than independent bits would give, so that no skew makes a plan dearer than the scan unseen.
    """
    size = len(left), len(left if right is None else right)
    if is_small(size[0] * size[1]):
        return SCAN
    workload = _Workload.of(left, right, max_distance)
    widest = min(WIDEST_BAND, int(math.log2(max(size))) + 1)
    best, best_cost = SCAN, workload.scan_cost()
    for plan in sorted(_plans(max_distance, widest, workload.agreement), key=workload.least_cost):
        if workload.least_cost(plan) >= best_cost:
            break
        sketched = with_sketches(plan, max_distance, workload.agreement)
        if workload.cost_if_independent(plan, sketched) < best_cost:
            best, best_cost = min((best, best_cost), workload.fitted(plan, sketched), key=itemgetter(1))
    return best


def _plans(max_distance: int, widest: int, agreement: np.ndarray) -> Iterator[Bands]:
    """Yield plans of every number of bands, with bands of various widths; first, one bucket that holds everything."""
    yield (Band((), max_distance),)
    for bands in range(1, min(max_distance + 1, MOST_BANDS) + 1):
        for width in range(max(1, widest - 6), widest + 1):
            plan = cut(max_distance, bands, width, agreement)
            yield plan
            if all(len(band.bits) < width for band in plan):
                break  # all bits are given out: wider bands would get no more


@dataclass(frozen=True)
class _Workload:
    """What the cost of a plan depends on. Costs are nanoseconds.

    Attributes:
        sampled: uint64 (k,) and (k,), a sample of the codes on either side.
        sizes: how many codes stand on either side.
        halved: 0.5 in a self-join, where each pair is compared once, else 1.
        max_distance: the largest distance wanted.
        agreement: float64 (64,), the share of pairs that agree in each bit.
    """

    sampled: tuple[np.ndarray, np.ndarray] = field(repr=False)
    sizes: tuple[int, int]
    halved: float
    max_distance: int
    agreement: np.ndarray = field(repr=False)

    @classmethod
    def of(cls, left: np.ndarray, right: np.ndarray | None, max_distance: int) -> _Workload:
        other = left if right is None else right
        size = min(max(FEWEST_SAMPLED, math.isqrt(max(len(left), len(other))) // 2), MOST_SAMPLED)
        # On the right from between the places on the left: the two sides may be copies of each other.
        places = np.linspace(0, 1, 2 * size + 1)
        a = left[(places[::2] * (len(left) - 1)).astype(np.int64)]
        b = a if right is None else right[(places[1::2] * (len(right) - 1)).astype(np.int64)]
        ones = [((codes[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)).mean(axis=0) for codes in (a, b)]
        agreement = ones[0] * ones[1] + (1 - ones[0]) * (1 - ones[1])
        return cls((a, b), (len(left), len(other)), 0.5 if right is None else 1.0, max_distance, agreement)

    def least_cost(self, plan: Bands) -> float:
        """Return what a plan takes if bits are independent and sketches tell all pairs apart."""
        least = min(COMPARE_CODES, COMPARE_SKETCHES)
        return sum(self._visit_cost(band) + self._pairs(band.share) * least for band in plan)

    def scan_cost(self) -> float:
        """Return what comparing all pairs takes: more for a pair than inside bands, less for one that is wanted."""
        return self._pairs(1.0) * SCAN_PAIR + self._wanted * SCAN_WANTED

    def cost_if_independent(self, plan: Bands, sketched: Bands) -> float:
        """Return what a plan takes if bits are independent and each band compares first what suits it best."""
        pairs = zip(plan, sketched, strict=True)
        return sum(min(self._cost(band, band.share, band.passing) for band in pair) for pair in pairs)

    def fitted(self, plan: Bands, sketched: Bands) -> tuple[Bands, float]:
        """Return the plan with those of the sketches that suit codes like the sampled ones, and what it takes then."""
        bands, costs = zip(*map(self._fitted, plan, sketched), strict=True)
        # Each band proposes most of the wanted pairs again, and drops those it knows: dear where there are many.
        return bands, sum(costs) + len(bands) * self._wanted * KNOWN_PAIR

    def _fitted(self, whole: Band, sketched: Band) -> tuple[Band, float]:
        counts = count_candidates(*self.sampled, sketched.condition)
        near, passing = map(self._believed, counts, (sketched.share, sketched.passing))
        return min(((band, self._cost(band, near, passing)) for band in (whole, sketched)), key=itemgetter(1))

    def _cost(self, band: Band, near: float, passing: float) -> float:
        """Return what a band takes, by the shares of pairs that are near in it and that its sketches let pass."""
        if not band.sketch:
            return self._visit_cost(band) + self._pairs(near) * COMPARE_CODES
        return self._visit_cost(band) + self._pairs(near) * COMPARE_SKETCHES + self._pairs(passing) * VERIFY_PAIR

    def _visit_cost(self, band: Band) -> float:
        """Return what it takes to sort the codes and to visit the buckets, whatever is in them."""
        neighbours = sum(math.comb(len(band.bits), ones) for ones in range(band.radius + 1))
        return self.halved * (sum(self.sizes) * SORT_CODE + (1 << len(band.bits)) * neighbours * VISIT_BUCKET)

    def _pairs(self, share: float) -> float:
        """Return how many pairs of all codes a share of them is."""
        return share * self.sizes[0] * self.sizes[1] * self.halved

    def _believed(self, count: int, independent: float) -> float:
        """Return the share that a count of sampled pairs shows, or that of independent bits where it may be chance."""
        pairs, near = len(self.sampled[0]) * len(self.sampled[1]) - self._drawn_twice, count - self._drawn_twice
        expected = independent * pairs
        return near / pairs if near > expected + 4 * math.sqrt(expected) + 4 else independent

    @cached_property
    def _drawn_twice(self) -> int:
        """How many codes were drawn on both sides: each is near itself, which says nothing about other pairs."""
        return len(np.intersect1d(*self.sampled))

    @cached_property
    def _wanted(self) -> float:
        """How many pairs the join is expected to report."""
        within = np.array([ALL_BITS, self.max_distance, ALL_BITS, CODE_BITS], np.uint64)
        by_chance = float(share_differing(self.agreement, self.max_distance).sum())
        return self._pairs(self._believed(count_candidates(*self.sampled, within)[0], by_chance))
