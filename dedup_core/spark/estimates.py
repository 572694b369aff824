"""How many pairs a search will find, told before it starts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.config import SearchSettings
from dedup_core.errors import LimitError
from dedup_core.hamming_estimate import estimate_pairs
from dedup_core.spark.cosine_estimates import CosineEstimate
from dedup_core.spark.joins import count_images
from dedup_core.spark.runs import Run

_SAMPLE_CODES = 20_000
_BITS = 64


@dataclass(frozen=True)
class SearchEstimate:
    """What to expect of a search.

    Attributes:
        images: how many images have features.
        codes: how many distinct codes they have.
        pairs: float64 (max_distance + 1,), pairs of images within each distance from 0 up.
        error: float64 (max_distance + 1,), the standard error of ``pairs``.
    """

    images: int
    codes: int
    pairs: np.ndarray
    error: np.ndarray

    @property
    def by_chance(self) -> float:
        """Pairs within the largest distance that as many random codes would have: no images behind them are alike."""
        near = sum(math.comb(_BITS, distance) for distance in range(len(self.pairs)))
        return math.comb(self.codes, 2) * near / 2**_BITS


def estimate_search(nodes: DataFrame, codes: int, max_distance: int) -> SearchEstimate:
    """Estimate the pairs of a search from some 20,000 distinct codes; pairs of equal codes are counted, not estimated.

    Args:
        nodes: node, images.
        codes: how many distinct codes there are.
        max_distance: the largest Hamming distance of a pair.
    """
    images, equal_pairs = count_images(nodes)
    in_sample = F.pmod(F.xxhash64("node"), F.lit(-(-codes // _SAMPLE_CODES))) == F.lit(0)
    sample = nodes.where(in_sample).select("node", "images").collect()
    drawn = np.array([row["node"] for row in sample], np.int64)
    counts = np.array([row["images"] for row in sample], np.int64)
    estimate = estimate_pairs(drawn, codes, max_distance, counts)
    pairs, variance = estimate.pairs.copy(), estimate.standard_error**2
    pairs[0], variance[0] = equal_pairs, 0.0
    return SearchEstimate(images, codes, pairs.cumsum(), np.sqrt(variance.cumsum()))


def check_estimate(run: Run, settings: SearchSettings, method: str, estimate: SearchEstimate) -> None:
    """Say how many pairs to expect, and stop before a search that would find too many.

    Raises:
        LimitError: if more than ``max_pairs`` are to be expected. What each stricter threshold would give is said
            before.
    """
    threshold = settings.max_distance_threshold
    run.say(f"{method}: {estimate.codes:,} distinct hashes of {estimate.images:,} images")
    run.say(f"  {_rounded(estimate, threshold)} pairs to expect within distance {threshold}")
    if estimate.by_chance > 1_000:
        run.say(f"  so many random hashes alone would have {estimate.by_chance:,.0f}: a smaller distance has fewer")
    if estimate.pairs[-1] <= settings.max_pairs:
        return
    for distance in range(threshold, -1, -1):
        run.say(f"  within distance {distance:>2}: {_rounded(estimate, distance)} pairs")
    fitting = np.flatnonzero(estimate.pairs <= settings.max_pairs)
    advice = f"--max-distance-threshold {fitting[-1]} would fit, or raise" if len(fitting) else "raise"
    raise LimitError(
        f"{method}: {_rounded(estimate, threshold)} pairs within distance {threshold} are more than the "
        f"{settings.max_pairs:,} that max_pairs allows: {advice} --max-pairs"
    )


def check_similar(run: Run, settings: SearchSettings, method: str, estimate: CosineEstimate) -> None:
    """Say how many pairs a cosine search is to find, and stop before one that would find too many.

    Raises:
        LimitError: as ``check_estimate``.
    """
    run.say(f"{method}: {estimate.nodes:,} distinct embeddings of {estimate.images:,} images")
    told = [f"{pairs:,.0f} ± {error:,.0f}" for pairs, error in zip(estimate.pairs, estimate.error, strict=True)]
    run.say(f"  about {told[0]} pairs to expect at a similarity of {estimate.thresholds[0]:g} or more")
    if estimate.pairs[0] <= settings.max_pairs:
        return
    for threshold, pairs in zip(estimate.thresholds, told, strict=True):
        run.say(f"  at {threshold:g} or more: about {pairs} pairs")
    raise LimitError(
        f"{method}: about {told[0]} pairs at a similarity of {estimate.thresholds[0]:g} or more are more than the "
        f"{settings.max_pairs:,} that max_pairs allows: raise --min-similarity-threshold or --max-pairs"
    )


def check_pairs(settings: SearchSettings, method: str, nodes: DataFrame, node_pairs: DataFrame) -> int:
    """Count the pairs of images that pairs of nodes stand for, before they are written out one by one.

    A sample may miss two nodes of many images that lie close to each other; their number is known only now.

    Args:
        settings: which say how many there may be.
        method: for the message.
        nodes: node, images.
        node_pairs: node_a, node_b.

    Raises:
        LimitError: if there are more than ``max_pairs``.
    """
    images = nodes.select("node", "images")
    a = images.select(F.col("node").alias("node_a"), F.col("images").alias("images_a"))
    b = images.select(F.col("node").alias("node_b"), F.col("images").alias("images_b"))
    across = node_pairs.join(a, on="node_a", how="inner").join(b, on="node_b", how="inner")
    same = images.select(F.expr("images * (images - 1) div 2").alias("pairs"))
    pairs = across.select((F.col("images_a") * F.col("images_b")).alias("pairs")).unionByName(same)
    found = pairs.agg(F.sum("pairs").alias("pairs")).collect()[0]["pairs"] or 0
    if found > settings.max_pairs:
        raise LimitError(
            f"{method}: the search found {found:,} pairs, more than the {settings.max_pairs:,} that "
            "max_pairs allows: choose a stricter threshold, or raise --max-pairs"
        )
    return int(found)


def _rounded(estimate: SearchEstimate, distance: int) -> str:
    pairs, error = estimate.pairs[distance], estimate.error[distance]
    return f"{pairs:,.0f}" if error == 0 else f"about {pairs:,.0f} ± {error:,.0f}"
