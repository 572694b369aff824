"""What every threshold finds, groups and removes, and pairs to look at, with no truth needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from dedup_core.evaluation.sweep_groups import GroupCounts, group_counts

STEPS = 100
"""Similarities are looked at in steps of 1 / STEPS. Distances are whole numbers."""

_COUNTS = "level INT, groups BIGINT, in_groups BIGINT, removals BIGINT"


def threshold_grid(loosest: float, ascending: bool) -> np.ndarray:
    """Return float64 thresholds, strict before loose; the last one is the one that the pairs were searched with.

    Args:
        loosest: the largest distance or smallest similarity of the search.
        ascending: True for distances, False for similarities.
    """
    if ascending:
        return np.arange(int(loosest) + 1, dtype=np.float64)
    # A quotient is the number that its decimals name, which a multiple of 0.01 is not always.
    grid = np.arange(STEPS, -STEPS - 1, -1) / STEPS
    return np.append(grid[grid > loosest], float(loosest))


def with_threshold(pairs: DataFrame, loosest: float, ascending: bool) -> DataFrame:
    """Add a column to pairs: the strictest threshold of the grid that finds the pair."""
    return pairs.withColumn("threshold", _strictest(F.col("score"), loosest, ascending))


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


def _strictest(score: Column, loosest: float, ascending: bool) -> Column:
    if ascending:
        return F.least(F.ceil(score).cast("double"), F.lit(float(loosest)))
    # Rounding may put the product on the wrong side of a whole number; the comparison with the quotient decides.
    step = F.floor(score * F.lit(STEPS))
    above, below = (step + F.lit(1)) / F.lit(float(STEPS)), step / F.lit(float(STEPS))
    exact = F.when(score >= above, above).when(score < below, (step - F.lit(1)) / F.lit(float(STEPS))).otherwise(below)
    return F.greatest(F.least(exact, F.lit(1.0)), F.lit(float(loosest)))


def _grouper(thresholds: np.ndarray) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def group(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        parts = list(batches)
        left, right, n_nodes = _positions(parts)
        found = np.concatenate([np.empty(0), *(part.column(2).to_numpy(zero_copy_only=False) for part in parts)])
        order = np.argsort(thresholds)
        level = order[np.searchsorted(thresholds[order], found)]
        counts = group_counts(left, right, level, n_nodes, len(thresholds))
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
