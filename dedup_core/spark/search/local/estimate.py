"""How many candidates votes will give, told before the search."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.hamming.estimate import within
from dedup_core.local.votes import CodedImages, cross_votes
from dedup_core.metric import VOTES
from dedup_core.spark.batches import Batches, gathered
from dedup_core.spark.search.distinct import DistinctCodes
from dedup_core.spark.search.estimates import SearchEstimate, estimate_of
from dedup_core.spark.search.local.join import images_of

_SAMPLE_IMAGES = 400
_BLOCK_IMAGES = 2048  # compared with the sample at a time
_REACHED = "member INT, reached INT, images DOUBLE"


def estimate_candidates(codes: DistinctCodes, max_distance: int, min_votes: int) -> SearchEstimate:
    """Estimate the candidates of a search: some hundred images are compared with all.

    Args:
        codes: of images, with the codes of their keypoints.
        max_distance: in how many bits two codes may differ that are partners.
        min_votes: how many votes are enough.
    """
    thresholds = _thresholds(min_votes)
    drawn, sample = _sample(codes.compared, codes.count)
    compare = _comparer(drawn, sample, max_distance, np.array(thresholds))
    compared = codes.compared.select("code", "codes").mapInArrow(compare, _REACHED)
    reached = np.zeros((len(drawn), len(thresholds)))
    for row in compared.groupBy("member", "reached").agg(F.sum("images").alias("images")).collect():
        reached[row["member"], row["reached"] - 1] = row["images"]
    of_each = within(reached)
    ones = np.ones(len(drawn), np.int64)
    return estimate_of(np.stack([of_each, of_each]), ones, codes, list(thresholds), VOTES)


def _thresholds(min_votes: int) -> list[float]:
    """Return the number of votes, and stricter ones to fall back on: twice as many each."""
    doubled = [float(min_votes)]
    while 2 * doubled[-1] <= VOTES.closest:
        doubled.append(2 * doubled[-1])
    return doubled


def _sample(coded: DataFrame, count: int) -> tuple[np.ndarray, CodedImages]:
    """Return some images, int64 (m,), the same for any order of rows, and their codes."""
    rank = F.xxhash64("code", F.lit(0))
    drawn = coded.where(F.pmod(rank, F.lit(max(1, count // (2 * _SAMPLE_IMAGES)))) == F.lit(0))
    rows = drawn.orderBy(rank, "code").limit(_SAMPLE_IMAGES).collect()
    told = {"code": [row["code"] for row in rows], "codes": [bytes(row["codes"]) for row in rows]}
    return np.sort(np.array(told["code"], np.int64)), images_of(pa.table(told))


def _comparer(
    drawn: np.ndarray, sample: CodedImages, max_distance: int, thresholds: np.ndarray
) -> Callable[[Batches], Batches]:
    """Count for each sampled image how many of a task's reach how many of the thresholds, itself left out."""

    def compare(batches: Batches) -> Batches:
        counted = np.zeros((len(drawn), len(thresholds) + 1))
        for table in gathered(batches, _BLOCK_IMAGES):
            for found in cross_votes(sample, images_of(table), max_distance, int(thresholds[0])):
                other = found.left != found.right
                member = np.searchsorted(drawn, found.left[other])
                reached = np.searchsorted(thresholds, found.votes[other], side="right")
                np.add.at(counted, (member, reached), 1.0)
        member, reached = np.nonzero(counted)
        yield pa.RecordBatch.from_pydict(
            {
                "member": member.astype(np.int32),
                "reached": reached.astype(np.int32),
                "images": counted[member, reached],
            }
        )

    return compare
