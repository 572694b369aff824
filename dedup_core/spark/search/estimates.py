"""How many pairs a search will find, told before it starts, and counted before they are listed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.encoders.registry import is_hash
from dedup_core.errors import LimitError
from dedup_core.hamming.estimate import PairEstimate, estimate_pairs, within
from dedup_core.settings.settings import SearchSettings
from dedup_core.spark.runs import Run
from dedup_core.spark.search.chunks import Batches
from dedup_core.spark.search.distinct import count_images

_STRICTER = (0.25, 0.5, 0.75, 0.9)  # of the way from a similarity to 1: what to fall back on
_BITS = 64
_DIGITS = 3


@dataclass(frozen=True)
class SearchEstimate:
    """What to expect of a search.

    Attributes:
        images: how many images have features.
        nodes: how many distinct hashes or embeddings they have.
        thresholds: the one asked for, and stricter ones.
        pairs: pairs of images within each threshold, those of one node among them.
        distinct: pairs of nodes within each threshold.
    """

    images: int
    nodes: int
    thresholds: list[float]
    pairs: PairEstimate
    distinct: PairEstimate


def estimate_of(
    of_each: np.ndarray, copies: np.ndarray, counted: tuple[int, int, float], thresholds: list[float]
) -> SearchEstimate:
    """Return the estimate that follows from the partners of sampled nodes.

    Args:
        of_each: float64 (2, m, t): how many nodes, and how many images, lie within each threshold of each sampled node.
        copies: int64 (m,), how many images each sampled node has.
        counted: how many images there are, how many nodes, and how many pairs of images share a node.
        thresholds: the t thresholds, the loosest first.
    """
    images, nodes, equal_pairs = counted
    # Where no sampled node has a partner, one that has is taken to have as many images as others, like its partner.
    across = estimate_pairs(copies[:, None] * of_each[1], nodes, (images / nodes) ** 2)
    pairs = PairEstimate(across.low + equal_pairs, across.high + equal_pairs)
    return SearchEstimate(images, nodes, thresholds, pairs, estimate_pairs(of_each[0], nodes))


def similarities(min_similarity: float) -> list[float]:
    """Return the least similarity that is asked for, and stricter ones to fall back on, ascending."""
    stricter = [round(min_similarity + part * (1.0 - min_similarity), 6) for part in _STRICTER]
    return sorted({min_similarity, *stricter})


def gathered(batches: Batches, rows: int) -> Iterator[pa.Table]:
    """Yield tables of at least so many rows, or the rest, whatever the size of the batches."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        waiting.append(batch)
        count += len(batch)
        if count >= rows:
            yield pa.Table.from_batches(waiting)
            waiting, count = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting)


def check_estimate(run: Run, settings: SearchSettings, method: str, estimate: SearchEstimate) -> None:
    """Say how many pairs to expect, and stop before a search that would surely find too many.

    Raises:
        LimitError: if the lower end of the interval exceeds ``max_pairs``. What each stricter threshold would give is
            said before.
    """
    held = estimate.pairs if settings.list_pairs else estimate.distinct
    ends = [_outward(low, high) for low, high in zip(held.low, held.high, strict=True)]
    thresholds, kind = estimate.thresholds, _pairs(settings, method)
    run.say(f"{method}: {estimate.nodes:,} distinct {_nodes(method)} of {estimate.images:,} images")
    run.say(f"  {_interval(*ends[0])} {kind} to expect {_within(method, thresholds[0])}")
    if is_hash(method) and (by_chance := _by_chance(estimate.nodes, int(thresholds[0]))) > 1_000:
        run.say(f"  so many random hashes alone would have {by_chance:,.0f}: a smaller distance has fewer")
    if ends[0][0] <= settings.max_pairs:
        return
    for threshold, (low, high) in zip(thresholds, ends, strict=True):
        run.say(f"  {_within(method, threshold, 2)}: {_interval(low, high)} {kind}")
    advice = _advice(settings, method, thresholds, np.array(ends)[:, 1], estimate.distinct.high[0])
    raise LimitError(
        f"{method}: {_interval(*ends[0])} {kind} {_within(method, thresholds[0])} are more than the "
        f"{settings.max_pairs:,} that max_pairs allows: {advice}"
    )


