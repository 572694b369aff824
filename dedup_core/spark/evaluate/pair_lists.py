"""Lists and tables as unordered pairs, refused where they contradict themselves."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from dedup_core.errors import InputError
from dedup_core.spark.staging import Staging

EXAMPLES = 3

_PAIRS = "path_a STRING, path_b STRING, rank_a DOUBLE, rank_b DOUBLE, forward BIGINT, backward BIGINT"
_ITSELF = "path_a = path_b"
_REPEATED = "forward > 1 OR backward > 1"
_ONE_WAY = "forward = 0 OR backward = 0"


def pairs_of_map(label: str, duplicates: DataFrame, staging: Staging) -> DataFrame:
    """Return the pairs of a duplicate map: path_a < path_b, rank_a (where b stands in a's list) and rank_b.

    Args:
        label: what to call the map in a message.
        duplicates: path, duplicates.
        staging: where the pairs are written, under the label.

    Raises:
        InputError: if the map is empty, a key or an entry stands there twice, an image lists itself or one that is no
            key, or the map isn't symmetric. Each is counted, with examples.
    """
    keys = duplicates.groupBy("path").agg(F.count("*").alias("times"))
    most = keys.agg(F.max("times").alias("times")).collect()[0]["times"]
    if most is None:
        raise InputError(f"{label} is empty: there is nothing to evaluate")
    if most > 1:
        refuse(keys.where(F.col("times") > F.lit(1)), "path", f"{label} has keys more than once")
    listed = duplicates.select("path", F.posexplode("duplicates").alias("position", "other"))
    pairs, n_one_way = _staged_pairs(label, listed, staging)
    if n_one_way:
        # Whoever is no key lists nobody: that is the cause, where it is one, and the asymmetry what follows.
        strangers = listed.select(F.col("other").alias("path")).join(keys, on="path", how="left_anti").distinct()
        refuse(strangers, "path", f"{label} lists images that are no keys")
        from_a = F.col("forward") > F.lit(0)
        ends = F.when(from_a, _arrow("path_a", "path_b")).otherwise(_arrow("path_b", "path_a"))
        broken = pairs.where(_ONE_WAY).withColumn("pair", ends)
        refuse(broken, "pair", f"{label} isn't symmetric: images list others that don't list them")
    return pairs


def pairs_of_table(label: str, rows: DataFrame, staging: Staging) -> DataFrame:
    """Return the pairs of a table with path_a and path_b in any order; a pair may stand there in both.

    Raises:
        InputError: if a path is missing, an image is paired with itself, or a row stands there twice.
    """
    refuse_nulls(label, rows, "path_a", "path_b")
    path, other = F.col("path_a").cast("string"), F.col("path_b").cast("string")
    listed = rows.select(path.alias("path"), other.alias("other"), F.lit(0).alias("position"))
    return _staged_pairs(label, listed, staging)[0]


def refuse(wrong: DataFrame, column: str, complaint: str) -> None:
    """Refuse rows, if there are any, with their number and the first of them.

    Raises:
        InputError: if ``wrong`` is not empty.
    """
    shown = wrong.orderBy(column).limit(EXAMPLES).select(column).collect()
    if shown:
        examples = ", ".join(row[0] if column == "pair" else repr(row[0]) for row in shown)
        raise InputError(f"{complaint} ({wrong.count():,} in all), such as {examples}")


def refuse_nulls(label: str, rows: DataFrame, *columns: str) -> None:
    """Refuse rows in which one of the columns is empty."""
    missing = rows.agg(*(F.count_if(F.col(column).isNull()).alias(column) for column in columns)).collect()[0]
    for column in columns:
        if missing[column]:
            raise InputError(f"{label} has {missing[column]:,} rows without a {column}")


def _arrow(source: str, target: str) -> Column:
    """Return who lists whom as people read it."""
    return F.concat(F.lit("'"), F.col(source), F.lit("' -> '"), F.col(target), F.lit("'"))


def _staged_pairs(label: str, listed: DataFrame, staging: Staging) -> tuple[DataFrame, int]:
    """Return the pairs, written and checked, and how many of them stand in one direction alone."""
    forward, rank = F.col("path") < F.col("other"), F.col("position").cast("double")
    grouped = listed.groupBy(F.least("path", "other").alias("path_a"), F.greatest("path", "other").alias("path_b")).agg(
        F.max(F.when(forward, rank)).alias("rank_a"),
        F.max(F.when(~forward, rank)).alias("rank_b"),
        F.count(F.when(forward, rank)).alias("forward"),
        F.count(F.when(~forward, rank)).alias("backward"),
    )
    staging.write(label.replace(" ", "_"), grouped)
    pairs = staging.read(label.replace(" ", "_"), _PAIRS).withColumn("pair", _arrow("path_a", "path_b"))
    counts = [F.count_if(F.expr(condition)) for condition in (_ITSELF, _REPEATED, _ONE_WAY)]
    itself, repeated, one_way = pairs.agg(*counts).collect()[0]
    if itself:
        refuse(pairs.where(_ITSELF), "pair", f"{label} lists images as their own duplicates")
    if repeated:
        refuse(pairs.where(_REPEATED), "pair", f"{label} repeats entries")
    return pairs.drop("pair"), one_way
