"""Images in a DataFrame of somebody else's: to features, and read again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import TimestampType

from dedup_core.settings.settings import EncodeSettings
from dedup_core.spark.encode.checkpoints import Part
from dedup_core.spark.encode.crashes import made_despite_crashes
from dedup_core.spark.encode.entries import NAMELESS
from dedup_core.spark.encode.listing import Listing, list_images
from dedup_core.spark.encode.manifests import PathManifest
from dedup_core.spark.encode.rereading import Reread
from dedup_core.spark.encode.tasks import BATCH_IMAGES, EncodePlan, encode_contents
from dedup_core.spark.ids import with_ids
from dedup_core.spark.inputs.columns import column, has_column
from dedup_core.spark.session import rows_at_a_time
from dedup_core.spark.staging import Staging
from dedup_core.spark.tables import CONTENTS, ENCODED, FAILURES, FEATURES, conform

_PATHS = ("string", "tinyint", "smallint", "int", "bigint")
_TIMES = ("modified_at", "modificationTime")  # ours, and that of Spark's format binaryFile
_IMAGES_A_TASK = 128
_WHERE = "the DataFrame of images"


@dataclass(frozen=True)
class GivenImages:
    """Rows that name images, and may carry them.

    Attributes:
        rows: path, and where they carry images size, modified_at, identity and content.
        carry: whether they do.
    """

    rows: DataFrame
    carry: bool

    @classmethod
    def of(cls, images: DataFrame, path: str, content: str) -> GivenImages:
        """Take the columns of a DataFrame.

        Args:
            images: any.
            path: its column that names an image.
            content: its column with the bytes of the file; where there is none, ``path`` says where the file is.

        Raises:
            InputError: if there is no such column, or it has another type.
        """
        named = path_column(images, path)
        if content == CONTENT and not has_column(images, content):
            return cls(images.select(named).withColumn("path", _if_text("path")), carry=False)
        carried = column(images, content, "content", _WHERE, ("binary",)).alias("content")
        rows = images.select(named, carried, _moment(images))
        size = F.octet_length("content").cast("bigint")
        identity = F.concat(F.lit("sha256:"), F.sha2("content", 256))
        seen = {name: _if_text(name) for name in ("path", "content")}  # in one step: both look at the path as it came
        return cls(rows.withColumns({"size": size, "identity": identity, **seen}), carry=True)

    @property
    def folder(self) -> str:
        """What relative paths of files begin in: the driver's current folder."""
        return os.getcwd()

    def reread(self, settings: EncodeSettings) -> Reread:
        """Return how these images are read again.

        Args:
            settings: how they were encoded.
        """
        known = settings.decoding, settings.max_file_bytes, settings
        if not self.carry:
            return Reread(settings.input, self.folder, False, *known)
        return _RereadRows(settings.input, None, True, *known, rows=self.rows.select("path", "content"))


CONTENT = "content"


def path_column(images: DataFrame, path: str, where: str = _WHERE) -> Column:
    """Return the column that names images, as ``path``, STRING."""
    return column(images, path, "path", where, _PATHS).cast("string").alias("path")


def encode_given(images: GivenImages, plan: EncodePlan, staging: Staging) -> tuple[DataFrame, DataFrame]:
    """Encode images, and return the ``features`` and the ``failures`` of them.

    Args:
        images: to encode.
        plan: what workers do.
        staging: where the steps are kept.
    """
    return _encode_carried(images.rows, plan, staging) if images.carry else _encode_named(images, plan, staging)


def columns_of_images(images: DataFrame, path: str, names: list[str]) -> DataFrame:
    """Return columns of a caller's table by path: of rows that say a path twice the smallest values.

    Raises:
        InputError: if it has no such column.
    """
    named = [column(images, name, "keep", _WHERE).alias(name) for name in names]
    first = F.min(F.struct(*(f"`{name}`" for name in names))).alias("first")
    return images.select(path_column(images, path), *named).groupBy("path").agg(first).select("path", "first.*")


def _encode_carried(rows: DataFrame, plan: EncodePlan, staging: Staging) -> tuple[DataFrame, DataFrame]:
    """Encode what rows carry, in one pass over them. Which paths come more than once is settled after it."""
    made = _held(conform(rows, CONTENTS), plan, staging)
    is_image = F.col("method").isNotNull()
    why = {name: F.when(F.col("path").isNull(), F.lit(NAMELESS[name])).otherwise(F.col(name))
           for name in ("reason", "message")}  # fmt: skip
    features = made.where(is_image)
    failures = conform(made.where(~is_image).withColumns(why), FAILURES)
    repeated = staging.write("repeated", _repeated(made.where(~is_image | (F.col("method") == plan.names[0]))))
    if staging.count("repeated"):
        one = features.dropDuplicates(["path", "method"])
        differing = repeated.where("differ")
        features = one.join(differing, on="path", how="left_anti")
        failures = _once(failures.join(differing, on="path", how="left_anti")).unionByName(_ambiguous(repeated))
    return _numbered(features, staging), failures


