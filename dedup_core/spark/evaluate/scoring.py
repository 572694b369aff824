"""Every pair held against the truth, and every image's ranking with it, down to a few counts a threshold.

Pairs are judged by a join, rankings are gathered by image, and `metrics`, which the one-machine `evaluate` uses too,
does the arithmetic on whole rankings inside the workers. What comes back to the driver is one row a threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from dedup_core.evaluation import metrics
from dedup_core.evaluation.metrics import Rankings, Sweep
from dedup_core.spark.evaluate.ground_truth import Truth

_DIGITS = 12  # sums depend on the order of the parts in the last digits; equal runs give equal figures
_GAINS = ("ends", "true_ends", "gain", "spoiled")
_MEANS = {"map": metrics.average_precision, "ndcg": metrics.ndcg, "jaccard": metrics.jaccard}
_TALLY = (
    "level INT, ends BIGINT, true_ends BIGINT, gain DOUBLE, spoiled BIGINT, "
    "with_truth BIGINT, without_truth BIGINT, map DOUBLE, ndcg DOUBLE, jaccard DOUBLE"
)


@dataclass(frozen=True)
class Judgement:
    """What one method found, held against the truth.

    Attributes:
        figures: map, ndcg, jaccard; precision, recall, f1-score and support, two numbers each. Those of `evaluate`.
        sweep: what each threshold finds.
        map: float64 (n_thresholds,), the mean average precision at each.
    """

    figures: dict[str, Any]
    sweep: Sweep
    map: np.ndarray


def judge(truth: Truth, pairs: DataFrame, n_images: int, thresholds: np.ndarray) -> Judgement:
    """Return all figures at every threshold in one pass.

    Args:
        truth: over exactly the images that were compared.
        pairs: path_a, path_b, rank_a (where b stands in a's ranking; ties go by path), rank_b, and threshold: the
            strictest one that finds the pair.
        n_images: how many images were compared.
        thresholds: float64, all values of that column, strict before loose.
    """
    if truth.has_labels:
        sizes = _label_sizes(truth.table)
        rankings = _rankings(_judged_by_labels(sizes, pairs), F.max("n_relevant"))
        n_relevant = F.coalesce(F.sum("n_relevant"), F.lit(0)).alias("ends")
        known = sizes.agg(n_relevant, F.count_if(F.col("n_relevant") == F.lit(0)).alias("without_truth")).collect()[0]
        tally = _tallied(rankings, thresholds)
        return _judgement(tally, known["ends"] // 2, known["without_truth"], n_images, thresholds)
    rankings = _rankings(_judged_by_pairs(truth.table, pairs), F.sum("n_relevant"))
    tally = _tallied(rankings, thresholds)
    without_truth = n_images - int(tally["with_truth"].sum())
    return _judgement(tally, truth.table.count(), without_truth, n_images, thresholds)


def judged_pairs(truth: Truth, pairs: DataFrame) -> DataFrame:
    """Return some pairs with one more column, is_true."""
    if truth.has_labels:
        a = truth.table.select(F.col("path").alias("path_a"), F.col("label").alias("label_a"))
        b = truth.table.select(F.col("path").alias("path_b"), F.col("label").alias("label_b"))
        labelled = pairs.join(a, on="path_a", how="left").join(b, on="path_b", how="left")
        same = F.coalesce(F.col("label_a") == F.col("label_b"), F.lit(False))
        return labelled.withColumn("is_true", same).drop("label_a", "label_b")
    true_pairs = truth.table.withColumn("is_true", F.lit(True))
    found = pairs.join(true_pairs, on=["path_a", "path_b"], how="left")
    return found.withColumn("is_true", F.coalesce("is_true", F.lit(False)))


def _label_sizes(labels: DataFrame) -> DataFrame:
    """Return path, label, n_relevant: how many other images have the label."""
    others = labels.where(F.col("label").isNotNull()).groupBy("label").agg((F.count("*") - F.lit(1)).alias("others"))
    sized = labels.join(others, on="label", how="left")
    return sized.select("path", "label", F.coalesce("others", F.lit(0)).alias("n_relevant"))


def _judged_by_labels(sizes: DataFrame, pairs: DataFrame) -> DataFrame:
    """Return each end of each pair: path, entry, n_relevant."""
    a = sizes.select(*(F.col(name).alias(f"{name}_a") for name in sizes.columns))
    b = sizes.select(*(F.col(name).alias(f"{name}_b") for name in sizes.columns))
    labelled = pairs.join(a, on="path_a", how="inner").join(b, on="path_b", how="inner")
    same = F.coalesce(F.col("label_a") == F.col("label_b"), F.lit(False))
    return _ends(labelled.withColumn("is_true", same), "n_relevant_a", "n_relevant_b")


def _judged_by_pairs(true_pairs: DataFrame, pairs: DataFrame) -> DataFrame:
    """Return each end of each pair that was found or is true: path, entry (null if missed), n_relevant (1 if true)."""
    both = true_pairs.withColumn("is_true", F.lit(True)).join(pairs, on=["path_a", "path_b"], how="full")
    flagged = both.withColumn("is_true", F.coalesce("is_true", F.lit(False)))
    return _ends(flagged.withColumn("n_relevant", F.col("is_true").cast("bigint")), "n_relevant", "n_relevant")


def _ends(judged: DataFrame, relevant_a: str, relevant_b: str) -> DataFrame:
    def end(path: str, other: str, rank: str, relevant: str) -> Column:
        entry = F.struct(F.col(rank).alias("rank"), F.col(other).alias("other"), "threshold", "is_true")
        found = F.when(F.col("threshold").isNotNull(), entry)
        return F.struct(F.col(path).alias("path"), found.alias("entry"), F.col(relevant).alias("n_relevant"))

    two = F.array(end("path_a", "path_b", "rank_a", relevant_a), end("path_b", "path_a", "rank_b", relevant_b))
    return judged.select(F.inline(two))


def _rankings(ends: DataFrame, n_relevant: Column) -> DataFrame:
    """Return a row an image: its ranking, best first, and how many duplicates it has. Nulls are not collected."""
    gathered = ends.groupBy("path").agg(
        F.array_sort(F.collect_list("entry")).alias("ranking"), n_relevant.alias("n_relevant")
    )
    judged = F.transform("ranking", lambda entry: F.struct(entry["threshold"], entry["is_true"]))
    return gathered.select(judged.alias("ranking"), "n_relevant")


def _tallied(rankings: DataFrame, thresholds: np.ndarray) -> dict[str, np.ndarray]:
    """Return the sums over all images: per level those in ``_GAINS``, and the others once."""
    tallies = rankings.mapInArrow(_tallier(thresholds), _TALLY)
    names = [name for name in tallies.columns if name != "level"]
    rows = tallies.groupBy("level").agg(*(F.sum(name).alias(name) for name in names)).collect()
    tally = {name: np.zeros(len(thresholds)) for name in names}
    for row in rows:
        for name in names:
            tally[name][row["level"]] = row[name]
    return tally


def _tallier(thresholds: np.ndarray) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def tally(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield pa.RecordBatch.from_pydict(_sums(batch, thresholds), pa.schema(_ARROW_TALLY))

    return tally


def _sums(batch: pa.RecordBatch, thresholds: np.ndarray) -> dict[str, np.ndarray]:
    """Sum up a batch of images. What belongs to no threshold is added to the first one's row."""
    lists, n_relevant = batch.column(0), batch.column(1).to_numpy(zero_copy_only=False)
    threshold, is_true = (part.to_numpy(zero_copy_only=False) for part in lists.flatten().flatten())
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False).astype(np.int64)
    rankings = Rankings(is_true.astype(bool), lengths, n_relevant)
    order = np.argsort(thresholds)
    level = order[np.searchsorted(thresholds[order], threshold)]
    of_image = n_relevant[rankings.image]
    hits_before = np.cumsum(rankings.n_hits) - rankings.n_hits
    precision = (np.cumsum(rankings.relevant) - hits_before[rankings.image]) / rankings.rank
    gain = np.where(rankings.relevant, precision / np.maximum(of_image, 1), 0.0)
    spoils = (rankings.rank == 1) & (of_image == 0)

    def by_level(values: np.ndarray) -> np.ndarray:
        return np.bincount(level, weights=values, minlength=len(thresholds))

    columns = (np.ones(len(level)), rankings.relevant, gain, spoils)
    sums = {name: by_level(column) for name, column in zip(_GAINS, columns, strict=True)}
    once = {"with_truth": (n_relevant > 0).sum(), "without_truth": (n_relevant == 0).sum()}
    once |= {name: of_each(rankings).sum() for name, of_each in _MEANS.items()}
    at_first = {name: np.concatenate([[value], np.zeros(len(thresholds) - 1)]) for name, value in once.items()}
    whole = ("ends", "true_ends", "spoiled", "with_truth", "without_truth")
    table = {"level": np.arange(len(thresholds))} | sums | at_first
    return {name: table[name].astype(np.int64) if name in whole else table[name] for name in table}


