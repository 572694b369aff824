"""The estimate of a join's size: exact when it sees everything, within its error when it doesn't."""

import doctest
from collections import Counter

import naive
import numpy as np
import pytest

from dedup_core import hamming_estimate
from dedup_core.hamming_estimate import estimate_pairs


def random_codes(rng, size):
    return rng.integers(0, 2**64, size, dtype=np.uint64)


def flipped(rng, codes, flips):
    """The codes with up to so many random bits changed in each."""
    for _ in range(flips):
        codes = codes ^ (np.uint64(1) << rng.integers(0, 64, len(codes), dtype=np.uint64))
    return codes


def test_estimate_of_everything_is_exact():
    rng = np.random.default_rng(7)
    codes = rng.choice(flipped(rng, np.repeat(random_codes(rng, 20), 10), 5), 300)
    distinct, counts = np.unique(codes, return_counts=True)
    estimate = estimate_pairs(distinct, len(distinct), 12, counts)
    expected = Counter(score for _, _, score in naive.hamming_self_join(codes, 12))
    assert estimate.pairs.tolist() == [expected[distance] for distance in range(13)]
    assert not estimate.standard_error.any()


def test_estimate_lies_within_its_error():
    rng = np.random.default_rng(3)
    codes = np.unique(np.concatenate([flipped(rng, np.full(40, code), 3) for code in random_codes(rng, 200)]))
    counts = rng.integers(1, 4, len(codes))
    truth = estimate_pairs(codes, len(codes), 6, counts).pairs
    misses = []
    for _ in range(30):
        chosen = rng.choice(len(codes), 1500, replace=False)
        estimate = estimate_pairs(codes[chosen], len(codes), 6, counts[chosen])
        misses.append((estimate.pairs - truth) / estimate.standard_error)
    assert np.abs(np.mean(misses, axis=0)).max() < 0.8
    assert np.std(misses, axis=0).max() < 1.6


def test_estimate_without_pairs_has_an_error():
    estimate = estimate_pairs(random_codes(np.random.default_rng(4), 100), 10_000, 3)
    assert estimate.pairs.tolist() == [0, 0, 0, 0]
    assert (estimate.standard_error[1:] > 1000).all()


@pytest.mark.parametrize(("sample", "population"), [([1, 1, 2], 9), ([1, 2, 3], 2), ([1, 2], 9)])
def test_estimate_refuses_bad_samples(sample, population):
    with pytest.raises(ValueError, match="sample must hold"):
        estimate_pairs(np.array(sample, np.uint64), population, 3)


def test_examples():
    assert doctest.testmod(hamming_estimate, extraglobs={"np": np}).failed == 0
