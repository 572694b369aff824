"""Distinct codes: a search compares each hash or embedding once, however many images have it.

A thousand copies of a picture cost a search no more than one, and only the last step, which writes a row for every pair
of paths, sees them all.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.spark.tables import PAIRS, conform

CODE_PAIRS = "node_a BIGINT, node_b BIGINT, score DOUBLE"


def nodes(features: DataFrame) -> DataFrame:
    """Return the distinct codes of one method's features: node, first_path (the smallest), images (how many)."""
    by_code = features.groupBy(F.col("hash").alias("node"))
    return by_code.agg(F.min("path").alias("first_path"), F.count("path").alias("images"))


def count_images(nodes: DataFrame) -> tuple[int, float]:
    """Return how many images the nodes stand for, and how many pairs of them share a node."""
    pairs = F.sum(F.col("images") * (F.col("images") - F.lit(1)) / F.lit(2))
    total = nodes.agg(F.sum("images").alias("images"), pairs.alias("pairs")).collect()[0]
    return total["images"], total["pairs"]


def path_pairs(members: DataFrame, node_pairs: DataFrame, same_score: float) -> DataFrame:
    """Return the pairs of paths that follow from pairs of nodes, and from images that share a node.

    Args:
        members: method, path, node; of every node that has a pair or several images.
        node_pairs: node_a, node_b, score.
        same_score: the score of two images that share a node.
    """
    a = members.select("method", F.col("path").alias("one"), F.col("node").alias("node_a"))
    b = members.select(F.col("path").alias("other"), F.col("node").alias("node_b"))
    across = node_pairs.join(a, on="node_a", how="inner").join(b, on="node_b", how="inner")
    is_ordered_pair = (F.col("node_a") == F.col("node_b")) & (F.col("one") < F.col("other"))
    same = a.join(b, on=is_ordered_pair, how="inner").withColumn("score", F.lit(same_score))
    columns = ["method", "one", "other", "score"]
    both = across.select(columns).unionByName(same.select(columns))
    named = both.withColumns({"path_a": F.least("one", "other"), "path_b": F.greatest("one", "other")})
    return conform(named, PAIRS)
