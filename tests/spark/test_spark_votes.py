"""Votes in Spark: the candidates of the oracle for any chunks, partitions and order, and what is told of them."""

import naive
import numpy as np
import pytest
from tables import NOON, numbered

from dedup_core.spark.search.local.search import LocalSearch
from dedup_core.spark.tables import FEATURES

COMMON = 0x5555_0000_FFFF_1234


def keypoint_codes(random, images):
    """Codes of images in clusters: copies with changed bits, some mirrored, some with none; one code that most have."""
    rotated = lambda codes: (codes << np.uint64(32)) | (codes >> np.uint64(32))  # noqa: E731
    bases = random.integers(0, 2**64, (4, 12), dtype=np.uint64)
    codes = {}
    for number in range(images):
        own = bases[number % 4].copy()
        own[random.integers(0, 12, 5)] = random.integers(0, 2**64, 5, dtype=np.uint64)
        own ^= np.where(random.random(12) < 0.5, np.uint64(1) << random.integers(0, 64, 12, dtype=np.uint64), 0)
        own = rotated(own) if number % 3 == 2 else own
        codes[f"{number:02d}.jpg"] = [*own.tolist(), COMMON] if number % 5 else []
    return codes


def features_of(spark, codes_of):
    """A features table of images with such codes."""

    def local(codes):
        words = np.zeros((len(codes), 4), np.uint64)
        words[:, 0] = codes
        return ([0] * (4 * len(codes)), words.tobytes(), b"")

    picture = 1, NOON, None, None, None, 8, 8, "PNG", 1, [], None, None
    rows = [
        (path, *picture, "orb", "orb-v1", None, None, None, local(codes), "run") for path, codes in codes_of.items()
    ]
    return numbered(spark.createDataFrame(rows, FEATURES.removeprefix("id BIGINT, ")))


def found(features, staging, chunk_images, max_images=4):
    search = LocalSearch(2, 3, max_images, chunk_images)
    codes = search.distinct(features, staging)
    search.propose(codes, staging)
    named = {row["id"]: row["path"] for row in features.select("id", "path").collect()}
    rows = staging.spark.read.parquet(staging.path("votes")).collect()
    assert all(row["code_a"] < row["code_b"] for row in rows)
    pairs = {tuple(sorted((named[row["code_a"]], named[row["code_b"]]))): row["votes"] for row in rows}
    assert len(pairs) == len(rows), "a pair came out twice"
    return search, codes, pairs


@pytest.mark.parametrize(("chunk_images", "partitions"), [(1000, 1), (7, 3), (3, 2)])
def test_the_candidates_of_the_oracle_however_images_are_cut(spark, staging, chunk_images, partitions):
    codes_of = keypoint_codes(np.random.default_rng(1), 24)
    features = features_of(spark, dict(reversed(codes_of.items()))).repartition(partitions)
    search, codes, pairs = found(features, staging, chunk_images)
    assert pairs == naive.local_votes(codes_of, 2, 3, max_images_per_code=4)
    assert codes.counts == {"no_keypoints": 5, "common_codes": 1}
    assert search.note(codes) == (
        "1 codes that more than 4 images hold are left out; "
        "5 pictures have no keypoints, and nothing in common with any"
    )
    estimate = search.estimate(codes)
    assert estimate.thresholds == [3.0, 6.0, 12.0, 24.0, 48.0, 96.0, 192.0, 384.0]
    within = [sum(votes >= least for votes in pairs.values()) for least in estimate.thresholds]
    assert estimate.pairs.low.tolist() == estimate.pairs.high.tolist() == within
