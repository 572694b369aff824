"""The exact Hamming join in Spark: distinct codes, cut into chunks, every chunk against every other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from dedup_core.hamming.estimate import enough, partners
from dedup_core.hamming.join import cross_join_blocks, self_join_blocks
from dedup_core.metric import HAMMING
from dedup_core.pairs import Pairs
from dedup_core.settings.layers import option
from dedup_core.settings.settings import MOST_COPIES, SearchSettings
from dedup_core.spark.batches import Batches, gathered
from dedup_core.spark.search.chunks import BOTH, LEFT, RIGHT, brought_together, chunk_pairs, chunks_of
from dedup_core.spark.search.distinct import CODE_PAIRS, IMAGES, DistinctCodes
from dedup_core.spark.search.estimates import SearchEstimate, estimate_of
from dedup_core.spark.search.proposal import Proposal
from dedup_core.spark.staging import Staging
from dedup_core.spark.tables import conform

_PACKED = "chunk INT, codes BINARY"
_PACK_CODES = 1 << 16
_FEWEST_CODES, _MOST_CODES, _CODES_A_SAMPLED = 4000, 20_000, 1000
MOST_PARTNERS = 200_000_000  # of all sampled codes: seconds of one core
_BLOCK_CODES = 1 << 20  # compared with the sample at a time: of fewer, each costs more
_DRAWS = 1 << 30
_PARTNERS = "member INT, distance INT, codes DOUBLE, images DOUBLE"
_SPREAD = np.uint64(0x9E37_79B9_7F4A_7C15)


@dataclass(frozen=True)
class HammingSearch:
    """An exact search among hashes, each of which is its own code.

    Attributes:
        max_distance: the largest Hamming distance of a pair, 0 to 64.
        chunk_codes: how many codes a task compares with as many others; memory and time of a task follow from it.
        most_copies: of how many equal images each is listed with each.
    """

    max_distance: int
    chunk_codes: int
    most_copies: int = MOST_COPIES

    @classmethod
    def of(cls, settings: SearchSettings) -> HammingSearch:
        """Return the search that the settings ask for."""
        return cls(settings.max_distance_threshold, settings.chunk_codes, settings.most_copies)

    def distinct(self, features: DataFrame, steps: Staging) -> DistinctCodes:
        """Return the distinct hashes."""
        images = conform(features.withColumnRenamed("hash", "code"), IMAGES)
        return DistinctCodes.of(images, steps, self.most_copies)

    def estimate(self, codes: DistinctCodes) -> SearchEstimate:
        """Compare some thousand codes with all, in one pass. What is drawn depends on the codes alone."""
        sample, copies = _draw(codes.table, codes.count)
        seen = sum(len(block) for block in self_join_blocks(sample, self.max_distance))
        size = enough(len(sample), codes.count, seen, MOST_PARTNERS)
        sample, copies = sample[:size], copies[:size]
        if size == codes.count:
            of_each = partners(sample, sample, copies, self.max_distance)  # they are all here: no need to send them
        else:
            of_each = _compared(codes.table, sample, self.max_distance)
        thresholds = HAMMING.stricter(self.max_distance)
        return estimate_of(of_each.cumsum(axis=2)[:, :, ::-1], copies, codes, thresholds, HAMMING)

    def note(self, codes: DistinctCodes) -> str:  # noqa: ARG002 - there is nothing to know
        """Return nothing: the search is exact."""
        return ""

    def propose(self, codes: DistinctCodes, steps: Staging) -> Proposal:
        """Find every pair of distinct hashes within the distance."""
        pairs = code_pairs(codes.compared, codes.count, self.max_distance, self.chunk_codes)
        return Proposal.written(pairs, steps)


def code_pairs(codes: DataFrame, count: int, max_distance: int, chunk_codes: int) -> DataFrame:
    """Return every pair of distinct codes within the distance: code_a, code_b, score.

    Args:
        codes: column code, the distinct codes.
        count: how many there are.
        max_distance: the largest Hamming distance of a pair, 0 to 64.
        chunk_codes: how many codes a task compares with as many others.
    """
    chunks = chunks_of(count, chunk_codes, option("chunk_codes"))
    packed = codes.select("code").mapInArrow(_packer(chunks), _PACKED)
    return brought_together(packed, chunk_pairs(0, chunks)).mapInArrow(_joiner(max_distance), CODE_PAIRS)


def _packer(chunks: int) -> Callable[[Batches], Batches]:
    """Pack codes into blobs by chunk: a shuffle of blobs costs a fraction of a shuffle of rows."""

    def pack(batches: Batches) -> Batches:
        for rows in gathered(batches, _PACK_CODES * chunks):
            yield _blobs(rows.column(0).to_numpy().view(np.uint64), chunks)

    return pack


def _blobs(codes: np.ndarray, chunks: int) -> pa.RecordBatch:
    # The product's highest bits depend on every bit of the code, so that skewed codes spread evenly.
    chunk = (((codes * _SPREAD) >> np.uint64(32)) * np.uint64(chunks)) >> np.uint64(32)
    order = np.argsort(chunk, kind="stable")
    parts = np.split(codes[order], np.searchsorted(chunk[order], np.arange(1, chunks)))
    filled = [(number, part.tobytes()) for number, part in enumerate(parts) if len(part)]
    return pa.RecordBatch.from_arrays(
        [pa.array([number for number, _ in filled], pa.int32()), pa.array([blob for _, blob in filled], pa.binary())],
        names=["chunk", "codes"],
    )


def _joiner(max_distance: int) -> Callable[[Batches], Batches]:
    def join(batches: Batches) -> Batches:
        sides: dict[int, list[np.ndarray]] = {LEFT: [], RIGHT: [], BOTH: []}
        for batch in batches:
            for side, blob in zip(*(batch.column(name).to_pylist() for name in ("side", "codes")), strict=True):
                sides[side].append(np.frombuffer(blob, np.uint64))
        left, right, both = (np.concatenate([np.empty(0, np.uint64), *parts]) for parts in sides.values())
        yield from _records(cross_join_blocks(left, right, max_distance), left, right)
        yield from _records(self_join_blocks(both, max_distance), both, both)

    return join


def _records(blocks: Iterator[Pairs], left: np.ndarray, right: np.ndarray) -> Iterator[pa.RecordBatch]:
    for block in blocks:
        ends = {"code_a": left[block.left].view(np.int64), "code_b": right[block.right].view(np.int64)}
        yield pa.RecordBatch.from_pydict({**ends, "score": block.score.astype(np.float64)})


def _compared(codes: DataFrame, sample: np.ndarray, max_distance: int) -> np.ndarray:
    """Return float64 (2, m, max_distance + 1): codes and listed images at each distance from each sampled code."""

    def count(some: pa.Table) -> np.ndarray:
        others, images = (some.column(name).to_numpy() for name in ("code", "listed"))
        return partners(sample, others, images, max_distance)

    return added_up(codes.select("code", "listed"), count, (len(sample), max_distance + 1))


def added_up(codes: DataFrame, count: Callable[[pa.Table], np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Return what a function counts in all codes, float64 (2, members, distances).

    Args:
        codes: the codes, and what is known of each.
        count: takes some of them, and returns its counts: of codes, and of images.
        shape: members, distances.
    """
    counted = codes.mapInArrow(_counter(count, shape), _PARTNERS)
    summed = counted.groupBy("member", "distance").agg(F.sum("codes").alias("codes"), F.sum("images").alias("images"))
    of_each = np.zeros((2, *shape))
    for row in summed.collect():
        of_each[:, row["member"], row["distance"]] = row["codes"], row["images"]
    return of_each


