import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dedup_core.expansion import Members, expanded

KEYS = st.lists(st.integers(0, 6), max_size=25)
PAIRS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), unique=True, max_size=20)


def found(left, right, pairs, at_a_time):
    key_a, key_b = np.array(pairs, np.int64).reshape(-1, 2).T
    blocks = list(expanded(left, right, key_a, key_b, at_a_time))
    assert all(len(block[0]) <= at_a_time for block in blocks)
    return sorted(tuple(map(int, row)) for block in blocks for row in zip(*block, strict=True))


@given(KEYS, KEYS, PAIRS, st.integers(1, 30))
def test_pairs_of_keys_stand_for_all_pairs_of_their_members(left, right, pairs, at_a_time):
    sides = [Members.of(np.array(keys, np.int64), np.arange(len(keys)) + 100) for keys in (left, right)]
    expected = [
        (number, i + 100, j + 100)
        for number, (a, b) in enumerate(pairs)
        for i, j in itertools.product(range(len(left)), range(len(right)))
        if (left[i], right[j]) == (a, b)
    ]
    assert found(*sides, pairs, at_a_time) == expected


@given(KEYS, st.integers(1, 30))
def test_a_key_with_itself_stands_for_each_two_of_its_members_once(keys, at_a_time):
    members = Members.of(np.array(keys, np.int64), np.arange(len(keys)))
    pairs = [(key, key) for key in range(7)]
    expected = [(key, i, j) for key in range(7) for i, j in itertools.combinations(range(len(keys)), 2)
                if keys[i] == keys[j] == key]  # fmt: skip
    assert sorted((number, *sorted(ends)) for number, *ends in found(members, members, pairs, at_a_time)) == expected
