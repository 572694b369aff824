"""How many pairs a search by hash will find, told before it starts."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.hamming.estimate import enough, partners
from dedup_core.hamming.join import self_join_blocks
from dedup_core.spark.search.chunks import Batches
from dedup_core.spark.search.estimates import SearchEstimate, estimate_of, gathered
from dedup_core.spark.search.hamming import count_images

_FEWEST_CODES, _MOST_CODES, _CODES_A_SAMPLED = 4000, 20_000, 1000
_MOST_PARTNERS = 200_000_000  # of all sampled codes: seconds of one core
_BLOCK_CODES = 1 << 20  # compared with the sample at a time: of fewer, each costs more
_DRAWS = 1 << 30
_FOUND = "member INT, distance INT, codes DOUBLE, images DOUBLE"


def estimate_search(nodes: DataFrame, codes: int, max_distance: int) -> SearchEstimate:
    """Estimate the pairs of a search by hash: some thousand codes are compared with all, in one pass over the nodes.

    Pairs of images with one code are counted. What is drawn depends on the codes alone.

    Args:
        nodes: node, images.
        codes: how many distinct codes there are.
        max_distance: the largest Hamming distance of a pair.
    """
    images, equal_pairs = count_images(nodes)
    sample, copies = _draw(nodes, codes)
    seen = sum(len(block) for block in self_join_blocks(sample, max_distance))
    size = enough(len(sample), codes, seen, _MOST_PARTNERS)
    sample, copies = sample[:size], copies[:size]
    if size == codes:
        of_each = partners(sample, sample, copies, max_distance)  # they are all here: no need to send them
    else:
        of_each = _compared(nodes, sample, max_distance)
    thresholds: list[float] = list(range(max_distance, -1, -1))
    return estimate_of(of_each.cumsum(axis=2)[:, :, ::-1], copies, (images, codes, equal_pairs), thresholds)


def _compared(nodes: DataFrame, sample: np.ndarray, max_distance: int) -> np.ndarray:
    """Return float64 (2, m, max_distance + 1): codes and images at each distance from each sampled code."""
    compared = nodes.select("node", "images").mapInArrow(_comparer(sample, max_distance), _FOUND)
    summed = compared.groupBy("member", "distance").agg(F.sum("codes").alias("codes"), F.sum("images").alias("images"))
    of_each = np.zeros((2, len(sample), max_distance + 1))
    for row in summed.collect():
        of_each[:, row["member"], row["distance"]] = row["codes"], row["images"]
    return of_each


def _sample_size(codes: int) -> int:
    return min(_MOST_CODES, max(_FEWEST_CODES, codes // _CODES_A_SAMPLED))


def _draw(nodes: DataFrame, codes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return about as many codes as wanted, int64 (m,), in an order by chance, and how many images each has."""
    share = min(1.0, _sample_size(codes) / codes)
    is_drawn = F.pmod(F.xxhash64("node"), F.lit(_DRAWS)) < F.lit(math.ceil(share * _DRAWS))
    rows = sorted(tuple(row) for row in nodes.where(is_drawn).select("node", "images").collect())
    drawn = np.random.default_rng(0).permutation(np.array(rows, np.int64).reshape(-1, 2))
    return np.ascontiguousarray(drawn[:, 0]), np.ascontiguousarray(drawn[:, 1])


def _comparer(sample: np.ndarray, max_distance: int) -> Callable[[Batches], Batches]:
    """Add up the partners of each sampled code among a task's codes."""

    def compare(batches: Batches) -> Batches:
        found = np.zeros((2, len(sample), max_distance + 1))
        for table in gathered(batches, _BLOCK_CODES):
            codes, images = (table.column(name).to_numpy() for name in ("node", "images"))
            found += partners(sample, codes, images, max_distance)
        member, distance = np.nonzero(found[0])
        counts = dict(zip(("codes", "images"), found[:, member, distance], strict=True))
        yield pa.RecordBatch.from_pydict(
            {"member": member.astype(np.int32), "distance": distance.astype(np.int32), **counts}
        )

    return compare
