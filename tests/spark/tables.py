"""Small tables made by hand, and tables as plain Python values."""

import datetime

from dedup_core.spark.search.found import Found, path_pairs
from dedup_core.spark.tables import FEATURES, conform
from dedup_core.spark.verify.contents import Contents
from dedup_core.spark.verify.verdicts import VERDICTS

NOON = datetime.datetime(2024, 5, 1, 12)


def signed(code):
    return code - (1 << 64) if code >= 1 << 63 else code


def features_of(spark, codes, method="phash", digest_of=lambda _path: None):
    """Return a features table of {path: code}, of images that nobody can look at."""
    fingerprint = f"{method}-64-v2"
    rows = [(*an_image(path, digest_of(path)), method, fingerprint, signed(code), None, "run")
            for path, code in codes.items()]  # fmt: skip
    return spark.createDataFrame(rows, FEATURES)


def an_image(path, digest=None):
    """Return what a features table says of an image before the method."""
    return path, 1, NOON, None, None, None, 8, 8, "PNG", 1, [], None, digest


def proposed_pairs(features, codes, code_pairs, staging, same_score):
    """Return the pairs table of what a search proposed, before anything is verified."""
    contents = Contents.of(codes.images, staging)
    pairs = contents.pairs(code_pairs, same_score)
    return path_pairs(Found("phash", features, contents, conform(pairs, VERDICTS)), same_score)


def pairs_of(frame):
    return {(row["path_a"], row["path_b"]): row["score"] for row in frame.collect()}


def rows_of(spark, folder, table):
    """Return a published table as a sorted list of tuples, without its run's name."""
    frame = spark.read.parquet(f"{folder}/{table}")
    names = sorted(name for name in frame.columns if name != "run_id")
    return sorted((tuple(map(str, row)) for row in frame.select(names).collect()), key=str)
