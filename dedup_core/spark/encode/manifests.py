"""Tables whose rows name images; whose rows carry them, `content_tables` has."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from dedup_core.errors import InputError, SettingsError, nearest
from dedup_core.filesystems import canonical, fixed_part, for_spark, has_scheme, is_glob, local_path, look_at_uri
from dedup_core.images.disks import Disks, links_in
from dedup_core.images.files import look
from dedup_core.images.names import on_disk, readable
from dedup_core.policy import KNOWN
from dedup_core.settings.settings import EncodeSettings
from dedup_core.spark.encode.checkpoints import Part
from dedup_core.spark.encode.content_tables import ContentTable
from dedup_core.spark.encode.entries import ENTRIES_ARROW, NAMELESS, entry_row, file_uri, moment
from dedup_core.spark.encode.spelling import texts, with_readable_path
from dedup_core.spark.inputs.columns import column
from dedup_core.spark.inputs.parquet import READING_ERRORS, read_parquet, reason_of
from dedup_core.spark.inputs.text import read_csv, read_lines
from dedup_core.spark.staging import Staging
from dedup_core.spark.tables import CONTENTS, ENTRIES, conform

_LOOKS_AHEAD = 16  # files looked at at a time: a look at a store or a network's disk is a wait
_CONTENT_COLUMN = EncodeSettings.model_fields["content_column"].default
_NAMING = (
    "string",
    "binary",
    "tinyint",
    "smallint",
    "int",
    "bigint",
    "decimal",
    "float",
    "double",
    "date",
    "timestamp",
)
_ORDERED = ("boolean", *(kind for kind in _NAMING if kind != "binary"))
_ENDINGS = {".txt": "text", ".lst": "text", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet"}
_CARRYING = ("binary", "string")  # the latter as old writers leave it, who don't say that bytes are bytes


@dataclass(frozen=True)
class PathManifest:
    """Rows that name images: path, as text or as the bytes of a name.

    A path without a scheme that is not absolute lies beside the manifest.
    """

    rows: DataFrame
    location: str

    def list_into(self, staging: Staging) -> DataFrame:
        """Look at every file that the manifest names, in the workers, and return what there is."""
        return staging.write("entries", self.rows.mapInArrow(_looker(self.folder), ENTRIES))

    @property
    def nothing(self) -> str:
        """What to say where no image is named."""
        return f"the manifest {self.location} names no images"

    def contents(self, listing: DataFrame, part: Part) -> DataFrame:
        """Leave the reading to the workers."""
        return conform(listing.repartition(part.tasks), CONTENTS)

    @property
    def folder(self) -> str:
        """The folder that relative paths begin in: the one that holds the manifest, or that its glob starts from."""
        fixed = fixed_part(self.location)
        folder = fixed if is_glob(self.location) else posixpath.dirname(fixed.rstrip("/"))
        if has_scheme(folder) and local_path(folder) is None:
            return folder
        return os.path.abspath(local_path(folder) or ".")


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
    path = column(rows, settings.path_column, "--path-column", where, _NAMING)
    if kind == "parquet":  # whose text may be any bytes, and Python must not see it before it is spelt
        path = path.cast("string").cast("binary")
    has_content = settings.content_column in rows.columns or settings.content_column != _CONTENT_COLUMN
    if kind == "csv" or not has_content:
        return PathManifest(rows.select(path.alias("path")), settings.input)
    content = column(rows, settings.content_column, "--content-column", where, _CARRYING)
    return ContentTable(rows, path.cast("binary"), content.cast("binary"), settings.input)


def manifest_columns(spark: SparkSession, settings: EncodeSettings | None, columns: Sequence[str]) -> DataFrame:
    """Return columns of the manifest that was encoded, by the paths that the tables have: path, and these.

    Raises:
        SettingsError: if images were encoded from no manifest with columns, or it has no such one.
    """
    form = None if settings is None else manifest_form(settings)
    if settings is None or form not in ("csv", "parquet"):
        raise SettingsError(
            f"--keep names {', '.join(columns)}: no such column, {nearest(columns[0], KNOWN)} (Others come from a "
            "manifest, CSV or Parquet, and the images were encoded from none)"
        )
    rows = _rows(spark, settings.input, form)
    where = f"the manifest {settings.input}"
    path = column(rows, settings.path_column, "--path-column", where, _NAMING)
    path = path.cast("string").cast("binary") if form == "parquet" else path
    try:
        named = [column(rows, name, "--keep", where, _ORDERED).alias(name) for name in columns]
    except InputError as error:
        raise SettingsError(str(error)) from error
    wanted = rows.select(path.alias("path"), *named)
    readable_first = StructType([StructField("path", StringType()), *wanted.schema.fields[1:]])
    spelt = wanted.mapInArrow(with_readable_path, readable_first)
    first = F.min(F.struct(*(f"`{name}`" for name in columns))).alias("first")  # of rows that say the path twice
    return spelt.groupBy("path").agg(first).select("path", "first.*")


def manifest_form(settings: EncodeSettings) -> str | None:
    """Return the form of the manifest that the settings name by its ending or outright; None if it is no manifest."""
    if settings.input_format != "auto":
        return None if settings.input_format == "images" else settings.input_format
    return _ENDINGS.get(os.path.splitext(settings.input)[1].lower())


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
    if has_scheme(path) and not _is_file_url(path):
        return path
    if has_scheme(folder) and not path.startswith("/") and not _is_file_url(path):
        return f"{folder}/{path}"
    return file_uri(_on_disk(path, folder))


def _is_file_url(path: str) -> bool:
    return path[:5].lower() == "file:"


def _on_disk(path: str, folder: str) -> bytes:
    """Return the file that a manifest means: the first that exists of what its text may stand for."""
    raw = path.encode("utf-8", "surrogateescape")
    if _is_file_url(path):
        local = b"/" + raw[len("file:") :].lstrip(b"/")
        meant = [unquote_to_bytes(local), local]
    else:
        once = on_disk(path)
        escaped = on_disk(once.decode("utf-8", "surrogateescape"))  # a table of ours names it so
        beside = [os.path.join(os.fsencode(folder), name) for name in (once, raw, escaped)]
        meant = [*beside, beside[0].replace(b"\\", b"/")]  # Windows writes paths with backslashes
    return next((name for name in meant if b"\0" not in name and os.path.lexists(name)), meant[0])


def _looker(folder: str) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def look_at_all(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        disks = Disks()
        with ThreadPoolExecutor(_LOOKS_AHEAD) as beside:
            for batch in batches:
                found = beside.map(lambda path: _found(path, folder, disks), texts(batch.column(0)))
                yield pa.RecordBatch.from_pylist(list(found), schema=ENTRIES_ARROW)

    return look_at_all


def _found(path: str | None, folder: str, disks: Disks) -> dict[str, Any]:
    """Return what there is to know of an image before it is read."""
    if not path:
        return {"path": path, **NAMELESS}
    uri = uri_of(path, folder)
    if not uri.startswith("file:"):
        file = look_at_uri(uri)
        known = {"size": file.size, "modified_at": moment(file.modified_at), "identity": file.identity}
        return {"path": path, "uri": uri, **known, "file_id": canonical(uri), "links": 0, "is_folder": False}
    place = os.fsdecode(unquote_to_bytes(uri.removeprefix("file://")))
    return entry_row(look(place, path, _links(place), disks=disks)) | {"uri": uri}


def _links(place: str) -> int:
    try:
        return links_in(place)
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return 0
