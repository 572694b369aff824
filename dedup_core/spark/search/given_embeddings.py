"""Embeddings that were made elsewhere, as features: a row of an image each, and a failure of whatever is none.

Where images were encoded by other methods, what these know of them (looks, sizes, digests) stands beside the
embeddings too. Where none were, the table alone says which images there are.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from dedup_core.cosine.join import MAX_DIMENSION
from dedup_core.errors import InputError, tally
from dedup_core.filesystems import normal
from dedup_core.spark.batches import are_few
from dedup_core.spark.ids import id_of, with_ids
from dedup_core.spark.inputs.parquet import READING_ERRORS, reason_of
from dedup_core.spark.inputs.vectors import VECTORS, read_vectors, vectors_of
from dedup_core.spark.staging import Staging
from dedup_core.spark.tables import FAILURES, FEATURES, conform

_LEAST_LENGTH = 2
_CONTENT = f"{VECTORS}, content BIGINT"
_SETTLED = "path STRING, reason STRING, message STRING"
_OF_METHOD = ("method", "fingerprint", "hash", "turned", "embedding", "local", "run_id")


@dataclass(frozen=True)
class GivenTable:
    """A table of embeddings, as a user gives it.

    Attributes:
        name: of the method.
        location: of the table; empty where it is a DataFrame.
        path_column: with the images' paths.
        column: with the vectors.
        run_id: of the run that reads it.
        frame: the DataFrame that it is, if it is one.
    """

    name: str
    location: str
    path_column: str
    column: str
    run_id: str | None = None
    frame: DataFrame | None = None

    @property
    def called(self) -> str:
        """What to call it in a message."""
        return f"the embeddings {self.location}" if self.frame is None else "the embeddings in the DataFrame"

    @property
    def options(self) -> tuple[str, str]:
        """By which options its columns are named, of the paths and of the vectors."""
        return ("--embeddings-path-column", "--column") if self.frame is None else ("path", "embedding")

    def fingerprint(self, length: int) -> str:
        """Return what tells its features from those of other tables: the name, the length, place and column.

        DataFrames have no place: of these the name alone says which vectors are compared.
        """
        if self.frame is not None:
            return f"given-{self.name}-{length}"
        place = hashlib.sha256(f"{normal(self.location)}\n{self.column}".encode()).hexdigest()
        return f"given-{self.name}-{length}-{place[:12]}"

    def rows(self, spark: SparkSession) -> DataFrame:
        """Return its rows, ``VECTORS``, not yet read: only its columns are checked.

        Raises:
            InputError: as `read_vectors`.
        """
        if self.frame is not None:
            return vectors_of(self.frame, self.path_column, self.column)
        return read_vectors(spark, self.location, self.path_column, self.column)


@dataclass(frozen=True)
class Given:
    """What a table of embeddings came to, ready to be published.

    Attributes:
        features: ``tables.FEATURES``, of the one method.
        counts: rows, length, images, repeated, failed (by reason), passed_over (of no image that was encoded).
    """

    features: DataFrame
    counts: dict[str, Any]


def _known_images(features: DataFrame, name: str) -> tuple[DataFrame | None, int]:
    """Return the features of the method that knows most images, and how many; None and 0 where there is none.

    Args:
        features: the ``features`` table.
        name: of embeddings that are given anew: they are passed over.
    """
    others = features.where(F.col("method") != F.lit(name))
    first = others.groupBy("method").count().orderBy(F.desc("count"), "method").first()
    if first is None:
        return None, 0
    return others.where(F.col("method") == F.lit(first["method"])), first["count"]


def given_features(
    table: GivenTable, features: DataFrame | None, failures: DataFrame | None, staging: Staging
) -> Given:
    """Read a table of embeddings, and make its features ready, and the ``failures`` table with those of its rows.

    Args:
        table: the embeddings.
        features: ``tables.FEATURES`` of the images that were encoded, by any methods; None or none where none were.
        failures: ``tables.FAILURES`` that are known of already; those of an earlier table of the name are left out.
        staging: where they are made ready.

    Raises:
        InputError: if it can't be read, or no row can be used.
    """
    rows = _read_rows(table, staging)
    known, images = (None, 0) if features is None else _known_images(features, table.name)
    staging = replace(staging, holds_few=are_few(max(images, staging.count("rows"))))
    with staging.joining():
        return _made_ready(table, staging.together(rows), known, failures, staging)


def _made_ready(
    table: GivenTable, rows: DataFrame, known: DataFrame | None, failures: DataFrame | None, staging: Staging
) -> Given:
    length = _usual_length(table, rows)
    told = F.when(F.col("length") != F.lit(length), _other_length(length))
    rows = rows.withColumn("problem", F.coalesce("problem", told))
    often = _often(rows, staging)
    once = _once(rows, often)
    is_good = F.col("problem").isNull()
    features = once.where(is_good).select("path", "embedding")
    features = features.withColumns(
        {"method": F.lit(table.name), "fingerprint": F.lit(table.fingerprint(length)), "run_id": F.lit(table.run_id)}
    )
    if known is not None:
        features = features.join(known.drop(*_OF_METHOD), on="path", how="inner")
    numbered = features if known is not None else with_ids(features.withColumn("id", id_of("path")))
    made = staging.finish("features", table.name, conform(numbered, FEATURES))
    failed = _failed(table, rows, once, often, known, staging)
    _write_failures(table, failed, known, failures, staging)
    counts: dict[str, Any] = {"rows": staging.count("rows"), "length": length, "images": made.count()}
    counts |= {"failed": _by_reason(failed), "passed_over": 0 if known is None else _strangers(rows, known).count()}
    if not counts["images"]:
        raise InputError(_why_none(table, rows, known, counts))
    return Given(made, counts)


def tell(counts: dict[str, Any], say: Callable[[str], None]) -> None:
    """Say what a table came to."""
    say(f"  {counts['images']:,} of {counts['rows']:,} rows are embeddings of {counts['length']:,} numbers")
    if failed := counts["failed"]:
        say(f"  {sum(failed.values()):,} failures: {tally(failed)} (table failures)")
    if counts["passed_over"]:
        say(f"  passed over {counts['passed_over']:,} rows of images that are not among those encoded")


def _read_rows(table: GivenTable, staging: Staging) -> DataFrame:
    """Read a table into the staging place: ``VECTORS``, and ``content``, by which equal ones are known.

    Raises:
        InputError: if it can't be read, or has no rows.
    """
    content = F.xxhash64("embedding", "length", "problem").alias("content")
    try:
        rows = staging.write("rows", conform(table.rows(staging.spark).select("*", content), _CONTENT))
    except READING_ERRORS as error:
        raise InputError(f"can't read {table.called}: {reason_of(error)}") from error
    if not staging.count("rows"):
        raise InputError(f"{table.called} have no rows")
    return rows


def _usual_length(table: GivenTable, rows: DataFrame) -> int:
    """Return the length of most vectors, of two the larger one."""
    usable = rows.where(F.col("problem").isNull()).groupBy("length").count()
    first = usable.orderBy(F.desc("count"), F.desc("length")).first()
    if first is None:
        problem = rows.groupBy("problem").count().orderBy(F.desc("count"), "problem").first()
        raise InputError(
            f"no row of {table.called} can be used: in most the column {table.column!r} ({table.options[1]}) "
            f"can't be compared: {'' if problem is None else problem['problem']}"
        )
    if not _LEAST_LENGTH <= first["length"] <= MAX_DIMENSION:
        raise InputError(
            f"{table.called} have {first['length']:,} numbers each: {_LEAST_LENGTH} to {MAX_DIMENSION:,} are compared"
        )
    return int(first["length"])


def _other_length(length: int) -> Any:
    return F.format_string(f"it has %d numbers, and most others {length}", "length")


def _often(rows: DataFrame, staging: Staging) -> DataFrame | None:
    """Return the paths of several rows: path, rows, contents (how many different ones); None where there is none."""
    named = rows.where(_has_path())
    counts = F.count("*").alias("rows"), F.count_distinct("content").alias("contents")
    often = staging.write("often", named.groupBy("path").agg(*counts).where(F.col("rows") > F.lit(1)))
    return often if staging.count("often") else None


def _once(rows: DataFrame, often: DataFrame | None) -> DataFrame:
    """Return the rows that name an image, one of each: of a path that stands for different embeddings none."""
    named = rows.where(_has_path())
    if often is None:
        return named
    again = named.join(often.where(F.col("contents") == F.lit(1)).select("path"), on="path", how="left_semi")
    return named.join(often, on="path", how="left_anti").unionByName(again.dropDuplicates(["path"]))


def _failed(
    table: GivenTable,
    rows: DataFrame,
    once: DataFrame,
    often: DataFrame | None,
    known: DataFrame | None,
    staging: Staging,
) -> DataFrame:
    """Return path, reason, message of all that has no embedding to compare."""
    is_none = F.col("problem").isin("it is null", "it is empty")
    reason = F.when(is_none, F.lit("no_embedding")).otherwise(F.lit("unusable_embedding"))
    unusable = once.where(F.col("problem").isNotNull()).select("path", reason.alias("reason"), "problem")
    parts = [_told(table, unusable, F.concat(F.lit("the embedding can't be compared: "), "problem"))]
    if often is not None:
        differing = often.where(F.col("contents") > F.lit(1)).withColumn("reason", F.lit("ambiguous_path"))
        text = F.format_string("the path stands for different embeddings in %d rows", "rows")
        parts.append(_told(table, differing, text))
    if known is not None:
        parts = [part.join(known.select("path"), on="path", how="left_semi") for part in parts]
        missing = known.select("path").join(rows.select("path"), on="path", how="left_anti")
        missing = missing.withColumn("reason", F.lit("no_embedding"))
        parts.append(_told(table, missing, F.lit("the table has no row of this image")))
    nameless = rows.where(~_has_path()).select("path").withColumn("reason", F.lit("no_path"))
    parts.append(_told(table, nameless, F.lit("the row names no image")))
    return staging.write("failed", functools.reduce(DataFrame.unionByName, parts))


def _told(table: GivenTable, rows: DataFrame, text: Any) -> DataFrame:
    return conform(rows.withColumn("message", F.concat(F.lit(_mark(table)), text)), _SETTLED)


def _mark(table: GivenTable) -> str:
    """Return how a message on its rows begins."""
    return f"{table.name}: "


def _write_failures(
    table: GivenTable,
    failed: DataFrame,
    known: DataFrame | None,
    failures: DataFrame | None,
    staging: Staging,
) -> None:
    new = failed.withColumn("run_id", F.lit(table.run_id))
    if known is not None:
        new = new.join(known.select("path", "size", "modified_at"), on="path", how="left")
    every = conform(new, FAILURES)
    if failures is not None:
        is_earlier = F.coalesce(F.col("message").startswith(_mark(table)), F.lit(False))
        every = every.unionByName(conform(failures.where(~is_earlier), FAILURES))
    staging.write("ready/failures", every)


def _by_reason(failed: DataFrame) -> dict[str, int]:
    rows = failed.groupBy("reason").count().orderBy(F.desc("count"), "reason").collect()
    return {row["reason"]: row["count"] for row in rows}


def _strangers(rows: DataFrame, known: DataFrame) -> DataFrame:
    return rows.where(_has_path()).select("path").join(known.select("path"), on="path", how="left_anti")


def _why_none(table: GivenTable, rows: DataFrame, known: DataFrame | None, counts: dict[str, Any]) -> str:
    one = None if known is None else known.select("path").orderBy("path").first()
    other = rows.where(_has_path()).select("path").orderBy("path").first()
    if one is None or other is None or not counts["passed_over"]:
        return f"no row of {table.called} can be used: {tally(counts['failed'])}"
    return (
        f"no image has an embedding in {table.location or 'the DataFrame'}: its paths are such as {other['path']!r}, "
        f"and the images are called such as {one['path']!r} ({table.options[0]} names another column)"
    )


def _has_path() -> Any:
    return F.col("path").isNotNull() & (F.col("path") != F.lit(""))
