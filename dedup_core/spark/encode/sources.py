"""Where images come from: what there is, and the content of any part of it.

Files on a disk that the workers share are listed here and read by the workers. Everything else that Spark can read is
read by Spark's binaryFile source. A manifest names images anywhere, or carries their bytes itself.
"""

from __future__ import annotations

import itertools
import os
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from dedup_core.errors import InputError
from dedup_core.filesystems import fixed_part, for_spark, literal, local_path
from dedup_core.images.files import walk
from dedup_core.images.ours import ours, parsed
from dedup_core.ledger import MARKER, STAGING
from dedup_core.settings.settings import EncodeSettings
from dedup_core.spark.encode.listing import Source
from dedup_core.spark.encode.local_files import LocalImages
from dedup_core.spark.encode.manifests import manifest_form, open_manifest
from dedup_core.spark.staging import Staging
from dedup_core.spark.tables import CONTENTS, ENTRIES, conform

_SCHEME = re.compile(r"^[A-Za-z0-9+.-]+:(//[^/]*)?")
_ENTRIES_LOOKED_AT = 1000
_MARKER_BYTES = 1 << 28


def open_source(spark: SparkSession, settings: EncodeSettings) -> Source:
    """Return the source that the settings name.

    Raises:
        InputError: if there is nothing there.
    """
    kind = manifest_form(settings) or "images"
    if settings.input_format == "auto" and kind == "images" and _holds_parquet_alone(settings.input):
        kind = "parquet"
    if kind != "images":
        return open_manifest(spark, settings, kind)
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
        """Write what there is; no content is read.

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
            files = self._binary_files([for_spark(self.location)])
            _ = files.schema  # Spark Connect looks for the files only when it must
        except AnalysisException as error:
            raise InputError(f"the input can't be listed: {' '.join(str(error).split())[:300]}") from error
        seconds = F.unix_micros("modificationTime")
        found = self._without_ours(files).select(
            path.alias("path"),
            F.col("length").alias("size"),
            F.col("modificationTime").alias("modified_at"),
            F.format_string("modified:%x.%x", "length", seconds).alias("identity"),
            F.col("path").alias("uri"),
            F.lit(False).alias("is_folder"),
            F.lit(0).alias("links"),
        )
        if staging.write("entries", conform(found, ENTRIES)).isEmpty():
            raise InputError(
                f"no files in {self.location} (names that begin with '.' or '_' are passed over, and what a run of "
                "ours wrote)"
            )

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

    def _without_ours(self, files: DataFrame) -> DataFrame:
        """Leave out what runs of ours wrote: what the markers list that lie among the files."""
        small = files.where(F.col("length") <= F.lit(_MARKER_BYTES))
        found = [row["path"] for row in small.where(F.col("path").endswith(f"/{MARKER}")).select("path").collect()]
        if not found:
            return files
        markers = self._binary_files([literal(path) for path in found]).select("path", "content").collect()
        ledgers = {row["path"].removesuffix(MARKER): parsed(bytes(row["content"])) for row in markers}
        listed = [[folder + name] for folder, ledger in ledgers.items() if ledger for name in ours(ledger)]
        for folder in (folder for folder, ledger in ledgers.items() if ledger):
            files = files.where(~F.col("path").startswith(f"{folder}{STAGING}/"))
        if not listed:
            return files
        return files.join(F.broadcast(self.spark.createDataFrame(listed, "path STRING")), on="path", how="left_anti")

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


def _holds_parquet_alone(location: str) -> bool:
    """Return whether a folder on a disk is a Parquet table: the files that are seen first are nothing else."""
    files = walk(local_path(location) or "", recursive=True)
    names = (os.path.basename(file.path) for file in files if file.failure is None)
    first = list(itertools.islice((name for name in names if not name.startswith("_")), _ENTRIES_LOOKED_AT))
    return bool(first) and all(name.lower().endswith(".parquet") for name in first)
