"""What a source found, settled: each file once, what can't be an image refused, and every row accounted for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.errors import InputError
from dedup_core.spark.encode.checkpoints import Part
from dedup_core.spark.staging import Staging
from dedup_core.spark.tables import LISTING, OTHER_NAMES, REFUSED, columns_of, conform


class Source(Protocol):
    """Images to be had."""

    @property
    def nothing(self) -> str:
        """What to say where nothing came in."""

    def list_into(self, staging: Staging) -> DataFrame:
        """Write a row for whatever came in to the staging place, and return them: ``tables.ENTRIES``."""

    def contents(self, listing: DataFrame, part: Part) -> DataFrame:
        """Return the listed images with their content, or with null where a worker is to read the URI.

        Their paths may be bytes, as a table has them.

        Args:
            listing: ``tables.LISTING``: the images of a part.
            part: says which they are, and in how many tasks they are to be encoded.
        """


@dataclass(frozen=True)
class Listing:
    """What there is to encode.

    Attributes:
        images: ``tables.LISTING``, each file once, under its first name that leads through the fewest links.
        refused: ``tables.REFUSED``: rows that are no image, and folders that can't be listed, with the reason.
        other_names: path, other_names: of files that have several; None where there is none.
        unlisted: how many folders can't be listed.
        seen: how many rows came in.
        repeated: how many of them are further names of a file, or say once more what another row says.
    """

    images: DataFrame
    refused: DataFrame
    other_names: DataFrame | None
    unlisted: int
    seen: int
    repeated: int


def list_images(source: Source, staging: Staging) -> Listing:
    """List a source.

    Names on disks that lead to one file are one file (see `dedup_core.images.disks`); so are URLs that differ in
    spelling alone. Rows that carry their bytes are one image if path and bytes are equal. Where they differ under one
    path, nobody can tell which is meant, and all of them are refused.

    Raises:
        InputError: if the source can't be listed, or has nothing.
    """
    for name in ("walked", "entries", "listing", "refused", "other_names", "settled"):
        staging.clear(name)
    entries = source.list_into(staging)
    key = F.coalesce("file_id", F.concat(F.lit("path:"), F.col("path")))
    is_refused = F.col("reason").isNotNull()
    found = entries.withColumns({"key": key, "key_hash": F.when(~is_refused, F.xxhash64(key))})
    # Few files have several names: what is counted by hash is eight bytes a row, and only suspects are looked at again.
    distinct = F.countDistinct("key_hash").alias("distinct")
    unlisted = F.count_if("is_folder").alias("unlisted")
    counts = found.agg(F.count("*").alias("seen"), F.count("key_hash").alias("named"), unlisted, distinct).collect()[0]
    if not counts["seen"]:
        raise InputError(source.nothing)
    named, refused = found.where(~is_refused), conform(found.where(is_refused), REFUSED)
    if counts["distinct"] < counts["named"]:
        images, refused, names, repeated = _settled(staging, named, refused)
    else:
        images, names, repeated = conform(named, LISTING), None, 0
    return Listing(images, refused, names, counts["unlisted"], counts["seen"], repeated)


def _settled(
    staging: Staging, named: DataFrame, refused: DataFrame
) -> tuple[DataFrame, DataFrame, DataFrame | None, int]:
    """Return the images, what is refused, the other names of the images, and how many rows say nothing new."""
    often = named.groupBy("key_hash").count().where(F.col("count") > F.lit(1)).select("key_hash")
    suspects = named.join(often, on="key_hash", how="left_semi")
    others = named.join(often, on="key_hash", how="left_anti")
    first = F.min(F.struct("links", *columns_of(LISTING))).alias("first")
    carries_bytes = F.max(F.col("uri").isNull())
    contents = F.countDistinct("identity") + F.max(F.col("identity").isNull()).cast("int")
    differ = (carries_bytes & (contents > F.lit(1))).alias("differ")
    names, rows = F.collect_set("path").alias("names"), F.count("*").alias("rows")
    by_key = suspects.groupBy("key").agg(first, names, rows, differ)
    settled = staging.write("settled", by_key)
    same = settled.where(~F.col("differ"))
    images = conform(others, LISTING).unionByName(conform(same.select("first.*"), LISTING))
    rest = F.array_sort(F.array_except("names", F.array("first.path"))).alias("other_names")
    further = same.select("first.path", rest).where(F.size("other_names") > F.lit(0))
    repeated = same.agg(F.sum(F.col("rows") - F.lit(1)).alias("repeated")).collect()[0]["repeated"] or 0
    return (
        staging.write("listing", images),
        staging.write("refused", refused.unionByName(_ambiguous(suspects, settled))),
        staging.write("other_names", conform(further, OTHER_NAMES)),
        repeated,
    )


def _ambiguous(suspects: DataFrame, settled: DataFrame) -> DataFrame:
    """Return the rows of paths that stand for different contents."""
    differing = settled.where("differ").select("key", "rows")
    message = F.format_string("the path stands for different contents in %d rows", "rows")
    rows = suspects.join(differing, on="key", how="inner").drop("reason", "message")
    return conform(rows.withColumns({"reason": F.lit("ambiguous_path"), "message": message}), REFUSED)
