"""Candidate pairs brought together with what is known of their ends, block by block, where each is decided.

What is alike comes in clusters. A candidate is decided at the place of the smallest code that either end has a
candidate with: within a cluster that is one place, so that what is known of a code travels there once, and not once a
pair. Small places share a block, and a crowded one is cut into several, which bounds what a task holds.
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

from dedup_core.spark.session import small_table
from dedup_core.spark.staging import Staging
from dedup_core.spark.tables import conform

Decide = Callable[[pa.RecordBatch | pa.Table, Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]
"""Takes what is known in a block and its candidates, in the order that was asked for; yields what it decides."""

BLOCK = ("place", "low", "high")
"""The columns that name a block."""

_CROWDED = "place BIGINT, parts INT"
_BROADCAST_ROWS = 1 << 20  # some 50 MB where they arrive
_BLOCK_SCHEMA = "place BIGINT, low BIGINT, high BIGINT, kind INT"
_KNOWN, _CANDIDATE = 0, 1


@dataclass(frozen=True)
class Places:
    """How many codes come to the places where candidates are decided: a code counts once in a place.

    Attributes:
        small: to all places together that share blocks.
        crowded: place and codes, of those that have blocks of their own.
    """

    small: int
    crowded: Sequence[tuple[int, int]]

    @classmethod
    def of(cls, placed: DataFrame, block_codes: int) -> Places:
        """Count them.

        Args:
            placed: place, code_a, code_b.
            block_codes: how many codes make a place a crowded one.
        """
        return cls.counted(ends_of(placed, "place").distinct().groupBy("place").count(), block_codes)

    @classmethod
    def counted(cls, sizes: DataFrame, block_codes: int) -> Places:
        """Tell the crowded ones from the others.

        Args:
            sizes: place, count.
            block_codes: how many codes make a place a crowded one.
        """
        own_block = F.when(F.col("count") > F.lit(block_codes), F.col("place")).alias("place")
        rows = sizes.groupBy(own_block).agg(F.sum("count").alias("codes")).collect()
        small = sum(row["codes"] for row in rows if row["place"] is None)
        return cls(small, [(row["place"], row["codes"]) for row in rows if row["place"] is not None])

    @property
    def codes(self) -> int:
        """How many codes travel."""
        return self.small + sum(codes for _, codes in self.crowded)

    def tasks(self, block_codes: int) -> int:
        """Return how many tasks share them."""
        return max(1, math.ceil(self.codes / block_codes))


def decided_in_blocks(
    candidates: DataFrame, known: DataFrame, steps: Staging, block_codes: int, decide: Decide, schema: str
) -> DataFrame:
    """Return what is decided of candidates.

    Args:
        candidates: code_a, code_b, and more; read several times, so better a table than a plan.
        known: code, and what is known of it, under other names than the columns of the candidates.
        steps: where the candidates are written with their places.
        block_codes: how many codes a task holds, and as many others.
        decide: decides a block's candidates.
        schema: what it returns.
    """
    placed = steps.write("placed", with_places(candidates))
    places = Places.of(placed, block_codes)
    pairs = with_blocks(placed, places, block_codes)
    # A code is wanted once in a block, however many candidates it has there.
    wanted = ends_of(pairs, *BLOCK).distinct()
    if places.codes <= _BROADCAST_ROWS and not (places.crowded or steps.holds_few):
        wanted = F.broadcast(wanted)  # what is known then stays where it is until it goes to its block
    arriving = wanted.join(known, on="code", how="inner")
    order = "code", "code_a", "code_b"
    tasks = places.tasks(block_codes)
    return decided_together(arriving, pairs, None if steps.holds_few and tasks == 1 else tasks, decide, schema, order)


def decided_together(
    known: DataFrame, candidates: DataFrame, tasks: int | None, decide: Decide, schema: str, order: Sequence[str] = ()
) -> DataFrame:
    """Bring what is known in each block together with its candidates, and return what is decided of these.

    Args:
        known: ``BLOCK``, and what is known, under other names than the columns of the candidates.
        candidates: ``BLOCK``, and what is to be decided.
        tasks: how many tasks share the blocks; None for one, to which few rows come without a shuffle.
        decide: decides a block's candidates.
        schema: what it returns.
        order: columns by which the rows of a block are sorted.
    """
    of_known, of_candidates = ([name for name in frame.columns if name not in BLOCK] for frame in (known, candidates))
    both = known.select(of_known).dtypes + candidates.select(of_candidates).dtypes
    rows_schema = ", ".join([_BLOCK_SCHEMA, *(f"{name} {kind}" for name, kind in both)])
    kinds = known.withColumn("kind", F.lit(_KNOWN)), candidates.withColumn("kind", F.lit(_CANDIDATE))
    rows = conform(kinds[0], rows_schema).unionByName(conform(kinds[1], rows_schema))
    together = rows.coalesce(1) if tasks is None else rows.repartition(tasks, *BLOCK)
    blocks = together.sortWithinPartitions(*BLOCK, "kind", *order)
    return blocks.mapInArrow(_decider(decide, of_known, of_candidates), schema)


def with_places(candidates: DataFrame) -> DataFrame:
    """Return the candidates with the place where each is decided.

    A code's label is the smallest code among itself and those it has candidates with; a place is the smaller label of
    two ends. More rounds would follow a bound's mistakes from cluster to cluster, and made more vectors travel.
    """
    ends = candidates.select("code_a", "code_b")
    both = ends.unionByName(ends.select(F.col("code_b").alias("code_a"), F.col("code_a").alias("code_b")))
    labels = both.groupBy("code_a").agg(F.least("code_a", F.min("code_b")).alias("label"))
    labelled = candidates
    for end in ("code_a", "code_b"):
        of_end = labels.select(F.col("code_a").alias(end), F.col("label").alias(f"label_of_{end}"))
        labelled = labelled.join(of_end, on=end, how="inner")
    place = F.least("label_of_code_a", "label_of_code_b").alias("place")
    return labelled.select(place, *candidates.columns)


def with_blocks(placed: DataFrame, places: Places, block_codes: int) -> DataFrame:
    """Return the candidates with the block of each: place (or the number that small ones share), low, high.

    Args:
        placed: place, code_a, code_b, and more.
        places: how many codes come to them.
        block_codes: how many codes a block holds, and as many others.
    """
    parts = [(place, math.ceil(codes / block_codes)) for place, codes in places.crowded]
    cut = placed.withColumn("parts", F.lit(None).cast("int"))
    if parts:
        cut = placed.join(F.broadcast(small_table(placed.sparkSession, parts, _CROWDED)), on="place", how="left")
    shared = F.pmod(F.xxhash64("place"), F.lit(max(1, math.ceil(places.small / block_codes))))
    part_of = [F.pmod(F.xxhash64(end), F.coalesce("parts", F.lit(1))) for end in ("code_a", "code_b")]
    return cut.select(
        F.when(F.col("parts").isNull(), shared).otherwise(F.col("place")).alias("place"),
        F.least(*part_of).alias("low"),
        F.greatest(*part_of).alias("high"),
        *(name for name in placed.columns if name != "place"),
    )


def ends_of(pairs: DataFrame, *names: str) -> DataFrame:
    """Return the named columns and a code, once for each end of the pairs."""
    a, b = (pairs.select(*names, F.col(end).alias("code")) for end in ("code_a", "code_b"))
    return a.unionByName(b)


def _decider(
    decide: Decide, known: Sequence[str], candidates: Sequence[str]
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Decide block after block: in a partition what is known of each arrives before its candidates."""

    def decide_all(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        runs = (run for batch in batches for run in _runs(batch))
        for _, of_block in itertools.groupby(runs, key=lambda run: run[0]):
            parts = ((kind, part) for _, kind, part in of_block)
            arrived, first = [], None
            for kind, part in parts:
                if kind != _KNOWN:
                    first = part
                    break
                arrived.append(part.select(known))
            if first is not None:
                waiting = itertools.chain([first], (part for _, part in parts))
                yield from decide(_whole(arrived), (part.select(candidates) for part in waiting))

    return decide_all


def _whole(parts: list[pa.RecordBatch]) -> pa.RecordBatch | pa.Table:
    batches = pa.Table.from_batches(parts).combine_chunks().to_batches()  # more than one beyond 2 GiB
    return batches[0] if len(batches) == 1 else pa.Table.from_batches(batches)


def _runs(batch: pa.RecordBatch) -> Iterator[tuple[tuple[int, ...], int, pa.RecordBatch]]:
    """Cut a batch where the block changes, or what is known gives way to candidates."""
    columns = [batch.column(name).to_numpy() for name in (*BLOCK, "kind")]
    changes = np.any([np.diff(column) != 0 for column in columns], axis=0)
    starts = [0, *(np.flatnonzero(changes) + 1).tolist(), len(batch)]
    for start, end in itertools.pairwise(starts):
        if end > start:
            *block, kind = (int(column[start]) for column in columns)
            yield tuple(block), kind, batch.slice(start, end - start)
