"""Comparing words with vectors of words: compiled as uncompiled, and as counting bits one by one."""

import naive
import numba
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dedup_core.hamming.popcount import (
    ROWS,
    SPARE,
    STEP,
    VECTOR_BYTES,
    columns_within,
    rows_within,
)
from dedup_core.jit.bits import lowest_bit, popcount


@numba.njit
def compiled_columns_within(rows, span, columns, column, limit):
    return columns_within(rows, span, columns, column, limit)


@numba.njit
def compiled_rows_within(rows, first, word, limit):
    return rows_within(rows, first, word, limit)


@numba.njit
def compiled_popcount(word):
    return popcount(word)


@numba.njit
def compiled_lowest_bit(word):
    return lowest_bit(word)


def set_bits(word):
    return {place for place in range(64) if int(word) >> place & 1}


def nearby_words(seed, dtype, size, flips):
    """Two arrays of words that are one word with some bits flipped."""
    random = np.random.default_rng(seed)
    bits = np.dtype(dtype).itemsize * 8
    words = np.full((2, size), random.integers(0, 2**bits, dtype=dtype))
    for _ in range(flips):
        words ^= dtype(1) << random.integers(0, bits, words.shape, dtype=dtype)
    return words


@given(word=st.integers(0, 2**64 - 1))
@settings(deadline=None)
def test_popcount_is_the_oracles(word):
    assert popcount(word) == compiled_popcount(np.uint64(word)) == bin(word).count("1")
    assert popcount(word >> 32) == compiled_popcount(np.uint32(word >> 32)) == bin(word >> 32).count("1")


@given(word=st.integers(1, 2**64 - 1))
@settings(deadline=None)
def test_lowest_bit_is_the_smallest_of_all(word):
    assert lowest_bit(np.uint64(word)) == compiled_lowest_bit(np.uint64(word)) == min(set_bits(word))


@pytest.mark.parametrize("dtype", [np.uint64, np.uint32])
@given(
    seed=st.integers(0, 2**32),
    flips=st.integers(0, 40),
    first=st.integers(0, 20),
    rows=st.integers(0, 40),
    column=st.integers(0, 30),
    limit=st.integers(0, 64),
)
@example(seed=0, flips=0, first=0, rows=0, column=0, limit=64)
@settings(deadline=None)
def test_columns_within_names_the_near_columns(dtype, seed, flips, first, rows, column, limit):
    words = nearby_words(seed, dtype, max(first + rows, column + 1) + SPARE, flips)
    stop = first + rows
    arguments = (words[0], (np.uint64(first), np.uint64(stop)), words[1], *map(np.uint64, (column, limit)))

    def near(end):
        nearby = words[1, column : column + VECTOR_BYTES // words.itemsize].astype(np.uint64)
        return {lane for _, lane, _ in naive.hamming_cross_join(words[0, first:end].astype(np.uint64), nearby, limit)}

    compiled, plain = set_bits(compiled_columns_within(*arguments)), set_bits(columns_within(*arguments))
    assert plain == near(stop)
    assert near(stop) <= compiled <= (near(stop + STEP - 1) if rows else set())


@pytest.mark.parametrize("dtype", [np.uint64, np.uint32])
@given(seed=st.integers(0, 2**32), flips=st.integers(0, 40), first=st.integers(0, 20), limit=st.integers(0, 64))
@settings(deadline=None)
def test_rows_within_names_the_near_rows(dtype, seed, flips, first, limit):
    words = nearby_words(seed, dtype, first + 1 + SPARE, flips)
    arguments = words[0], np.uint64(first), words[1, 0], np.uint64(limit)
    rows, word = words[0, first : first + ROWS].astype(np.uint64), words[1, :1].astype(np.uint64)
    expected = {row for row, _, _ in naive.hamming_cross_join(rows, word, limit)}
    assert set_bits(compiled_rows_within(*arguments)) == set_bits(rows_within(*arguments)) == expected
