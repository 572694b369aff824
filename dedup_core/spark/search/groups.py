"""Connected groups and what to remove from them, over distinct codes and then over paths."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core import groups as kernels
from dedup_core.errors import DedupError
from dedup_core.metric import Metric
from dedup_core.spark.staging import Staging
from dedup_core.spark.tables import DUPLICATES, conform

_EDGES = "code_a BIGINT, code_b BIGINT"
_LABELS = "code BIGINT, root BIGINT"
_MAX_ROUNDS = 60


def components(edges: DataFrame, staging: Staging, edges_a_task: int = 5_000_000) -> DataFrame:
    """Return the connected component of every code that has an edge: code, root (the component's smallest code).

    A round moves every edge to the smallest neighbour of its smaller end, which is the large-star step of Kiveris et
    al. ("Connected Components in MapReduce and Beyond", SoCC 2014). Then all edges of a code come to one task, which
    settles what it sees as a whole: their small-star step, and more. Edges that fit one task need no round. Parquet
    between the rounds cuts the lineage.

    Args:
        edges: columns code_a, code_b; read several times, and so best from a table.
        staging: where the rounds are written.
        edges_a_task: how many edges one task contracts; memory of a task follows from it.

    Raises:
        DedupError: if the components have not settled after 60 rounds.
    """
    current, state = edges.select("code_a", "code_b"), (edges.count(), 0)
    for number in range(1, _MAX_ROUNDS + 1):
        tasks = -(-state[0] // edges_a_task)
        if tasks <= 1:
            return current.coalesce(1).mapInArrow(_label, _LABELS)
        moved = current if number == 1 else _large_star(current)
        contracted = moved.repartition(tasks, "code_a").mapInArrow(_contract, _EDGES)
        current, new_state = _staged(contracted, staging, f"round-{number}")
        # The first round moves no edge: that it changes nothing says only that each task saw stars.
        if number > 1 and new_state == state:
            return _labels_of_stars(current)
        state = new_state
    raise DedupError(f"the groups have not settled after {_MAX_ROUNDS} rounds over {state[0]:,} edges")


def code_groups(codes: DataFrame, labels: DataFrame) -> DataFrame:
    """Return the codes that share a group with another image.

    Args:
        codes: code, first_path, images.
        labels: code, root; of every code that has a pair.

    Returns:
        code, first_path, group_id (the smallest path of the group), group_size (its images).
    """
    labelled = codes.join(labels, on="code", how="left")
    in_a_group = labelled.where(F.col("root").isNotNull() | (F.col("images") > F.lit(1)))
    rooted = in_a_group.withColumn("root", F.coalesce("root", "code"))
    of_root = rooted.groupBy("root").agg(F.min("first_path").alias("group_id"), F.sum("images").alias("group_size"))
    grouped = rooted.join(of_root, on="root", how="inner")
    return grouped.select("code", "first_path", "group_id", "group_size")


def group_members(images: DataFrame, grouped: DataFrame) -> DataFrame:
    """Return the images of the grouped codes: method, path, is_unseen, and the columns of ``grouped``."""
    return images.join(grouped, on="code", how="inner")


def group_table(members: DataFrame, loosest: DataFrame, closest: float, is_star: bool) -> DataFrame:
    """Return the ``groups`` table with more columns of the members.

    Args:
        members: with ``kept_path``, and the ``group_id`` and ``group_size`` of their connected group.
        loosest: group_id, loosest_score: of the pairs in a connected group the one least alike.
        closest: the score of two equal images: where a group has no other pair, that is its loosest.
        is_star: whether a group is an image that stays and those that go for it, and nothing else.
    """
    kept = members.withColumn("keep", F.col("kept_path").isNull())
    if not is_star:
        scored = kept.join(loosest, on="group_id", how="left")
        return scored.withColumn("loosest_score", F.coalesce("loosest_score", F.lit(closest)))
    centre = F.coalesce("kept_path", "path")
    stars = kept.withColumn("centre", centre).groupBy("centre").agg(
        F.min("path").alias("group_id"), F.count("*").alias("group_size")
    )  # fmt: skip
    named = kept.drop("group_id", "group_size").withColumn("centre", centre).join(stars, on="centre", how="inner")
    return named.where(F.col("group_size") > F.lit(1)).withColumn("loosest_score", F.lit(None).cast("double"))


def loosest_scores(codes: DataFrame, code_pairs: DataFrame, metric: Metric) -> DataFrame:
    """Return of each group the score of the pair that is least alike: group_id, loosest_score.

    Args:
        codes: code, group_id; of every code in a group.
        code_pairs: code_a, code_b, score.
        metric: what a score says.
    """
    of_pairs = code_pairs.join(codes.select(F.col("code").alias("code_a"), "group_id"), on="code_a", how="inner")
    loosest = of_pairs.groupBy("group_id").agg(F.max(metric.rank(F.col("score"))).alias("worst"))
    return loosest.select("group_id", metric.rank(F.col("worst")).cast("double").alias("loosest_score"))


def duplicate_table(images: DataFrame, pairs: DataFrame, metric: Metric) -> DataFrame:
    """Return the ``duplicates`` table: every encoded image, its duplicates best first, ties by path."""
    told = ["score", "verdict", "difference", "level"]
    ends = pairs.select(F.col("path_a").alias("path"), F.col("path_b").alias("other"), *told).unionByName(
        pairs.select(F.col("path_b").alias("path"), F.col("path_a").alias("other"), *told)
    )
    entry = F.struct(metric.rank(F.col("score")).alias("rank"), "other", *told)
    ranked = ends.groupBy("path").agg(F.array_sort(F.collect_list(entry)).alias("ranked"))
    listed = F.transform(
        "ranked", lambda each: F.struct(each["other"].alias("path"), *(each[name].alias(name) for name in told))
    )
    every = images.select("method", "path").join(ranked, on="path", how="left")
    return conform(every.withColumn("duplicates", F.coalesce(listed, F.array())), DUPLICATES)


def _staged(edges: DataFrame, staging: Staging, name: str) -> tuple[DataFrame, tuple[int, int]]:
    """Write edges and return them as read back, with their count and a checksum that no order changes."""
    written = staging.write(name, edges)
    checksum = F.sum(F.xxhash64("code_a", "code_b") % F.lit(1 << 31))
    row = written.agg(F.count("*").alias("count"), F.coalesce(checksum, F.lit(0)).alias("checksum")).collect()[0]
    return written, (row["count"], row["checksum"])


def _contract(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Replace a partition's edges by one edge from each code to the smallest code that it reaches there."""
    codes, roots = _local_components(batches)
    moved = codes != roots
    yield pa.RecordBatch.from_pydict({"code_a": codes[moved], "code_b": roots[moved]})


def _label(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    codes, roots = _local_components(batches)
    yield pa.RecordBatch.from_pydict({"code": codes, "root": roots})


def _local_components(batches: Iterator[pa.RecordBatch]) -> tuple[np.ndarray, np.ndarray]:
    parts = [np.stack([column.to_numpy(zero_copy_only=False) for column in batch.columns]) for batch in batches]
    edges = np.concatenate([np.empty((2, 0), np.int64), *parts], axis=1)
    codes, positions = np.unique(edges, return_inverse=True)
    left, right = positions.reshape(edges.shape)
    return codes, codes[kernels.components(left, right, len(codes))]


def _large_star(edges: DataFrame) -> DataFrame:
    """Connect the larger end of every edge to the smallest neighbour of the smaller end; code_a is the larger one."""
    least = edges.groupBy(F.col("code_a").alias("code_b")).agg(F.min("code_b").alias("least"))
    return edges.join(least, on="code_b", how="left").select("code_a", F.coalesce("least", "code_b").alias("code_b"))


def _labels_of_stars(stars: DataFrame) -> DataFrame:
    leaves = stars.select(F.col("code_a").alias("code"), F.col("code_b").alias("root"))
    roots = stars.select(F.col("code_b").alias("code"), F.col("code_b").alias("root"))
    return leaves.unionByName(roots.distinct())  # a root stands in the edge of each of its leaves
