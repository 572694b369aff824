"""Cells: every vector has its nearest, a margin adds those that are nearly as near, and like vectors share one."""

import doctest

import naive
import numpy as np
import pytest

from dedup_core.cosine import cells
from dedup_core.cosine.cells import cells_of, fit_cells


def clustered(clusters, each, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((clusters, 1, 16))
    vectors = centres + 0.1 * rng.standard_normal((clusters, each, 16))
    return (vectors * rng.uniform(0.1, 10, (clusters, each, 1))).reshape(-1, 16).astype("f4")


@pytest.mark.parametrize("margin", [0.0, 0.2, 2.0])
def test_cells_are_those_within_the_margin(margin):
    vectors = clustered(6, 20)
    centres = fit_cells(vectors, 9)
    similarities = naive.cosine_similarities(vectors, centres)
    slack = similarities - (similarities.max(axis=1, keepdims=True) - margin)
    found = np.zeros(slack.shape, bool)
    found[cells_of(vectors, centres, margin)] = True
    assert found.any(axis=1).all()
    assert (found == (slack >= 0))[np.abs(slack) > 1e-5].all()
    assert margin < 2.0 or found.all()


def test_like_vectors_share_a_cell():
    """Even where two centres divide a cluster between them: that is what the margin is for."""
    vectors = clustered(5, 30)
    member = np.zeros((150, 5), bool)
    member[cells_of(vectors, fit_cells(vectors, 5), 0.1)] = True
    for first in range(0, 150, 30):
        assert member[first : first + 30].all(axis=0).any()


def test_zero_vectors_and_nothing_at_all():
    assert fit_cells(np.zeros((4, 3), "f4"), 2).tolist() == [[0.0, 0.0, 0.0]]
    centres = fit_cells(np.eye(3, dtype="f4"), 2)
    rows, cells = cells_of(np.zeros((2, 3), "f4"), centres, 0.0)
    assert (rows.tolist(), cells.tolist()) == ([0, 0, 1, 1], [0, 1, 0, 1])  # as near to one as to the other
    assert [len(part) for part in cells_of(np.zeros((0, 3), "f4"), centres, 0.0)] == [0, 0]


def test_examples():
    assert doctest.testmod(cells, extraglobs={"np": np}).failed == 0
