"""The estimate of a join's size: exact when it sees everything, an interval that holds the truth when it doesn't."""

import doctest
import math
from collections import Counter

import naive
import numpy as np
import pytest
from scipy.stats import chi2

from dedup_core.hamming import estimate
from dedup_core.hamming.estimate import CONFIDENCE, enough, estimate_pairs, partners

OUTSIDE = (1 - CONFIDENCE) / 2  # how often the truth may lie beyond one end


def random_codes(rng, size):
    return rng.integers(0, 2**64, size, dtype=np.uint64)


def flipped(rng, codes, flips):
    """The codes with up to so many random bits changed in each."""
    for _ in range(flips):
        codes = codes ^ (np.uint64(1) << rng.integers(0, 64, len(codes), dtype=np.uint64))
    return codes


def clusters(rng, count, each, flips=3):
    return np.unique(np.concatenate([flipped(rng, np.full(each, code), flips) for code in random_codes(rng, count)]))


# What each sampled code takes part in


@pytest.mark.parametrize("max_distance", [0, 1, 6, 12, 64])
def test_partners_are_counted_by_distance_as_codes_and_as_images(max_distance):
    rng = np.random.default_rng(1)
    codes = clusters(rng, 8, 12, flips=6)
    images, sample = rng.integers(1, 5, len(codes)), rng.permutation(codes)[:30]
    found = partners(sample, codes, images, max_distance)
    assert found.tolist() == naive.hamming_partners(sample, codes, images, max_distance).tolist()


def test_partners_of_parts_add_up_whichever_part_holds_the_sample():
    rng = np.random.default_rng(2)
    codes = clusters(rng, 10, 10)
    images, sample = rng.integers(1, 4, len(codes)), codes[::3]
    whole = partners(sample, codes, images, 6)
    parts = [partners(sample, codes[part], images[part], 6) for part in np.split(rng.permutation(len(codes)), [1, 40])]
    assert whole.any()
    assert sum(parts).tolist() == whole.tolist()


def test_nothing_has_no_partners():
    none = np.empty(0, np.uint64)
    assert partners(none, random_codes(np.random.default_rng(0), 5), np.ones(5, np.int64), 3).shape == (2, 0, 4)
    assert not partners(random_codes(np.random.default_rng(0), 5), none, np.empty(0, np.int64), 3).any()


# The interval


def test_estimate_of_everything_is_exact():
    rng = np.random.default_rng(7)
    codes, images = np.unique(
        rng.choice(flipped(rng, np.repeat(random_codes(rng, 20), 10), 5), 300), return_counts=True
    )
    as_codes, as_images = partners(codes, codes, images, 12)
    estimate = estimate_pairs(images[:, None] * as_images, len(codes))
    expected = Counter(score for _, _, score in naive.hamming_self_join(np.repeat(codes, images), 12) if score)
    assert estimate.low.tolist() == estimate.high.tolist() == [expected[distance] for distance in range(13)]
    distinct = Counter(score for _, _, score in naive.hamming_self_join(codes, 12))
    assert estimate_pairs(as_codes, len(codes)).low.tolist() == [distinct[distance] for distance in range(13)]


def test_interval_holds_the_truth_and_narrows_with_the_sample():
    rng = np.random.default_rng(3)
    codes = clusters(rng, 200, 40)
    images = rng.integers(1, 4, len(codes))
    each = images[:, None] * partners(codes, codes, images, 6)[1].cumsum(axis=1)
    truth, widths = estimate_pairs(each, len(codes)).low, []
    for size in (100, 400, 1600, 6400):
        drawn = [estimate_pairs(each[rng.choice(len(codes), size, replace=False)], len(codes)) for _ in range(100)]
        inside = np.mean([(some.low <= truth) & (truth <= some.high) for some in drawn], axis=0)
        assert (inside[1:] >= 0.97).all()
        widths.append(np.mean([some.high[-1] - some.low[-1] for some in drawn]) / truth[-1])
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.1


@pytest.mark.parametrize("seen", [0, 1, 2, 5, 40])
def test_of_few_partners_the_interval_is_poissons(seen):
    size, population = 20_000, 10**12
    of_each = np.zeros((size, 1))
    of_each[:seen] = 1.0
    estimate = estimate_pairs(of_each, population)
    scale = population / (2 * size)
    low = chi2.ppf(OUTSIDE, 2 * seen) / 2 if seen else 0.0
    high = chi2.ppf(1 - OUTSIDE, 2 * seen + 2) / 2
    assert estimate.low[0] == pytest.approx(low * scale, rel=0.01)
    assert estimate.high[0] == pytest.approx(high * scale, rel=0.01)


