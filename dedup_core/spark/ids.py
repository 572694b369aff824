"""Images as numbers: 64 bits of a hash of the path. Inside Spark an image is its number; paths are joined last."""

from __future__ import annotations

import itertools

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


def id_of(path: str | Column, seed: int = 0) -> Column:
    """Return the number of an image, BIGINT.

    Args:
        path: its column.
        seed: which of many hashes.
    """
    return F.xxhash64(path, F.lit(seed)) if seed else F.xxhash64(path)


def are_told_apart(features: DataFrame) -> bool:
    """Return whether no two rows of a method have one ``id``, and each has one. Ids alone travel for that."""
    counts = F.count("*").alias("rows"), F.count_distinct("id").alias("ids")
    return all(row["rows"] == row["ids"] for row in features.groupBy("method").agg(*counts).collect())


def with_ids(features: DataFrame) -> DataFrame:
    """Return features with the ``id`` of each image: the hash by the first seed that tells all images apart.

    So it follows from the paths alone. That a second seed is needed happens once in four thousand tables of a hundred
    million images.

    Args:
        features: method, path, each image once a method.
    """
    for seed in itertools.count():
        numbered = features.withColumn("id", id_of("path", seed))
        if are_told_apart(numbered):
            return numbered
    raise AssertionError("there is a hash that tells any paths apart")
