"""Images that were encoded, read again: to be compared, and to be shown."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from dedup_core.encoders.encoder import Decoding
from dedup_core.errors import InputError
from dedup_core.filesystems import fixed_part, local_path, normal
from dedup_core.images.names import on_disk
from dedup_core.settings.settings import EncodeSettings
from dedup_core.spark.encode.content_tables import ContentTable
from dedup_core.spark.encode.entries import file_uri
from dedup_core.spark.encode.local_files import LocalImages
from dedup_core.spark.encode.manifests import PathManifest, uri_of
from dedup_core.spark.encode.remote_files import RemoteImages
from dedup_core.spark.encode.sources import open_source


@dataclass(frozen=True)
class Reread:
    """Where encoded images lie, and how they were decoded. It travels to workers.

    Attributes:
        location: what was encoded; on a store the folder that names are relative to.
        folder: what relative paths of a manifest begin in; None where it was no manifest of paths.
        by_spark: whether Spark reads the images, from the rows of a table.
        decoding: how files become pictures.
        max_bytes: larger files aren't read.
        settings: how the images were encoded.
    """

    location: str
    folder: str | None
    by_spark: bool
    decoding: Decoding
    max_bytes: int
    settings: EncodeSettings

    @classmethod
    def of(cls, spark: SparkSession, settings: EncodeSettings) -> Reread:
        """Look at where the images are.

        Raises:
            InputError: if there is nothing there.
        """
        source = open_source(spark, settings)
        if isinstance(source, LocalImages) and not os.path.lexists(fixed_part(source.location)):
            raise InputError(f"the images are no longer there: {settings.input}")
        folder = source.folder if isinstance(source, PathManifest) else None
        # Workers may have been started in another folder than the one that a relative path begins in.
        location = source.folder if isinstance(source, RemoteImages) else normal(settings.input)
        by_spark = isinstance(source, ContentTable)
        return cls(location, folder, by_spark, settings.decoding, settings.max_file_bytes, settings)

    def locate(self, path: str) -> str:
        """Return the URI of an image by its path in the tables."""
        if self.folder is not None:
            return uri_of(path, self.folder)
        return _inside(self.location, path)

    def contents(self, images: DataFrame, *columns: str) -> DataFrame:
        """Return images with their ``bytes``, or null where a worker is to read them from where they lie.

        Args:
            images: path, and more.
            columns: which of their other columns to keep.
        """
        kept = images.select("path", *columns)
        if not self.by_spark:
            return kept.withColumn("bytes", F.lit(None).cast("binary"))
        source = open_source(images.sparkSession, self.settings)
        if not isinstance(source, ContentTable):
            raise TypeError(f"only a table carries its images, not {source}")
        return source.read_again(kept).withColumnRenamed("content", "bytes")


def encode_settings_of(
    output: str, record: Mapping[str, Any] | None, images: str | None = None
) -> EncodeSettings | None:
    """Return how images were read, or how to read them where they are now; None where that is not known.

    Args:
        output: the output folder.
        record: of the run that encoded them.
        images: the folder that they lie in now, if it is another one.
    """
    known = {name: value for name, value in (record or {}).get("settings", {}).items()
             if name in EncodeSettings.model_fields and name not in ("method", "embeddings_name")}  # fmt: skip
    if images is not None:
        known |= {"input": images.rstrip("/") or "/", "input_format": "images"}
    elif record is not None:
        known["input"] = record["source"]
    try:
        return EncodeSettings(**known | {"output": output})
    except ValidationError:  # no record, or one of another version
        return None


def _inside(location: str, path: str) -> str:
    """Return where an image lies whose path is relative to a folder, a glob's fixed part, or a single file's folder."""
    local = local_path(location)
    if local is None:
        return f"{location}/{path}"
    folder = os.path.dirname(local) if os.path.isfile(local) else fixed_part(local)
    return file_uri(os.path.join(os.fsencode(folder), on_disk(path)))