def check_pairs(settings: SearchSettings, method: str, nodes: DataFrame, node_pairs: DataFrame) -> int:
    """Count the pairs of images that pairs of nodes stand for, before they are written out one by one.

    A sample may miss two nodes of many images that lie close to each other; their number is known only now.

    Args:
        settings: which say how many there may be, and whether those of images are listed.
        method: what the nodes are of.
        nodes: node, images.
        node_pairs: node_a, node_b, score.

    Returns:
        The pairs of images, whatever is listed.

    Raises:
        LimitError: if more than ``max_pairs`` were to be listed.
    """
    thresholds = _thresholds(settings, method)
    distinct, pairs = _count_within(nodes, node_pairs, method, thresholds)
    held = pairs if settings.list_pairs else distinct
    if held[0] > settings.max_pairs:
        raise LimitError(
            f"{method}: the search found {held[0]:,.0f} {_pairs(settings, method)}, more than the "
            f"{settings.max_pairs:,} that max_pairs allows: {_advice(settings, method, thresholds, held, distinct[0])}"
        )
    return int(pairs[0])


def _count_within(
    nodes: DataFrame, node_pairs: DataFrame, method: str, thresholds: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of nodes, and those of images, within each of the thresholds, float64 (t,)."""
    images = nodes.select("node", F.col("images").cast("double").alias("images"))
    a = images.select(F.col("node").alias("node_a"), F.col("images").alias("images_a"))
    b = images.select(F.col("node").alias("node_b"), F.col("images").alias("images_b"))
    across = node_pairs.join(a, on="node_a", how="inner").join(b, on="node_b", how="inner")
    score, ends = F.col("score"), [F.lit(float(threshold)) for threshold in thresholds]
    reached = [(score <= end if is_hash(method) else score >= end).cast("int") for end in ends]
    counts = F.count("*").alias("nodes"), F.sum(F.col("images_a") * F.col("images_b")).alias("images")
    found = np.zeros((2, len(thresholds)))
    for row in across.groupBy(reduce(add, reached).alias("reached")).agg(*counts).collect():
        found[:, row["reached"] - 1] = row["nodes"], row["images"]
    of_nodes, of_images = within(found)
    return of_nodes, of_images + count_images(nodes)[1]


def _thresholds(settings: SearchSettings, method: str) -> list[float]:
    """Return what is asked for, then stricter thresholds."""
    if is_hash(method):
        return list(range(settings.max_distance_threshold, -1, -1))
    return similarities(settings.min_similarity_threshold)


def _advice(
    settings: SearchSettings, method: str, thresholds: Sequence[float], held: np.ndarray, distinct: float
) -> str:
    """Say what would do: a stricter threshold, more pairs, or no list of them."""
    option = "--max-distance-threshold" if is_hash(method) else "--min-similarity-threshold"
    fitting = [at for at, pairs in zip(thresholds, held, strict=True) if pairs <= settings.max_pairs]
    ways = [f"{option} {at:g} would fit" for at in fitting[:1]] + ["raise --max-pairs"]
    if settings.list_pairs and distinct <= settings.max_pairs:
        ways.append("--no-list-pairs, which gives groups and removals alone")
    return ", or ".join(ways)


def _by_chance(codes: int, max_distance: int) -> float:
    """Pairs that as many random codes would have: no images behind them are alike."""
    near = sum(math.comb(_BITS, distance) for distance in range(max_distance + 1))
    return math.comb(codes, 2) * near / 2**_BITS


def _outward(low: float, high: float) -> tuple[float, float]:
    """Return the ends of an interval as they are told and held against the limit: rounded outward, unless exact."""
    if low == high:
        return low, high
    steps = [10.0 ** max(0, math.floor(math.log10(max(end, 1.0))) + 1 - _DIGITS) for end in (low, high)]
    return math.floor(low / steps[0]) * steps[0], math.ceil(high / steps[1]) * steps[1]


def _interval(low: float, high: float) -> str:
    return f"{low:,.0f}" if low == high else f"about {low:,.0f} to {high:,.0f}"


def _nodes(method: str) -> str:
    return "hashes" if is_hash(method) else "embeddings"


def _pairs(settings: SearchSettings, method: str) -> str:
    return "pairs" if settings.list_pairs else f"pairs of distinct {_nodes(method)}"


def _within(method: str, threshold: float, width: int = 0) -> str:
    return f"within distance {threshold:>{width}}" if is_hash(method) else f"at a similarity of {threshold:g} or more"