_ARROW_TALLY = [
    pa.field(name, {"INT": pa.int32(), "BIGINT": pa.int64(), "DOUBLE": pa.float64()}[kind])
    for name, kind in (column.split() for column in _TALLY.split(", "))
]


def _judgement(
    tally: dict[str, np.ndarray], n_true: int, without_truth: int, n_images: int, thresholds: np.ndarray
) -> Judgement:
    """Turn sums over the images that have a ranking or a duplicate into figures over all images."""
    pairs, hits = (np.cumsum(tally[name]).astype(np.int64) // 2 for name in ("ends", "true_ends"))
    # An image with no duplicates for which none were found is a success, and no row tells of it.
    silent = without_truth - int(tally["without_truth"].sum())
    figures: dict[str, Any] = {name: round(float(tally[name].sum() + silent) / n_images, _DIGITS) for name in _MEANS}
    tp, found = int(hits[-1]), int(pairs[-1])
    report = metrics.classification_report(tp=tp, fp=found - tp, fn=n_true - tp, n_images=n_images)
    figures |= {name: values.tolist() for name, values in report.items()}
    mean = (without_truth - np.cumsum(tally["spoiled"]) + np.cumsum(tally["gain"])) / n_images
    return Judgement(figures, Sweep(thresholds, pairs, hits, n_true), mean.round(_DIGITS))
