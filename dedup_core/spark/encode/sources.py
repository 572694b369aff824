"""Where images come from: what there is, and the content of any part of it.

Files on a disk that the workers share, or on a filesystem that Arrow knows, are listed and read where they lie. A
manifest names images anywhere, or carries their bytes itself.
"""

from __future__ import annotations

import itertools
import os

from pyspark.sql import SparkSession

from dedup_core.filesystems import is_glob, local_path
from dedup_core.images.files import walk
from dedup_core.settings.settings import EncodeSettings
from dedup_core.spark.encode.listing import Source
from dedup_core.spark.encode.local_files import LocalImages, missing
from dedup_core.spark.encode.manifests import manifest_form, open_manifest
from dedup_core.spark.encode.remote_files import RemoteImages

_ENTRIES_LOOKED_AT = 1000


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
    return RemoteImages(settings.input, settings.recursive)


def check_there(settings: EncodeSettings) -> None:
    """Refuse an input on a disk that isn't there, which needs no Spark to be seen.

    Raises:
        InputError: says so.
    """
    local = local_path(settings.input)
    if local is not None and not os.path.lexists(local) and not is_glob(local):
        raise missing(local)


def _holds_parquet_alone(location: str) -> bool:
    """Return whether a folder on a disk is a Parquet table: the files that are seen first are nothing else."""
    folder = local_path(location)
    if folder is None:
        return False
    files = walk(folder, recursive=True)
    names = (os.path.basename(file.path) for file in files if file.failure is None)
    first = list(itertools.islice((name for name in names if not name.startswith("_")), _ENTRIES_LOOKED_AT))
    return bool(first) and all(name.lower().endswith(".parquet") for name in first)
