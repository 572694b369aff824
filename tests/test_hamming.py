"""The Hamming join: every plan gives exactly the pairs of the slow oracle, for any codes, in any order."""

import doctest
import math

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup_core.hamming import join, plan, search
from dedup_core.hamming.bands import SCAN, cut, with_sketches
from dedup_core.hamming.blocks import scan
from dedup_core.hamming.join import cross_join, cross_join_blocks, self_join, self_join_blocks
from dedup_core.hamming.plan import choose_plan
from dedup_core.methods.few_hashes import few_pairs
from dedup_core.pairs import Pairs

EVEN = np.full(64, 0.5)  # bits that agree in half of all pairs
UNEVEN = np.random.default_rng(5).uniform(0.3, 0.95, 64)


def plan_of(max_distance, bands, width, sketches="all", agreement=EVEN):
    """A plan whose bands compare sketches first: all of them, none, or every other one."""
    whole = cut(max_distance, bands, width, agreement)
    sketched = with_sketches(whole, max_distance, agreement)
    chosen = {"all": lambda k: True, "none": lambda k: False, "some": lambda k: k % 2 == 0}[sketches]
    return tuple(sketched[k] if chosen(k) else whole[k] for k in range(bands))


def triples(pairs):
    return list(zip(pairs.left.tolist(), pairs.right.tolist(), pairs.score.tolist(), strict=True))


def joined(left, right, max_distance, plan=None, block_pairs=1000):
    """All pairs of one explicit plan, sorted."""
    return triples(
        Pairs.concatenate(join._join_blocks(left, right, max_distance, block_pairs, plan), np.int16).sorted()
    )


def flipped(rng, codes, flips):
    """The codes with up to so many random bits changed in each."""
    for _ in range(flips):
        codes = codes ^ (np.uint64(1) << rng.integers(0, 64, len(codes), dtype=np.uint64))
    return codes


def random_codes(rng, size):
    return rng.integers(0, 2**64, size, dtype=np.uint64)


def phash_like(rng, size):
    """The top bit and 32 others, as PHash sets them."""
    codes = np.array([sum(1 << int(bit) for bit in rng.permutation(63)[:32]) for _ in range(size)], np.uint64)
    return codes | np.uint64(1 << 63)


def uniform(rng):
    codes = random_codes(rng, 200)
    return np.concatenate([codes, codes[:30], flipped(rng, codes[:60], 6), flipped(rng, codes[:60], 11)])


def clusters(rng):
    return np.concatenate([flipped(rng, np.full(60, code), 5) for code in random_codes(rng, 4)])


def half_zero(rng):
    return np.concatenate([random_codes(rng, 150) << np.uint64(32), random_codes(rng, 150) >> np.uint64(32)])


def phashes(rng):
    codes = phash_like(rng, 150)
    ones = np.uint64(1) << rng.integers(0, 63, (4, len(codes)), dtype=np.uint64)
    return np.concatenate([codes, codes[:20], codes ^ ones[0] ^ ones[1], codes ^ ones[2] ^ ones[3]])


SKEWS = {
    "uniform": uniform,
    "clusters": clusters,
    "half_zero": half_zero,
    "phashes": phashes,
    "constant": lambda rng: np.full(40, random_codes(rng, 1)[0]),
    "two_codes": lambda rng: rng.choice(random_codes(rng, 2), 60),
    "few_bits": lambda rng: rng.integers(0, 64, 200, dtype=np.uint64),
    "opposite": lambda rng: np.array([0, 2**64 - 1, 0, 1, 2**64 - 2], np.uint64),
}


@pytest.fixture(params=SKEWS)
def codes(request):
    return rng_codes(request.param)


def rng_codes(name, seed=7):
    rng = np.random.default_rng(seed)
    return rng.permutation(SKEWS[name](rng))


