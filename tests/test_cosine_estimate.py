"""The estimate of a cosine join's size: partners are those of the oracle, and the estimate of everything is exact."""

import doctest

import naive
import numpy as np
import pytest

from dedup_core.cosine import estimate
from dedup_core.cosine.bounds import Basis
from dedup_core.cosine.estimate import partners
from dedup_core.hamming.estimate import estimate_pairs, within

THRESHOLDS = np.array([0.5, 0.8, 0.9, 0.99])


def clustered(rng, clusters, each, dimension=24, spread=0.3):
    centres = rng.standard_normal((clusters, 1, dimension))
    return (centres + spread * rng.standard_normal((clusters, each, dimension))).reshape(-1, dimension).astype("f4")


def triples(blocks):
    columns = [
        np.concatenate([getattr(block, name) for block in blocks]).tolist() for name in ("left", "right", "score")
    ]
    return sorted(zip(*columns, strict=True))


@pytest.mark.parametrize("thresholds", [THRESHOLDS, np.array([-1.0, -0.5, 0.0, 0.5]), np.array([1.0])])
def test_partners_are_those_of_the_oracle_with_the_thresholds_they_reach(thresholds):
    rng = np.random.default_rng(1)
    vectors = clustered(rng, 12, 8)
    vectors[[3, 40]], vectors[7] = 0.0, vectors[20]
    sample = vectors[::5]
    basis = Basis.fit(vectors, float(thresholds[0]))
    expected = naive.cosine_partners(sample, vectors, thresholds)
    if thresholds[0] == 1.0:  # the oracle's rounding leaves some vectors just less than 1 like themselves
        are_equal = (sample[:, None] == vectors).all(axis=2) & sample.any(axis=1)[:, None]
        expected = [(int(i), int(j), 1) for i, j in np.argwhere(are_equal)]
    assert triples(list(partners(sample, vectors, thresholds, basis))) == expected


def test_of_those_that_reach_so_many_thresholds_each_threshold_has_all_that_reach_more():
    assert within(np.array([[1.0, 0.0, 4.0], [0.0, 2.0, 0.0]])).tolist() == [[5.0, 4.0, 4.0], [2.0, 2.0, 0.0]]


def test_estimate_of_everything_is_exact():
    rng = np.random.default_rng(7)
    vectors, images = clustered(rng, 20, 10, spread=0.2), rng.integers(1, 4, 200)
    reached = np.zeros((200, len(THRESHOLDS)))
    for block in partners(vectors, vectors, THRESHOLDS, Basis.plain(24)):
        others = block.left != block.right
        np.add.at(reached, (block.left[others], block.score[others] - 1), images[block.right[others]])
    estimate = estimate_pairs(images[:, None] * within(reached), 200)
    similarities = naive.cosine_similarities(vectors, vectors)
    weights = np.outer(images, images)
    expected = [weights[np.triu(similarities >= threshold, 1)].sum() for threshold in THRESHOLDS]
    assert expected[2] > 0
    assert estimate.low.tolist() == estimate.high.tolist() == expected


def test_examples():
    assert doctest.testmod(estimate, extraglobs={"np": np}).failed == 0
