"""The tables that an output folder shows, wherever their rows lie: in each one's folder, or as current.json says."""

from __future__ import annotations

import functools
import posixpath
from dataclasses import dataclass

from pyarrow import ArrowException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from dedup_core.commands import job_named
from dedup_core.current import CURRENT, Current
from dedup_core.errors import InputError, SettingsError
from dedup_core.filesystems import literal, normal
from dedup_core.ledger import ENCODED, LOG, MARKER, PARTITION, TABLES
from dedup_core.spark.batches import are_few
from dedup_core.spark.store import Store
from dedup_core.spark.tables import TABLES as SCHEMAS
from dedup_core.spark.tables import columns_of, conform

_FOOTERS = 16  # files whose rows the driver counts: of more a job counts faster


@dataclass(frozen=True)
class Published:
    """What readers find in an output folder.

    Attributes:
        store: the folder.
        current: what it holds.
    """

    store: Store
    current: Current

    @classmethod
    def of(cls, store: Store) -> Published:
        """Look at a folder; of one that no run has marked, tables are what lies there under their names.

        Raises:
            SettingsError: if the file that says where Delta tables have their rows is gone.
        """
        if not store.exists(MARKER):
            return cls(store, Current())
        current = store.read_current()
        logged = [table for table in TABLES if store.entries(table, LOG)] if current.shown() == Current() else []
        if logged:
            raise SettingsError(
                f"{store.url} holds Delta tables ({', '.join(logged)}), and {CURRENT}, which says where rows lie, "
                "is gone: put it back, or choose another folder. Any reader of Delta tables still reads them"
            )
        return cls(store, current)

    @classmethod
    def around(cls, location: str) -> Published | None:
        """Return what the folder shows that a table lies in, if that is a Delta table of ours; None if it is not."""
        folder, table = posixpath.split(normal(location))
        if table not in TABLES:
            return None
        published = cls.of(Store(folder))
        return published if published.current.is_delta and published.has(table) else None

    def undeleted(self) -> Published:
        """Return the same without Delta rows that somebody has deleted: for who makes them anew."""
        there = {place: folder for place, folder in self.current.folders.items() if self.store.exists(folder)}
        return Published(self.store, self.current.model_copy(update={"folders": there}))

    def has(self, table: str) -> bool:
        """Return whether there is such a table."""
        return bool(self._folders(table)) if self.current.is_delta else self.store.exists(table)

    def tables(self) -> list[str]:
        """Return the names of the tables that are there."""
        return [table for table in TABLES if self.has(table)]

    def methods(self, table: str) -> list[str]:
        """Return the methods whose rows a table has; none of one that isn't there, or is in no partitions."""
        return [name.removeprefix(PARTITION) for name in self.entries(table) if name.startswith(PARTITION)]

    def entries(self, table: str) -> list[str]:
        """Return what a table is made of: its partitions ("method=phash") by name, or its files."""
        if self.current.is_delta:
            return [place.rpartition("/")[2] for place in self._folders(table)]
        return self.store.entries(table)

    def count(self, table: str) -> int | None:
        """Return how many rows a table has, as its files tell; None of many, or where one can't."""
        return rows_at(self.store, *(self._folders(table).values() if self.current.is_delta else [table]))

    def read(self, spark: SparkSession, table: str) -> DataFrame:
        """Read a table with its schema; few rows are read by one task.

        Raises:
            InputError: if it isn't there, or its rows were deleted.
        """
        if not self.has(table):
            raise InputError(f"no {table} table in {self.store.url}: run {_maker(table)} first, or name another folder")
        rows = conform(self._rows(spark, table), SCHEMAS[table])
        return rows.coalesce(1) if are_few(self.count(table)) else rows

    def _rows(self, spark: SparkSession, table: str) -> DataFrame:
        if not self.current.is_delta:
            return spark.read.schema(SCHEMAS[table]).parquet(literal(self.store.path(table)))
        parts = [self._part(spark, place, folder) for place, folder in self._folders(table).items()]
        return functools.reduce(DataFrame.unionByName, parts)

    def _part(self, spark: SparkSession, place: str, folder: str) -> DataFrame:
        table, _, partition = place.partition("/")
        if not self.store.exists(folder):
            raise InputError(
                f"the rows of {place} were deleted from {self.store.url}/{folder}: make them again by {_maker(table)}"
            )
        kinds = columns_of(SCHEMAS[table])
        if partition:
            del kinds["method"]
        schema = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
        rows = spark.read.schema(schema).parquet(literal(self.store.path(folder)))
        return rows.withColumn("method", F.lit(partition.removeprefix(PARTITION))) if partition else rows

    def _folders(self, table: str) -> dict[str, str]:
        """Return, by place, where the rows of a Delta table lie."""
        inside = f"{table}/"
        return {place: folder for place, folder in self.current.folders.items() if f"{place}/".startswith(inside)}


def _maker(table: str) -> str:
    """Return the job that makes a table, as it is called here."""
    return job_named("encode" if table in ENCODED else "find_duplicates")


def read_table(spark: SparkSession, store: Store, table: str) -> DataFrame:
    """Read a published table: `Published.read`."""
    return Published.of(store).read(spark, table)


def are_few_images(store: Store, table: str) -> bool:
    """Return whether a published table with a row an image and method is of few images, as far as its files tell."""
    published = Published.of(store)
    rows = published.count(table)
    return rows is not None and are_few(rows // max(1, len(published.methods(table))))


def rows_at(store: Store, *places: str) -> int | None:
    """Return how many rows the Parquet files at some places have, as these tell; None of many, or where one can't."""
    files = [file for place in places for file in parts_at(store, place)]
    if len(files) > _FOOTERS:
        return None
    try:
        return sum(store.rows_in(file) for file in files)
    except (ArrowException, OSError):
        return None


def parts_at(store: Store, place: str) -> list[str]:
    """Return the Parquet files at a place that readers see, by their paths in the output folder."""
    inside = [file.removeprefix(place) for file in store.files(place) if file.endswith(".parquet")]
    return [f"{place}{name}" for name in inside if not any(part.startswith((".", "_")) for part in name.split("/"))]
