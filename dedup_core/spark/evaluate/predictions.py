"""A method's predictions, as evaluation reads them: from the tables of an output folder, or from a JSON map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from dedup_core.commands import job_named
from dedup_core.encoders.registry import metric_of
from dedup_core.errors import InputError, SettingsError
from dedup_core.metric import Metric
from dedup_core.settings.settings import EvaluateSettings
from dedup_core.spark.evaluate.json_map import stage_map
from dedup_core.spark.evaluate.pair_lists import pairs_of_map
from dedup_core.spark.evaluate.thresholds import with_threshold
from dedup_core.spark.published import Published
from dedup_core.spark.runs import newest_search, records
from dedup_core.spark.staging import Staging
from dedup_core.spark.store import Store

_NAME = "duplicate map"


@dataclass(frozen=True)
class Predictions:
    """The pairs that one method takes for duplicates, among the images that it compared.

    Attributes:
        method: its name.
        images: path of every image that was compared.
        n_images: how many there are.
        pairs: path_a, path_b, score, rank_a, rank_b (ties go by path), and threshold: the strictest that finds the
            pair.
        thresholds: float64, strict before loose. The last is the one of the search.
        metric: what scores are, where there are any.
        groups: the ``groups`` table, None for a map.
        failures: path of every image that could not be encoded, None where that is not known.
    """

    method: str
    images: DataFrame
    n_images: int
    pairs: DataFrame
    thresholds: np.ndarray
    metric: Metric
    groups: DataFrame | None = None
    failures: DataFrame | None = None


def read_map(settings: EvaluateSettings, staging: Staging) -> Predictions:
    """Read a JSON map. The order of a list is its ranking; there is one threshold, which nobody knows.

    Raises:
        SettingsError: if several methods are named.
        InputError: if the map can't be read, contradicts itself or isn't symmetric.
    """
    if len(settings.method) != 1:
        raise SettingsError("--duplicates: a JSON map holds what one method found: name that one by --method")
    duplicates = stage_map(str(settings.duplicates), staging, "duplicates_map")
    ranked = pairs_of_map(_NAME, duplicates, staging).select("path_a", "path_b", "rank_a", "rank_b")
    pairs = ranked.withColumns({"score": F.lit(None).cast("double"), "threshold": F.lit(0.0)})
    images = duplicates.select("path")
    method = settings.method[0]
    return Predictions(method, images, images.count(), pairs, np.zeros(1), metric_of(method))


def read_tables(spark: SparkSession, store: Store, method: str) -> Predictions:
    """Read one method's tables.

    Raises:
        SettingsError: if they lack the method.
        InputError: if there are none, or no images were compared.
    """
    metric = metric_of(method)
    _refuse_unlisted(store, method)
    duplicates, pairs = (_of_method(spark, store, table, method) for table in ("duplicates", "pairs"))
    images = duplicates.select("path")
    if not (n_images := images.count()):
        raise InputError(f"the duplicates table in {store.url} has no {method} images: there is nothing to evaluate")
    loosest = _loosest(store, pairs, method, metric)
    rank = metric.rank(F.col("score"))
    ranked = pairs.select("path_a", "path_b", "score", rank.alias("rank_a"), rank.alias("rank_b"))
    published = Published.of(store)
    return Predictions(
        method,
        images,
        n_images,
        with_threshold(ranked, loosest, metric),
        metric.grid(loosest),
        metric,
        _of_method(spark, store, "groups", method),
        published.read(spark, "failures").select("path") if published.has("failures") else None,
    )


def _of_method(spark: SparkSession, store: Store, table: str, method: str) -> DataFrame:
    published = Published.of(store)
    rows, present = published.read(spark, table), published.methods(table)
    if method not in present:
        raise SettingsError(
            f"no {method} rows in the {table} table of {store.url}: it has {', '.join(present) or 'none'} (--method)"
        )
    return rows.where(F.col("method") == method)


def _refuse_unlisted(store: Store, method: str) -> None:
    search = newest_search(method, records(store))
    if not search.get("settings", {}).get("list_pairs", True):
        raise SettingsError(
            f"the {method} pairs in {store.url} were counted and not listed (--no-list-pairs), so there is nothing to "
            f"evaluate: run {job_named('find_duplicates')} with --list-pairs"
        )
    counts = search.get("counts", {}).get("found", {}).get(method, {})
    if "listed" in counts and counts["listed"] < counts["pairs"]:
        raise SettingsError(
            f"{counts['pairs'] - counts['listed']:,} {method} pairs in {store.url} are not listed: of many equal "
            "images each stands there with the first alone. To evaluate them all, run "
            f"{job_named('find_duplicates')} with --most-copies {counts['most_copies']}"
        )


def _loosest(store: Store, pairs: DataFrame, method: str, metric: Metric) -> float:
    """Return the threshold of the search, as its record says; without a record the loosest score of a pair.

    Pairs whose pixels are the same are listed whatever their score: the threshold finds them too.
    """
    if search := newest_search(method, records(store)):
        return float(search["settings"][metric.option])
    extremes = pairs.agg(F.min("score").alias("least"), F.max("score").alias("most")).collect()[0]
    loosest = [float(score) for score in extremes if score is not None]
    return metric.loosest(loosest or [metric.closest])
