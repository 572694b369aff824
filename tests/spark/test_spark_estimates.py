"""What a search is told to find before it starts, and what it may not list after: exact where little is there."""

from contextlib import contextmanager
from dataclasses import replace

import naive
import numpy as np
import pytest
from pyspark.sql import functions as F
from tables import contents_of, features_of, signed

from dedup_core.errors import LimitError
from dedup_core.hamming.estimate import PairEstimate
from dedup_core.metric import COSINE, HAMMING
from dedup_core.settings.settings import FindSettings
from dedup_core.spark.search import estimates, hamming
from dedup_core.spark.search.cosine import estimate as cosine
from dedup_core.spark.search.cosine import vectors
from dedup_core.spark.search.distinct import CODE_PAIRS, DistinctCodes
from dedup_core.spark.search.estimates import SearchEstimate, check_estimate, check_pairs
from dedup_core.spark.search.hamming import HammingSearch
from dedup_core.spark.verify.contents import _SLIM, Contents


@pytest.fixture
def said():
    return []


@pytest.fixture
def say(said):
    return said.append


@contextmanager
def batches_of_one(spark):
    """Arrow batches of a single row, as a session may ask for."""
    name = "spark.sql.execution.arrow.maxRecordsPerBatch"
    before = spark.conf.get(name)
    spark.conf.set(name, 1)
    yield
    spark.conf.set(name, before)


def settings(**given):
    return FindSettings(output="out", **{"method": "phash", **given})


def crowded_codes(seed, images, bases=6):
    """Codes of so many images, a few bits away from a few bases, some of them equal."""
    random = np.random.default_rng(seed)
    base = random.integers(0, 1 << 63, bases, dtype=np.uint64)
    flips = (np.uint64(1) << random.integers(0, 64, (images, 3), dtype=np.uint64)) * (random.random((images, 3)) < 0.6)
    codes = base[random.integers(0, bases, images)] ^ np.bitwise_xor.reduce(flips.astype(np.uint64), axis=1)
    return {f"{number:04d}.jpg": int(code) for number, code in enumerate(codes)}


def codes_of(spark, staging, codes):
    """The distinct codes of {path: code}."""
    return HammingSearch(0, 1).distinct(features_of(spark, codes), staging)


def given_codes(table, equal_pairs=0.0):
    """Distinct codes as a table has them: code, images; all of these are listed."""
    count, images = table.count(), table.groupBy().sum("images").collect()[0][0]
    listed = table.withColumn("listed", F.col("images"))
    return DistinctCodes(None, listed, table.select("code"), count, images, images, equal_pairs)


def estimate_search(codes, max_distance):
    return HammingSearch(max_distance, 1000).estimate(codes)


def within_each(found, thresholds):
    return [sum(distance <= threshold for distance in found.values()) for threshold in thresholds]


# Hashes


@pytest.mark.parametrize("max_distance", [0, 7])
def test_the_estimate_of_a_small_search_is_exact(spark, staging, max_distance):
    codes = crowded_codes(1, 90)
    estimate = estimate_search(codes_of(spark, staging, codes), max_distance)
    assert estimate.thresholds == list(range(max_distance, -1, -1))
    assert (estimate.images, estimate.codes) == (90, len(set(codes.values())))
    expected = within_each(naive.path_pairs(codes, max_distance), estimate.thresholds)
    assert estimate.pairs.low.tolist() == estimate.pairs.high.tolist() == expected
    one_each = {code: code for code in codes.values()}
    assert estimate.distinct.low.tolist() == within_each(naive.path_pairs(one_each, max_distance), estimate.thresholds)


def test_a_sampled_estimate_is_the_same_for_any_partitions_and_blocks_and_holds_the_truth(spark, staging, monkeypatch):
    monkeypatch.setattr(hamming, "_FEWEST_CODES", 150)
    codes = crowded_codes(2, 800, bases=40)
    distinct = codes_of(spark, staging, codes)
    assert distinct.count > 400
    truth = np.array(within_each(naive.path_pairs(codes, 6), range(6, -1, -1)))
    first = estimate_search(replace(distinct, table=distinct.table.coalesce(1)), 6)
    monkeypatch.setattr(hamming, "_BLOCK_CODES", 30)
    with batches_of_one(spark):
        again = estimate_search(replace(distinct, table=distinct.table.repartition(5)), 6)
    for one, other in ((first.pairs, again.pairs), (first.distinct, again.distinct)):
        assert (one.low.tolist(), one.high.tolist()) == (other.low.tolist(), other.high.tolist())
        assert (one.low < one.high).all()
    assert ((first.pairs.low <= truth) & (truth <= first.pairs.high)).all()


