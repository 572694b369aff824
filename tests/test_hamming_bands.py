"""Bands: whatever two close codes differ in, one band has them as candidates; and a sketch lets few others through."""

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_hamming import joined

from dedup_core.hamming.bands import SKETCH_BITS, cut, with_sketches, words_within
from dedup_core.hamming.buckets import Room
from dedup_core.hamming.kernels import count_candidates

EVEN = np.full(64, 0.5)
UNEVEN = np.random.default_rng(3).uniform(0.3, 0.99, 64)
FIXED = np.where(np.arange(64) % 3, 0.5, 1.0)  # every third bit is the same in all codes
FEW = np.where(np.arange(64) < 4, 0.5, 1.0)  # nearly every bit is


def are_candidates(band, differing):
    mask, radius, both, limit = map(int, band.condition)
    return (differing & mask).bit_count() <= radius and (differing & both).bit_count() <= limit


@pytest.mark.parametrize("max_distance", range(65))
@pytest.mark.parametrize("bands", [1, 2, 3, 7])
def test_radii_leave_no_way_past_every_band(max_distance, bands):
    plan = cut(max_distance, bands, 24, EVEN)
    assert sum(band.radius + 1 for band in plan) == max_distance + 1


@given(
    data=st.data(),
    max_distance=st.integers(0, 40),
    bands=st.integers(1, 8),
    widest=st.integers(1, 24),
    agreement=st.sampled_from([EVEN, UNEVEN, FIXED, FEW]),
)
@settings(max_examples=400, deadline=None)
def test_whatever_close_codes_differ_in_they_are_candidates_of_a_band(data, max_distance, bands, widest, agreement):
    whole = cut(max_distance, min(bands, max_distance + 1), widest, agreement)
    sketched = with_sketches(whole, max_distance, agreement)
    chosen = data.draw(st.tuples(*[st.booleans()] * len(whole)))
    plan = [pair[choice] for pair, choice in zip(zip(whole, sketched, strict=True), chosen, strict=True)]
    # Differences are drawn by the band, so that those at the edge of every radius come up.
    differing, left = 0, max_distance
    others = tuple(set(range(64)) - {bit for band in plan for bit in band.bits})
    for bits in data.draw(st.permutations([*(band.bits for band in plan), others])):
        flipped = data.draw(st.lists(st.sampled_from(bits), unique=True, max_size=left)) if bits and left else []
        differing |= sum(1 << bit for bit in flipped)
        left -= len(flipped)
    assert any(are_candidates(band, differing) for band in plan)


def test_bands_share_no_bit_and_skip_constant_bits():
    agreement = EVEN.copy()
    agreement[[0, 63]] = 1.0
    plan = cut(10, 4, 24, agreement)
    assert [band.radius for band in plan] == [2, 2, 2, 1]
    assert sorted(bit for band in plan for bit in band.bits) == list(range(1, 63))


@pytest.mark.parametrize(("max_distance", "bands", "widest"), [(3, 1, 20), (3, 2, 24), (10, 4, 17), (12, 5, 13)])
def test_a_sketch_is_of_other_bits_and_tells_more_than_the_band_alone(max_distance, bands, widest):
    plan = with_sketches(cut(max_distance, bands, widest, EVEN), max_distance, EVEN)
    for band in plan:
        assert 0 < len(set(band.sketch)) == len(band.sketch) <= SKETCH_BITS
        assert not set(band.sketch).intersection(band.bits)
        assert band.radius <= band.limit <= max_distance
        assert 0 < band.passing < band.share / 100


@pytest.mark.parametrize("agreement", [EVEN, UNEVEN], ids=["even", "uneven"])
def test_shares_are_those_of_codes_with_independent_bits(agreement):
    rng = np.random.default_rng(0)
    # Two codes agree with probability p^2 + (1 - p)^2 in a bit that is set with probability p.
    agreement = np.maximum(agreement, 0.5)
    ones = 0.5 + np.sqrt(agreement / 2 - 0.25)
    bits = rng.random((2, 3000, 64)) < ones
    codes = (bits.astype(np.uint64) << np.arange(64, dtype=np.uint64)).sum(axis=2, dtype=np.uint64)
    for band in with_sketches(cut(20, 4, 12, agreement), 20, agreement):
        near, passing = (count / 3000**2 for count in count_candidates(codes[0], codes[1], band.condition))
        assert near == pytest.approx(band.share, rel=0.15)
        assert passing == pytest.approx(band.passing, rel=0.25)


@pytest.mark.parametrize("agreement", [np.ones(64), FEW], ids=["none", "few"])
def test_a_band_without_a_telling_bit_after_it_compares_whole_codes(agreement):
    whole = cut(9, 3, 8, agreement)
    plan = with_sketches(whole, 9, agreement)
    assert any(not band.sketch for band in plan)
    for band, sketched in zip(whole, plan, strict=True):
        if not sketched.sketch:
            assert sketched.condition.tolist() == band.condition.tolist()


def test_codes_with_few_telling_bits_are_paired_once():
    codes = np.arange(16, dtype=np.uint64)
    codes = np.concatenate([codes, codes ^ np.uint64(0xFF00)])
    plan = with_sketches(cut(9, 3, 8, FEW), 9, FEW)
    assert joined(codes, None, 9, plan) == naive.hamming_self_join(codes, 9)


def test_words_within_are_all_of_at_most_so_many_bits():
    assert sorted(words_within(5, 2).tolist()) == [word for word in range(32) if word.bit_count() <= 2]
    assert words_within(0, 3).tolist() == [0]


@pytest.mark.parametrize("sketched", [False, True])
def test_buckets_hold_each_code_once_in_the_order_of_its_bits(sketched):
    codes = np.random.default_rng(1).integers(0, 2**64, 500, dtype=np.uint64)
    plan = cut(10, 4, 6, EVEN)
    room = Room.of(len(codes))
    for band in with_sketches(plan, 10, EVEN) if sketched else plan:  # one room for all
        buckets = band.sort(codes, room)
        ordered = buckets.codes[: len(codes)]
        assert (ordered == codes[buckets.ids]).all()
        assert not buckets.codes[len(codes) :].any()
        keys = gathered(ordered, band.bits)
        assert np.diff(buckets.starts.astype(int)).tolist() == np.bincount(keys, minlength=64).tolist()
        assert (np.diff(keys) >= 0).all()
        compared = gathered(ordered, band.sketch) if sketched else ordered
        assert buckets.compared[: len(codes)].tolist() == compared.tolist()


def gathered(codes, bits):
    return sum(((codes >> np.uint64(bit)) & np.uint64(1)).astype(np.int64) << place for place, bit in enumerate(bits))
