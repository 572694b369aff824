"""Comparing rows with a vector of columns: compiled as uncompiled, and as counting bits one by one."""

import naive
import numba
import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from dedup_core.popcount import LANES, STEP, lanes_within, popcount


@numba.njit
def compiled_lanes_within(rows, span, columns, column, limit):
    return lanes_within(rows, span, columns, column, limit)


@numba.njit
def compiled_popcount(word):
    return popcount(word)


@given(word=st.integers(0, 2**64 - 1))
def test_popcount_is_the_oracles(word):
    assert popcount(word) == compiled_popcount(np.uint64(word)) == bin(word).count("1")


@given(
    seed=st.integers(0, 2**32),
    flips=st.integers(0, 40),
    first=st.integers(0, 20),
    rows=st.integers(0, 40),
    column=st.integers(0, 30),
    limit=st.integers(0, 64),
)
@example(seed=0, flips=0, first=0, rows=0, column=0, limit=64)
def test_lanes_within_names_the_near_columns(seed, flips, first, rows, column, limit):
    random = np.random.default_rng(seed)
    codes = np.full((2, max(first + rows, column + 1) + LANES), random.integers(0, 2**64, dtype=np.uint64))
    for _ in range(flips):
        codes ^= np.uint64(1) << random.integers(0, 64, codes.shape, dtype=np.uint64)
    stop = first + rows
    arguments = (codes[0], (np.uint64(first), np.uint64(stop)), codes[1], *map(np.uint64, (column, limit)))

    def near(end):
        nearby = codes[1, column : column + LANES]
        return {lane for _, lane, _ in naive.hamming_cross_join(codes[0, first:end], nearby, limit)}

    compiled, plain = (
        {lane for lane in range(64) if int(bits) >> lane & 1}
        for bits in (compiled_lanes_within(*arguments), lanes_within(*arguments))
    )
    assert plain == near(stop)
    assert near(stop) <= compiled <= (near(stop + STEP - 1) if rows else set())
