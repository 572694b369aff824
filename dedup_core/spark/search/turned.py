"""The exact join of hashes with those of the turned pictures in Spark: the least distance over the eight turns.

Images that agree in all eight hashes share a code, which is the smallest of their ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from dedup_core.hamming.estimate import enough
from dedup_core.hamming.turned import (
    TurnedCodes,
    TurnedPairs,
    turned_cross_join_blocks,
    turned_partners,
    turned_self_join_blocks,
)
from dedup_core.metric import HAMMING
from dedup_core.settings.layers import option
from dedup_core.settings.settings import MOST_COPIES, SearchSettings
from dedup_core.spark.batches import Batches, gathered
from dedup_core.spark.search.chunks import BLOBS, Side, blobs, brought_together, chunk_pairs, chunks_of, sides
from dedup_core.spark.search.distinct import CODE_PAIRS, IMAGES, DistinctCodes
from dedup_core.spark.search.estimates import SearchEstimate, estimate_of
from dedup_core.spark.search.hamming import MOST_PARTNERS, added_up, is_drawn
from dedup_core.spark.search.proposal import Proposal
from dedup_core.spark.staging import Staging
from dedup_core.spark.tables import conform
from dedup_core.spark.verify.contents import Contents
from dedup_core.turns import INVERSE, TURNS
from dedup_core.verify.verdict import SAME

_TURNED_PAIRS = f"{CODE_PAIRS}, turn INT"
_HASHES = ("hash", "turned")
_COUNTED = pa.schema(
    [("code", pa.int64()), ("hash", pa.int64()), ("turned", pa.list_(pa.int64())), ("listed", pa.int64())]
)
_PACK_CODES = 1 << 16
_NUMBERS = 2 * len(TURNS)  # float32 that take the place of eight hashes


@dataclass(frozen=True)
class TurnedSearch:
    """An exact search among hashes that have those of their turned pictures beside them.

    Attributes:
        max_distance: the largest distance of a pair, 0 to 64, by the turn that brings it closest.
        chunk_codes: how many hashes a task compares with as many others: it has eight of each code.
        most_copies: of how many equal images each is listed with each.
    """

    max_distance: int
    chunk_codes: int
    most_copies: int = MOST_COPIES

    @classmethod
    def of(cls, settings: SearchSettings) -> TurnedSearch:
        """Return the search that the settings ask for."""
        return cls(settings.max_distance_threshold, settings.chunk_codes, settings.most_copies)

    def distinct(self, features: DataFrame, steps: Staging) -> DistinctCodes:
        """Return what differs in one of the eight hashes."""
        code = F.min("id").over(Window.partitionBy(*_HASHES)).alias("code")
        coded = steps.write("coded", features.select("id", "digest", code, *_HASHES))
        firsts = coded.where(F.col("id") == F.col("code")).select("code", *_HASHES)
        return DistinctCodes.of(conform(coded, IMAGES), steps, self.most_copies, firsts)

    def estimate(self, codes: DistinctCodes) -> SearchEstimate:
        """Compare some thousand codes with all, in one pass. What is drawn depends on the codes alone."""
        counted = codes.compared.join(codes.table.select("code", "listed"), on="code", how="inner")
        drawn = _drawn(counted.where(is_drawn(codes.count)))
        seen = sum(len(pairs) for pairs, _ in turned_self_join_blocks(_codes_of(drawn), self.max_distance))
        drawn = drawn.slice(0, enough(len(drawn), codes.count, seen, MOST_PARTNERS))
        sample, copies = _codes_of(drawn), drawn.column("listed").to_numpy()

        def count(some: pa.Table) -> np.ndarray:
            return turned_partners(sample, _codes_of(some), some.column("listed").to_numpy(), self.max_distance)

        is_whole = len(drawn) == codes.count  # they are all here: no need to send them
        of_each = count(drawn) if is_whole else added_up(counted, count, (len(drawn), self.max_distance + 1))
        thresholds = HAMMING.stricter(self.max_distance)
        estimate = estimate_of(of_each.cumsum(axis=2)[:, :, ::-1], copies, codes, thresholds, HAMMING)
        return replace(estimate, ways=len(TURNS))

    def note(self, codes: DistinctCodes) -> str:  # noqa: ARG002 - it is so for any
        """Say what a distance is."""
        return "distances are the least over turned and mirrored pictures (orientations)"

    def propose(self, codes: DistinctCodes, steps: Staging) -> Proposal:
        """Find every pair within the distance, each with the ``turn`` of the smaller code that is like the other."""
        chunks = chunks_of(len(TURNS) * codes.count, self.chunk_codes, option("chunk_codes"))
        packed = codes.compared.mapInArrow(_packer(chunks), BLOBS)
        joined = brought_together(packed, chunk_pairs(0, chunks)).mapInArrow(_joiner(self.max_distance), _TURNED_PAIRS)
        return Proposal.written(joined, steps)


def with_turns(verdicts: DataFrame, contents: Contents, code_pairs: DataFrame) -> DataFrame:
    """Return the verdicts on pairs of contents with the ``turn`` after which the smaller content is like the other.

    It is null where none is needed, as for pictures that are the same as they lie.

    Args:
        verdicts: on pairs of contents.
        contents: whose codes these are.
        code_pairs: code_a, code_b, turn.
    """
    pairs = code_pairs.where(F.col("turn") != F.lit(0)).select("code_a", "code_b", "turn")
    of_code = contents.compared.select("content", "code")
    for end in "ab":
        named = of_code.select(F.col("code").alias(f"code_{end}"), F.col("content").alias(f"content_{end}"))
        pairs = pairs.join(named, on=f"code_{end}", how="inner")
    inverse = F.element_at(F.array(*map(F.lit, INVERSE)), F.col("turn") + F.lit(1))
    ordered = pairs.select(
        F.least("content_a", "content_b").alias("code_a"),
        F.greatest("content_a", "content_b").alias("code_b"),
        F.when(F.col("content_a") < F.col("content_b"), F.col("turn")).otherwise(inverse).alias("turn"),
    )
    told = verdicts.join(ordered, on=["code_a", "code_b"], how="left")
    return told.withColumn("turn", F.when(F.col("verdict") != F.lit(SAME), F.col("turn")))


def _drawn(counted: DataFrame) -> pa.Table:
    """Return the codes of a sample in an order by chance: code, hash, turned, listed."""
    rows = sorted(counted.select("code", *_HASHES, "listed").collect())
    order = np.random.default_rng(0).permutation(len(rows))
    return pa.Table.from_pylist([rows[place].asDict() for place in order.tolist()], schema=_COUNTED)


def _packer(chunks: int) -> Callable[[Batches], Batches]:
    """Pack codes and their hashes into blobs by chunk."""

    def pack(batches: Batches) -> Batches:
        for rows in gathered(batches, _PACK_CODES * chunks):
            codes, hashes = _codes_of(rows)
            chunk = codes.view(np.uint64) % np.uint64(chunks)  # ids follow from hashes of paths: they spread evenly
            yield blobs(codes, hashes.view(np.float32), chunk, chunks)

    return pack


def _codes_of(rows: pa.Table) -> TurnedCodes:
    turned = rows.column("turned").combine_chunks().flatten().to_numpy().reshape(-1, len(TURNS) - 1)
    hashes = np.column_stack([rows.column("hash").to_numpy(), turned])
    return TurnedCodes(rows.column("code").to_numpy(), hashes.astype(np.int64).view(np.uint64))


def _joiner(max_distance: int) -> Callable[[Batches], Batches]:
    def join(batches: Batches) -> Batches:
        left, other = map(_of_side, sides(batches, _NUMBERS))
        if left is None:
            return
        if other is None:
            yield from _records(turned_self_join_blocks(left, max_distance), left, left)
        else:
            yield from _records(turned_cross_join_blocks(left, other, max_distance), left, other)

    return join


def _of_side(side: Side | None) -> TurnedCodes | None:
    return None if side is None else TurnedCodes(side.codes, side.rows.view(np.uint64))


def _records(blocks: Iterable[TurnedPairs], left: TurnedCodes, right: TurnedCodes) -> Iterable[pa.RecordBatch]:
    for pairs, turn in blocks:
        ends = left.codes[pairs.left], right.codes[pairs.right]
        columns = {"code_a": np.minimum(*ends), "code_b": np.maximum(*ends), "score": pairs.score.astype(np.float64)}
        yield pa.RecordBatch.from_pydict({**columns, "turn": turn.astype(np.int32)})