@pytest.fixture
def small_machine(monkeypatch):
    """Buffers and blocks so small that every loop is left and entered again, and planning for any size."""
    monkeypatch.setattr(search, "BUFFERED_CANDIDATES", 3)
    monkeypatch.setattr(search, "CACHED_CODES", 16)
    monkeypatch.setattr(plan, "SMALL_JOIN", 0)
    monkeypatch.setattr(plan, "FEWEST_SAMPLED", 32)


@pytest.mark.parametrize("max_distance", [0, 1, 2, 3, 5, 10, 11, 16, 33, 63, 64])
def test_join_of_few_codes_equals_oracle(codes, max_distance):
    assert triples(self_join(codes, max_distance)) == naive.hamming_self_join(codes, max_distance)
    left, right = codes[: len(codes) // 3], codes[len(codes) // 3 :]
    assert triples(cross_join(left, right, max_distance)) == naive.hamming_cross_join(left, right, max_distance)
    assert triples(few_pairs(codes, None, max_distance)) == triples(self_join(codes, max_distance))
    assert triples(few_pairs(left, right, max_distance)) == triples(cross_join(left, right, max_distance))


@pytest.mark.parametrize(
    ("max_distance", "bands", "width"),
    [
        *((0, 1, 5), (1, 2, 9), (2, 3, 4), (3, 2, 8), (4, 5, 6)),
        *((8, 2, 4), (10, 3, 7), (10, 4, 9), (12, 4, 3), (20, 3, 6)),
        *((10, 4, 16), (14, 4, 16), (16, 5, 13)),  # of these a sketch may differ in less than the codes
    ],
)
@pytest.mark.parametrize("sketches", ["all", "none", "some"])
@pytest.mark.parametrize("agreement", [EVEN, UNEVEN], ids=["even", "uneven"])
def test_every_plan_gives_the_same_pairs(codes, max_distance, bands, width, sketches, agreement, small_machine):
    plan = plan_of(max_distance, bands, width, sketches, agreement)
    assert joined(codes, None, max_distance, plan) == naive.hamming_self_join(codes, max_distance)
    left, right = codes[::2], codes[1::2]
    assert joined(left, right, max_distance, plan) == naive.hamming_cross_join(left, right, max_distance)


@pytest.mark.parametrize("max_distance", [0, 1, 3, 10, 16, 64])
def test_plans_chosen_for_skewed_codes_are_exact(codes, max_distance, small_machine):
    assert triples(self_join(codes, max_distance)) == naive.hamming_self_join(codes, max_distance)
    left, right = codes[: len(codes) // 3], codes[len(codes) // 3 :]
    assert triples(cross_join(left, right, max_distance)) == naive.hamming_cross_join(left, right, max_distance)


@given(seed=st.integers(0, 2**32), bases=st.integers(1, 4), flips=st.integers(0, 8), max_distance=st.integers(0, 14))
@settings(max_examples=40, deadline=None)
def test_clustered_codes(seed, bases, flips, max_distance):
    rng = np.random.default_rng(seed)
    codes = flipped(rng, rng.choice(random_codes(rng, bases), 50), flips)
    expected = naive.hamming_self_join(codes, max_distance)
    assert triples(self_join(codes, max_distance)) == expected
    for bands in range(1, min(max_distance + 1, 5) + 1):
        assert joined(codes, None, max_distance, plan_of(max_distance, bands, 6)) == expected


@given(
    block_pairs=st.integers(1, 300),
    seed=st.integers(0, 2**32),
    max_distance=st.integers(0, 12),
    plan=st.sampled_from([None, SCAN, plan_of(12, 4, 8), plan_of(12, 5, 9, "some")]),
)
@settings(max_examples=60, deadline=None)
def test_any_row_order_and_block_size_give_the_same_pairs(block_pairs, seed, max_distance, plan):
    codes = rng_codes("clusters")
    order = np.random.default_rng(seed).permutation(len(codes))
    max_distance = max_distance if plan in (None, SCAN) else 12
    blocks = list(join._join_blocks(codes[order], None, max_distance, block_pairs, plan))
    assert all(0 < len(block) <= block_pairs for block in blocks)
    found = {
        (*sorted((int(order[left]), int(order[right]))), score)
        for block in blocks
        for left, right, score in triples(block)
    }
    assert sum(map(len, blocks)) == len(found)
    assert found == set(naive.hamming_self_join(codes, max_distance))


@pytest.mark.parametrize("plan", [None, plan_of(10, 4, 8)], ids=["few", "bands"])
def test_blocks_come_in_the_same_order_each_time(plan):
    codes = rng_codes("uniform")
    first, second = (Pairs.concatenate(join._join_blocks(codes, None, 10, 7, plan), np.int16) for _ in range(2))
    assert triples(first) == triples(second)


def test_few_codes_come_in_order():
    codes = rng_codes("clusters")
    found = [pair for block in self_join_blocks(codes, 12, 11) for pair in triples(block)]
    assert found == naive.hamming_self_join(codes, 12)


@pytest.mark.parametrize("more", [0, 1])
def test_sizes_on_either_side_of_planning_agree(more):
    size = math.isqrt(plan.SMALL_JOIN) + more
    rng = np.random.default_rng(size)
    codes = random_codes(rng, size)
    codes[-300:] = flipped(rng, codes[:300], 9)
    assert joined(codes, None, 10) == joined(codes, None, 10, SCAN)


def test_planner_switches_between_band_counts_and_scan():
    codes = np.unique(random_codes(np.random.default_rng(0), 30_000))
    plans = {distance: choose_plan(codes, None, distance) for distance in (1, 3, 6, 10, 16, 30, 64)}
    assert plans[64] == plans[30] == SCAN
    assert all(plans[distance] != SCAN for distance in (1, 3, 6, 10))
    assert len(plans[10]) > len(plans[1])
    codes = codes[:6000]
    for distance in (1, 3, 6, 10):
        assert joined(codes, None, distance, plans[distance]) == joined(codes, None, distance, SCAN)


@pytest.mark.parametrize(("max_distance", "shapes"), [(3, 2), (10, 3), (14, 3)])
def test_plans_on_either_side_of_a_switch_agree(max_distance, shapes):
    codes = random_codes(np.random.default_rng(2), 600_000)
    sizes = np.geomspace(8_000, len(codes), 16).astype(int)
    plans = {choose_plan(codes[:size], None, max_distance) for size in sizes}
    assert SCAN in plans
    assert len({len(plan) for plan in plans}) >= shapes
    few = np.concatenate([codes[:4000], flipped(np.random.default_rng(3), codes[:800], max_distance)])
    expected = joined(few, None, max_distance, SCAN)
    assert all(joined(few, None, max_distance, plan) == expected for plan in plans)


def test_planner_scans_codes_that_no_band_divides():
    """Codes lie near 0 or near its complement: each bit is half ones, yet half of all codes are close in any band."""
    rng = np.random.default_rng(1)
    codes = np.unique(flipped(rng, rng.choice(np.array([0, 2**64 - 1], np.uint64), 21_000), 6))
    assert len(codes) ** 2 > plan.SMALL_JOIN
    assert choose_plan(codes, None, 10) == SCAN


def test_planner_is_not_misled_by_two_sides_that_are_copies_of_each_other():
    codes = np.unique(random_codes(np.random.default_rng(4), 60_000))
    copies = choose_plan(codes, codes.copy(), 10)
    others = choose_plan(codes, np.unique(random_codes(np.random.default_rng(5), 60_000)), 10)
    assert [band.radius for band in copies] == [band.radius for band in others]


def test_blocks_larger_than_memory_are_not_allocated_at_once():
    codes = random_codes(np.random.default_rng(6), 30_000)
    assert sum(map(len, self_join_blocks(codes, 3, block_pairs=1 << 40))) == len(self_join(codes, 3))


def test_planner_takes_fewer_bands_where_each_would_propose_many_wanted_pairs_again():
    rng = np.random.default_rng(1)
    codes = np.unique(flipped(rng, random_codes(rng, 100)[rng.integers(0, 100, 40_000)], 10))
    assert len(choose_plan(codes, None, 10)) < len(choose_plan(random_codes(rng, 40_000), None, 10))


def test_million_copies_stream():
    blocks = self_join_blocks(np.zeros(1_000_000, np.uint64), 10, block_pairs=1000)
    for _ in range(5):
        block = next(blocks)
        assert len(block) == 1000
        assert (block.left < block.right).all()
        assert not block.score.any()


@pytest.mark.parametrize("plan", [None, SCAN, plan_of(10, 4, 8)], ids=["few", "scan", "bands"])
def test_clique_streams_every_pair_once(plan):
    codes = flipped(np.random.default_rng(2), np.zeros(3000, np.uint64), 5)
    blocks = list(join._join_blocks(codes, None, 10, 100_000, plan))
    assert max(map(len, blocks)) <= 100_000
    assert sum(map(len, blocks)) == 3000 * 2999 // 2


def test_signed_codes_are_the_same_bits():
    codes = rng_codes("uniform")
    assert triples(self_join(codes.view(np.int64), 10)) == triples(self_join(codes, 10))
    assert triples(self_join(codes[::2], 10)) == naive.hamming_self_join(codes[::2], 10)


def test_codes_that_cannot_be_written_to_compile_nothing_anew():
    codes = rng_codes("uniform")
    expected = self_join(codes, 10)
    compiled = len(scan.signatures)
    codes.flags.writeable = False
    assert triples(self_join(codes, 10)) == triples(expected)
    assert len(scan.signatures) == compiled


@pytest.mark.parametrize("size", [0, 1])
def test_nothing_to_pair(size):
    codes = np.zeros(size, np.uint64)
    pairs = self_join(codes, 10)
    assert len(pairs) == 0
    assert (pairs.left.dtype, pairs.right.dtype, pairs.score.dtype) == (np.int64, np.int64, np.int16)
    assert len(cross_join(codes, np.zeros(0, np.uint64), 10)) == len(cross_join(np.zeros(0, np.uint64), codes, 10)) == 0


@pytest.mark.parametrize("codes", [[1, 2], np.zeros(3), np.zeros(3, np.uint32), np.array(["a"]), None])
def test_codes_of_another_type_are_refused(codes):
    with pytest.raises(TypeError, match="codes must be a numpy array of 64-bit integers"):
        self_join(codes, 10)
    with pytest.raises(TypeError, match="right must be"):
        cross_join_blocks(np.zeros(1, np.uint64), codes, 10)


@pytest.mark.parametrize("max_distance", [True, 1.0, "3", None])
def test_distance_of_another_type_is_refused(max_distance):
    with pytest.raises(TypeError, match="max_distance must be an integer"):
        self_join(np.zeros(2, np.uint64), max_distance)


def test_values_out_of_range_are_refused_before_the_first_block():
    codes = np.zeros(2, np.uint64)
    for max_distance in (-1, 65):
        with pytest.raises(ValueError, match="max_distance must be 0 to 64"):
            self_join_blocks(codes, max_distance)
    with pytest.raises(ValueError, match="block_pairs must be"):
        self_join_blocks(codes, 1, 0)
    with pytest.raises(ValueError, match="left must have one dimension"):
        cross_join(np.zeros((2, 2), np.uint64), codes, 1)


def test_more_codes_than_positions_are_refused():
    with pytest.raises(
        ValueError, match=r"codes must be at most 4,294,967,295 codes, not 4,294,967,296: join them chunk"
    ):
        self_join(np.broadcast_to(np.uint64(0), 2**32), 10)


def test_examples():
    assert doctest.testmod(join, extraglobs={"np": np}).failed == 0
