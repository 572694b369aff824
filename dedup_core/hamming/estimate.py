"""How many pairs a join will yield, told before it runs from a sample that is compared with all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincinv

from dedup_core.hamming.join import cross_join_blocks

CONFIDENCE = 0.997
"""How often an interval holds the truth: where it is normal, it reaches three standard errors to either side."""
_BEYOND = (1.0 - CONFIDENCE) / 2
_FEWEST = 100  # compared with all, however many partners each has


@dataclass(frozen=True)
class PairEstimate:
    """How many pairs to expect: at the first threshold, at the second, and so on.

    Attributes:
        low: float64 (t,), the lower end of the interval.
        high: float64 (t,), the upper end; the same number where the sample was everything.
    """

    low: np.ndarray
    high: np.ndarray


def partners(sample: np.ndarray, codes: np.ndarray, images: np.ndarray, max_distance: int) -> np.ndarray:
    """Count what lies at each distance from each sampled code. Counts of parts of the codes add up to that of all.

    Args:
        sample: uint64 or int64 (m,), distinct codes.
        codes: uint64 or int64 (n,), distinct codes, a part of all; a sampled one among them is no partner of itself.
        images: int64 (n,), how many images have each of the codes.
        max_distance: 0 to 64.

    Returns:
        float64 (2, m, max_distance + 1): how many codes, and how many images, at exactly that distance.

    Example:
        >>> partners(np.array([0], np.uint64), np.array([0, 1, 2, 7], np.uint64), np.array([9, 1, 5, 1]), 3).tolist()
        [[[0.0, 2.0, 0.0, 1.0]], [[0.0, 6.0, 0.0, 1.0]]]
    """
    counts = np.zeros((2, len(sample) * (max_distance + 1)))
    for block in cross_join_blocks(sample, codes, max_distance):
        others = block.score > 0  # of distinct codes only a code itself is at distance 0
        place = block.left[others] * (max_distance + 1) + block.score[others]
        for counted, weight in zip(counts, (None, images[block.right[others]]), strict=True):
            counted += np.bincount(place, weight, counts.shape[1])
    return counts.reshape(2, len(sample), max_distance + 1)


def estimate_pairs(of_each: np.ndarray, population: int, least: float = 1.0) -> PairEstimate:
    """Estimate how many pairs there are, from those that each member of a sample takes part in.

    N members have ``N / 2`` times the mean of these numbers. Their sum over the sample is taken to be gamma
    distributed, with the variance of a sum drawn without replacement: it knows of clusters by the spread between the
    numbers. Where few members have a partner and the others none, that is Garwood's exact interval of a Poisson count,
    with unequal numbers that of Fay and Feuer ("Confidence intervals for directly standardized rates", Statistics in
    Medicine 16, 1997); where many have some, it is the normal interval. The upper end allows for one member more than
    was drawn, with as many pairs as any that was.

    Each end is wrong in half of ``1 - CONFIDENCE`` of all samples, but for one case that no sample can tell: clusters
    of together fewer than about N / m members may be missed whole, and then the upper end is too low. The lower end
    holds for them too.

    Args:
        of_each: float64 (m, t), by threshold, for members drawn evenly.
        population: N, how many members there are.
        least: what a member that has a partner takes part in at least, where no sampled one has any.

    Returns:
        Intervals; without width if the sample is the population.

    Raises:
        ValueError: if the sample is larger than the population, or has fewer than 2 of more members.

    Example:
        >>> estimate_pairs(np.array([[0.0, 1.0], [1.0, 2.0], [1.0, 1.0]]), 3).low.tolist()
        [1.0, 2.0]
    """
    size = len(of_each)
    if size > population or (size < 2 and size < population):
        raise ValueError(f"sample must hold 2 to population = {population} codes, not {size}")
    seen = of_each.sum(axis=0)
    if size == population:
        return PairEstimate(seen / 2, seen / 2)
    unseen, most = 1.0 - size / population, of_each.max(axis=0)
    variance = of_each.var(axis=0, ddof=1) * size
    low = _quantile(_BEYOND, seen, np.maximum(variance, most**2) * unseen)
    one_more = np.maximum(most, least)
    high = _quantile(1.0 - _BEYOND, seen + one_more * unseen, (variance + one_more**2) * unseen)
    return PairEstimate(low * population / (2 * size), high * population / (2 * size))


def within(reached: np.ndarray) -> np.ndarray:
    """Return the counts within each threshold, from those of what reaches so many thresholds and no more.

    Args:
        reached: float64 (m, t), by how many thresholds are reached, 1 to t, the loosest first.

    Example:
        >>> within(np.array([[3.0, 0.0, 1.0]])).tolist()
        [[4.0, 1.0, 1.0]]
    """
    return reached[:, ::-1].cumsum(axis=1)[:, ::-1]


def enough(size: int, population: int, pairs_seen: int, most_partners: float) -> int:
    """Return how many of a sample to compare with all, so that they have no more partners than that: at least 100.

    Args:
        size: m, how many were drawn.
        population: N, how many there are.
        pairs_seen: how many pairs the sample has in itself.
        most_partners: how many partners the compared ones may have together.

    Example:
        >>> enough(1000, 100_000, 499_500, 20_000_000)
        200
    """
    if not pairs_seen:
        return size
    return min(size, max(_FEWEST, round(most_partners / partners_of_one(size, population, pairs_seen))))


def partners_of_one(size: int, population: int, pairs_seen: int) -> float:
    """Return how many partners one member has among all, by the pairs that a sample has in itself.

    Example:
        >>> partners_of_one(1000, 100_000, 499_500)
        99999.0
    """
    return 2 * pairs_seen / size * (population - 1) / (size - 1) if pairs_seen else 0.0


def _quantile(share: float, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return the quantile of gamma distributions, float64 (t,); 0 where the mean is."""
    spread = np.divide(variance, mean, out=np.ones_like(mean), where=mean > 0.0)
    return np.where(mean > 0.0, spread * gammaincinv(mean / spread, share), 0.0)
