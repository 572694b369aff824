"""Connected groups: of distinct codes, and of the images that have these."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from dedup_core import groups as kernels
from dedup_core.errors import DedupError
from dedup_core.metric import Metric
from dedup_core.spark.batches import are_few, gathered
from dedup_core.spark.sieve import Sieve
from dedup_core.spark.staging import Staging

_EDGES = "code_a BIGINT, code_b BIGINT"
_LABELS = "code BIGINT, root BIGINT"
_MAX_ROUNDS = 60
_CONTRACTED_EDGES = 1 << 21
_BROADCAST_CODES = 1 << 20  # some 50 MB where they arrive


def components(
    edges: DataFrame, staging: Staging, edges_a_task: int = 5_000_000, count: int | None = None
) -> DataFrame:
    """Return the connected component of every code that has an edge: code, root (the component's smallest code).

    A round moves every edge to the smallest neighbour of its smaller end, which is the large-star step of Kiveris et
    al. ("Connected Components in MapReduce and Beyond", SoCC 2014). Then all edges of a code come to one task, which
    settles what it sees as a whole: their small-star step, and more. Edges that fit one task need no round. Parquet
    between the rounds cuts the lineage.

    Args:
        edges: columns code_a, code_b; read several times, and so best from a table.
        staging: where the rounds are written.
        edges_a_task: how many edges one task contracts; memory of a task follows from it.
        count: how many edges there are, where that is known.

    Raises:
        DedupError: if the components have not settled after 60 rounds.
    """
    edges = edges.select("code_a", "code_b")
    count = edges.count() if count is None else count
    # Where pairs are many, most of what one file holds says nothing new, and is not sent on.
    current, state = (edges.mapInArrow(_contract_some, _EDGES) if count > edges_a_task else edges), (count, 0)
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


def code_groups(codes: DataFrame, labels: DataFrame, count: int) -> DataFrame:
    """Return the codes that share a group with another image.

    Args:
        codes: code, first_id, images.
        labels: code, root; of every code that has a pair.
        count: how many codes there are.

    Returns:
        code, root (the smallest id of the group), group_size (its images), is_paired (whether the code has a pair).
    """
    may_be = Sieve.of(labels.select("code"), count, count).marked(codes, "may_be_paired")
    wanted = may_be.where(F.col("may_be_paired") | (F.col("images") > F.lit(1)))
    labelled = wanted.join(labels.withColumnRenamed("root", "label"), on="code", how="left")
    in_a_group = labelled.where(F.col("label").isNotNull() | (F.col("images") > F.lit(1)))
    of_group = Window.partitionBy(F.coalesce("label", "code"))
    return in_a_group.select(
        "code",
        F.min("first_id").over(of_group).alias("root"),
        F.sum("images").over(of_group).alias("group_size"),
        F.col("label").isNotNull().alias("is_paired"),
    )


def group_members(images: DataFrame, grouped: DataFrame, count: int, rows: int | None = None) -> DataFrame:
    """Return the images of the grouped codes, with the columns of ``grouped``.

    Args:
        images: id, digest, code.
        grouped: as `code_groups` returns them.
        count: how many codes there are.
        rows: how many images there are, where that is known.
    """
    return Sieve.of(grouped.select("code"), count, rows).sifted(images).join(grouped, on="code", how="inner")


def rooted_pairs(code_pairs: DataFrame, grouped: DataFrame, count: int) -> DataFrame:
    """Return the pairs of codes with the ``root`` of their group.

    Args:
        code_pairs: code_a, code_b, score.
        grouped: as `code_groups` returns them.
        count: how many these are, or more.
    """
    roots = grouped.where("is_paired").select(F.col("code").alias("code_a"), "root")
    # Two numbers a code travel to every task where they are not too many, and no pair.
    roots = F.broadcast(roots) if count <= _BROADCAST_CODES and not are_few(count) else roots
    return code_pairs.join(roots, on="code_a", how="inner")


def group_table(members: DataFrame, loosest: DataFrame, closest: float, is_star: bool) -> DataFrame:
    """Return the ``groups`` table with more columns of the members.

    Args:
        members: with ``kept_path``, and the ``root``, ``group_id`` and ``group_size`` of their connected group.
        loosest: root, loosest_score: of the pairs in a connected group the one least alike.
        closest: the score of two equal images: where a group has no other pair, that is its loosest.
        is_star: whether a group is an image that stays and those that go for it, and nothing else.
    """
    kept = members.withColumn("keep", F.col("kept_path").isNull())
    if not is_star:
        scored = kept.join(loosest, on="root", how="left")
        return scored.withColumn("loosest_score", F.coalesce("loosest_score", F.lit(closest)))
    of_star = Window.partitionBy(F.coalesce("kept_path", "path"))
    stars = kept.withColumns({"group_id": F.min("path").over(of_star), "group_size": F.count("*").over(of_star)})
    return stars.where(F.col("group_size") > F.lit(1)).withColumn("loosest_score", F.lit(None).cast("double"))


def loosest_scores(pairs: DataFrame, metric: Metric) -> DataFrame:
    """Return of each group the score of the pair that is least alike: root, loosest_score.

    Args:
        pairs: score, root.
        metric: what a score says.
    """
    loosest = pairs.groupBy("root").agg(F.max(metric.rank(F.col("score"))).alias("worst"))
    return loosest.select("root", metric.rank(F.col("worst")).cast("double").alias("loosest_score"))


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


def _contract_some(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Do so with some millions of a partition's edges at a time: it may be of any size."""
    for some in gathered(batches, _CONTRACTED_EDGES):
        yield from _contract(iter(some.to_batches()))


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