def _sample_size(codes: int) -> int:
    return min(_MOST_CODES, max(_FEWEST_CODES, codes // _CODES_A_SAMPLED))


def is_drawn(count: int) -> Column:
    """Return whether a code is in the sample of so many. It depends on the code alone."""
    share = min(1.0, _sample_size(count) / count)
    return F.pmod(F.xxhash64("code"), F.lit(_DRAWS)) < F.lit(math.ceil(share * _DRAWS))


def _draw(codes: DataFrame, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return about as many codes as wanted, int64 (m,), in an order by chance, and how many listed images each has."""
    rows = sorted(tuple(row) for row in codes.where(is_drawn(count)).select("code", "listed").collect())
    drawn = np.random.default_rng(0).permutation(np.array(rows, np.int64).reshape(-1, 2))
    return np.ascontiguousarray(drawn[:, 0]), np.ascontiguousarray(drawn[:, 1])


def _counter(count: Callable[[pa.Table], np.ndarray], shape: tuple[int, int]) -> Callable[[Batches], Batches]:
    """Add up what is counted in a task's codes."""

    def counter(batches: Batches) -> Batches:
        counted = np.zeros((2, *shape))
        for table in gathered(batches, _BLOCK_CODES):
            counted += count(table)
        member, distance = np.nonzero(counted[0])
        counts = dict(zip(("codes", "images"), counted[:, member, distance], strict=True))
        yield pa.RecordBatch.from_pydict(
            {"member": member.astype(np.int32), "distance": distance.astype(np.int32), **counts}
        )

    return counter
