"""A features table that is there already: read, and refused where a search of it would go wrong in silence."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from dedup_core.commands import job_named
from dedup_core.encoders.registry import ENCODERS, TURNED, metric_of
from dedup_core.errors import InputError
from dedup_core.filesystems import for_spark
from dedup_core.metric import COSINE
from dedup_core.spark.ids import are_told_apart, id_of, with_ids
from dedup_core.spark.inputs.parquet import READING_ERRORS, read_parquet, reason_of
from dedup_core.spark.published import Published
from dedup_core.spark.store import Store
from dedup_core.spark.tables import FEATURES, LOCAL, columns_of, conform
from dedup_core.turns import TURNS

_NEEDED = {"path": {"string"}, "method": {"string"}, "fingerprint": {"string"}}
_KINDS = {
    "hash": {"bigint"},
    "embedding": {"array<float>", "array<double>"},
    "local": {LOCAL.replace(": ", ":").replace(", ", ",").lower()},
}
_COLUMNS = columns_of(FEATURES)
_TURNS = len(TURNS) - 1  # hashes of them, besides the upright one
_EXAMPLES = 3
_GIVEN = "the DataFrame"  # to call it by in a message


def read_features(spark: SparkSession, location: str, methods: Sequence[str], say: Callable[[str], None]) -> DataFrame:
    """Return a features table, ``tables.FEATURES``, checked for the methods to search.

    Args:
        spark: the session.
        location: the table's folder.
        methods: the methods to search.
        say: takes a line about what is passed over.

    Raises:
        InputError: if there is no table; it lacks a column or has one of another type; rows have no path, fingerprint
            or feature; or an image stands there twice. Each is counted, with examples.
    """
    location = Store(location).url
    if (published := Published.around(location)) is not None:
        return _checked(published.read(spark, "features"), methods, location, is_ours=True)
    if not Store(location).exists():
        encode = job_named("encode")
        raise InputError(f"there is no features table at {location}: run {encode} first, or name another folder")
    table = read_parquet(spark, location, "the features in")
    _check_columns(table, location, methods)
    if strange := sorted(set(table.columns) - set(_COLUMNS)):
        say(f"Features {location}: passed over the columns {', '.join(strange)}")
    features = conform(_every_file_alike(table, location), FEATURES)
    return _checked(features, methods, location, is_ours=False)


def given_features(table: DataFrame, methods: Sequence[str]) -> DataFrame:
    """Return the features in a DataFrame of somebody else's, ``tables.FEATURES``, checked as `read_features` does.

    Args:
        table: read several times.
        methods: the methods to search.

    Raises:
        InputError: says what is wrong with it.
    """
    _check_columns(table, _GIVEN, methods)
    features = conform(table, FEATURES)
    searched = features.where(F.col("method").isin(list(methods)) | F.col("method").isNull())
    if not _refuse_empty(searched, _GIVEN) and are_told_apart(searched):
        return features
    _refuse_repeated(searched, _GIVEN)
    return with_ids(features)


def _check_columns(table: DataFrame, location: str, methods: Sequence[str]) -> None:
    features = {metric_of(method).feature for method in methods}
    needed = _NEEDED | {name: kinds for name, kinds in _KINDS.items() if name in features}
    types = dict(table.dtypes)
    problems = [f"has no column {name}" for name in needed if name not in types]
    problems += [
        f"has the column {name} as {types[name].upper()}, not {sorted(kinds)[-1].upper()}"
        for name, kinds in needed.items()
        if name in types and types[name] not in kinds
    ]
    if problems:
        raise InputError(
            f"{location} is no features table that can be searched: it {'; it '.join(problems)} (columns: "
            f"{', '.join(table.columns)})"
        )


def _every_file_alike(table: DataFrame, location: str) -> DataFrame:
    """Read the table by one schema: else one of its files says which columns all of them have."""
    types = _COLUMNS | {name: kind for name, kind in table.dtypes if name in _COLUMNS}
    schema = ", ".join(f"{name} {kind}" for name, kind in types.items())
    return table.sparkSession.read.schema(schema).parquet(for_spark(location))


def _checked(features: DataFrame, methods: Sequence[str], location: str, is_ours: bool) -> DataFrame:
    """Return the features with an ``id`` of each image."""
    searched = features.where(F.col("method").isin(list(methods)) | F.col("method").isNull())
    try:
        if _refuse_empty(searched, location):
            features, searched = (frame.withColumn("id", id_of("path")) for frame in (features, searched))
        elif is_ours or _is_listed(location):
            return features  # images were told apart when it was published
        if are_told_apart(searched):
            return features
        _refuse_repeated(searched, location)
        return with_ids(features)
    except READING_ERRORS as error:
        raise InputError(f"can't read the features in {location}: {reason_of(error)}") from error


def _is_listed(location: str) -> bool:
    """Return whether a run of ours has published all files of a table."""
    folder, name = posixpath.split(location)
    ledger = Store(folder).read_ledger()
    files = [f"{name}/{file}" for file in Store(location).files()]
    return bool(files) and ledger.files.issuperset(files)


def _refuse_empty(features: DataFrame, location: str) -> int:
    """Refuse rows that lack what a search needs, and return how many have another id than a hash of their path."""
    empty = {
        "method": F.col("method").isNull(),
        "path": F.col("path").isNull() | (F.col("path") == F.lit("")),
        "path in UTF-8": F.col("path").cast("binary") != F.encode("path", "UTF-8"),
        "fingerprint": F.col("fingerprint").isNull(),
        **{feature: _is_of(feature) & F.col(feature).isNull() for feature in _KINDS},
        "whole local features": _is_of("local") & ~_is_whole(),
        "size in pixels": _is_of("local")
        & ~F.coalesce((F.col("width") > F.lit(0)) & (F.col("height") > F.lit(0)), F.lit(False)),
        "turned": F.col("fingerprint").contains(TURNED) & F.coalesce(F.size("turned") != F.lit(_TURNS), F.lit(True)),
    }
    counted = {**empty, "id": ~F.col("id").eqNullSafe(id_of("path"))}
    counts = features.agg(*(F.count_if(is_so).alias(name) for name, is_so in counted.items())).collect()[0].asDict()
    others = int(counts.pop("id"))
    for name, count in counts.items():
        if count:
            shown = _examples(features.where(empty[name]).select("path").where(F.col("path").isNotNull()))
            raise InputError(
                f"{count:,} rows of the features in {location} have no {name}{shown}: encode these images again, or "
                "leave the rows out"
            )
    return others


def _refuse_repeated(features: DataFrame, location: str) -> None:
    twice = features.groupBy("method", "path").count().where(F.col("count") > F.lit(1))
    if not twice.isEmpty():
        raise InputError(
            f"{twice.count():,} images stand in the features in {location} more than once{_examples(twice)}: leave one "
            "row of each"
        )


def _is_of(feature: str) -> Column:
    """Return whether a row's method fills a column."""
    fills = F.col("method").isin([name for name, method in ENCODERS.items() if method.metric.feature == feature])
    if feature != COSINE.feature:
        return fills
    return fills | ~F.col("method").isin(list(ENCODERS))  # embeddings that a user gave, under any name


def _is_whole() -> Column:
    """Return whether local features have a picture, and four numbers and 32 bytes of each keypoint."""
    numbers, described = F.size("local.keypoints"), F.length("local.descriptors")
    fit = (F.pmod(numbers, F.lit(4)) == F.lit(0)) & (described == F.lit(8) * numbers)
    return F.coalesce(fit & (F.length("local.picture") > F.lit(0)), F.lit(False))


def _examples(rows: DataFrame) -> str:
    paths = [row["path"] for row in rows.select("path").orderBy("path").limit(_EXAMPLES).collect()]
    return f", such as {', '.join(map(repr, paths))}" if paths else ""
