"""How many pairs a cosine search will find, told before it starts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.cosine_estimate import estimate_pairs
from dedup_core.spark.joins import count_images
from dedup_core.spark.vectors import sample

_SAMPLE_VECTORS = 4000
_STRICTER = (0.25, 0.5, 0.75, 0.9)  # of the way from the threshold to 1: what to fall back on


@dataclass(frozen=True)
class CosineEstimate:
    """What to expect of a cosine search.

    Attributes:
        images: how many images have embeddings.
        nodes: how many distinct embeddings they have.
        thresholds: float64 (t,), ascending from the one asked for.
        pairs: float64 (t,), pairs of images that reach each threshold, those with one embedding among them.
        error: float64 (t,), the standard error of ``pairs``.
    """

    images: int
    nodes: int
    thresholds: np.ndarray
    pairs: np.ndarray
    error: np.ndarray


def estimate_search(nodes: DataFrame, vectors: DataFrame, count: int, min_similarity: float) -> CosineEstimate:
    """Estimate the pairs of a search from some 4,000 distinct vectors; copies are counted, not estimated.

    Args:
        nodes: node, images.
        vectors: node, vector.
        count: how many nodes there are.
        min_similarity: the least similarity of a pair.
    """
    all_images, copies = count_images(nodes)
    drawn, some = sample(vectors, count, _SAMPLE_VECTORS)
    several = nodes.where((F.col("images") > F.lit(1)) & F.col("node").isin(drawn.tolist()))
    images = {row["node"]: row["images"] for row in several.select("node", "images").collect()}
    counts = np.array([images.get(node, 1) for node in drawn.tolist()], np.int64)
    stricter = [round(min_similarity + part * (1.0 - min_similarity), 6) for part in _STRICTER]
    thresholds = np.unique([min_similarity, *stricter])
    estimate = estimate_pairs(some, count, thresholds, counts)
    return CosineEstimate(all_images, count, thresholds, estimate.pairs + copies, estimate.standard_error)