def _repeated(images: DataFrame) -> DataFrame:
    """Return the paths of several rows: path, rows, differ (whether these carry different images)."""
    differ = (F.countDistinct("identity") + F.max(F.col("identity").isNull()).cast("int")) > F.lit(1)
    rows = images.where(F.col("path").isNotNull()).groupBy("path")
    return rows.agg(F.count("*").alias("rows"), differ.alias("differ")).where(F.col("rows") > F.lit(1))


def _once(failures: DataFrame) -> DataFrame:
    """Return the failures with one row a path, and all of those that have none."""
    has_path = F.col("path").isNotNull()
    named = failures.where(has_path).dropDuplicates(["path"])
    return conform(failures.where(~has_path).unionByName(named), FAILURES)


def _ambiguous(repeated: DataFrame) -> DataFrame:
    """Return a failure for each path that stands for different images."""
    message = F.format_string("the path stands for different contents in %d rows", "rows")
    told = {"reason": F.lit("ambiguous_path"), "message": message}
    return conform(repeated.where("differ").withColumns(told), FAILURES)


def _encode_named(images: GivenImages, plan: EncodePlan, staging: Staging) -> tuple[DataFrame, DataFrame]:
    """Encode the files that rows name, each file once."""
    source = PathManifest(images.rows, f"{images.folder}/paths")
    listing = list_images(source, staging)
    tasks = max(1, -(-listing.seen // _IMAGES_A_TASK))
    contents = source.contents(listing.images, Part(0, 0, listing.seen, 1, tasks))
    made = _held(contents, plan, staging)
    failures = conform(made.where(F.col("method").isNull()), FAILURES)
    features = _with_names(made.where(F.col("method").isNotNull()), listing)
    return _numbered(features, staging), failures.unionByName(conform(listing.refused, FAILURES))


def _with_names(features: DataFrame, listing: Listing) -> DataFrame:
    if listing.other_names is None:
        return features
    return features.join(listing.other_names, on="path", how="left")


def _held(contents: DataFrame, plan: EncodePlan, staging: Staging) -> DataFrame:
    def held(plan: EncodePlan) -> DataFrame:
        return staging.write("encoded", conform(encode_contents(contents, plan), ENCODED))

    with rows_at_a_time(staging.spark, BATCH_IMAGES):
        return made_despite_crashes(plan, held)


def _numbered(features: DataFrame, staging: Staging) -> DataFrame:
    """Return the features table, read back from where it is kept: its rows are read many times."""
    return staging.write("features", conform(with_ids(conform(features, FEATURES)), FEATURES))


def _if_text(name: str) -> Column:
    """Return a column, null where the row has no path, or one that is no text: the task that met it would end."""
    is_named = (F.col("path") != F.lit("")) & (F.col("path").cast("binary") == F.encode("path", "UTF-8"))
    return F.when(is_named, F.col(name)).alias(name)


def _moment(images: DataFrame) -> Column:
    """Return when a file was changed, where a column says so."""
    kinds: Mapping[str, Any] = {field.name: field.dataType for field in images.schema}
    told = next((name for name in _TIMES if isinstance(kinds.get(name), TimestampType)), None)
    moment = F.lit(None).cast("timestamp") if told is None else F.col(told)
    return moment.alias("modified_at")


@dataclass(frozen=True)
class _RereadRows(Reread):
    """Images that a DataFrame carries. It stays on the driver: workers are sent the bytes that they want."""

    rows: DataFrame | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "rows": None}

    def contents(self, images: DataFrame, *columns: str) -> DataFrame:
        """Return images with their ``bytes``; those of no others are moved."""
        if self.rows is None:
            raise TypeError("only the driver has the rows")
        wanted = images.select("path", *columns)
        hashes = F.broadcast(wanted.select(F.xxhash64("path").alias("path_hash")))
        carried = self.rows.withColumn("path_hash", F.xxhash64("path")).join(hashes, on="path_hash", how="left_semi")
        content = carried.groupBy("path").agg(F.min("content").alias("bytes"))  # rows of one path carry equal ones
        return wanted.join(content, on="path", how="left")
