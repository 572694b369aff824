"""Codes and vectors cut into chunks, and every pair of chunks that is wanted brought together in one task."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from dedup_core.errors import LimitError
from dedup_core.spark.batches import MOST_TASKS, Batches
from dedup_core.spark.session import small_table

BLOBS = "chunk INT, codes BINARY, rows BINARY"
BOTH = 2  # the side of a chunk that is compared with itself
LEFT, RIGHT = 0, 1


def blobs(codes: np.ndarray, rows: np.ndarray, chunk: np.ndarray, chunks: int) -> pa.RecordBatch:
    """Return rows packed by chunk: a shuffle of blobs costs a fraction of a shuffle of rows.

    Args:
        codes: int64 (n,).
        rows: float32 (n, k), what travels of each.
        chunk: integers (n,), the chunk of each, below ``chunks``.
        chunks: how many there are.
    """
    order = np.argsort(chunk, kind="stable")
    ends = np.searchsorted(chunk[order], np.arange(chunks + 1))
    filled = np.flatnonzero(np.diff(ends))
    parts = [order[ends[number] : ends[number + 1]] for number in filled]
    columns = [pa.array([of[part].tobytes() for part in parts], pa.binary()) for of in (codes, rows)]
    return pa.RecordBatch.from_arrays([pa.array(filled.astype(np.int32)), *columns], ["chunk", "codes", "rows"])


def check_tasks(tasks: int, remedy: str) -> None:
    """Refuse a search that would be cut into more tasks than a driver plans and a cluster starts in reasonable time.

    Raises:
        LimitError: says how many, and what to do.
    """
    if tasks > MOST_TASKS:
        raise LimitError(f"the search would be cut into {tasks:,} tasks, more than {MOST_TASKS:,}: {remedy}")


def chunks_of(count: int, chunk: int, option: str) -> int:
    """Return into how many chunks to cut, of which every two are a task.

    Args:
        count: how many codes or vectors there are.
        chunk: how many a chunk holds.
        option: that says so.

    Raises:
        LimitError: if these were too many tasks.
    """
    chunks = max(1, math.ceil(count / chunk))
    fitting = math.ceil(count / (math.isqrt(2 * MOST_TASKS) - 1))
    check_tasks(chunks * (chunks + 1) // 2, f"{option} {fitting} would fit, with more memory a task")
    return chunks


def chunk_pairs(first: int, end: int) -> list[tuple[int, int]]:
    """Return every two of the chunks from ``first`` up to ``end``, and each with itself."""
    return list(itertools.combinations_with_replacement(range(first, end), 2))


def brought_together(packed: DataFrame, tasks: Sequence[tuple[int, int]]) -> DataFrame:
    """Send every chunk to each task that needs it, one task a partition.

    Args:
        packed: chunk, and what travels of it.
        tasks: the pairs of chunks to bring together; two equal ones for a chunk that is compared with itself.

    Returns:
        side (LEFT, RIGHT or BOTH), and what travels.
    """
    carried = [name for name in packed.columns if name != "chunk"]
    if len(tasks) == 1 and tasks[0][0] == tasks[0][1]:  # one chunk, compared with itself
        return packed.coalesce(1).select(F.lit(BOTH).alias("side"), *carried)
    keys = one_key_a_partition(packed.sparkSession, len(tasks))
    grid = []
    for key, (first, second) in zip(keys, tasks, strict=True):
        # A chunk may be empty: that one side is missing doesn't say that the other is compared with itself.
        grid += [(first, key, BOTH)] if first == second else [(first, key, LEFT), (second, key, RIGHT)]
    wanted = small_table(packed.sparkSession, grid, "chunk INT, task BIGINT, side INT")
    brought = packed.join(F.broadcast(wanted), on="chunk", how="inner").repartition(len(tasks), "task")
    return brought.select("side", *carried)


@dataclass(frozen=True)
class Side:
    """A chunk: int64 codes (n,), float32 rows (n, row_length)."""

    codes: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, blobs: list[tuple[bytes, bytes]], row_length: int) -> Side:
        """Return the blobs of a chunk as one."""
        # As bytearrays they can be written to: kernels compile a second time for what can't.
        codes, rows = (bytearray().join(column) for column in zip(*blobs, strict=True)) if blobs else (b"", b"")
        return cls(np.frombuffer(codes, np.int64), np.frombuffer(rows, np.float32).reshape(-1, row_length))


def sides(batches: Batches, row_length: int) -> tuple[Side, Side | None]:
    """Return the two chunks of a task; None for the second if the first is compared with itself."""
    blobs: tuple[list, list, list] = ([], [], [])
    for batch in batches:
        for side, *content in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            blobs[side].append(content)
    if blobs[BOTH]:
        return Side.of(blobs[BOTH], row_length), None
    return Side.of(blobs[LEFT], row_length), Side.of(blobs[RIGHT], row_length)


def one_key_a_partition(spark: SparkSession, partitions: int) -> list[int]:
    """Return for each partition a key that Spark's hash sends there, so that no partition gets two tasks or none."""
    enough = int(partitions * (math.log(partitions) + 12)) + 16
    keys = spark.range(enough).select("id", F.pmod(F.hash("id"), F.lit(partitions)).alias("partition"))
    first = keys.groupBy("partition").agg(F.min("id").alias("key")).orderBy("partition")
    return [row["key"] for row in first.collect()]
