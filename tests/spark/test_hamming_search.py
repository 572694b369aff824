import naive
import numpy as np
import pytest
from pyspark.sql import functions as F
from tables import features_of, pairs_of, proposed_pairs

from dedup_core.errors import SettingsError
from dedup_core.spark.search import chunks
from dedup_core.spark.search.find import check_features
from dedup_core.spark.search.hamming import HammingSearch


def clustered_codes(random, images, bases=6):
    """Codes a few bits away from a few bases: many pairs near the threshold, and some equal codes."""
    base = random.integers(0, 1 << 63, bases, dtype=np.uint64) * np.uint64(2)
    flips = (np.uint64(1) << random.integers(0, 64, (images, 4), dtype=np.uint64)) * (random.random((images, 4)) < 0.6)
    codes = base[random.integers(0, bases, images)] ^ np.bitwise_xor.reduce(flips.astype(np.uint64), axis=1)
    return {f"{number:03d}.jpg": int(code) for number, code in enumerate(codes)}


def proposed(features, staging, max_distance, chunk_codes, method="phash"):
    search = HammingSearch(max_distance, chunk_codes)
    codes = search.distinct(features, staging)
    return proposed_pairs(features, codes, search.propose(codes, staging).pairs, staging, method=method)


def found_pairs(features, staging, max_distance, chunk_codes):
    rows = proposed(features, staging, max_distance, chunk_codes).collect()
    assert len({(row["path_a"], row["path_b"]) for row in rows}) == len(rows), "a pair came out twice"
    return {(row["path_a"], row["path_b"]): row["score"] for row in rows}


@pytest.mark.parametrize(("chunk_codes", "max_distance"), [(1, 10), (40, 0), (40, 10), (1_000_000, 0), (1_000_000, 10)])
def test_the_join_finds_the_pairs_of_the_oracle_for_any_chunk_size(spark, staging, chunk_codes, max_distance):
    codes = clustered_codes(np.random.default_rng(5), 90 if chunk_codes > 1 else 8)  # a grid of 36 tasks, some empty
    assert found_pairs(features_of(spark, codes), staging, max_distance, chunk_codes) == naive.path_pairs(
        codes, max_distance
    )


@pytest.mark.parametrize("partitions", [1, 5])
def test_partitions_and_the_order_of_rows_change_nothing(spark, staging, partitions):
    codes = clustered_codes(np.random.default_rng(6), 60)
    shuffled = features_of(spark, dict(reversed(codes.items()))).repartition(partitions)
    assert found_pairs(shuffled, staging, 6, 20) == naive.path_pairs(codes, 6)


@pytest.mark.every_spark
def test_one_code_and_all_codes_equal(spark, staging):
    assert found_pairs(features_of(spark, {"a": 3}), staging, 64, 10) == {}
    assert found_pairs(features_of(spark, {"a": 3, "b": 3, "c": 3}), staging, 0, 10) == {
        ("a", "b"): 0.0, ("a", "c"): 0.0, ("b", "c"): 0.0,
    }  # fmt: skip


@pytest.mark.every_spark
def test_codes_with_the_highest_bit_keep_it(spark, staging):
    codes = {"a": (1 << 64) - 1, "b": (1 << 63) - 1, "c": 0}
    assert found_pairs(features_of(spark, codes), staging, 1, 10) == {("a", "b"): 1.0}


def test_features_made_in_different_ways_are_never_compared(spark):
    mixed = features_of(spark, {"a": 1}).unionByName(features_of(spark, {"b": 1}).replace("phash-64-v2", "other"))
    with pytest.raises(SettingsError, match=r"phash features were made in different ways \(other, phash-64-v2\)"):
        check_features(mixed, ["phash"])


@pytest.mark.parametrize("tasks", [1, 2, 3, 28, 200])
def test_every_partition_gets_one_task(spark, tasks):
    keys = chunks.one_key_a_partition(spark, tasks)
    frame = spark.createDataFrame([(key,) for key in keys], "task BIGINT").repartition(tasks, "task")
    per_partition = frame.groupBy(F.spark_partition_id().alias("partition")).count().collect()
    assert [row["count"] for row in per_partition] == [1] * tasks


def test_pairs_carry_their_method(spark, staging):
    rows = proposed(features_of(spark, {"a": 1, "b": 1}, method="dhash"), staging, 0, 10, "dhash")
    assert [row["method"] for row in rows.collect()] == ["dhash"]
    assert pairs_of(rows) == {("a", "b"): 0.0}
