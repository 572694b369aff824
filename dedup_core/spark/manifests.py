"""Tables whose rows name images, or carry their bytes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from dedup_core.config import EncodeSettings
from dedup_core.errors import InputError
from dedup_core.files import look
from dedup_core.locations import canonical, fixed_part, has_scheme, local_path
from dedup_core.names import on_disk, readable
from dedup_core.spark.columns import column
from dedup_core.spark.local_files import FOUND_ARROW, file_uri, found_row, moment
from dedup_core.spark.reading import READING_ERRORS, read_parquet, reason_of
from dedup_core.spark.remote_files import for_spark, look_at_uri
from dedup_core.spark.schemas import CONTENTS, FOUND, conform
from dedup_core.spark.staging import Staging
from dedup_core.spark.text_files import read_csv, read_lines

_LOOKS_AHEAD = 16  # files looked at at a time: a look at a store or a network's disk is a wait
_NAMELESS = {"is_link": False, "is_folder": False, "reason": "no_path", "message": "the row names no image"}
_CONTENT_COLUMN = EncodeSettings.model_fields["content_column"].default


@dataclass(frozen=True)
class PathManifest:
    """Rows that name images: path.

    A path without a scheme that is not absolute lies beside the manifest.
    """

    rows: DataFrame
    location: str

    def list_into(self, staging: Staging) -> None:
        """Look at every file that the manifest names, in the workers.

        Raises:
            InputError: if the manifest names nothing.
        """
        found = self.rows.mapInArrow(_looker(self.folder), FOUND)
        if staging.write("found", found).isEmpty():
            raise InputError(f"the manifest {self.location} names no images")

    def contents(self, listing: DataFrame) -> DataFrame:
        """Leave the reading to the workers."""
        return conform(listing, CONTENTS)

    @property
    def folder(self) -> str:
        """The folder that paths in the manifest are relative to."""
        folder = os.path.dirname(fixed_part(self.location)) if "/" in self.location else "."
        local = local_path(folder)
        return folder if local is None else os.path.abspath(local)


@dataclass(frozen=True)
class ContentTable:
    """Rows that carry their images: path, content."""

    rows: DataFrame
    location: str

    def list_into(self, staging: Staging) -> None:
        """Write what the rows carry, each with the digest of its bytes.

        Raises:
            InputError: if there are no rows.
        """
        nameless = F.col("path").isNull() | (F.col("path") == F.lit(""))
        told = {name: F.when(nameless, F.lit(_NAMELESS[name])) for name in ("reason", "message")}
        told |= {
            "size": F.octet_length("content"),
            "identity": F.concat(F.lit("sha256:"), F.sha2("content", 256)),
            "is_link": F.lit(False),
            "is_folder": F.lit(False),
        }
        if staging.write("found", conform(self.rows.withColumns(told), FOUND)).isEmpty():
            raise InputError(f"the table {self.location} has no rows")

    def contents(self, listing: DataFrame) -> DataFrame:
        """Join the bytes. Rows of one path that were listed carry equal ones."""
        content = self.rows.groupBy("path").agg(F.min("content").alias("content"))
        return conform(listing.drop("content").join(content, on="path", how="left"), CONTENTS)


def open_manifest(spark: SparkSession, settings: EncodeSettings, kind: str) -> PathManifest | ContentTable:
    """Return the manifest that the settings name.

    Args:
        spark: the session.
        settings: with its location and columns.
        kind: "text", "csv" or "parquet".

    Raises:
        InputError: if it can't be read, or lacks a column.
    """
    rows = _rows(spark, settings.input, kind)
    if kind == "text":
        lines = rows.select(F.trim("value").alias("path"))
        return PathManifest(lines.where(F.col("path") != F.lit("")), settings.input)
    where = f"the manifest {settings.input}"
    path = column(rows, settings.path_column, "--path-column", where).cast("string").alias("path")
    if kind == "parquet" and (settings.content_column in rows.columns or settings.content_column != _CONTENT_COLUMN):
        content = column(rows, settings.content_column, "--content-column", where).alias("content")
        return ContentTable(rows.select(path, content), settings.input)
    return PathManifest(rows.select(path), settings.input)


def _rows(spark: SparkSession, location: str, kind: str) -> DataFrame:
    if kind == "parquet":
        return read_parquet(spark, location, "the manifest")
    try:
        if kind == "text":
            return read_lines(spark, for_spark(location), readable)
        return read_csv(spark, for_spark(location), readable, is_lenient=True)
    except READING_ERRORS as error:
        raise InputError(f"can't read the manifest {location}: {reason_of(error)}") from error


def uri_of(path: str, folder: str) -> str:
    """Return where the image lies that a manifest names.

    Args:
        path: as the manifest has it.
        folder: what it is relative to.
    """
    if has_scheme(path) and not path.startswith("file:"):
        return path
    if has_scheme(folder) and not path.startswith(("/", "file:")):
        return f"{folder}/{path}"
    return file_uri(_on_disk(path, folder))


def _on_disk(path: str, folder: str) -> bytes:
    """Return the file that a manifest means: the first that exists of what its text may stand for."""
    raw = path.encode("utf-8", "surrogateescape")
    if path.startswith("file:"):
        local = b"/" + raw.removeprefix(b"file:").lstrip(b"/")
        meant = [unquote_to_bytes(local), local]
    else:
        beside = [os.path.join(os.fsencode(folder), name) for name in (on_disk(path), raw)]
        meant = [*beside, beside[0].replace(b"\\", b"/")]  # Windows writes paths with backslashes
    return next((name for name in meant if b"\0" not in name and os.path.lexists(name)), meant[0])


def _looker(folder: str) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def look_at(path: str | None) -> dict[str, Any]:
        return {"path": path, **_NAMELESS} if not path else _found(path, folder)

    def look_at_all(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with ThreadPoolExecutor(_LOOKS_AHEAD) as beside:
            for batch in batches:
                rows = list(beside.map(look_at, batch.column(0).to_pylist()))
                yield pa.RecordBatch.from_pylist(rows, schema=FOUND_ARROW)

    return look_at_all


def _found(path: str, folder: str) -> dict[str, Any]:
    """Return what there is to know of an image before it is read."""
    uri = uri_of(path, folder)
    if not uri.startswith("file:"):
        file = look_at_uri(uri)
        known = {"size": file.size, "modified_at": moment(file.modified_at), "identity": file.identity}
        return {"path": path, "uri": uri, **known, "file_id": canonical(uri), "is_link": False, "is_folder": False}
    place = os.fsdecode(unquote_to_bytes(uri.removeprefix("file://")))
    return found_row(look(place, path, _is_link(place))) | {"uri": uri}


def _is_link(place: str) -> bool:
    try:
        return os.path.realpath(place) != place
    except (OSError, ValueError):
        return False