def test_without_partners_the_upper_end_allows_for_some():
    none = np.zeros((4000, 3))
    estimate = estimate_pairs(none, 10**6)
    assert not estimate.low.any()
    assert estimate.high.tolist() == pytest.approx([-math.log(OUTSIDE) * 10**6 / 8000] * 3, rel=0.02)
    assert estimate_pairs(none, 10**6, least=9.0).high.tolist() == pytest.approx((9 * estimate.high).tolist())


def test_codes_that_are_all_alike_leave_some_doubt_unless_all_were_seen():
    ones = np.ones((4000, 1))
    estimate = estimate_pairs(ones, 10**6)
    assert 0.99 * 500_000 < estimate.low[0] < 500_000 < estimate.high[0] < 1.01 * 500_000
    assert estimate_pairs(ones, 4000).low == estimate_pairs(ones, 4000).high == 2000


def test_one_cluster_seen_by_chance_does_not_refuse_and_a_huge_one_does():
    seen = np.zeros((20_000, 2))
    seen[0] = 10_000, 1_000_000  # a code of a cluster of ten thousand, or of a million, in a billion codes
    low = estimate_pairs(seen, 10**9).low
    assert low[0] < 10_000**2 / 2 < 10**8 / 2 + 10**6
    seen[:20, 1] = 1_000_000
    assert estimate_pairs(seen, 10**9).low[1] > 10**11


@pytest.mark.parametrize(("size", "population"), [(0, 9), (1, 9), (3, 2)])
def test_estimate_refuses_bad_samples(size, population):
    with pytest.raises(ValueError, match=f"sample must hold 2 to population = {population} codes, not {size}"):
        estimate_pairs(np.zeros((size, 2)), population)


# Decisions about lakes that nobody could make here: a sampled code's partners follow from the cluster it was drawn from


def drawn_partners(rng, size, population, sizes, count):
    """Partners of sampled codes of a lake with so many clusters of each size, float64 (size, 1)."""
    shares = np.array(sizes) * np.array(count) / population
    hits = rng.multinomial(size, [*shares, 1 - shares.sum()])
    return np.repeat([*(np.array(sizes) - 1.0), 0.0], hits)[:, None]


@pytest.mark.parametrize(("population", "limit"), [(50_000_000, 10_000_000), (100_000_000, 20_000_000), (10**9, 10**8)])
@pytest.mark.parametrize("shape", ["pairs", "triples", "hundreds", "few clusters"])
def test_half_the_limit_passes_and_twice_the_limit_is_refused_where_a_sample_can_tell(population, limit, shape):
    rng, refused = np.random.default_rng(population % 97), {}
    for share in (0.5, 2.0):
        each = {"pairs": 2, "triples": 3, "hundreds": 100, "few clusters": math.isqrt(int(share * limit / 2.5))}[shape]
        count = round(share * limit / math.comb(each, 2))
        lows = [
            estimate_pairs(drawn_partners(rng, 20_000, population, [each], [count]), population).low[0]
            for _ in range(150)
        ]
        refused[share] = np.mean([low > limit for low in lows])
    assert refused[0.5] == 0.0
    # Of five clusters in a lake, a sample sees one or none: what they hold is counted after the search.
    assert refused[2.0] == 1.0 if shape in ("pairs", "triples") else refused[2.0] >= 0.0


def test_a_cluster_that_would_fill_the_disk_is_refused_before_the_search():
    rng = np.random.default_rng(5)
    lows = [
        estimate_pairs(drawn_partners(rng, 20_000, 10**9, [10**6], [1]), 10**9).low[0] for _ in range(300)
    ]  # half a trillion pairs
    assert np.mean([low > 10**8 for low in lows]) > 0.99


# How many to compare


@pytest.mark.parametrize(
    ("pairs_seen", "wanted"), [(0, 4000), (1, 4000), (7_998_000, 100), (799_800, 200), (79_980, 2000)]
)
def test_of_a_sample_with_many_pairs_fewer_codes_are_compared_with_all(pairs_seen, wanted):
    assert enough(4000, 10**6, pairs_seen, most_partners=20_000_000) == wanted


def test_a_sample_of_one_is_enough():
    assert enough(1, 1, 0, 10) == 1


def test_examples():
    assert doctest.testmod(estimate, extraglobs={"np": np}).failed == 0
