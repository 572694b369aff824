"""How many pairs a search will find, told before it starts, and counted before they are listed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.encoders.registry import metric_of
from dedup_core.errors import LimitError
from dedup_core.hamming.estimate import PairEstimate, estimate_pairs, within
from dedup_core.metric import Metric
from dedup_core.settings.layers import option
from dedup_core.settings.settings import SearchSettings
from dedup_core.spark.search.distinct import DistinctCodes
from dedup_core.spark.verify.contents import Contents

_DIGITS = 3
_BROADCAST_CODES = 1 << 22  # codes of several images: some 200 MB where they arrive


@dataclass(frozen=True)
class SearchEstimate:
    """What to expect of a search.

    Attributes:
        images: how many images have features.
        codes: how many distinct hashes or embeddings they have.
        thresholds: the one asked for, and stricter ones.
        pairs: pairs of images to list within each threshold, those of one code among them.
        distinct: pairs of codes within each threshold.
        metric: what the thresholds are of.
        ways: in how many ways two features are compared, of which the closest counts.
    """

    images: int
    codes: int
    thresholds: list[float]
    pairs: PairEstimate
    distinct: PairEstimate
    metric: Metric
    ways: int = 1


def estimate_of(
    of_each: np.ndarray, copies: np.ndarray, codes: DistinctCodes, thresholds: list[float], metric: Metric
) -> SearchEstimate:
    """Return the estimate that follows from the partners of sampled codes.

    Args:
        of_each: float64 (2, m, t): how many codes, and how many listed images of them, lie within each threshold of
            each sampled code.
        copies: int64 (m,), how many listed images each sampled code has.
        codes: all of them.
        thresholds: the t thresholds, the loosest first.
        metric: what they are of.
    """
    # Where no sampled code has a partner, one that has is taken to have as many images as others, like its partner.
    images_a_code = codes.n_listed / codes.count
    across = estimate_pairs(copies[:, None] * of_each[1], codes.count, images_a_code**2)
    pairs = PairEstimate(across.low + codes.equal_pairs, across.high + codes.equal_pairs)
    distinct = estimate_pairs(of_each[0], codes.count)
    return SearchEstimate(codes.n_images, codes.count, thresholds, pairs, distinct, metric)


def check_estimate(settings: SearchSettings, method: str, estimate: SearchEstimate, say: Callable[[str], None]) -> None:
    """Say how many pairs to expect, and stop before a search that would surely find too many.

    Raises:
        LimitError: if the lower end of the interval exceeds ``max_pairs``. What each stricter threshold would give is
            said before.
    """
    metric = estimate.metric
    held = estimate.pairs if settings.list_pairs else estimate.distinct
    ends = [_outward(low, high) for low, high in zip(held.low, held.high, strict=True)]
    thresholds, kind = estimate.thresholds, _pairs(settings, metric)
    say(f"{method}: {estimate.codes:,} distinct {metric.features} of {estimate.images:,} images")
    say(f"  {_interval(*ends[0])} {kind} to expect {metric.said(thresholds[0])}")
    by_chance = estimate.ways * _by_chance(estimate.codes, metric.bits, int(thresholds[0])) if metric.bits else 0.0
    if by_chance > 1_000:
        say(f"  so many random hashes alone would have {by_chance:,.0f}: a smaller distance has fewer")
    if ends[0][0] <= settings.max_pairs:
        return
    for threshold, (low, high) in zip(thresholds, ends, strict=True):
        say(f"  {metric.said(threshold, 2)}: {_interval(low, high)} {kind}")
    advice = _advice(settings, metric, thresholds, np.array(ends)[:, 1], estimate.distinct.high[0])
    raise LimitError(
        f"{method}: {_interval(*ends[0])} {kind} {metric.said(thresholds[0])} are more than the "
        f"{settings.max_pairs:,} that max_pairs allows: {advice}"
    )


def check_pairs(settings: SearchSettings, method: str, contents: Contents, code_pairs: DataFrame) -> dict[str, int]:
    """Count the pairs that pairs of codes stand for, before they are verified and written out one by one.

    A sample may miss two codes of many images that lie close to each other; their number is known only now.

    Args:
        settings: which say how many there may be, and whether those of images are listed.
        method: what the codes are of.
        contents: of the images in groups.
        code_pairs: code_a, code_b, score.

    Returns:
        ``pairs``, of images, whatever is listed; ``content_pairs``, of different files; ``listed``, of images.

    Raises:
        LimitError: if more than ``max_pairs`` were to be listed, or verified where none are listed.
    """
    metric = metric_of(method)
    thresholds = metric.stricter(getattr(settings, metric.option))
    weights = contents.weights(settings.most_copies)
    few = contents.images <= 2 * _BROADCAST_CODES or weights.count() <= _BROADCAST_CODES  # each has two images or more
    across = _count_within(F.broadcast(weights) if few else weights, code_pairs, metric, thresholds)
    within_codes = contents.pairs_within(settings.most_copies)
    counts = {name: counted + within_codes[name] for name, counted in across.items()}
    held, kind = counts["listed"], "pairs"
    if not settings.list_pairs:
        held, kind = counts["contents"], "pairs of different files"
    if held[0] > settings.max_pairs:
        raise LimitError(
            f"{method}: the search found {held[0]:,.0f} {kind}, more than the "
            f"{settings.max_pairs:,} that max_pairs allows: "
            f"{_advice(settings, metric, thresholds, held, counts['contents'][0])}"
        )
    named = {"pairs": "images", "content_pairs": "contents", "listed": "listed"}
    return {name: int(counts[of][0]) for name, of in named.items()}


def _count_within(
    weights: DataFrame, code_pairs: DataFrame, metric: Metric, thresholds: Sequence[float]
) -> dict[str, np.ndarray]:
    """Return the pairs of images, contents and listed images of different codes within each threshold, float64 (t,)."""
    kinds = ("images", "contents", "listed")
    weighed = code_pairs
    for end in "ab":
        of_end = [F.col(kind).cast("double").alias(f"{kind}_{end}") for kind in kinds]
        weighed = weighed.join(
            weights.select(F.col("code").alias(f"code_{end}"), *of_end), on=f"code_{end}", how="left"
        )
    one = F.lit(1.0)
    sums = [F.sum(F.coalesce(f"{kind}_a", one) * F.coalesce(f"{kind}_b", one)).alias(kind) for kind in kinds]
    # What is the same by its pixels is a pair whatever its score: it counts as within the loosest threshold.
    ends = F.array(*(F.lit(float(end)) for end in thresholds))
    reached = F.greatest(F.lit(1), F.size(F.filter(ends, lambda end: metric.within(F.col("score"), end))))
    counted = {kind: np.zeros(len(thresholds)) for kind in kinds}
    for row in weighed.groupBy(reached.alias("reached")).agg(*sums).collect():
        for kind in kinds:
            counted[kind][row["reached"] - 1] = row[kind]
    return {kind: within(values[None])[0] for kind, values in counted.items()}


def _advice(
    settings: SearchSettings, metric: Metric, thresholds: Sequence[float], held: np.ndarray, distinct: float
) -> str:
    """Say what would do: a stricter threshold, more pairs, or no list of them."""
    fitting = [at for at, pairs in zip(thresholds, held, strict=True) if pairs <= settings.max_pairs]
    ways = [f"{option(metric.option)} {at:g} would fit" for at in fitting[:1]] + ["raise --max-pairs"]
    if settings.list_pairs and distinct <= settings.max_pairs:
        ways.append("--no-list-pairs, which gives groups and removals alone")
    return ", or ".join(ways)


def _by_chance(codes: int, bits: int, max_distance: int) -> float:
    """Pairs that as many random codes would have: no images behind them are alike."""
    near = sum(math.comb(bits, distance) for distance in range(max_distance + 1))
    return math.comb(codes, 2) * near / 2**bits


def _outward(low: float, high: float) -> tuple[float, float]:
    """Return the ends of an interval as they are told and held against the limit: rounded outward, unless exact."""
    if low == high:
        return low, high
    steps = [10.0 ** max(0, math.floor(math.log10(max(end, 1.0))) + 1 - _DIGITS) for end in (low, high)]
    return math.floor(low / steps[0]) * steps[0], math.ceil(high / steps[1]) * steps[1]


def _interval(low: float, high: float) -> str:
    return f"{low:,.0f}" if low == high else f"about {low:,.0f} to {high:,.0f}"


def _pairs(settings: SearchSettings, metric: Metric) -> str:
    return "pairs" if settings.list_pairs else f"pairs of distinct {metric.features}"
