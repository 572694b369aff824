"""Where the pairs that a bound left meet their whole vectors, and float64 decides.

Vectors that are like each other come in clusters. A pair is decided where the smallest node lives that either end has
a survivor with: within a cluster that is one place, so that a vector travels there once, and not once a pair. Small
places share a bucket, and a crowded one is split, which bounds what a task holds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.cosine import join as cosine
from dedup_core.spark.search.cosine.vectors import matrix
from dedup_core.spark.search.distinct import CODE_PAIRS
from dedup_core.spark.staging import Staging

SURVIVORS = "node_a BIGINT, node_b BIGINT"
_CROWDED = "place BIGINT, splits INT"
_BROADCAST_ROWS = 1 << 20  # some 50 MB where they arrive
_MEETING = ("place", "low", "high")


def decide(survivors: DataFrame, vectors: DataFrame, steps: Staging, least: float, bucket_vectors: int) -> DataFrame:
    """Return those survivors whose similarity reaches the threshold: node_a, node_b, score.

    Args:
        survivors: node_a, node_b; read several times, so better a table than a plan.
        vectors: node, vector.
        steps: where the survivors are written with their places.
        least: the least similarity of a pair.
        bucket_vectors: how many vectors may meet as many others in a task.
    """
    placed = steps.write("placed", places(survivors))
    per_place = _ends(placed, "place").distinct().groupBy("place").count()  # a vector counts once in a place
    is_crowded = F.col("count") > F.lit(bucket_vectors)
    crowds = per_place.groupBy(F.when(is_crowded, F.col("place")).alias("place")).agg(F.sum("count").alias("vectors"))
    sizes = {row["place"]: row["vectors"] for row in crowds.collect()}
    journeys = sum(sizes.values())
    tasks = max(1, math.ceil(journeys / bucket_vectors))
    buckets = max(1, math.ceil(sizes.pop(None, 0) / bucket_vectors))
    pairs = meetings(placed, buckets, [(place, math.ceil(size / bucket_vectors)) for place, size in sizes.items()])
    # A vector is wanted once in a meeting, however many survivors it has there.
    wanted = _ends(pairs, *_MEETING).distinct()
    if (
        journeys <= _BROADCAST_ROWS and not sizes
    ):  # no place is crowded: the vectors then stay where they are until they go to meet
        wanted = F.broadcast(wanted)
    arriving = wanted.join(vectors, on="node", how="inner").withColumnRenamed("node", "node_a")
    rows = arriving.unionByName(pairs, allowMissingColumns=True)
    vectors_first = F.col("node_b").isNotNull()
    together = rows.repartition(tasks, *_MEETING).sortWithinPartitions(*_MEETING, vectors_first, "node_a")
    return together.select(*_MEETING, "node_a", "node_b", "vector").mapInArrow(_decider(least), CODE_PAIRS)


def places(survivors: DataFrame) -> DataFrame:
    """Return the survivors with the place where each is decided: place, node_a, node_b.

    A node's label is the smallest node among itself and those it has survivors with; a place is the smaller label of
    two ends. More rounds would follow the bound's mistakes from cluster to cluster, and made more vectors travel.
    """
    both = survivors.unionByName(survivors.select(F.col("node_b").alias("node_a"), F.col("node_a").alias("node_b")))
    labels = both.groupBy("node_a").agg(F.least("node_a", F.min("node_b")).alias("label"))
    labelled = survivors
    for end in ("node_a", "node_b"):
        of_end = labels.select(F.col("node_a").alias(end), F.col("label").alias(f"label_of_{end}"))
        labelled = labelled.join(of_end, on=end, how="inner")
    return labelled.select(F.least("label_of_node_a", "label_of_node_b").alias("place"), "node_a", "node_b")


def meetings(placed: DataFrame, buckets: int, crowded: list[tuple[int, int]]) -> DataFrame:
    """Return the placed pairs with the meeting of each: place (or its bucket), low, high, node_a, node_b.

    Args:
        placed: place, node_a, node_b.
        buckets: how many the places that are not crowded share.
        crowded: places with more vectors than may meet, and into how many parts each is cut.
    """
    splits = F.broadcast(placed.sparkSession.createDataFrame(crowded, _CROWDED))
    cut = placed.join(splits, on="place", how="left")
    bucket = F.pmod(F.xxhash64("place"), F.lit(buckets))
    parts = [F.pmod(F.xxhash64(end), F.coalesce("splits", F.lit(1))) for end in ("node_a", "node_b")]
    return cut.select(
        F.when(F.col("splits").isNull(), bucket).otherwise(F.col("place")).alias("place"),
        F.least(*parts).alias("low"),
        F.greatest(*parts).alias("high"),
        "node_a",
        "node_b",
    )


def _ends(pairs: DataFrame, *names: str) -> DataFrame:
    """The named columns and a node, once for each end of the pairs."""
    a, b = (pairs.select(*names, F.col(end).alias("node")) for end in ("node_a", "node_b"))
    return a.unionByName(b)


def _decider(least: float) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Decide meeting after meeting: in a partition the vectors of each arrive before its pairs, both by node."""

    def decide(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        meeting, held = None, _Held()
        for batch in batches:
            for name, part in _runs(batch):
                if name != meeting:
                    meeting, held = name, _Held()
                if part.column("node_b").null_count:
                    held.add(part)
                    continue
                nodes, vectors = held.whole()
                places = [np.searchsorted(nodes, part.column(end).to_numpy()) for end in ("node_a", "node_b")]
                found = cosine.verify(vectors, vectors, np.stack(places), least)
                ends = {"node_a": nodes[found.left], "node_b": nodes[found.right]}
                yield pa.RecordBatch.from_pydict({**ends, "score": found.score})

    return decide


class _Held:
    """The vectors of a meeting as they arrive, in the order of their nodes."""

    def __init__(self) -> None:
        self._parts: list[tuple[np.ndarray, np.ndarray]] = []

    def add(self, part: pa.RecordBatch) -> None:
        nodes, content = part.column("node_a").to_numpy(), part.column("vector")
        length = len(content[0].as_buffer()) // 4
        self._parts.append((nodes.copy(), matrix(content, length).copy()))  # a copy, so that the batch can go

    def whole(self) -> tuple[np.ndarray, np.ndarray]:
        """Nodes, int64 (n,), and vectors, float32 (n, d)."""
        if len(self._parts) > 1:
            nodes, vectors = zip(*self._parts, strict=True)
            self._parts = [(np.concatenate(nodes), np.concatenate(vectors))]
        return self._parts[0]


def _runs(batch: pa.RecordBatch) -> Iterator[tuple[tuple, pa.RecordBatch]]:
    """Cut a batch where the meeting changes, or vectors give way to pairs."""
    columns = [batch.column(name).to_numpy() for name in _MEETING]
    columns.append(batch.column("node_b").is_valid().to_numpy(zero_copy_only=False).astype(np.int8))
    changes = np.any([np.diff(column) != 0 for column in columns], axis=0)
    starts = [0, *(np.flatnonzero(changes) + 1).tolist(), len(batch)]
    for start, end in itertools.pairwise(starts):
        if end > start:
            yield tuple(int(column[start]) for column in columns[:-1]), batch.slice(start, end - start)
