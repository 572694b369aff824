"""Counts into figures: MAP, NDCG, Jaccard, precision, recall, F1 and support, and all thresholds in one sweep.

Of the n(n - 1)/2 pairs of n images almost all are "no duplicates, and none found"; their number follows from
the others, so no pair is ever enumerated. Nothing here knows where the counts come from: dictionaries on one
machine and tables on a cluster share these functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dedup_core.metric import Metric


@dataclass(frozen=True)
class Rankings:
    """What was retrieved for a batch of images and whether it is right: ragged lists laid end to end.

    Attributes:
        relevant: bool (n_entries,), is the retrieved entry a true duplicate; image after image, best first.
        n_retrieved: int64 (n_images,), how many entries each image has in ``relevant``.
        n_relevant: int64 (n_images,), how many true duplicates each image has, found or not.

    Raises:
        ValueError: if the counts don't add up.
    """

    relevant: np.ndarray
    n_retrieved: np.ndarray
    n_relevant: np.ndarray

    def __post_init__(self) -> None:
        if len(self.n_retrieved) != len(self.n_relevant) or self.n_retrieved.sum() != len(self.relevant):
            raise ValueError(
                f"{len(self.relevant)} scored entries don't fit {len(self.n_retrieved)} images that retrieved "
                f"{self.n_retrieved.sum()} and {len(self.n_relevant)} images with true duplicates"
            )

    @cached_property
    def image(self) -> np.ndarray:
        """int64 (n_entries,): the position of the image that retrieved the entry."""
        return np.repeat(np.arange(len(self.n_retrieved)), self.n_retrieved)

    @cached_property
    def rank(self) -> np.ndarray:
        """int64 (n_entries,): 1 for the best entry of an image, 2 for the next."""
        first = np.cumsum(self.n_retrieved) - self.n_retrieved
        return np.arange(len(self.relevant)) - first[self.image] + 1

    @cached_property
    def n_hits(self) -> np.ndarray:
        """int64 (n_images,): how many true duplicates were retrieved."""
        return np.bincount(self.image[self.relevant], minlength=len(self.n_retrieved))

    def total(self, gain: np.ndarray) -> np.ndarray:
        """Return float64 (n_images,): the sum of a gain over each image's relevant entries.

        Args:
            gain: (n_entries,), of each entry.
        """
        return np.bincount(self.image, weights=np.where(self.relevant, gain, 0.0), minlength=len(self.n_retrieved))

    def rate(self, part: np.ndarray, whole: np.ndarray) -> np.ndarray:
        """Return float64 (n_images,): a share; 1 where nothing was to be found and nothing was, else 0 for 0 / 0.

        Args:
            part: (n_images,), what is divided.
            whole: (n_images,), by what.
        """
        nothing_expected_or_found = (self.n_retrieved == 0) & (self.n_relevant == 0)
        return np.where(nothing_expected_or_found, 1.0, _ratio(part, whole))


def average_precision(rankings: Rankings) -> np.ndarray:
    """Return float64 (n_images,): the precision at each hit's rank, summed, over the number of true duplicates.

    Source: https://en.wikipedia.org/wiki/Evaluation_measures_(information_retrieval)#Average_precision

    Args:
        rankings: what was found for each image, best first.
    """
    hits_before = np.cumsum(rankings.n_hits) - rankings.n_hits
    hits_so_far = np.cumsum(rankings.relevant) - hits_before[rankings.image]
    return rankings.rate(rankings.total(hits_so_far / rankings.rank), rankings.n_relevant)


def ndcg(rankings: Rankings) -> np.ndarray:
    """Return float64 (n_images,): the discounted gain of the ranking, over that of the same hits ranked first.

    The ideal knows the retrieved entries only, as in imagededup: a duplicate that was missed costs nothing
    here. Read it beside recall.

    Source: https://en.wikipedia.org/wiki/Discounted_cumulative_gain

    Args:
        rankings: what was found for each image, best first.
    """
    most_hits = rankings.n_hits.max(initial=0)
    ideal_of_hits = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(most_hits) + 2))])
    return rankings.rate(rankings.total(1 / np.log2(rankings.rank + 1)), ideal_of_hits[rankings.n_hits])


def jaccard(rankings: Rankings) -> np.ndarray:
    """Return float64 (n_images,): the hits, over all that was retrieved or should have been.

    Source: https://en.wikipedia.org/wiki/Jaccard_index

    Args:
        rankings: what was found for each image, best first.
    """
    return rankings.rate(rankings.n_hits, rankings.n_retrieved + rankings.n_relevant - rankings.n_hits)


def classification_report(tp: int, fp: int, fn: int, n_images: int) -> dict[str, np.ndarray]:
    """Return precision, recall, f1-score and support of both classes of pairs, from counts of unordered pairs.

    Class 0 is the pairs that are no duplicates, class 1 those that are. A figure whose denominator is zero
    is 0.0, as scikit-learn reports it by default.

    Args:
        tp: duplicate pairs that were retrieved.
        fp: retrieved pairs that are no duplicates.
        fn: duplicate pairs that were not retrieved.
        n_images: how many images the pairs are drawn from.

    Returns:
        ``precision``, ``recall``, ``f1-score`` as float64 (2,) and ``support`` as int64 (2,).

    Raises:
        ValueError: if there are more pairs than ``n_images`` can form, or a count is negative.
    """
    tn = n_images * (n_images - 1) // 2 - tp - fp - fn
    if min(tp, fp, fn, tn) < 0:
        raise ValueError(f"impossible counts: {tp=}, {fp=}, {fn=}, {n_images=}")
    hits = np.array([tn, tp])
    retrieved = np.array([tn + fn, tp + fp])
    support = np.array([tn + fp, tp + fn])
    return {
        "precision": _ratio(hits, retrieved),
        "recall": _ratio(hits, support),
        "f1-score": _ratio(2 * hits, retrieved + support),
        "support": support,
    }


@dataclass(frozen=True)
class Sweep:
    """What each of many thresholds finds. All arrays are (n_thresholds,), in the order of ``thresholds``.

    Attributes:
        thresholds: scores: a pair counts where its own reaches the threshold.
        pairs: int64, pairs within the threshold.
        true_pairs: int64, how many of them are duplicates.
        n_true: how many duplicate pairs exist, found or not.

    Raises:
        ValueError: if more duplicates were found than pairs, or than exist.
    """

    thresholds: np.ndarray
    pairs: np.ndarray
    true_pairs: np.ndarray
    n_true: int

    def __post_init__(self) -> None:
        if not len(self.thresholds) == len(self.pairs) == len(self.true_pairs):
            raise ValueError("thresholds, pairs and true_pairs differ in length")
        if np.any(self.true_pairs > np.minimum(self.pairs, self.n_true)):
            raise ValueError(f"{self.true_pairs.max()} true pairs found, but only {self.n_true} exist")

    @cached_property
    def precision(self) -> np.ndarray:
        """float64: the share of the pairs that are duplicates; 0 where there are no pairs."""
        return _ratio(self.true_pairs, self.pairs)

    @cached_property
    def recall(self) -> np.ndarray:
        """float64: the share of the duplicates that are found; 0 where there are none."""
        return _ratio(self.true_pairs, self.n_true)

    @cached_property
    def f1(self) -> np.ndarray:
        """float64: the harmonic mean of precision and recall."""
        return _ratio(2 * self.true_pairs, self.pairs + self.n_true)

    def best_f1(self) -> int:
        """Return the position of the highest F1; of equals, the one with the fewest pairs."""
        return int(np.lexsort((self.pairs, -self.f1))[0])

    def best_at_precision(self, least: float) -> int | None:
        """Return the position of the highest recall whose precision is high enough; None if none is.

        Args:
            least: the precision that is enough, 0 to 1.
        """
        admissible = np.flatnonzero((self.precision >= least) & (self.pairs > 0))
        if not len(admissible):
            return None
        return int(admissible[np.lexsort((self.pairs[admissible], -self.recall[admissible]))[0]])


@dataclass(frozen=True)
class Quality:
    """How good a method's predictions are, held against the truth.

    Attributes:
        figures: map, ndcg, jaccard; precision, recall, f1-score and support, two numbers each. Those of `evaluate`.
        sweep: what each threshold finds.
        map: float64 (n_thresholds,), the mean average precision at each.
    """

    figures: dict[str, Any]
    sweep: Sweep
    map: np.ndarray


def sweep(scores: np.ndarray, is_true: np.ndarray, n_true: int, thresholds: np.ndarray, *, metric: Metric) -> Sweep:
    """Count what every threshold finds, in one pass over pairs that were found at a loose one.

    Thresholds looser than the one the pairs were found at would count too few: leave them out.

    Args:
        scores: (n_pairs,) the score of each pair; each unordered pair once.
        is_true: bool (n_pairs,), is the pair a duplicate.
        n_true: how many duplicate pairs exist, found or not.
        thresholds: (n_thresholds,) in any order.
        metric: what the scores are, and so which of them reach a threshold.

    Returns:
        What each threshold finds, in the order in which these were given.

    Raises:
        ValueError: if the arrays don't fit each other or a score is not a number.

    Example:
        >>> from dedup_core.metric import HAMMING
        >>> distances, is_true = np.array([0, 2, 4]), np.array([True, True, False])
        >>> sweep(distances, is_true, 2, np.array([0, 2, 4]), metric=HAMMING).f1.round(2).tolist()
        [0.67, 1.0, 0.8]
    """
    scores = np.asarray(scores, np.float64)
    if scores.shape != np.shape(is_true) or np.isnan(scores).any():
        raise ValueError(f"{scores.shape} scores, none of them NaN, must fit {np.shape(is_true)} flags")
    ranks, limits = metric.rank(scores), metric.rank(np.asarray(thresholds, np.float64))
    order = np.argsort(ranks)
    pairs = np.searchsorted(ranks[order], limits, side="right")
    true_so_far = np.concatenate([[0], np.cumsum(np.asarray(is_true, bool)[order])])
    return Sweep(np.asarray(thresholds), pairs, true_so_far[pairs], n_true)


def _ratio(part: np.ndarray, whole: np.ndarray | int) -> np.ndarray:
    """Return float64 part / whole, and 0 where the whole is 0."""
    part, whole = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole != 0)
