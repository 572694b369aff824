"""The output folder: work is staged out of sight and published at the end, so that nobody reads half a table.

Spark writes the data; moving, listing and small files go through Arrow's filesystems, which know local disks,
HDFS, S3, Google Cloud Storage and Azure. Names that begin with an underscore are invisible to every Parquet
reader: ``_staging`` lies inside the output folder and is still out of sight.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyarrow import fs
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from dedup_core.errors import InputError, SettingsError
from dedup_core.locations import arrow_url, has_scheme
from dedup_core.spark.schemas import TABLES, conform

_STAGING = "_staging"


class Store:
    """A folder of tables on any filesystem.

    Args:
        url: a local path, or a URL whose scheme both Spark and Arrow know (file, hdfs, s3a, gs, abfss).

    Raises:
        SettingsError: if the filesystem is unknown.
    """

    def __init__(self, url: str) -> None:
        """Find the filesystem; nothing is created yet."""
        self.url = url.rstrip("/") if has_scheme(url) else os.path.abspath(os.path.expanduser(url))
        try:
            self._fs, self._root = fs.FileSystem.from_uri(arrow_url(self.url))
        except (pa.ArrowException, OSError) as error:
            raise SettingsError(f"no filesystem for {url}: {error}") from error
        self._is_local = self._fs.type_name == "local"
        self._renames_folders = self._fs.type_name in ("local", "hdfs")

    def path(self, *parts: str) -> str:
        """Return where something in the folder lies, for Spark to write."""
        base = self.url if has_scheme(self.url) else f"file://{self.url}"
        return "/".join([base, *parts])

    def check_writable(self) -> None:
        """Create the folder and write a file in it, so that a run fails at its start and not at its end.

        Raises:
            SettingsError: if that can't be done.
        """
        probe = posixpath.join(_STAGING, ".probe")
        try:
            self.write_text(probe, "")
            self._fs.delete_file(self._inside(probe))
        except OSError as error:
            raise SettingsError(f"can't write to the output folder {self.url}: {error}") from error

    def exists(self, *parts: str) -> bool:
        """Return whether there is such a file or folder."""
        return bool(self._fs.get_file_info(self._inside(*parts)).type != fs.FileType.NotFound)

    def entries(self, *parts: str) -> list[str]:
        """Return the visible names in a folder, sorted; none where there is no such folder."""
        selector = fs.FileSelector(self._inside(*parts), allow_not_found=True)
        names = (posixpath.basename(entry.path) for entry in self._fs.get_file_info(selector))
        return sorted(name for name in names if not name.startswith("."))

    def write_text(self, name: str, text: str) -> None:
        """Write a small file whole, making its folder."""
        self.write_lines(name, [text])

    def write_lines(self, name: str, pieces: Iterable[str]) -> None:
        """Write a file piece by piece, aside first, so that a reader never finds half of it."""
        target = self._inside(name)
        self._fs.create_dir(posixpath.dirname(target), recursive=True)
        aside = posixpath.join(posixpath.dirname(target), f"._{posixpath.basename(target)}")
        with self._fs.open_output_stream(aside) as stream:
            for piece in pieces:
                stream.write(piece.encode("utf-8", "backslashreplace"))
        if not self._is_local and self.exists(name):
            self._fs.delete_file(target)  # a rename on HDFS does not replace
        self._fs.move(aside, target)

    def delete_file(self, name: str) -> None:
        """Delete a file."""
        self._fs.delete_file(self._inside(name))

    def read_json(self, *parts: str) -> Any:
        """Return the content of a JSON file."""
        with self._fs.open_input_stream(self._inside(*parts)) as stream:
            return json.loads(stream.read())

    def newest_record(self) -> dict[str, Any] | None:
        """Return the record of the newest run; none where no run has finished."""
        records = self.entries("runs")
        return self.read_json("runs", records[-1]) if records else None

    def open_output(self, *parts: str) -> Any:
        """Open a file for writing bytes, making its folder."""
        target = self._inside(*parts)
        self._fs.create_dir(posixpath.dirname(target), recursive=True)
        return self._fs.open_output_stream(target)

    def delete(self, *parts: str) -> None:
        """Delete a folder with all in it, if it is there, and the folder above once it is empty."""
        if self.exists(*parts):
            self._fs.delete_dir(self._inside(*parts))
        above = parts[:-1]
        if above and self.exists(*above) and not self.entries(*above):
            self._fs.delete_dir(self._inside(*above))

    def move(self, source: tuple[str, ...], target: tuple[str, ...]) -> None:
        """Move a folder to a place where nothing may be; nothing happens if it isn't there.

        Local disks and HDFS rename it. An object store knows no folders: each file is copied, then deleted.
        """
        if not self.exists(*source):
            return
        origin, goal = self._inside(*source), self._inside(*target)
        self._fs.create_dir(posixpath.dirname(goal), recursive=True)
        if self._renames_folders:
            self._fs.move(origin, goal)
            return
        for entry in self._fs.get_file_info(fs.FileSelector(origin, recursive=True)):
            if entry.type == fs.FileType.File:
                copy = posixpath.join(goal, posixpath.relpath(entry.path, origin))
                self._fs.create_dir(posixpath.dirname(copy), recursive=True)
                self._fs.copy_file(entry.path, copy)
        self._fs.delete_dir(origin)

    def _inside(self, *parts: str) -> str:
        return posixpath.join(self._root, *parts)


@dataclass(frozen=True)
class Staging:
    """A place out of sight in the output folder, where the steps of one piece of work leave what they made.

    A step's result is written and read back, so that the next one starts from Parquet and not from a longer plan.
    Tables under ``ready`` wait to be published.
    """

    spark: SparkSession
    store: Store
    name: str

    def path(self, *parts: str) -> str:
        """Return where something in here lies, for Spark to write."""
        return self.store.path(_STAGING, self.name, *parts)

    def write(self, name: str, frame: DataFrame) -> DataFrame:
        """Write a step's result and return it as read back."""
        frame.write.mode("overwrite").parquet(self.path(name))
        return self.read(name, frame.schema)

    def read(self, name: str, schema: StructType | str) -> DataFrame:
        """Read a step's result. With the schema given, Spark need not open files to find it out."""
        return self.spark.read.schema(schema).parquet(literal(self.path(name)))

    def finish(self, table: str, method: str, frame: DataFrame) -> DataFrame:
        """Write one method's part of a table to ``ready`` and return it as read back."""
        ready = f"ready/{table}/method={method}"
        return self.write(ready, frame.drop("method")).withColumn("method", F.lit(method))

    def open_output(self, *parts: str) -> Any:
        """Open a file for writing bytes, making its folder."""
        return self.store.open_output(_STAGING, self.name, *parts)

    def whole_parts(self, name: str) -> list[str]:
        """Return the paths of the parts in a folder that were written to their end."""
        parts = self.store.entries(_STAGING, self.name, name)
        return [
            self.path(name, part) for part in parts if self.store.exists(_STAGING, self.name, name, part, "_SUCCESS")
        ]

    def clear(self, *parts: str) -> None:
        """Delete what is here, or a part of it."""
        self.store.delete(_STAGING, self.name, *parts)

    def publish(self) -> None:
        """Move the finished tables to where readers look, each partition in place of the one before.

        A table in partitions keeps those that this work did not make: another method's rows stay.
        """
        for table in self.store.entries(_STAGING, self.name, "ready"):
            inside = self.store.entries(_STAGING, self.name, "ready", table)
            partitions = [entry for entry in inside if "=" in entry]
            places: list[tuple[str, ...]] = [(table, partition) for partition in partitions] or [(table,)]
            for place in places:
                self.clear("replaced", *place)  # what a publication that was cut short had moved there
                self.store.move(place, (_STAGING, self.name, "replaced", *place))
                self.store.move((_STAGING, self.name, "ready", *place), place)


def read_table(spark: SparkSession, store: Store, table: str) -> DataFrame:
    """Read a published table with its schema.

    Raises:
        InputError: if there is none.
    """
    if not store.exists(table):
        raise InputError(f"no {table} table in {store.url}: run the job that makes it first, or name another folder")
    return conform(spark.read.schema(TABLES[table]).parquet(literal(store.path(table))), TABLES[table])


def literal(path: str) -> str:
    """Escape the characters that Spark would read as a glob."""
    return re.sub(r"([\[\]{}*?\\])", r"\\\1", path)
