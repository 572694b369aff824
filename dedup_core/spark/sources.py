"""Where images come from: a listing of what there is, and the content of any part of it.

A listing is one row an image with its path (the identity everywhere), its URI, size and time of change. Files
on a disk that the workers share are listed here and read by the workers. Everything else that Spark can read is
read by Spark's binaryFile source. A manifest names images anywhere, or carries their bytes itself.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from dedup_core.config import EncodeSettings
from dedup_core.errors import InputError
from dedup_core.spark.local_files import LocalImages, fixed_part, local_path
from dedup_core.spark.schemas import CONTENTS, LISTING, conform
from dedup_core.spark.store import Staging, literal

_SCHEME = re.compile(r"^[A-Za-z0-9+.-]+:(//[^/]*)?")
_MANIFEST_ENDINGS = {".txt": "text", ".lst": "text", ".csv": "csv", ".parquet": "parquet"}


class Source(Protocol):
    """Images to be had."""

    def list_into(self, staging: Staging) -> None:
        """Write ``listing`` to the staging place."""

    def contents(self, listing: DataFrame) -> DataFrame:
        """Return the listed images with their content, or with null where a worker is to read the URI."""


def open_source(spark: SparkSession, settings: EncodeSettings) -> Source:
    """Return the source that the settings name.

    Raises:
        InputError: if there is nothing there.
    """
    kind: str = settings.input_format
    if kind == "auto":
        kind = _MANIFEST_ENDINGS.get(os.path.splitext(settings.input)[1].lower(), "images")
    if kind != "images":
        return _open_manifest(spark, settings, kind)
    local = local_path(settings.input)
    if local is not None:
        return LocalImages(local, settings.recursive)
    return SparkImages(spark, settings.input, settings.recursive, settings.max_file_bytes)


@dataclass(frozen=True)
class SparkImages:
    """A folder, a glob or a file on any filesystem that Spark reads.

    Spark passes over names that begin with '_' as well as '.'; a manifest can name such files.
    """

    spark: SparkSession
    location: str
    recursive: bool
    max_file_bytes: int

    def list_into(self, staging: Staging) -> None:
        """Write the listing; no content is read.

        Raises:
            InputError: if the input is missing or holds no files.
        """
        base = posixpath.normpath("/" + fixed_part(_SCHEME.sub("", self.location)).lstrip("/")).rstrip("/") + "/"
        place_in_filesystem = F.regexp_replace("path", _SCHEME.pattern, "")
        relative = place_in_filesystem.substr(F.lit(len(base) + 1), F.length("path"))
        named_itself = place_in_filesystem == F.lit(base[:-1])
        path = F.when(place_in_filesystem.startswith(base), relative)
        path = path.when(named_itself, F.regexp_extract("path", "[^/]+$", 0)).otherwise(place_in_filesystem)
        try:
            files = self._binary_files([self.location])
            _ = files.schema  # Spark Connect looks for the files only when it must
        except AnalysisException as error:
            raise InputError(f"the input can't be listed: {' '.join(str(error).split())[:300]}") from error
        listing = files.select(
            path.alias("path"),
            F.col("length").alias("size"),
            F.col("modificationTime").alias("modified_at"),
            F.col("path").alias("uri"),
        )
        if staging.write("listing", conform(listing, LISTING)).isEmpty():
            raise InputError(f"no files in {self.location} (names that begin with '.' or '_' are passed over)")

    def contents(self, listing: DataFrame) -> DataFrame:
        """Read the listed files. The caller lists a bounded part at a time, whose paths the driver can hold."""
        small_enough = listing.where(F.col("size") <= self.max_file_bytes)
        uris = [row["uri"] for row in small_enough.select("uri").collect()]
        found = [self._binary_files([literal(uri) for uri in part]) for part in self._readable(uris)]
        if not found:
            return conform(listing, CONTENTS)
        content = found[0]
        for more in found[1:]:
            content = content.unionByName(more)
        content = content.select(F.col("path").alias("uri"), "content")
        return conform(listing.join(content, on="uri", how="left"), CONTENTS)

    def _readable(self, uris: list[str]) -> Iterator[list[str]]:
        """Split the files until those that are gone stand alone: Spark refuses a whole list for one of them."""
        try:
            _ = self._binary_files([literal(uri) for uri in uris]).schema
            yield uris
        except AnalysisException:
            middle = len(uris) // 2
            for half in (uris[:middle], uris[middle:]) if middle else ():
                yield from self._readable(half)

    def _binary_files(self, locations: list[str]) -> DataFrame:
        return (
            self.spark.read.format("binaryFile")
            .option("recursiveFileLookup", str(self.recursive).lower())
            .option("ignoreMissingFiles", "true")
            .option("ignoreCorruptFiles", "true")
            .load(locations)
        )


@dataclass(frozen=True)
class Manifest:
    """Rows that name images, or carry them."""

    rows: DataFrame
    location: str
    has_content: bool

    def list_into(self, staging: Staging) -> None:
        """Write the listing.

        Raises:
            InputError: if the manifest names nothing.
        """
        # A path named twice is one image, not two.
        named = self.rows.where(F.col("path").isNotNull() & (F.col("path") != "")).dropDuplicates(["path"])
        listing = named.withColumn("uri", F.lit(None) if self.has_content else self._uri())
        if staging.write("listing", conform(listing, LISTING)).isEmpty():
            raise InputError(f"the manifest {self.location} names no images")

    def contents(self, listing: DataFrame) -> DataFrame:
        """Join the bytes that the manifest carries, if it does."""
        if not self.has_content:
            return conform(listing, CONTENTS)
        content = self.rows.groupBy("path").agg(F.min("content").alias("content"))  # the same one each time
        return conform(listing.drop("content").join(content, on="path", how="left"), CONTENTS)

    def _uri(self) -> F.Column:
        """A path without a scheme that is not absolute lies beside the manifest."""
        folder = self.location.rsplit("/", 1)[0] if "/" in self.location else "."
        beside = local_path(folder)
        is_absolute = F.col("path").rlike(r"^(/|[A-Za-z][A-Za-z0-9+.-]+:/)")
        base = os.path.abspath(beside) if beside is not None else folder
        return F.when(is_absolute, F.col("path")).otherwise(F.concat(F.lit(f"{base}/"), F.col("path")))


def _open_manifest(spark: SparkSession, settings: EncodeSettings, kind: str) -> Manifest:
    local = local_path(settings.input)
    location = settings.input if local is None else f"file://{os.path.abspath(local)}"
    try:
        if kind == "text":
            rows = spark.read.text(literal(location)).select(F.trim("value").alias("path"))
        else:
            options = {"header": "true", "escape": '"', "multiLine": "true"} if kind == "csv" else {}
            rows = spark.read.options(**options).format(kind).load(literal(location))
        columns = rows.columns
    except AnalysisException as error:
        raise InputError(f"can't read the manifest {settings.input}: {' '.join(str(error).split())[:300]}") from error
    if kind == "text":
        return Manifest(rows, local or settings.input, has_content=False)
    if settings.path_column not in columns:
        raise InputError(
            f"the manifest {settings.input} has no column {settings.path_column!r}; it has {', '.join(columns)}: "
            "name the one with the paths by --path-column"
        )
    named = [F.col(f"`{settings.path_column}`").cast("string").alias("path")]
    has_content = kind == "parquet" and settings.content_column in columns
    if has_content:
        named.append(F.col(f"`{settings.content_column}`").alias("content"))
    return Manifest(rows.select(*named), local or settings.input, has_content)
