"""The estimate of a cosine join's size: exact when it sees everything, within its error when it doesn't."""

import doctest

import naive
import numpy as np
import pytest

from dedup_core import cosine_estimate
from dedup_core.cosine_estimate import estimate_pairs

THRESHOLDS = np.array([0.5, 0.8, 0.9, 0.99])


def clustered(rng, clusters, each, dimension=24, spread=0.3):
    centres = rng.standard_normal((clusters, 1, dimension))
    return (centres + spread * rng.standard_normal((clusters, each, dimension))).reshape(-1, dimension).astype("f4")


def test_estimate_of_everything_is_exact():
    rng = np.random.default_rng(7)
    vectors, counts = clustered(rng, 20, 10, spread=0.2), rng.integers(1, 4, 200)
    estimate = estimate_pairs(vectors, 200, THRESHOLDS, counts)
    similarities = naive.cosine_similarities(vectors, vectors)
    weights = np.outer(counts, counts)
    expected = [weights[np.triu(similarities >= threshold, 1)].sum() for threshold in THRESHOLDS]
    assert expected[2] > 0
    assert estimate.pairs.tolist() == expected
    assert not estimate.standard_error.any()


def test_estimate_lies_within_its_error():
    rng = np.random.default_rng(3)
    vectors = clustered(rng, 150, 20)
    counts = rng.integers(1, 4, len(vectors))
    truth = estimate_pairs(vectors, len(vectors), THRESHOLDS[:3], counts).pairs
    misses = []
    for _ in range(30):
        chosen = rng.choice(len(vectors), 800, replace=False)
        estimate = estimate_pairs(vectors[chosen], len(vectors), THRESHOLDS[:3], counts[chosen])
        misses.append((estimate.pairs - truth) / estimate.standard_error)
    assert np.abs(np.mean(misses, axis=0)).max() < 0.8
    assert np.std(misses, axis=0).max() < 1.6


def test_estimate_without_pairs_has_an_error():
    estimate = estimate_pairs(np.eye(50, dtype="f4"), 10_000, THRESHOLDS)
    assert estimate.pairs.tolist() == [0, 0, 0, 0]
    assert (estimate.standard_error > 10_000).all()


@pytest.mark.parametrize(("size", "population"), [(3, 2), (2, 9)])
def test_estimate_refuses_bad_samples(size, population):
    with pytest.raises(ValueError, match="sample must hold"):
        estimate_pairs(np.eye(size, dtype="f4"), population, THRESHOLDS)


def test_examples():
    assert doctest.testmod(cosine_estimate, extraglobs={"np": np}).failed == 0
