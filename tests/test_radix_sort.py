"""Sorting words in linear time gives the order of numpy's stable sort, and its values."""

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup_core.jit import radix_sort as module
from dedup_core.jit.radix_sort import radix_sort

SPREADS = {
    "all bits": lambda rng, size: rng.integers(0, 2**64, size, dtype=np.uint64),
    "low bits": lambda rng, size: rng.integers(0, 300, size, dtype=np.uint64),
    "high bits": lambda rng, size: rng.integers(0, 300, size, dtype=np.uint64) << np.uint64(55),
    "one byte in the middle": lambda rng, size: rng.integers(0, 256, size, dtype=np.uint64) << np.uint64(31),
    "one word": lambda rng, size: np.full(size, 2**64 - 1, np.uint64),
    "zero": lambda rng, size: np.zeros(size, np.uint64),
    "one part": lambda rng, size: rng.integers(0, 2**20, size, dtype=np.uint64) | np.uint64(1 << 63),
}


def check(words, dtype):
    values = np.arange(len(words)).astype(dtype)
    before = words.copy()
    order = np.argsort(words, kind="stable")
    found, carried = radix_sort(words, values)
    assert (words == before).all()
    assert (found == words[order]).all()
    assert (carried == values[order]).all()
    assert (found.dtype, carried.dtype) == (np.uint64, dtype)


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("dtype", [np.uint32, np.int16, np.float64])
@pytest.mark.parametrize("size", [0, 1, 2, 1023, 1024, 30_000])
def test_order_is_that_of_a_stable_sort(spread, dtype, size):
    check(SPREADS[spread](np.random.default_rng(size), size), dtype)


@given(
    words=st.lists(st.integers(0, 2**64 - 1), max_size=60), part_words=st.integers(1, 8), part_bits=st.integers(1, 9)
)
@settings(deadline=None)
def test_any_cut_into_parts_gives_the_same_order(words, part_words, part_bits):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PART_WORDS", part_words)
        patch.setattr(module, "MOST_PART_BITS", part_bits)
        check(np.array(words, np.uint64), np.uint32)


def test_examples():
    assert doctest.testmod(module, extraglobs={"np": np}).failed == 0
