"""How many pairs a join will yield, told from a sample before it runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dedup_core.hamming import self_join_blocks


@dataclass(frozen=True)
class PairEstimate:
    """How many pairs to expect at each distance.

    Attributes:
        pairs: float64 (max_distance + 1,), the expected number of pairs at exactly that distance. Its cumulative sum
            says what each stricter threshold would yield.
        standard_error: float64 (max_distance + 1,).
    """

    pairs: np.ndarray
    standard_error: np.ndarray


def estimate_pairs(
    sample: np.ndarray, population: int, max_distance: int, counts: np.ndarray | None = None
) -> PairEstimate:
    """Estimate from a sample how many pairs of positions the join of all codes yields.

    A pair of distinct codes is seen only if both are sampled, so the pairs of the sample stand for
    ``N (N - 1) / (m (m - 1))`` times as many. The error is the jackknife's (Efron, Stein: The Jackknife Estimate of
    Variance, 1981), which leaves out each code in turn, so that it knows of clusters. It is at least what one more pair
    in the sample would change: a sample without a pair doesn't prove that there is none.

    Args:
        sample: uint64 or int64 (m,), distinct codes drawn evenly from all distinct codes.
        population: N, the number of all distinct codes.
        max_distance: 0 to 64.
        counts: int64 (m,), how often each sampled code occurs; once each if not given.

    Returns:
        Pairs at each distance 0 to max_distance, exact and without error if the sample is the population.

    Raises:
        ValueError: if codes repeat in the sample, it is larger than the population, or has fewer than 3 of more codes.

    Example:
        >>> estimate_pairs(np.array([0, 1, 3], np.uint64), 3, 2).pairs.tolist()
        [0.0, 2.0, 1.0]
    """
    size = len(sample)
    if len(np.unique(sample)) != size:
        raise ValueError("sample must hold distinct codes: give their repetitions as counts")
    if size > population or (size < 3 and size < population):
        raise ValueError(f"sample must hold 3 to population = {population} codes, not {size}")
    weights = np.ones(size) if counts is None else np.asarray(counts, np.float64)
    partners = _pairs_by_code(sample, weights, max_distance)
    repeats = np.zeros_like(partners)
    repeats[:, 0] = weights * (weights - 1) / 2
    if size == population:
        exact = partners.sum(axis=0) / 2 + repeats.sum(axis=0)
        return PairEstimate(exact, np.zeros_like(exact))
    pair_scale = population * (population - 1) / (size * (size - 1))
    pairs = partners.sum(axis=0) / 2 * pair_scale + repeats.sum(axis=0) * population / size
    least_error = np.where(np.arange(max_distance + 1) == 0, float(counts is not None) * population / size, pair_scale)
    return PairEstimate(pairs, np.maximum(_jackknife_error(partners, repeats, population), least_error))


def _pairs_by_code(sample: np.ndarray, weights: np.ndarray, max_distance: int) -> np.ndarray:
    """Return float64 (m, max_distance + 1): the pairs of positions each code takes part in, by distance."""
    shape = len(sample), max_distance + 1
    partners = np.zeros(shape[0] * shape[1])
    for block in self_join_blocks(sample, max_distance):
        weight = weights[block.left] * weights[block.right]
        for code in (block.left, block.right):
            partners += np.bincount(code * shape[1] + block.score, weight, len(partners))
    return partners.reshape(shape)


def _jackknife_error(partners: np.ndarray, repeats: np.ndarray, population: int) -> np.ndarray:
    """Return the standard error at each distance, from the estimates that leave out one code."""
    size = len(partners)
    pair_scale = population * (population - 1) / ((size - 1) * (size - 2))
    without = (partners.sum(axis=0) / 2 - partners) * pair_scale
    without += (repeats.sum(axis=0) - repeats) * population / (size - 1)
    variance = (size - 1) / size * ((without - without.mean(axis=0)) ** 2).sum(axis=0)
    return np.sqrt(variance * (1 - size / population))
