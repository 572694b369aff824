"""What a search found, in a DataFrame, held against a truth in another one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.arguments import real_number
from dedup_core.encoders.registry import metric_of
from dedup_core.errors import InputError
from dedup_core.evaluation.metrics import Quality
from dedup_core.spark.evaluate.ground_truth import are_pairs, fitted, true_labels, true_pairs
from dedup_core.spark.evaluate.scoring import score
from dedup_core.spark.evaluate.thresholds import with_threshold
from dedup_core.spark.evaluate.truth import Truth
from dedup_core.spark.inputs.columns import column
from dedup_core.spark.staging import Staging

EVALUATED = (
    "method STRING, threshold DOUBLE, pairs BIGINT, true_pairs BIGINT, precision DOUBLE, recall DOUBLE, f1 DOUBLE, "
    "map DOUBLE, ndcg DOUBLE, jaccard DOUBLE"
)
_AT_THE_END = ("ndcg", "jaccard")


def truth_of(table: DataFrame, staging: Staging) -> Truth:
    """Return the truth in a DataFrame: path_a and path_b, or path and label.

    Raises:
        InputError: if it has not these columns, or contradicts itself.
    """
    if are_pairs(table):
        return true_pairs(table, staging)
    where = "the truth, which lists no pairs (path_a, path_b),"
    named = (column(table, name, f"{name}, of labels", where).cast("string").alias(name) for name in ("path", "label"))
    return true_labels(table.select(*named))


def evaluated(
    duplicates: DataFrame, truth: Truth, failures: DataFrame | None, threshold: float | None
) -> Iterator[dict[str, Any]]:
    """Yield the figures of each method at each threshold, as rows of ``EVALUATED``.

    Args:
        duplicates: the ``duplicates`` table.
        truth: about these images.
        failures: path of images that could not be encoded, where they are known.
        threshold: of the search; None for the loosest score of a pair.

    Raises:
        InputError: if the truth is about other images, or there are none.
        TypeError: if the threshold is no number.
        ValueError: if it is no score of a method.
    """
    methods = sorted(row["method"] for row in duplicates.select("method").distinct().collect())
    if not methods:
        raise InputError("the duplicates have no rows: there is nothing to evaluate")
    if threshold is not None:
        for ends in ((metric_of(method).closest, metric_of(method).farthest) for method in methods):
            real_number(threshold, "threshold", min(ends), max(ends))
    for method in methods:
        own = duplicates.where(F.col("method") == F.lit(method))
        images = own.select("path")
        known = fitted(truth, images, failures, lambda _line: None)
        yield from _rows(method, _quality(method, own, known, threshold))


def _quality(method: str, duplicates: DataFrame, truth: Truth, threshold: float | None) -> Quality:
    metric = metric_of(method)
    listed = duplicates.select(F.col("path").alias("path_b"), F.explode("duplicates").alias("other"))
    pairs = listed.select(F.col("other.path").alias("path_a"), "path_b", F.col("other.score").alias("score"))
    pairs = pairs.where(F.col("path_a") < F.col("path_b"))
    if threshold is None:
        ends = pairs.agg(F.min("score").alias("least"), F.max("score").alias("most")).collect()[0]
        threshold = metric.loosest([float(end) for end in ends if end is not None] or [metric.closest])
    rank = metric.rank(F.col("score"))
    ranked = pairs.withColumns({"rank_a": rank, "rank_b": rank})
    return score(truth, with_threshold(ranked, threshold, metric), duplicates.count(), metric.grid(threshold))


def _rows(method: str, quality: Quality) -> Iterator[dict[str, Any]]:
    sweep = quality.sweep
    columns = {name: getattr(sweep, name) for name in ("pairs", "true_pairs", "precision", "recall", "f1")}
    columns = {"threshold": sweep.thresholds, **columns, "map": quality.map}
    last = len(sweep.thresholds) - 1
    for at in range(last + 1):
        row = {"method": method, **{name: values[at].item() for name, values in columns.items()}}
        yield row | {name: quality.figures[name] if at == last else None for name in _AT_THE_END}
