"""Predictions held against the truth: every image's ranking, down to a few counts a threshold.

The truth marks pairs by a join and gathers rankings by image. `metrics`, which the one-machine `evaluate` uses too,
does the arithmetic on whole rankings inside the workers. What comes back to the driver is one row a threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.evaluation import metrics
from dedup_core.evaluation.metrics import Quality, Rankings, Sweep
from dedup_core.spark.evaluate.truth import Truth

_DIGITS = 12  # sums depend on the order of the parts in the last digits; equal runs give equal figures
_GAINS = ("ends", "true_ends", "gain", "spoiled")
_MEANS = {"map": metrics.average_precision, "ndcg": metrics.ndcg, "jaccard": metrics.jaccard}
_TALLY = (
    "level INT, ends BIGINT, true_ends BIGINT, gain DOUBLE, spoiled BIGINT, "
    "with_truth BIGINT, without_truth BIGINT, map DOUBLE, ndcg DOUBLE, jaccard DOUBLE"
)


def score(truth: Truth, pairs: DataFrame, n_images: int, thresholds: np.ndarray) -> Quality:
    """Return all figures at every threshold in one pass.

    Args:
        truth: over exactly the images that were compared.
        pairs: path_a, path_b, rank_a (where b stands in a's ranking; ties go by path), rank_b, and threshold: the
            strictest one that finds the pair.
        n_images: how many images were compared.
        thresholds: float64, all values of that column, strict before loose.
    """
    tally = _tallied(truth.rankings(pairs), thresholds)
    n_true, without_truth = truth.counts(n_images, int(tally["with_truth"].sum()))
    # An image with no duplicates for which none were found is a success, and no row tells of it.
    silent = without_truth - int(tally["without_truth"].sum())
    figures: dict[str, Any] = {name: round(float(tally[name].sum() + silent) / n_images, _DIGITS) for name in _MEANS}
    n_pairs, hits = (np.cumsum(tally[name]).astype(np.int64) // 2 for name in ("ends", "true_ends"))
    tp, fp = int(hits[-1]), int(n_pairs[-1] - hits[-1])
    report = metrics.classification_report(tp=tp, fp=fp, fn=n_true - tp, n_images=n_images)
    figures |= {name: values.tolist() for name, values in report.items()}
    mean = (without_truth - np.cumsum(tally["spoiled"]) + np.cumsum(tally["gain"])) / n_images
    return Quality(figures, Sweep(thresholds, n_pairs, hits, n_true), mean.round(_DIGITS))


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
