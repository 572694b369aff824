"""What every threshold finds, groups and removes, and pairs to look at, with no truth needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from dedup_core.evaluation.sweep_groups import GroupCounts, group_counts
from dedup_core.metric import Metric

_COUNTS = "level INT, groups BIGINT, in_groups BIGINT, removals BIGINT"


def with_threshold(pairs: DataFrame, loosest: float, metric: Metric) -> DataFrame:
    """Add a column to pairs: the strictest threshold that finds the pair, of ``metric.grid(loosest)``."""
    return pairs.withColumn("threshold", _strictest(F.col("score"), loosest, metric))


def count_pairs(pairs: DataFrame, thresholds: np.ndarray) -> np.ndarray:
    """Return int64 (n_thresholds,), the pairs that each threshold finds."""
    rows = pairs.groupBy("threshold").agg(F.count("*").alias("pairs")).collect()  # one row a threshold at most
    counts = {row["threshold"]: row["pairs"] for row in rows}
    return np.cumsum([counts.get(threshold, 0) for threshold in thresholds.tolist()])


def count_groups(pairs: DataFrame, thresholds: np.ndarray) -> GroupCounts:
    """Return groups and removals at each threshold. One task holds all pairs: for some millions of them."""
    columns = pairs.select("path_a", "path_b", "threshold").coalesce(1)
    rows = columns.mapInArrow(_grouper(thresholds), _COUNTS).orderBy("level").collect()
    return GroupCounts(
        *(np.array([row[name] for row in rows], np.int64) for name in ("groups", "in_groups", "removals"))
    )


def count_group_sizes(groups: DataFrame) -> DataFrame:
    """Return group_size, groups: how many groups have that many images."""
    by_size = groups.groupBy("group_size").agg(F.count("*").alias("images"))
    return by_size.select("group_size", (F.col("images") / F.col("group_size")).cast("bigint").alias("groups"))


def sample_pairs(pairs: DataFrame, per_threshold: int) -> DataFrame:
    """Return some pairs of each threshold that a stricter one does not find, drawn by a hash of their paths."""
    drawn = Window.partitionBy("threshold").orderBy(F.xxhash64("path_a", "path_b"), "path_a", "path_b")
    numbered = pairs.withColumn("number", F.row_number().over(drawn))
    return numbered.where(F.col("number") <= F.lit(per_threshold)).drop("number")


def _strictest(score: Column, loosest: float, metric: Metric) -> Column:
    rank = metric.rank(score)
    step = F.ceil(rank * F.lit(metric.steps))
    closer, exact, farther = ((step + F.lit(more)) / F.lit(float(metric.steps)) for more in (-1, 0, 1))
    # Rounding may put the product on the wrong side of a whole number; the comparison with the quotient sets it right.
    strictest = F.when(rank <= closer, closer).when(rank > exact, farther).otherwise(exact)
    inside = F.greatest(F.lit(float(metric.rank(metric.closest))), strictest)
    return metric.rank(F.least(inside, F.lit(float(metric.rank(loosest))))) + F.lit(0.0)  # a sum of 0 is never -0


def _grouper(thresholds: np.ndarray) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def group(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        parts = list(batches)
        left, right, n_images = _positions(parts)
        threshold = np.concatenate([np.empty(0), *(part.column(2).to_numpy(zero_copy_only=False) for part in parts)])
        order = np.argsort(thresholds)
        level = order[np.searchsorted(thresholds[order], threshold)]
        counts = group_counts(left, right, level, n_images, len(thresholds))
        levels = pa.array(np.arange(len(thresholds)), pa.int32())
        columns = [pa.array(column) for column in (counts.groups, counts.in_groups, counts.removals)]
        yield pa.RecordBatch.from_arrays([levels, *columns], ["level", "groups", "in_groups", "removals"])

    return group


def _positions(parts: Sequence[pa.RecordBatch]) -> tuple[np.ndarray, np.ndarray, int]:
    """Return both paths of each pair as places in the order of all paths, and how many those are."""
    # Offsets of 64 bits: the paths of some million pairs can be more than the 2 GB that 32 bits address.
    columns = [part.column(side).cast(pa.large_string()) for side in (0, 1) for part in parts]
    encoded = pa.concat_arrays([pa.array([], pa.large_string()), *columns]).dictionary_encode()
    place = np.empty(len(encoded.dictionary), np.int64)
    place[pc.sort_indices(encoded.dictionary).to_numpy()] = np.arange(len(encoded.dictionary))
    left, right = np.split(place[encoded.indices.to_numpy()], 2)
    return left, right, len(place)