def test_where_everything_is_alike_a_hundred_codes_are_compared_with_all(spark, monkeypatch):
    monkeypatch.setattr(hamming, "MOST_PARTNERS", 1000)
    compared = []
    real = estimates.estimate_pairs
    monkeypatch.setattr(
        estimates, "estimate_pairs", lambda of_each, *others: compared.append(len(of_each)) or real(of_each, *others)
    )
    rows = [(signed(int(code)), 1) for code in np.random.default_rng(3).integers(0, 2**64, 500, dtype=np.uint64)]
    estimate = estimate_search(given_codes(spark.createDataFrame(rows, "code BIGINT, images BIGINT")), 64)
    assert set(compared) == {100}
    assert estimate.pairs.low[0] < 500 * 499 / 2 < estimate.pairs.high[0]


@pytest.mark.parametrize(
    ("codes", "expected"),
    [(1, 4000), (4000, 4000), (1_000_000, 4000), (10_000_000, 10_000), (20_000_000, 20_000), (10**9, 20_000)],
)
def test_more_codes_are_sampled_of_more(codes, expected):
    assert hamming._sample_size(codes) == expected


def test_a_sample_is_about_as_large_as_wanted(spark):
    codes = spark.range(40_000).selectExpr("id AS code", "1L AS listed")
    drawn, _ = hamming._draw(codes, 40_000)
    assert 3800 < len(drawn) < 4200
    assert len(set(drawn.tolist())) == len(drawn)


# Embeddings


