"""Where the candidates that a bound left get their whole vectors, and float64 verifies.

Vectors that are like each other come in clusters. A candidate is verified at the place of the smallest code that either
end has a candidate with: within a cluster that is one place, so that a vector travels there once, and not once a pair.
Small places share a block, and a crowded one is cut into several, which bounds what a task holds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.cosine import join as cosine
from dedup_core.spark.search.chunks import Batches
from dedup_core.spark.search.cosine.vectors import matrix
from dedup_core.spark.search.distinct import CODE_PAIRS
from dedup_core.spark.staging import Staging
from dedup_core.spark.tables import conform

CANDIDATES = "code_a BIGINT, code_b BIGINT"
_CROWDED = "place BIGINT, parts INT"
_BROADCAST_ROWS = 1 << 20  # some 50 MB where they arrive
_BLOCK = ("place", "low", "high")
_VECTOR, _CANDIDATE = 0, 1
_ROWS = "place BIGINT, low BIGINT, high BIGINT, kind INT, code BIGINT, vector BINARY, code_a BIGINT, code_b BIGINT"
"""What comes to a block, in this order: its vectors (code, vector), then its candidates (code_a, code_b). One sorted
stream keeps no more than a block in memory, however many there are in a partition."""


@dataclass(frozen=True)
class Places:
    """How many vectors come to the places where candidates are verified: a vector counts once in a place.

    Attributes:
        small: to all places together that share blocks.
        crowded: place and vectors, of those that have blocks of their own.
    """

    small: int
    crowded: Sequence[tuple[int, int]]

    @classmethod
    def of(cls, placed: DataFrame, block_vectors: int) -> Places:
        """Count them.

        Args:
            placed: place, code_a, code_b.
            block_vectors: how many vectors make a place a crowded one.
        """
        vectors = _ends(placed, "place").distinct().groupBy("place").count()
        own_block = F.when(F.col("count") > F.lit(block_vectors), F.col("place")).alias("place")
        rows = vectors.groupBy(own_block).agg(F.sum("count").alias("vectors")).collect()
        small = sum(row["vectors"] for row in rows if row["place"] is None)
        return cls(small, [(row["place"], row["vectors"]) for row in rows if row["place"] is not None])

    @property
    def vectors(self) -> int:
        """How many vectors travel."""
        return self.small + sum(vectors for _, vectors in self.crowded)


def verify(candidates: DataFrame, vectors: DataFrame, steps: Staging, least: float, block_vectors: int) -> DataFrame:
    """Return those candidates whose similarity reaches the threshold: code_a, code_b, score.

    Args:
        candidates: code_a, code_b; read several times, so better a table than a plan.
        vectors: code, vector.
        steps: where the candidates are written with their places.
        least: the least similarity of a pair.
        block_vectors: how many vectors a task compares with as many others.
    """
    placed = steps.write("placed", with_places(candidates))
    places = Places.of(placed, block_vectors)
    pairs = with_blocks(placed, places, block_vectors)
    # A vector is wanted once in a block, however many candidates it has there.
    wanted = _ends(pairs, *_BLOCK).distinct()
    if places.vectors <= _BROADCAST_ROWS and not places.crowded:
        wanted = F.broadcast(wanted)  # the vectors then stay where they are until they go to their blocks
    arriving = wanted.join(vectors, on="code", how="inner").withColumn("kind", F.lit(_VECTOR))
    waiting = pairs.withColumn("kind", F.lit(_CANDIDATE))
    rows = conform(arriving, _ROWS).unionByName(conform(waiting, _ROWS))
    tasks = max(1, math.ceil(places.vectors / block_vectors))
    blocks = rows.repartition(tasks, *_BLOCK).sortWithinPartitions(*_BLOCK, "kind", "code", "code_a")
    return blocks.mapInArrow(_verifier(least), CODE_PAIRS)


def with_places(candidates: DataFrame) -> DataFrame:
    """Return the candidates with the place where each is verified: place, code_a, code_b.

    A code's label is the smallest code among itself and those it has candidates with; a place is the smaller label of
    two ends. More rounds would follow the bound's mistakes from cluster to cluster, and made more vectors travel.
    """
    both = candidates.unionByName(candidates.select(F.col("code_b").alias("code_a"), F.col("code_a").alias("code_b")))
    labels = both.groupBy("code_a").agg(F.least("code_a", F.min("code_b")).alias("label"))
    labelled = candidates
    for end in ("code_a", "code_b"):
        of_end = labels.select(F.col("code_a").alias(end), F.col("label").alias(f"label_of_{end}"))
        labelled = labelled.join(of_end, on=end, how="inner")
    return labelled.select(F.least("label_of_code_a", "label_of_code_b").alias("place"), "code_a", "code_b")


def with_blocks(placed: DataFrame, places: Places, block_vectors: int) -> DataFrame:
    """Return the candidates with the block of each: place (or the number that small ones share), low, high, and codes.

    Args:
        placed: place, code_a, code_b.
        places: how many vectors come to them.
        block_vectors: how many vectors a block compares with as many others.
    """
    parts = [(place, math.ceil(vectors / block_vectors)) for place, vectors in places.crowded]
    cut = placed.join(F.broadcast(placed.sparkSession.createDataFrame(parts, _CROWDED)), on="place", how="left")
    shared = F.pmod(F.xxhash64("place"), F.lit(max(1, math.ceil(places.small / block_vectors))))
    part_of = [F.pmod(F.xxhash64(end), F.coalesce("parts", F.lit(1))) for end in ("code_a", "code_b")]
    return cut.select(
        F.when(F.col("parts").isNull(), shared).otherwise(F.col("place")).alias("place"),
        F.least(*part_of).alias("low"),
        F.greatest(*part_of).alias("high"),
        "code_a",
        "code_b",
    )


def _ends(pairs: DataFrame, *names: str) -> DataFrame:
    """Return the named columns and a code, once for each end of the pairs."""
    a, b = (pairs.select(*names, F.col(end).alias("code")) for end in ("code_a", "code_b"))
    return a.unionByName(b)


def _verifier(least: float) -> Callable[[Batches], Batches]:
    """Verify block after block: in a partition the vectors of each arrive before its candidates, both by code."""

    def verify_all(batches: Batches) -> Batches:
        block, held = None, _Held()
        for batch in batches:
            for (*of_block, kind), part in _runs(batch):
                if of_block != block:
                    block, held = of_block, _Held()
                if kind == _VECTOR:
                    held.add(part)
                else:
                    yield _verify(part, *held.whole(), least)

    return verify_all


def _verify(part: pa.RecordBatch, codes: np.ndarray, vectors: np.ndarray, least: float) -> pa.RecordBatch:
    ends = [np.searchsorted(codes, part.column(end).to_numpy()) for end in ("code_a", "code_b")]
    pairs = cosine.verify(vectors, vectors, np.stack(ends), least)
    return pa.RecordBatch.from_pydict({"code_a": codes[pairs.left], "code_b": codes[pairs.right], "score": pairs.score})


class _Held:
    """The vectors of a block as they arrive, in the order of their codes."""

    def __init__(self) -> None:
        self._parts: list[tuple[np.ndarray, np.ndarray]] = []

    def add(self, part: pa.RecordBatch) -> None:
        codes, content = part.column("code").to_numpy(), part.column("vector")
        length = len(content[0].as_buffer()) // 4
        self._parts.append((codes.copy(), matrix(content, length).copy()))  # a copy, so that the batch can go

    def whole(self) -> tuple[np.ndarray, np.ndarray]:
        """Codes, int64 (n,), and vectors, float32 (n, d)."""
        if len(self._parts) > 1:
            codes, vectors = zip(*self._parts, strict=True)
            self._parts = [(np.concatenate(codes), np.concatenate(vectors))]
        return self._parts[0]


def _runs(batch: pa.RecordBatch) -> Iterator[tuple[tuple, pa.RecordBatch]]:
    """Cut a batch where the block changes, or vectors give way to candidates."""
    columns = [batch.column(name).to_numpy() for name in (*_BLOCK, "kind")]
    changes = np.any([np.diff(column) != 0 for column in columns], axis=0)
    starts = [0, *(np.flatnonzero(changes) + 1).tolist(), len(batch)]
    for start, end in itertools.pairwise(starts):
        if end > start:
            yield tuple(int(column[start]) for column in columns), batch.slice(start, end - start)
