"""Metrics: what a score says of two images. Nothing else knows which way a score points.

Hamming distance counts the bits in which two hashes differ; cosine similarity is that of two embeddings; inliers are
the keypoints of two pictures that one transform lays on each other. Methods of this module take numbers, numpy arrays
and Spark columns alike, as they only compare and negate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_STRICTER = (0.25, 0.5, 0.75, 0.9)  # of the way from a threshold to equal


@dataclass(frozen=True)
class Metric:
    """A way to compare two features.

    Attributes:
        name: "hamming".
        label: what a score is called: "distance".
        feature: the column of the ``features`` table that it compares: "hash".
        features: what these are called, many of them: "hashes".
        option: the setting that says which pairs are near enough: "max_distance_threshold".
        closest: the score of two equal features.
        farthest: the score of two features that have nothing in common.
        steps: how many thresholds there are from one whole number to the next.
        searches: the ways to search by it; "exact" is always one.
        bits: how many a feature has, if random features are any of as many numbers; None if they are none.
    """

    name: str
    label: str
    feature: str
    features: str
    option: str
    closest: float
    farthest: float
    steps: int
    searches: tuple[str, ...] = ("exact",)
    bits: int | None = None

    @property
    def smaller_first(self) -> bool:
        """Whether the smaller of two scores is the closer one."""
        return self.closest < self.farthest

    @property
    def is_whole(self) -> bool:
        """Whether scores are whole numbers."""
        return self.steps == 1

    @property
    def is_count(self) -> bool:
        """Whether a score counts what two images have in common."""
        return self.is_whole and not self.smaller_first

    @property
    def sign(self) -> str:
        """How a threshold is written: "≤" or "≥"."""
        return "≤" if self.smaller_first else "≥"

    def within(self, score: Any, threshold: Any) -> Any:
        """Return whether scores reach a threshold."""
        return score <= threshold if self.smaller_first else score >= threshold

    def rank(self, score: Any) -> Any:
        """Return what grows the farther apart two images are; of a rank, the score again."""
        return score if self.smaller_first else -score

    def loosest(self, scores: Sequence[float]) -> float:
        """Return the score of the pair that is farthest apart, or the threshold that finds most."""
        return max(scores, key=self.rank)

    def grid(self, loosest: float) -> np.ndarray:
        """Return all thresholds up to one, float64 (n,), strict before loose.

        Args:
            loosest: the last one.

        Example:
            >>> HAMMING.grid(3).tolist(), COSINE.grid(0.985).tolist()
            ([0.0, 1.0, 2.0, 3.0], [1.0, 0.99, 0.985])
        """
        whole = np.arange(self.steps * abs(self.farthest - self.closest) + 1) * (1 if self.smaller_first else -1)
        # A quotient is the number that its decimals name, which a multiple of 0.01 is not always.
        grid = (round(self.closest * self.steps) + whole) / self.steps
        return np.append(grid[self.rank(grid) < self.rank(loosest)], float(loosest))

    def stricter(self, threshold: float) -> list[float]:
        """Return a threshold and stricter ones to fall back on, the loosest first: if they are whole numbers, all.

        Example:
            >>> HAMMING.stricter(2), COSINE.stricter(0.9)
            ([2, 1, 0], [0.9, 0.925, 0.95, 0.975, 0.99])
        """
        if self.is_whole:
            return [int(step) for step in self.grid(threshold)[::-1]]
        steps = (round(threshold + part * (self.closest - threshold), 6) for part in _STRICTER)
        return sorted({threshold, *steps}, key=self.rank, reverse=True)

    def said(self, threshold: float, width: int = 0) -> str:
        """Return a threshold in words: "within distance 3".

        Args:
            threshold: the threshold.
            width: of the number, so that several stand below each other.
        """
        if self.smaller_first:
            return f"within {self.label} {threshold:>{width}g}"
        if self.is_whole:
            return f"with {threshold:>{width}g} {self.label} or more"
        return f"at a {self.label} of {threshold:g} or more"

    def scored(self, score: str) -> str:
        """Return a score that is a text with what it is called: "distance 3", "37 inliers"."""
        return f"{score} {self.label}" if self.is_count else f"{self.label} {score}"

    def written(self, threshold: float) -> str:
        """Return a threshold as figures and pages write it: "distance ≤ 3"."""
        return f"{self.label} {self.sign} {threshold:g}"


HAMMING = Metric(
    "hamming", "distance", "hash", "hashes", "max_distance_threshold", closest=0.0, farthest=64.0, steps=1, bits=64
)
COSINE = Metric(
    "cosine",
    "similarity",
    "embedding",
    "embeddings",
    "min_similarity_threshold",
    closest=1.0,
    farthest=-1.0,
    steps=100,
    searches=("exact", "clustered"),
)
INLIERS = Metric("inliers", "inliers", "local", "pictures", "min_inliers", closest=400.0, farthest=0.0, steps=1)
VOTES = Metric("votes", "votes", "local", "pictures", "min_votes", closest=400.0, farthest=0.0, steps=1)
"""Of pairs that are only proposed: how many keypoints have a partner in the other picture."""
