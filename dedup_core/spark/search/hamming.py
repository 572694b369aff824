"""The exact distance join: distinct codes, cut into chunks, every chunk against every other, expanded to paths.

Images with one and the same code are one node in all that follows: a thousand copies of a picture cost the join
no more than one, and only the last step, which writes a row for every pair of paths, sees them all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.hamming import join as hamming
from dedup_core.pairs import Pairs
from dedup_core.spark.search.chunks import BOTH, LEFT, RIGHT, chunk_pairs, seated
from dedup_core.spark.tables import PAIRS, conform

NODE_PAIRS = "node_a BIGINT, node_b BIGINT, score DOUBLE"
_PACKED = "chunk INT, codes BINARY"
_PACK_CODES = 1 << 16
_SPREAD = np.uint64(0x9E37_79B9_7F4A_7C15)


def nodes(features: DataFrame) -> DataFrame:
    """Return the distinct codes of one method's features: node, first_path (the smallest), images (how many)."""
    by_code = features.groupBy(F.col("hash").alias("node"))
    return by_code.agg(F.min("path").alias("first_path"), F.count("path").alias("images"))


def count_images(nodes: DataFrame) -> tuple[int, float]:
    """Return how many images the nodes stand for, and how many pairs of them share a node."""
    pairs = F.sum(F.col("images") * (F.col("images") - F.lit(1)) / F.lit(2))
    total = nodes.agg(F.sum("images").alias("images"), pairs.alias("pairs")).collect()[0]
    return total["images"], total["pairs"]


def node_pairs(nodes: DataFrame, count: int, max_distance: int, chunk_codes: int) -> DataFrame:
    """Return every pair of distinct codes within the distance: node_a, node_b, score.

    Args:
        nodes: column node, the distinct codes.
        count: how many there are.
        max_distance: the largest Hamming distance of a pair, 0 to 64.
        chunk_codes: how many codes a task compares with as many others; memory and time of a task follow from it.
    """
    chunks = max(1, math.ceil(count / chunk_codes))
    packed = nodes.select("node").mapInArrow(_packer(chunks), _PACKED)
    return seated(packed, chunk_pairs(0, chunks)).mapInArrow(_joiner(max_distance), NODE_PAIRS)


def path_pairs(members: DataFrame, node_pairs: DataFrame, same_score: float) -> DataFrame:
    """Return the pairs of paths that follow from pairs of nodes, and from images that share a node.

    Args:
        members: method, path, node; of every node that has a pair or several images.
        node_pairs: node_a, node_b, score.
        same_score: the score of two images that share a node.
    """
    a = members.select("method", F.col("path").alias("one"), F.col("node").alias("node_a"))
    b = members.select(F.col("path").alias("other"), F.col("node").alias("node_b"))
    across = node_pairs.join(a, on="node_a", how="inner").join(b, on="node_b", how="inner")
    is_ordered_pair = (F.col("node_a") == F.col("node_b")) & (F.col("one") < F.col("other"))
    same = a.join(b, on=is_ordered_pair, how="inner").withColumn("score", F.lit(same_score))
    columns = ["method", "one", "other", "score"]
    both = across.select(columns).unionByName(same.select(columns))
    named = both.withColumns({"path_a": F.least("one", "other"), "path_b": F.greatest("one", "other")})
    return conform(named, PAIRS)


def _packer(chunks: int) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Pack codes into blobs by chunk: a shuffle of blobs costs a fraction of a shuffle of rows."""

    def pack(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        waiting: list[np.ndarray] = []
        for batch in batches:
            waiting.append(batch.column(0).to_numpy(zero_copy_only=False).view(np.uint64))
            if sum(map(len, waiting)) >= _PACK_CODES * chunks:
                yield _blobs(np.concatenate(waiting), chunks)
                waiting = []
        if waiting:
            yield _blobs(np.concatenate(waiting), chunks)

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


def _joiner(max_distance: int) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def join(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        sides: dict[int, list[np.ndarray]] = {LEFT: [], RIGHT: [], BOTH: []}
        for batch in batches:
            for side, blob in zip(*(batch.column(name).to_pylist() for name in ("side", "codes")), strict=True):
                sides[side].append(np.frombuffer(blob, np.uint64))
        left, right, both = (np.concatenate([np.empty(0, np.uint64), *parts]) for parts in sides.values())
        yield from _records(hamming.cross_join_blocks(left, right, max_distance), left, right)
        yield from _records(hamming.self_join_blocks(both, max_distance), both, both)

    return join


def _records(blocks: Iterator[Pairs], left: np.ndarray, right: np.ndarray) -> Iterator[pa.RecordBatch]:
    for block in blocks:
        ends = {"node_a": left[block.left].view(np.int64), "node_b": right[block.right].view(np.int64)}
        yield pa.RecordBatch.from_pydict({**ends, "score": block.score.astype(np.float64)})
