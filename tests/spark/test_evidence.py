"""What geometry says of a pair, as numbers: it can be turned, and comes back as the columns of a table."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedup_core.relations import RELATIONS
from dedup_core.spark import evidence

SHARE = st.floats(0, 1)


def numbers(**told):
    values = dict.fromkeys(evidence.NUMBERS, math.nan) | told
    return {name: np.array([value], np.float64) for name, value in values.items()}


@given(SHARE, SHARE, st.sampled_from([0, 1, math.nan]), st.floats(-180, 180), st.booleans(), st.floats(-3, 3))
def test_turning_it_twice_changes_nothing_and_once_says_the_same_of_the_other_side(a, b, derived, by, flipped, scale):
    linear = [[math.cos(by), -math.sin(by)], [math.sin(by), math.cos(by)]]
    matrix = np.array(linear) @ np.diag([2.0**scale, -(2.0**scale) if flipped else 2.0**scale])
    whole = np.column_stack([matrix, [30.0, -8.0]])
    places = dict(zip(evidence.TRANSFORM, whole.ravel(), strict=True))
    some = numbers(overlap_a=a, overlap_b=b, derived=derived, degrees=by, mirrored=flipped, relation=3, **places)
    once = evidence.turned(some, np.array([True]))
    assert (once["overlap_a"][0], once["overlap_b"][0]) == (b, a)
    assert once["degrees"][0] == (by if flipped else -by)
    back = np.array([once[name][0] for name in evidence.TRANSFORM]).reshape(2, 3)
    assert back @ np.append(whole @ [5.0, 7.0, 1.0], 1.0) == pytest.approx([5.0, 7.0], abs=1e-6)
    twice = evidence.turned(once, np.array([True]))
    for name in evidence.NUMBERS:
        assert twice[name] == pytest.approx(some[name], abs=1e-6, nan_ok=True), name
    left = evidence.turned(some, np.array([False]))
    assert all(np.array_equal(left[name], some[name], equal_nan=True) for name in evidence.NUMBERS)


def test_numbers_become_columns_and_what_is_not_known_null():
    places = dict(zip(evidence.TRANSFORM, (0.5, 0.0, 1.0, 0.0, 0.5, 2.0), strict=True))
    told = numbers(inliers=31, overlap_a=0.25, relation=RELATIONS.index("cropped"), derived=1, mirrored=0, **places)
    row = {field.name: array.to_pylist()[0]
           for field, array in zip(evidence.FIELDS, evidence.as_arrays(told), strict=True)}  # fmt: skip
    assert row == {
        "inliers": 31, "overlap_a": 0.25, "overlap_b": None, "likeness": None, "worst_tile": None,
        "relation": "cropped", "derived": "b", "degrees": None, "mirrored": False,
        "transform": [0.5, 0.0, 1.0, 0.0, 0.5, 2.0],
    }  # fmt: skip
    assert [array.to_pylist() for array in evidence.as_arrays(numbers())] == [[None]] * len(evidence.FIELDS)
