"""The truth about duplicates, in any of three forms, over exactly the images that were compared.

Rules: every image that was compared must be known to the truth, and every image of the truth must have been
compared. One that could not be encoded (a row of ``failures``) is left out of the truth, and its pairs with it:
what no method has seen says nothing about a method. A table of pairs names no image without a duplicate, so there
only its own paths are checked.
"""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from dedup_core.errors import InputError, SettingsError
from dedup_core.filesystems import for_spark
from dedup_core.settings.settings import EvaluateSettings
from dedup_core.spark.evaluate.json_map import stage_map
from dedup_core.spark.evaluate.pair_lists import EXAMPLES, pairs_of_map, pairs_of_table, refuse, refuse_nulls
from dedup_core.spark.evaluate.truth import TrueLabels, TruePairs, Truth
from dedup_core.spark.inputs.columns import column, column_names, has_column
from dedup_core.spark.inputs.parquet import READING_ERRORS, read_parquet, reason_of
from dedup_core.spark.inputs.text import read_csv
from dedup_core.spark.staging import Staging

NAME = "ground truth"

_CSV_ENDINGS = tuple(f"{kind}{packed}" for kind in (".csv", ".tsv") for packed in ("", ".gz", ".bz2"))


def read_truth(spark: SparkSession, settings: EvaluateSettings, staging: Staging) -> Truth:
    """Read the ground truth that the settings name, and check that it does not contradict itself.

    Raises:
        InputError: if it can't be read or contradicts itself.
        SettingsError: if it has not the columns of any form.
    """
    location = str(settings.ground_truth)
    if location.lower().endswith(".json"):
        duplicates = stage_map(location, staging, "ground_truth_map")
        pairs = pairs_of_map(NAME, duplicates, staging).select("path_a", "path_b")
        return TruePairs(pairs, duplicates.select("path"), is_complete=True)
    table = _read_table(spark, location)
    return true_pairs(table, staging) if are_pairs(table) else _true_labels(table, settings)


def are_pairs(table: DataFrame) -> bool:
    """Return whether a table lists pairs: path_a, path_b."""
    return {"path_a", "path_b"} <= set(table.columns)


def true_pairs(table: DataFrame, staging: Staging) -> TruePairs:
    """Return the truth that a table of pairs tells.

    Raises:
        InputError: if it contradicts itself.
    """
    pairs = pairs_of_table(NAME, table, staging).select("path_a", "path_b")
    # Every path of a pair once.
    images = pairs.select(F.explode(F.array("path_a", "path_b")).alias("path")).distinct()
    return TruePairs(pairs, images, is_complete=False)


def true_labels(labels: DataFrame) -> TrueLabels:
    """Return the truth that labels tell: path, label.

    Raises:
        InputError: if a path is null or comes twice.
    """
    refuse_nulls(NAME, labels, "path")
    repeated = labels.groupBy("path").agg(F.count("*").alias("times")).where(F.col("times") > F.lit(1))
    refuse(repeated, "path", f"{NAME} labels images more than once")
    return TrueLabels(labels)


def fitted(truth: Truth, images: DataFrame, failures: DataFrame | None, say: Callable[[str], None]) -> Truth:
    """Return the truth about exactly the images that were compared.

    Args:
        truth: what was read.
        images: path of every image that was compared.
        failures: path of every image that could not be encoded, where that is known.
        say: takes a line about images that are left out.

    Raises:
        InputError: if the images differ otherwise, with the number on each side and examples.
    """
    sides = truth.images.withColumn("in_truth", F.lit(True)).join(
        images.withColumn("compared", F.lit(True)), on="path", how="full"
    )
    only_truth, only_compared = F.col("compared").isNull(), F.col("in_truth").isNull()
    counts = sides.agg(F.count(F.when(only_truth, 1)).alias("truth"), F.count(F.when(only_compared, 1)).alias("other"))
    differing = counts.collect()[0]
    unknown = sides.where(only_truth).select("path")
    if failures is not None and differing["truth"]:
        unknown = unknown.join(failures, on="path", how="left_anti")
    problems = [_difference(unknown, f"only in the {NAME}")] if differing["truth"] else []
    if truth.is_complete and differing["other"]:
        problems.append(_difference(sides.where(only_compared), "only among the images compared"))
    if problems := [problem for problem in problems if problem]:
        raise InputError(f"the {NAME} must know the images that were compared, and no other: {'; '.join(problems)}")
    if not differing["truth"]:
        return truth
    say(f"  {differing['truth']:,} images of the {NAME} could not be encoded (table failures): left out")
    return truth.among(images)


def _true_labels(table: DataFrame, settings: EvaluateSettings) -> TrueLabels:
    named = [(settings.path_column, "--path-column"), (settings.label_column, "--label-column")]
    if not any(has_column(table, name) for name, _ in named):
        raise SettingsError(
            f"--ground-truth: {settings.ground_truth} needs columns path_a and path_b, or "
            f"{' and '.join(name for name, _ in named)} ({', '.join(option for _, option in named)}); "
            f"it has {', '.join(column_names(table))}"
        )
    where = f"the {NAME} {settings.ground_truth}"
    path, label = (column(table, name, option, where).cast("string") for name, option in named)
    return true_labels(table.select(path.alias("path"), label.alias("label")))


def _read_table(spark: SparkSession, location: str) -> DataFrame:
    if not location.lower().endswith(_CSV_ENDINGS):
        return read_parquet(spark, location, f"the {NAME} (.json, .csv or Parquet)")
    try:
        return read_csv(spark, for_spark(location))
    except READING_ERRORS as error:
        raise InputError(f"can't read the {NAME} {location}: {reason_of(error)}") from error


def _difference(paths: DataFrame, where: str) -> str | None:
    shown = paths.orderBy("path").limit(EXAMPLES).collect()
    examples = ", ".join(repr(row["path"]) for row in shown)
    return f"{paths.count():,} {where}, such as {examples}" if shown else None
