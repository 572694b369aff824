"""Small tables made by hand, and tables as plain Python values."""

import datetime

from dedup_core.spark.tables import FEATURES

NOON = datetime.datetime(2024, 5, 1, 12)


def signed(code):
    return code - (1 << 64) if code >= 1 << 63 else code


def features_of(spark, codes, method="phash"):
    """Return a features table of {path: code}."""
    rows = [
        (path, 1, NOON, None, None, None, 8, 8, "PNG", method, f"{method}-64-v2", signed(code), None, "run")
        for path, code in codes.items()
    ]
    return spark.createDataFrame(rows, FEATURES)


def pairs_of(frame):
    return {(row["path_a"], row["path_b"]): row["score"] for row in frame.collect()}


def rows_of(spark, folder, table):
    """Return a published table as a sorted list of tuples, without its run's name."""
    frame = spark.read.parquet(f"{folder}/{table}")
    names = sorted(name for name in frame.columns if name != "run_id")
    return sorted((tuple(map(str, row)) for row in frame.select(names).collect()), key=str)
