"""Choose how to search: which bits form which band, and how far to look around a bucket.

Two codes within distance d, cut into m bands, are close in at least one of them: give band k a radius r_k such that
the ``r_k + 1`` add up to d + 1; if every band differed in more than r_k bits, the codes would differ in more than d.
(Norouzi, Punjani, Fleet: Fast Exact Search in Hamming Space with Multi-Index Hashing, arXiv 1307.2982, with their
equal radii made unequal: at d = 10 four bands need radius 2, 2, 2 and 1.) A plan without a band is the plain scan.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations

import numpy as np

from dedup_core.hamming_kernels import Buckets, band_keys, count_within, fill_buckets

# Nanoseconds, measured on one core with AVX-512. Only their ratios matter: they decide between plans.
COMPARE_PAIR = 0.027
VISIT_ROW = 0.52
VISIT_BUCKET = 3.4
SORT_CODE = 15.0
DECIDE_PAIR = 12.0

SMALL_JOIN = 400_000_000  # pairs (left times right); scanning fewer takes less time than planning
MOST_BANDS = 8
WIDEST_BAND = 24  # bits: the table of bucket starts takes 64 MiB
SAMPLE = 512
ALL_BITS = np.uint64(2**64 - 1)


@dataclass(frozen=True)
class Band:
    """Some bits of the code, and the number of them in which a pair may differ to be compared.

    Attributes:
        bits: positions in the code, 0 being the lowest bit.
        radius: the largest difference within the band.
        share: the share of pairs to be compared, were the bits independent of each other.
    """

    bits: tuple[int, ...]
    radius: int
    share: float = 1.0

    @property
    def mask(self) -> np.uint64:
        """The bits of the band as a word."""
        return np.uint64(sum(1 << bit for bit in self.bits))

    def sort(self, codes: np.ndarray) -> Buckets:
        """Put codes, uint64 (n,), into the ``2**len(bits)`` buckets of this band."""
        tables = np.zeros((8, 256), np.uint32)
        for place, bit in enumerate(self.bits):
            tables[bit // 8] |= ((np.arange(256, dtype=np.uint32) >> np.uint32(bit % 8)) & 1) << np.uint32(place)
        return Buckets(*fill_buckets(codes, band_keys(codes, tables), len(self.bits)))


Plan = tuple[Band, ...]
SCAN: Plan = (Band((), 0),)
"""One bucket that holds everything: compare all pairs."""


def words_within(width: int, radius: int) -> np.ndarray:
    """Return uint64 (k,): the words of ``width`` bits of which at most ``radius`` are set."""
    chosen = (bits for ones in range(min(radius, width) + 1) for bits in combinations(range(width), ones))
    return np.array([sum(1 << bit for bit in bits) for bits in chosen], np.uint64)


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
    if size[0] * size[1] <= SMALL_JOIN:
        return SCAN
    workload = _Workload.sample(left, right, max_distance)
    widest = min(WIDEST_BAND, int(math.log2(max(size))) + 1)
    best, best_cost = SCAN, workload.cost(SCAN)
    for plan in sorted(_plans(max_distance, widest, workload.agreement), key=workload.least_cost):
        if workload.least_cost(plan) >= best_cost:
            break
        cost = workload.cost(plan)
        if cost < best_cost:
            best, best_cost = plan, cost
    return best


def _plans(max_distance: int, widest: int, agreement: np.ndarray) -> Iterator[Plan]:
    """Yield plans of every number of bands, with bands of various widths."""
    for bands in range(1, min(max_distance + 1, MOST_BANDS) + 1):
        for width in range(max(1, widest - 6), widest + 1):
            plan = _deal_bits(_radii(max_distance, bands), width, agreement)
            yield plan
            if all(len(band.bits) < width for band in plan):
                break  # all bits are given out: wider bands would get no more


def _radii(max_distance: int, bands: int) -> list[int]:
    base, wider = divmod(max_distance + 1, bands)
    return [base] * wider + [base - 1] * (bands - wider)


def _deal_bits(radii: list[int], widest: int, agreement: np.ndarray) -> Plan:
    """Give out the bits, the most telling first, each to the band that so far lets the most pairs through."""
    differing = [np.eye(1, radius + 1)[0] for radius in radii]  # [k][e]: share of pairs that differ in e bits of band k
    shares = [1.0] * len(radii)
    bits: list[list[int]] = [[] for _ in radii]
    for bit in np.argsort(agreement, kind="stable"):
        open_bands = [k for k in range(len(radii)) if len(bits[k]) < widest]
        if agreement[bit] == 1.0 or not open_bands:
            break  # a bit that never differs tells nothing
        k = max(open_bands, key=shares.__getitem__)
        now_differ = differing[k][:-1] * (1 - agreement[bit])
        differing[k] = differing[k] * agreement[bit]
        differing[k][1:] += now_differ
        shares[k] = float(differing[k].sum())
        bits[k].append(int(bit))
    return tuple(Band(tuple(chosen), radius, share) for chosen, radius, share in zip(bits, radii, shares, strict=True))


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
        """Return the nanoseconds that a plan takes if the bits are independent."""
        return sum(self._band_cost(band, band.share) for band in plan)

    def cost(self, plan: Plan) -> float:
        """Return the nanoseconds that a plan is expected to take, for codes like the sampled ones."""
        shares = [max(band.share, self._close_share(band.mask, band.radius)) for band in plan]
        bands = sum(self._band_cost(band, share) for band, share in zip(plan, shares, strict=True))
        # Each band meets most of the wanted pairs again, and drops those it knows: dear where there are many.
        return bands + len(plan) * self._wanted * DECIDE_PAIR

    @cached_property
    def _wanted(self) -> float:
        """How many pairs the join is expected to report."""
        return self._close_share(ALL_BITS, self.max_distance) * self.sizes[0] * self.sizes[1] * self.halved

    def _close_share(self, mask: np.uint64, radius: int) -> float:
        # In a self-join the sample meets itself on the diagonal; those matches say nothing about other pairs.
        diagonal = SAMPLE if self.halved < 1 else 0
        return (count_within(self.left, self.right, mask, radius) - diagonal) / (SAMPLE * SAMPLE - diagonal)

    def _band_cost(self, band: Band, share: float) -> float:
        neighbours = sum(math.comb(len(band.bits), ones) for ones in range(band.radius + 1))
        visits = (VISIT_BUCKET * (1 << len(band.bits)) + VISIT_ROW * self.sizes[0]) * neighbours
        pairs = COMPARE_PAIR * self.sizes[0] * self.sizes[1] * share
        return self.halved * (SORT_CODE * sum(self.sizes) + visits + pairs)
