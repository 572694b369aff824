"""The images on the page: what the features table knows of them, and pictures that the workers read and make small."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from dedup_core.errors import InputError
from dedup_core.filesystems import read_uri
from dedup_core.images.picture import Failure
from dedup_core.report.model import PageImage
from dedup_core.report.thumbnails import small_file
from dedup_core.settings.settings import EncodeSettings, ReportSettings
from dedup_core.spark.encode.rereading import Reread, encode_settings_of
from dedup_core.spark.session import setting

_FACTS = ("width", "height", "format", "size", "frames", "caution")
_PICTURES = "path STRING, picture BINARY, turn INT, missing STRING"
_PICTURES_ARROW = pa.schema(
    [("path", pa.string()), ("picture", pa.binary()), ("turn", pa.int32()), ("missing", pa.string())]
)
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
    made = pictures(spark, settings, record, paths)
    return {path: replace(made[path], **known.get(path, {})) for path in paths}


def _facts(features: DataFrame, paths: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return path to the columns that the page shows, of those images that have features."""
    wanted = F.broadcast(features.sparkSession.createDataFrame([(path,) for path in paths], "path STRING"))
    rows = features.select("path", *_FACTS).join(wanted, on="path", how="left_semi").dropDuplicates(["path"])
    found = {row["path"]: {name: row[name] for name in _FACTS} for row in rows.collect()}
    return {path: facts | {"caution": tuple(facts["caution"] or ())} for path, facts in found.items()}


def pictures(
    spark: SparkSession,
    settings: ReportSettings,
    record: Mapping[str, Any] | None,
    paths: Sequence[str],
) -> dict[str, PageImage]:
    """Return path to a small picture, or why there is none, for a bounded number of images.

    Args:
        spark: the session.
        settings: says where the images are, if they have moved.
        record: of the run that encoded them, which says where they were.
        paths: all images to show.
    """
    encoded = encode_settings_of(settings.output, record, settings.images)
    if not paths or encoded is None:
        return dict.fromkeys(paths, PageImage(missing="where the image lies is not known"))
    try:
        contents = _contents(Reread.of(spark, encoded), spark, paths)
    except InputError:
        return dict.fromkeys(paths, PageImage(missing="the images are gone: name their folder by --images"))
    max_bytes = min(_LARGEST_PICTURE_BYTES, _ALL_PICTURES_BYTES // len(paths))
    make = _maker(settings.thumbnail_pixels, max_bytes, encoded)
    with setting(spark, "spark.sql.execution.arrow.maxRecordsPerBatch", str(_BATCH_IMAGES)):
        rows = contents.select("path", "uri", "content").mapInArrow(make, _PICTURES).collect()
    made = {row["path"]: _pictured(row) for row in rows}
    return {path: made.get(path, PageImage(missing="vanished")) for path in paths}


def _pictured(row: Row) -> PageImage:
    picture = None if row["picture"] is None else bytes(row["picture"])
    return PageImage(thumbnail=picture, turn=row["turn"], missing=row["missing"])


def _contents(reread: Reread, spark: SparkSession, paths: Sequence[str]) -> DataFrame:
    rows = [(path, None if reread.by_spark else reread.locate(path)) for path in paths]
    listing = spark.createDataFrame(rows, "path STRING, uri STRING").repartition(-(-len(rows) // _IMAGES_A_TASK))
    return reread.contents(listing, "uri").withColumnRenamed("bytes", "content")


def _maker(
    side: int, max_bytes: int, encoded: EncodeSettings
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    max_file_bytes, max_pixels = encoded.max_file_bytes, encoded.max_pixels
    is_upright = encoded.orientation == "exif"  # what was encoded lies as people see it

    def picture(row: dict[str, Any]) -> dict[str, Any]:
        content = row["content"]
        if content is None and row["uri"] is not None:
            content = read_uri(row["uri"], max_file_bytes)
        made = small_file(b"" if content is None else content, side, max_bytes, max_pixels)
        if isinstance(made, Failure):
            return {"path": row["path"], "picture": None, "turn": 1, "missing": made.reason.replace("_", " ")}
        turn = 1 if is_upright else made.turn
        return {"path": row["path"], "picture": made.content, "turn": turn, "missing": ""}

    def make(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield pa.RecordBatch.from_pylist([picture(row) for row in batch.to_pylist()], schema=_PICTURES_ARROW)

    return make
