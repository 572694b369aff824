"""Pairs in one order, whether they fit a machine word or not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup_core.pairs import Pairs

PLACES = {"few": 3, "a word is just enough": 2**32 - 1, "one word is too short": 2**32}


@pytest.mark.parametrize("most", PLACES.values(), ids=PLACES.keys())
@pytest.mark.parametrize("score_dtype", [np.int16, np.float64])
@given(data=st.data())
@settings(deadline=None)  # the first call compiles
def test_sorted_is_pythons_order(most, score_dtype, data):
    places = st.integers(0, most)
    rows = data.draw(st.lists(st.tuples(places, places, st.integers(0, 64)), unique_by=lambda row: row[:2]))
    rows = [row for row in rows if row[:2] != (most, most)] + [(most, most, 64)]
    left, right, score = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    found = Pairs(left, right, score.astype(score_dtype)).sorted()
    assert list(zip(found.left.tolist(), found.right.tolist(), found.score.tolist(), strict=True)) == sorted(rows)
    assert (found.left.dtype, found.right.dtype, found.score.dtype) == (np.int64, np.int64, score_dtype)


def test_negative_scores_keep_their_sign():
    found = Pairs(np.array([2, 1]), np.array([0, 5]), np.array([-3, 4], np.int16)).sorted()
    assert found.score.tolist() == [4, -3]


def test_negative_positions_keep_their_sign():
    found = Pairs(np.array([5, -1]), np.array([-2, 0]), np.array([1, 3], np.int16)).sorted()
    assert (found.left.tolist(), found.right.tolist(), found.score.tolist()) == ([-1, 5], [0, -2], [3, 1])


def test_no_pairs_are_sorted():
    assert len(Pairs.empty(np.int16).sorted()) == 0
