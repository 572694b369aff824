"""How many pairs a cosine join will yield, told from a sample before it runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dedup_core.cosine import self_join_blocks

_LEAST_SAMPLE = 3


@dataclass(frozen=True)
class SimilarityEstimate:
    """How many pairs to expect at each threshold.

    Attributes:
        thresholds: float64 (t,), ascending.
        pairs: float64 (t,), the expected number of pairs whose similarity is at least that.
        standard_error: float64 (t,).
    """

    thresholds: np.ndarray
    pairs: np.ndarray
    standard_error: np.ndarray


def estimate_pairs(
    sample: np.ndarray, population: int, thresholds: np.ndarray, counts: np.ndarray | None = None
) -> SimilarityEstimate:
    """Estimate from a sample of distinct vectors how many pairs of images reach each threshold.

    A pair is seen only if both its vectors are sampled, so the pairs of the sample stand for
    ``N (N - 1) / (m (m - 1))`` times as many. The error is the jackknife's (Efron, Stein: The Jackknife Estimate of
    Variance, 1981), which leaves out each vector in turn, so that it knows of clusters, and at least what one more pair
    in the sample would change. Images that share a vector are pairs too, but need no estimate: they are not counted.

    Args:
        sample: float32 (m, d), distinct vectors drawn evenly from all distinct vectors.
        population: N, the number of all distinct vectors.
        thresholds: float64 (t,), least similarities from -1 to 1, ascending.
        counts: int64 (m,), how many images each sampled vector stands for; one each if not given.

    Returns:
        The estimate, exact and without error if the sample is the population.

    Raises:
        ValueError: if the sample is larger than the population, or has fewer than 3 of more vectors.

    Example:
        >>> some = np.float32([[1, 0], [1, 1], [0, 1]])
        >>> estimate_pairs(some, 3, np.array([0.0, 0.5, 0.9])).pairs.tolist()
        [3.0, 2.0, 0.0]
    """
    size = len(sample)
    if size > population or (size < _LEAST_SAMPLE and size < population):
        raise ValueError(f"sample must hold 3 to population = {population} vectors, not {size}")
    thresholds = np.asarray(thresholds, np.float64)
    weights = np.ones(size) if counts is None else np.asarray(counts, np.float64)
    partners = _pairs_by_vector(sample, weights, thresholds)
    seen = partners.sum(axis=0) / 2
    if size == population:
        return SimilarityEstimate(thresholds, seen, np.zeros(len(thresholds)))
    scale = population * (population - 1) / (size * (size - 1))
    without = (seen - partners) * (population * (population - 1) / ((size - 1) * (size - 2)))
    variance = (size - 1) / size * ((without - without.mean(axis=0)) ** 2).sum(axis=0) * (1 - size / population)
    return SimilarityEstimate(thresholds, seen * scale, np.maximum(np.sqrt(variance), scale))


def _pairs_by_vector(sample: np.ndarray, weights: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Return float64 (m, t): the pairs that each vector takes part in, by threshold."""
    shape = len(sample), len(thresholds)
    partners = np.zeros(shape[0] * shape[1])
    for block in self_join_blocks(sample, float(thresholds[0])):
        weight = weights[block.left] * weights[block.right]
        strictest = np.searchsorted(thresholds, block.score, side="right") - 1
        for vector in (block.left, block.right):
            partners += np.bincount(vector * shape[1] + strictest, weight, len(partners))
    return partners.reshape(shape)[:, ::-1].cumsum(axis=1)[:, ::-1]
