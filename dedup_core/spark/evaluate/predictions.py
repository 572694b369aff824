"""What a method found, as evaluation reads it: from the tables of an output folder, or from a JSON map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from dedup_core.encoders.registry import is_hash
from dedup_core.errors import InputError, SettingsError
from dedup_core.settings.settings import EvaluateSettings
from dedup_core.spark.evaluate.json_map import stage_map
from dedup_core.spark.evaluate.pair_lists import pairs_of_map
from dedup_core.spark.evaluate.thresholds import threshold_grid, with_threshold
from dedup_core.spark.runs import newest_search, records
from dedup_core.spark.staging import Staging, read_table
from dedup_core.spark.store import Store

_NAME = "duplicate map"


@dataclass(frozen=True)
class Found:
    """One method's result.

    Attributes:
        method: its name.
        images: path of every image that was compared.
        n_images: how many there are.
        pairs: path_a, path_b, score, rank_a, rank_b (ties go by path), and threshold: the strictest that finds the
            pair.
        thresholds: float64, strict before loose. The last is the one of the search.
        ascending: True if scores are distances.
        groups: the ``groups`` table, None for a map.
        failures: path of every image that could not be encoded, None where that is not known.
    """

    method: str
    images: DataFrame
    n_images: int
    pairs: DataFrame
    thresholds: np.ndarray
    ascending: bool
    groups: DataFrame | None = None
    failures: DataFrame | None = None


def read_map(settings: EvaluateSettings, staging: Staging) -> Found:
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
    return Found(settings.method[0], images, images.count(), pairs, np.zeros(1), ascending=True)


def read_tables(spark: SparkSession, store: Store, method: str) -> Found:
    """Read one method's tables.

    Raises:
        SettingsError: if they lack the method.
        InputError: if there are none, or no images were compared.
    """
    ascending = is_hash(method)
    _refuse_unlisted(store, method)
    duplicates, pairs = (_of_method(spark, store, table, method) for table in ("duplicates", "pairs"))
    images = duplicates.select("path")
    if not (n_images := images.count()):
        raise InputError(f"the duplicates table in {store.url} has no {method} images: there is nothing to evaluate")
    loosest = _loosest(store, pairs, method, ascending)
    rank = F.col("score") if ascending else -F.col("score")
    ranked = pairs.select("path_a", "path_b", "score", rank.alias("rank_a"), rank.alias("rank_b"))
    return Found(
        method,
        images,
        n_images,
        with_threshold(ranked, loosest, ascending),
        threshold_grid(loosest, ascending),
        ascending,
        _of_method(spark, store, "groups", method),
        read_table(spark, store, "failures").select("path") if store.exists("failures") else None,
    )


def _of_method(spark: SparkSession, store: Store, table: str, method: str) -> DataFrame:
    rows = read_table(spark, store, table)
    present = [entry.removeprefix("method=") for entry in store.entries(table) if entry.startswith("method=")]
    if method not in present:
        raise SettingsError(
            f"no {method} rows in the {table} table of {store.url}: it has {', '.join(present) or 'none'} (--method)"
        )
    return rows.where(F.col("method") == method)


def _refuse_unlisted(store: Store, method: str) -> None:
    if not newest_search(method, records(store)).get("settings", {}).get("list_pairs", True):
        raise SettingsError(
            f"the {method} pairs in {store.url} were counted and not listed (--no-list-pairs), so there is nothing to "
            "evaluate: run jobs/find_duplicates.py with --list-pairs"
        )


def _loosest(store: Store, pairs: DataFrame, method: str, ascending: bool) -> float:
    """Return the threshold of the search, as its record says; without a record the loosest score of a pair."""
    scores = pairs.agg(F.min("score").alias("least"), F.max("score").alias("most")).collect()[0]
    found = scores["most"] if ascending else scores["least"]
    name = "max_distance_threshold" if ascending else "min_similarity_threshold"
    if search := newest_search(method, records(store)):
        searched = float(search["settings"][name])
        return searched if found is None else (max if ascending else min)(searched, found)
    return (0.0 if ascending else 1.0) if found is None else float(found)
