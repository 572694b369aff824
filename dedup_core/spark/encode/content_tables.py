"""Tables whose rows carry their images: read where they lie, and never moved to be encoded."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, StructField, StructType

from dedup_core.spark.encode.checkpoints import Part, in_buckets
from dedup_core.spark.encode.entries import NAMELESS
from dedup_core.spark.encode.spelling import with_raw_path, with_readable_path
from dedup_core.spark.session import rows_at_a_time
from dedup_core.spark.staging import Staging
from dedup_core.spark.tables import CONTENTS, ENTRIES, conform

_CARRIED = "path STRING, size BIGINT, identity STRING, file BIGINT, row BIGINT"
_ROWS_AT_A_TIME = 64
_ROW = ["file", "row"]


@dataclass(frozen=True)
class ContentTable:
    """Rows that carry their images.

    A row is known by its file and its number there. A part of the work is some of the table's files: Spark reads these
    alone, splits them by row groups as it does any, and the task that reads a row encodes it.

    Attributes:
        table: as Spark reads it.
        path: of a row, BINARY: its text may be any bytes.
        content: of a row, BINARY.
        location: what to call the table.
    """

    table: DataFrame
    path: Column
    content: Column
    location: str

    def list_into(self, staging: Staging) -> DataFrame:
        """Write what the rows carry, each with the digest of its bytes, and return it."""
        found = _told(self._rows(self.table)).drop("content").mapInArrow(with_readable_path, _CARRIED)
        nameless = F.col("path").isNull() | (F.col("path") == F.lit(""))
        why = {name: F.when(nameless, F.lit(NAMELESS[name])) for name in ("reason", "message")}
        found = found.withColumns({**why, "links": F.lit(0), "is_folder": F.lit(False)})
        with rows_at_a_time(staging.spark, _ROWS_AT_A_TIME):  # how large they are nobody knows yet
            return staging.write("entries", conform(found, ENTRIES))

    @property
    def nothing(self) -> str:
        """What to say where there are no rows."""
        return f"the table {self.location} has no rows"

    def contents(self, listing: DataFrame, part: Part) -> DataFrame:
        """Read the part's files, and of their rows those that are listed: 16 bytes of each go to every worker.

        Returns:
            ``tables.CONTENTS``, but ``path`` as the bytes that the table has.
        """
        rows = self._rows(self.table.where(in_buckets(_file(), part)))
        chosen = rows.join(F.broadcast(listing.select(_ROW)), on=_ROW, how="left_semi")
        return conform(_told(chosen), CONTENTS.replace("path STRING", "path BINARY"))

    def read_again(self, images: DataFrame) -> DataFrame:
        """Add ``content`` to images; the bytes of these, and of no others, are moved once.

        Args:
            images: path, and more.
        """
        schema = StructType([*images.schema.fields, StructField("raw", BinaryType())])
        wanted = images.mapInArrow(with_raw_path, schema)
        hashes = F.broadcast(wanted.select(F.xxhash64("raw").alias("raw_hash")))
        rows = self.table.select(self.path.alias("raw"), self.content.alias("content"))
        rows = rows.withColumn("raw_hash", F.xxhash64("raw")).join(hashes, on="raw_hash", how="left_semi")
        content = rows.groupBy("raw").agg(F.min("content").alias("content"))  # rows of one path carry equal ones
        return wanted.join(content, on="raw", how="left").drop("raw")

    def _rows(self, table: DataFrame) -> DataFrame:
        number = F.col("_metadata.row_index").alias("row")
        return table.select(self.path.alias("path"), self.content.alias("content"), _file().alias("file"), number)


def _told(rows: DataFrame) -> DataFrame:
    """Add the sizes and identities of what rows carry."""
    size = F.octet_length("content").cast("bigint").alias("size")
    identity = F.concat(F.lit("sha256:"), F.sha2("content", 256)).alias("identity")
    return rows.select("path", size, identity, *_ROW, "content")


def _file() -> Column:
    """Return what a row's file is known by."""
    return F.xxhash64("_metadata.file_path")