def clustered(rows, seed):
    random = np.random.default_rng(seed)
    centres = random.standard_normal((rows // 6, 20))
    return (centres[random.integers(0, rows // 6, rows)] + 0.3 * random.standard_normal((rows, 20))).astype("f4")


def tables_of(spark, array, images):
    """Return distinct codes with their vectors; the row numbers are the codes."""
    table = spark.createDataFrame([(row, int(count)) for row, count in enumerate(images)], "code BIGINT, images BIGINT")
    codes = given_codes(table, float((images * (images - 1) // 2).sum()))
    content = [(row, vector.tobytes()) for row, vector in enumerate(array)]
    return replace(codes, compared=spark.createDataFrame(content, vectors.VECTORS))


def true_pairs(array, images, thresholds):
    similarities = naive.cosine_similarities(array, array)
    of_one = (images * (images - 1) // 2).sum()
    weights = np.outer(images, images)
    return [weights[np.triu(similarities >= threshold, 1)].sum() + of_one for threshold in thresholds]


def test_the_estimate_of_a_small_cosine_search_is_exact(spark):
    array, images = clustered(40, 0), np.arange(40) % 3 + 1
    array[[4, 9]] = 0.0
    images[[4, 9]] = 1
    estimate = cosine.estimate_pairs_of(tables_of(spark, array, images), 0.6)
    assert estimate.thresholds == [0.6, 0.7, 0.8, 0.9, 0.96]
    assert (estimate.images, estimate.codes) == (images.sum(), 40)
    expected = true_pairs(array, images, estimate.thresholds)
    assert estimate.pairs.low.tolist() == estimate.pairs.high.tolist() == expected
    one_each = true_pairs(array, np.ones(40, np.int64), estimate.thresholds)
    assert estimate.distinct.low.tolist() == estimate.distinct.high.tolist() == one_each


def test_a_sampled_cosine_estimate_is_the_same_for_any_partitions_and_holds_the_truth(spark, monkeypatch):
    monkeypatch.setattr(cosine, "_SAMPLE_VECTORS", 150)
    array, images = clustered(600, 1), np.random.default_rng(0).integers(1, 4, 600)
    codes = tables_of(spark, array, images)
    first = cosine.estimate_pairs_of(replace(codes, compared=codes.compared.coalesce(1)), 0.6)
    monkeypatch.setattr(cosine, "_BLOCK_VECTORS", 32)
    with batches_of_one(spark):
        again = cosine.estimate_pairs_of(replace(codes, compared=codes.compared.repartition(5)), 0.6)
    assert first.pairs.low.tolist() == again.pairs.low.tolist()
    assert first.distinct.high.tolist() == again.distinct.high.tolist()
    truth = np.array(true_pairs(array, images, first.thresholds))
    assert ((first.pairs.low <= truth) & (truth <= first.pairs.high)).all()
    assert (first.pairs.low < first.pairs.high).all()


def test_where_all_embeddings_are_alike_a_part_of_the_partners_stands_for_all(spark, monkeypatch):
    monkeypatch.setattr(cosine, "_MOST_PARTNERS", 10_000)
    monkeypatch.setattr(cosine, "_SAMPLE_VECTORS", 150)
    parts = []
    real = cosine._comparer
    monkeypatch.setattr(cosine, "_comparer", lambda *given: parts.append(given[-1]) or real(*given))
    array = 1.0 + 0.01 * np.random.default_rng(2).standard_normal((1000, 20)).astype("f4")
    estimate = cosine.estimate_pairs_of(tables_of(spark, array, np.full(1000, 2)), 0.9)
    assert parts == [10]
    assert estimate.distinct.low[0] == pytest.approx(1000 * 999 / 2, rel=0.1)
    assert estimate.pairs.low[0] == pytest.approx(2000 * 1999 / 2, rel=0.1)


# What is refused before the search


def expected(low, high, distinct=(0, 0), thresholds=(3, 2, 1, 0), metric=HAMMING):
    """An estimate with these ends at the loosest threshold, and a fourth of them at each stricter one."""

    def quartered(end):
        return np.array([end / 4**step for step in range(len(thresholds))])

    pairs, of_distinct = (PairEstimate(quartered(a), quartered(b)) for a, b in ((low, high), distinct))
    return SearchEstimate(5000, 4000, list(thresholds), pairs, of_distinct, metric)


def test_an_interval_is_told_with_ends_rounded_outward(say, said):
    check_estimate(settings(), "phash", expected(1_184_999, 1_411_001), say)
    assert said == [
        "phash: 4,000 distinct hashes of 5,000 images",
        "  about 1,180,000 to 1,420,000 pairs to expect within distance 3",
    ]


def test_what_is_certain_is_told_as_one_number(say, said):
    check_estimate(settings(), "phash", expected(1_184_999, 1_184_999), say)
    assert said[1] == "  1,184,999 pairs to expect within distance 3"


def test_only_what_surely_exceeds_the_limit_is_refused(say, said):
    check_estimate(settings(max_pairs=1000), "phash", expected(1000, 90_000), say)
    with pytest.raises(LimitError) as refused:
        check_estimate(settings(max_pairs=1000), "phash", expected(1010, 3000, distinct=(900, 1001)), say)
    assert str(refused.value) == (
        "phash: about 1,010 to 3,000 pairs within distance 3 are more than the 1,000 that max_pairs allows: "
        "--max-distance-threshold 2 would fit, or raise --max-pairs"
    )
    assert said[-4:] == [
        "  within distance  3: about 1,010 to 3,000 pairs",
        "  within distance  2: about 252 to 750 pairs",
        "  within distance  1: about 63 to 188 pairs",
        "  within distance  0: about 15 to 47 pairs",
    ]


def test_leaving_out_the_list_is_named_where_it_would_do(say):
    message = (
        r"4,000 pairs within distance 3 are more than the 10 that max_pairs allows: raise --max-pairs, "
        r"or --no-list-pairs, which gives groups and removals alone$"
    )
    with pytest.raises(LimitError, match=message):
        check_estimate(settings(max_pairs=10), "phash", expected(4000, 4000, distinct=(10, 10)), say)
    with pytest.raises(LimitError, match=r"allows: raise --max-pairs$"):
        check_estimate(settings(max_pairs=10), "phash", expected(4000, 4000, distinct=(11, 11)), say)


def test_without_the_list_pairs_of_distinct_hashes_are_held_against_the_limit(say, said):
    without = settings(max_pairs=1000, list_pairs=False)
    check_estimate(without, "phash", expected(10**9, 10**9, distinct=(800, 1200)), say)
    assert said[-1] == "  about 800 to 1,200 pairs of distinct hashes to expect within distance 3"
    message = (
        r"^phash: 4,000 pairs of distinct hashes within distance 3 are more than the 1,000 that max_pairs allows: "
        r"--max-distance-threshold 2 would fit, or raise --max-pairs$"
    )
    with pytest.raises(LimitError, match=message):
        check_estimate(without, "phash", expected(10**9, 10**9, distinct=(4000, 4000)), say)


def test_a_cosine_search_is_refused_in_the_same_way(say, said):
    at = expected(4000, 5000, distinct=(7, 9), thresholds=(0.6, 0.7, 0.9), metric=COSINE)
    check_estimate(settings(method="cnn"), "cnn", at, say)
    assert said == [
        "cnn: 4,000 distinct embeddings of 5,000 images",
        "  about 4,000 to 5,000 pairs to expect at a similarity of 0.6 or more",
    ]
    message = (
        r"^cnn: about 4,000 to 5,000 pairs at a similarity of 0\.6 or more are more than the 400 that max_pairs "
        r"allows: --min-similarity-threshold 0\.9 would fit, or raise --max-pairs, "
        r"or --no-list-pairs, which gives groups and removals alone$"
    )
    with pytest.raises(LimitError, match=message):
        check_estimate(settings(method="cnn", max_pairs=400), "cnn", at, say)
    assert said[-3:] == [
        "  at a similarity of 0.6 or more: about 4,000 to 5,000 pairs",
        "  at a similarity of 0.7 or more: about 1,000 to 1,250 pairs",
        "  at a similarity of 0.9 or more: about 250 to 313 pairs",
    ]


def test_pairs_that_chance_alone_would_make_are_told(say, said):
    most = expected(10**6, 10**6, thresholds=range(10, -1, -1))
    check_estimate(settings(), "phash", replace(most, images=10**8, codes=10**8), say)
    assert said[-1] == "  so many random hashes alone would have 49,912,455: a smaller distance has fewer"


# What is refused after it


def searched(spark, staging, codes, max_distance, digest_of=lambda _path: None):
    features = features_of(spark, codes, digest_of=digest_of)
    distinct = HammingSearch(max_distance, 1000).distinct(features, staging)
    code_pairs = HammingSearch(max_distance, 1000).propose(distinct, staging).pairs
    return contents_of(distinct, code_pairs, features, staging)[0], code_pairs


def test_pairs_of_images_are_counted_before_they_are_listed(spark, staging):
    codes = crowded_codes(4, 120)
    found = naive.path_pairs(codes, 5)
    tables = searched(spark, staging, codes, 5)
    assert check_pairs(settings(max_distance_threshold=5, max_pairs=len(found)), "phash", *tables)["pairs"] == len(
        found
    )
    fits = max(d for d in range(6) if within_each(found, [d])[0] < len(found))
    with pytest.raises(LimitError) as refused:
        check_pairs(settings(max_distance_threshold=5, max_pairs=len(found) - 1), "phash", *tables)
    assert str(refused.value) == (
        f"phash: the search found {len(found):,} pairs, more than the {len(found) - 1:,} that max_pairs allows: "
        f"--max-distance-threshold {fits} would fit, or raise --max-pairs"
    )


def test_without_the_list_copies_do_not_count(spark, staging):
    copies = {f"{number:03}": 7 for number in range(60)} | {"x": 6, "y": 0}
    tables = searched(spark, staging, copies, 2, lambda path: path if path in ("x", "y") else "a copy")
    two_pairs = settings(max_distance_threshold=2, max_pairs=2, list_pairs=False)
    counts = check_pairs(two_pairs, "phash", *tables)
    assert (counts["pairs"], counts["content_pairs"]) == (len(naive.path_pairs(copies, 2)), 2)
    message = (
        r"^phash: the search found 2 pairs of different files, more than the 1 that max_pairs allows: "
        r"--max-distance-threshold 1 would fit, or raise --max-pairs$"
    )
    with pytest.raises(LimitError, match=message):
        check_pairs(two_pairs.model_copy(update={"max_pairs": 1}), "phash", *tables)
    with pytest.raises(LimitError, match=r"1,831 pairs, .* allows: raise --max-pairs, or --no-list-pairs, "):
        check_pairs(settings(max_distance_threshold=2, max_pairs=9), "phash", *tables)


def test_pairs_of_embeddings_are_counted_at_the_stricter_thresholds_too(spark):
    # The codes 1, 2 and 3 have three, two and one image.
    rows = [(id_, id_, 1, code, several, True, 1, 6) for id_, (code, several) in
            enumerate([(1, 3), (1, 3), (1, 3), (2, 2), (2, 2), (3, 1)])]  # fmt: skip
    slim = spark.createDataFrame(rows, _SLIM)
    contents = Contents(None, slim, 6, 6, 1, 0)
    pairs = spark.createDataFrame([(1, 2, 0.65), (1, 3, 0.97), (2, 3, 0.6)], CODE_PAIRS)
    given = {"method": "cnn", "min_similarity_threshold": 0.6}
    assert check_pairs(settings(**given), "cnn", contents, pairs)["pairs"] == 6 + 3 + 2 + 3 + 1
    message = r"found 15 pairs, .* allows: --min-similarity-threshold 0\.7 would fit, or raise --max-pairs$"
    with pytest.raises(LimitError, match=message):
        check_pairs(settings(**given, max_pairs=7), "cnn", contents, pairs)


def test_a_search_without_a_pair_has_none(spark, staging):
    assert check_pairs(settings(), "phash", *searched(spark, staging, {"a": 1}, 10))["pairs"] == 0
