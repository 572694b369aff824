"""The images on the page: what the features table knows of them, and pictures that the workers read and make small."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pydantic import ValidationError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from dedup_core.errors import InputError
from dedup_core.filesystems import fixed_part, local_path, read_uri
from dedup_core.images.names import on_disk
from dedup_core.images.picture import Failure
from dedup_core.report.model import PageImage
from dedup_core.report.thumbnails import small_file
from dedup_core.settings.settings import EncodeSettings, ReportSettings
from dedup_core.spark.encode.local_files import file_uri
from dedup_core.spark.encode.manifests import ContentTable, PathManifest, uri_of
from dedup_core.spark.encode.sources import open_source
from dedup_core.spark.session import setting
from dedup_core.spark.tables import LISTING

_FACTS = ("width", "height", "format", "size")
_PICTURES = "path STRING, picture BINARY, missing STRING"
_PICTURES_ARROW = pa.schema([("path", pa.string()), ("picture", pa.binary()), ("missing", pa.string())])
_IMAGES_A_TASK, _BATCH_IMAGES = 64, 16
_ALL_PICTURES_BYTES = 10_000_000  # four thirds of it as text: it leaves room for long paths under 15 MB
_LARGEST_PICTURE_BYTES = 24_000


def page_images(
    spark: SparkSession,
    settings: ReportSettings,
    features: DataFrame | None,
    record: Mapping[str, Any] | None,
    paths: Sequence[str],
) -> dict[str, PageImage]:
    """Return what is known of each image on the page, with its picture.

    Args:
        spark: the session.
        settings: says where the images are, if they have moved.
        features: the features that were searched, where there are any.
        record: of the run that encoded the images, which says where they were.
        paths: the images, each once.
    """
    known = {} if features is None or not paths else _facts(features, paths)
    facts = {path: known.get(path, dict.fromkeys(_FACTS)) for path in paths}
    made = pictures(spark, settings, record, {path: facts[path]["size"] for path in paths})
    return {path: PageImage(**facts[path], thumbnail=made[path][0], missing=made[path][1]) for path in paths}


def _facts(features: DataFrame, paths: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return path to the columns that the page shows, of those images that have features."""
    wanted = F.broadcast(features.sparkSession.createDataFrame([(path,) for path in paths], "path STRING"))
    rows = features.select("path", *_FACTS).join(wanted, on="path", how="left_semi").dropDuplicates(["path"])
    return {row["path"]: {name: row[name] for name in _FACTS} for row in rows.collect()}


def pictures(
    spark: SparkSession,
    settings: ReportSettings,
    record: Mapping[str, Any] | None,
    sizes: Mapping[str, int | None],
) -> dict[str, tuple[bytes | None, str]]:
    """Return path to (a small picture, or None; why there is none), for a bounded number of images.

    Args:
        spark: the session.
        settings: says where the images are, if they have moved.
        record: of the run that encoded them, which says where they were.
        sizes: path to bytes of the file, of all images to show.
    """
    encoded = _encode_settings(settings, record)
    if not sizes or encoded is None:
        return dict.fromkeys(sizes, (None, "where the image lies is not known"))
    try:
        contents = _contents(spark, encoded, sizes)
    except InputError:
        return dict.fromkeys(sizes, (None, "the images are gone: name their folder by --images"))
    max_bytes = min(_LARGEST_PICTURE_BYTES, _ALL_PICTURES_BYTES // len(sizes))
    make = _maker(settings.thumbnail_pixels, max_bytes, encoded)
    with setting(spark, "spark.sql.execution.arrow.maxRecordsPerBatch", str(_BATCH_IMAGES)):
        rows = contents.select("path", "uri", "content").mapInArrow(make, _PICTURES).collect()
    made = {row["path"]: (row["picture"] and bytes(row["picture"]), row["missing"]) for row in rows}
    return {path: made.get(path, (None, "vanished")) for path in sizes}


def _encode_settings(settings: ReportSettings, record: Mapping[str, Any] | None) -> EncodeSettings | None:
    """Return how the images were read, or how to read them where they are now."""
    known = {name: value for name, value in (record or {}).get("settings", {}).items()
             if name in EncodeSettings.model_fields and name != "method"}  # fmt: skip
    if settings.images is not None:
        known |= {"input": settings.images.rstrip("/") or "/", "input_format": "images"}
    elif record is not None:
        known["input"] = record["source"]
    try:
        return EncodeSettings(**known | {"output": settings.output})
    except ValidationError:  # no record, or one of another version
        return None


def _contents(spark: SparkSession, encoded: EncodeSettings, sizes: Mapping[str, int | None]) -> DataFrame:
    source = open_source(spark, encoded)
    if isinstance(source, ContentTable):
        uris: dict[str, str | None] = dict.fromkeys(sizes)
    elif isinstance(source, PathManifest):
        uris = {path: uri_of(path, source.folder) for path in sizes}
    else:
        uris = {path: _inside(encoded.input, path) for path in sizes}
    rows = [(path, 0 if size is None else size, None, None, uris[path]) for path, size in sizes.items()]
    listing = spark.createDataFrame(rows, LISTING).repartition(-(-len(rows) // _IMAGES_A_TASK))
    return source.contents(listing)


def _inside(location: str, path: str) -> str:
    """Return where an image lies whose path is relative to a folder, a glob's fixed part, or a single file's folder."""
    local = local_path(location)
    if local is None:
        base = fixed_part(location).rstrip("/")
        return base if base.rsplit("/", 1)[-1] == path else f"{base}/{path}"
    folder = os.path.dirname(local) if os.path.isfile(local) else fixed_part(local)
    return file_uri(os.path.join(os.fsencode(folder), on_disk(path)))


def _maker(
    side: int, max_bytes: int, encoded: EncodeSettings
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    max_file_bytes, max_pixels = encoded.max_file_bytes, encoded.max_pixels

    def picture(row: dict[str, Any]) -> dict[str, Any]:
        content = row["content"]
        if content is None and row["uri"] is not None:
            content = read_uri(row["uri"], max_file_bytes)
        made = small_file(b"" if content is None else content, side, max_bytes, max_pixels)
        if isinstance(made, Failure):
            return {"path": row["path"], "picture": None, "missing": made.reason.replace("_", " ")}
        return {"path": row["path"], "picture": made, "missing": ""}

    def make(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield pa.RecordBatch.from_pylist([picture(row) for row in batch.to_pylist()], schema=_PICTURES_ARROW)

    return make
