"""Where images come from: a listing of what there is, and the content of any part of it.

A listing is one row an image with its path (the identity everywhere), its URI, size and time of change. Files
on a disk that the workers share are listed here and read by the workers. Everything else that Spark can read is
read by Spark's binaryFile source. A manifest names images anywhere, or carries their bytes itself.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote, unquote_to_bytes

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from dedup_core.config import EncodeSettings
from dedup_core.errors import InputError
from dedup_core.picture import Failure, read
from dedup_core.spark.schemas import CONTENTS, LISTING, conform
from dedup_core.spark.store import Staging, has_scheme, literal

_LISTING_ROWS = 100_000
_ARROW_LISTING = pa.schema(
    [("path", pa.string()), ("size", pa.int64()), ("modified_at", pa.timestamp("us", "UTC")), ("uri", pa.string())]
)
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
class LocalImages:
    """A folder, a glob or a single file on a disk that driver and workers share."""

    location: str
    recursive: bool

    def list_into(self, staging: Staging) -> None:
        """Write the listing, some 100,000 rows at a time.

        Raises:
            InputError: if the input is missing or holds no files.
        """
        rows = self._rows()
        try:
            first = next(rows)
        except StopIteration:
            raise InputError(f"no files in {self.location} (names that begin with '.' are passed over)") from None
        with staging.open_output("listing", "part-0.parquet") as file, pq.ParquetWriter(file, _ARROW_LISTING) as writer:
            for batch in _batches(first, rows):
                writer.write_table(pa.Table.from_pylist(batch, schema=_ARROW_LISTING))

    def contents(self, listing: DataFrame) -> DataFrame:
        """Leave the reading to the workers."""
        return conform(listing, CONTENTS)

    def _rows(self) -> Iterator[dict[str, object]]:
        if os.path.isdir(self.location):
            return (_row(path, self.location) for path in self._walk(self.location))
        if os.path.exists(self.location):
            return iter([_row(self.location, os.path.dirname(self.location))])
        if not glob.has_magic(self.location):
            raise InputError(
                f"the input does not exist: {self.location} (on another filesystem give its scheme: hdfs://, s3a://)"
            )
        base = _fixed_part(self.location)
        found = (path for path in glob.iglob(self.location, recursive=True) if os.path.isfile(path))
        return (_row(path, base) for path in found)

    def _walk(self, folder: str) -> Iterator[str]:
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
        for entry in visible:
            if entry.is_dir():
                if self.recursive and not entry.is_symlink():  # a link to a folder may lead round in a circle
                    yield from self._walk(entry.path)
            else:
                yield entry.path


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
        base = _fixed_part(_SCHEME.sub("", self.location)).rstrip("/") + "/"
        place_in_filesystem = F.regexp_replace("path", _SCHEME.pattern, "")
        is_inside = place_in_filesystem.startswith(base)
        inside = F.when(is_inside, F.expr(f"substring(regexp_replace(path, '{_SCHEME.pattern}', ''), {len(base) + 1})"))
        try:
            files = self._binary_files([self.location])
        except AnalysisException as error:
            raise InputError(f"the input can't be listed: {' '.join(str(error).split())[:300]}") from error
        listing = files.select(
            inside.otherwise(F.regexp_extract("path", "[^/]+$", 0)).alias("path"),
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
            self._binary_files([literal(uri) for uri in uris])
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
        content = self.rows.select("path", "content").dropDuplicates(["path"])
        return conform(listing.drop("content").join(content, on="path", how="left"), CONTENTS)

    def _uri(self) -> F.Column:
        """A path without a scheme that is not absolute lies beside the manifest."""
        folder = self.location.rsplit("/", 1)[0] if "/" in self.location else "."
        beside = local_path(folder)
        is_absolute = F.col("path").rlike(r"^(/|[A-Za-z][A-Za-z0-9+.-]+:/)")
        base = os.path.abspath(beside) if beside is not None else folder
        return F.when(is_absolute, F.col("path")).otherwise(F.concat(F.lit(f"{base}/"), F.col("path")))


def read_uri(uri: str, max_bytes: int) -> bytes | Failure:
    """Read one file in a worker: from a disk, or through Arrow's filesystems."""
    local = local_path(uri)
    if local is not None:
        return read(os.fsdecode(unquote_to_bytes(local)) if uri.startswith("file:") else local, max_bytes)
    try:
        filesystem, path = fs.FileSystem.from_uri(re.sub("^s3[an]:", "s3:", uri))
        with filesystem.open_input_file(path) as file:
            if file.size() > max_bytes:
                return Failure("too_large", f"{file.size():,} bytes, over the limit of {max_bytes:,}")
            return bytes(file.readall())
    except FileNotFoundError:
        return Failure("vanished", "the file was listed, but is gone")
    except (OSError, pa.ArrowException) as error:
        return Failure("unreadable", f"the file can't be read: {' '.join(str(error).split())}")


def local_path(location: str) -> str | None:
    """Return the path on a disk that a location names, or None for another filesystem."""
    if location.startswith("file:"):
        return "/" + location.removeprefix("file:").lstrip("/")
    return None if has_scheme(location) else os.path.expanduser(location)


def _open_manifest(spark: SparkSession, settings: EncodeSettings, kind: str) -> Manifest:
    local = local_path(settings.input)
    location = settings.input if local is None else f"file://{os.path.abspath(local)}"
    try:
        if kind == "text":
            rows = spark.read.text(literal(location)).select(F.trim("value").alias("path"))
        else:
            rows = spark.read.options(header="true").format(kind).load(literal(location))
    except AnalysisException as error:
        raise InputError(f"can't read the manifest {settings.input}: {' '.join(str(error).split())[:300]}") from error
    if kind != "text" and settings.path_column not in rows.columns:
        raise InputError(
            f"the manifest {settings.input} has no column {settings.path_column!r}; it has {', '.join(rows.columns)}: "
            "name the one with the paths by --path-column"
        )
    if kind != "text":
        rows = rows.withColumnRenamed(settings.path_column, "path").withColumnRenamed(
            settings.content_column, "content"
        )
    rows = rows.withColumn("path", F.col("path").cast("string"))
    return Manifest(rows, local or settings.input, kind == "parquet" and "content" in rows.columns)


def _row(path: str, base: str) -> dict[str, object]:
    try:
        status = os.stat(path)
        size, modified = status.st_size, round(status.st_mtime * 1e6)
    except OSError:
        size, modified = None, None
    relative = os.path.relpath(path, base or ".")
    readable = os.fsencode(relative).decode("utf-8", "backslashreplace")
    return {
        "path": readable,
        "size": size,
        "modified_at": modified,
        "uri": "file://" + quote(os.fsencode(os.path.abspath(path))),
    }


def _batches(first: dict[str, object], rows: Iterable[dict[str, object]]) -> Iterator[list[dict[str, object]]]:
    batch = [first]
    for row in rows:
        if len(batch) == _LISTING_ROWS:
            yield batch
            batch = []
        batch.append(row)
    yield batch


def _fixed_part(pattern: str) -> str:
    """Return the folder that a glob starts from: "/a/b" for "/a/b/*/c.jpg"."""
    fixed = re.split(r"[*?\[{]", pattern, maxsplit=1)[0]
    return os.path.dirname(fixed) if fixed != pattern else pattern
