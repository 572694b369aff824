"""Work in progress, out of sight: steps are written aside, and published at the end, so that nobody reads half a table.

Names that begin with an underscore are invisible to every Parquet reader: ``_staging`` lies inside the output folder
and is still out of sight.
"""

from __future__ import annotations

import posixpath
import secrets
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from dedup_core.filesystems import literal
from dedup_core.ledger import STAGING
from dedup_core.spark.batches import FEW_STEP_ROWS
from dedup_core.spark.published import rows_at
from dedup_core.spark.session import joined_where_they_are
from dedup_core.spark.store import Place, Store
from dedup_core.spark.tables import TABLES

READY = "ready"
ENCODING = "encode-"
"""How the places of work begin whose steps a later run goes on from."""

_LEFT = ("find", "given", "replaced", "evaluate-")
"""How the places of work begin that no later run goes on from. What else lies there is needed by somebody."""

_ABANDONED_SECONDS = 14 * 86_400
_WHOLE = "_WHOLE"


@dataclass(frozen=True)
class Staging:
    """A place out of sight in the output folder, where the steps of one piece of work leave what they made.

    A step's result is written and read back, so that the next one starts from Parquet and not from a longer plan.
    Tables under ``ready`` wait to be published.

    Attributes:
        spark: the session.
        store: the output folder.
        name: of the place, with slashes.
        holds_few: whether the work is of few images, so that one task reads each step's result that is not long.
        version: the name of the folder in each table where finished rows are left to be committed; empty where they
            are staged, to be moved.
    """

    spark: SparkSession
    store: Store
    name: str
    holds_few: bool = False
    version: str = ""

    def inside(self, name: str) -> Staging:
        """Return a place in here."""
        return replace(self, name=f"{self.name}/{name}")

    def place(self, *parts: str) -> Place:
        """Return where something in here lies in the store."""
        inner = "/".join(parts).split("/")
        if self.version and inner[0] == READY and len(inner) > 1 and inner[1] in TABLES:
            return (inner[1], self.version, *inner[2:])
        return (STAGING, *self.name.split("/"), *parts)

    def path(self, *parts: str) -> str:
        """Return where something in here lies, for Spark to write."""
        return self.store.path(*self.place(*parts))

    def write(self, name: str, frame: DataFrame) -> DataFrame:
        """Write a step's result and return it as read back."""
        frame.write.mode("overwrite").parquet(self.path(name))
        return self.read(name, frame.schema)

    def read(self, name: str, schema: StructType | str) -> DataFrame:
        """Read a step's result. With the schema given, Spark need not open files to find it out."""
        rows = self.spark.read.schema(schema).parquet(literal(self.path(name)))
        return self.together(rows) if self._is_short(name) else rows

    def together(self, rows: DataFrame) -> DataFrame:
        """Return rows, in one task where they are few: joins and groups of such need no shuffle."""
        return rows.coalesce(1) if self.holds_few else rows

    def joining(self) -> AbstractContextManager[None]:
        """Return how Spark joins what is here, for a while: few rows in the task that reads them."""
        return joined_where_they_are(self.spark) if self.holds_few else nullcontext()

    def count(self, name: str) -> int:
        """Return how many rows a step's result has, as its files tell; of many files a job counts."""
        counted = rows_at(self.store, "/".join(self.place(name)))
        return self.spark.read.parquet(literal(self.path(name))).count() if counted is None else counted

    def _is_short(self, name: str) -> bool:
        """Return whether one task reads a step's result: few images may have many pairs."""
        rows = rows_at(self.store, "/".join(self.place(name))) if self.holds_few else None
        return rows is not None and rows <= FEW_STEP_ROWS

    def finish(self, table: str, method: str, frame: DataFrame) -> DataFrame:
        """Write one method's part of a table to ``ready`` and return it as read back."""
        ready = f"{READY}/{table}/method={method}"
        return self.write(ready, frame.drop("method")).withColumn("method", F.lit(method))

    def finish_file(self, name: str, pieces: Iterable[str]) -> None:
        """Write a text file to ``ready``, piece by piece."""
        self.store.write_lines(posixpath.join(*self.place(READY, name)), pieces)

    def open_output(self, *parts: str) -> Any:
        """Open a file for writing bytes, making its folder."""
        return self.store.open_output(*self.place(*parts))

    def add_part(self, name: str, frame: DataFrame) -> str:
        """Write one more part of what is done, and return its path.

        A mark of our own is at its end: clusters may turn Spark's off.
        """
        part = secrets.token_hex(8)
        frame.write.parquet(self.path(name, part))
        self.store.write_text(posixpath.join(*self.place(name, part, _WHOLE)), "")
        return self.path(name, part)

    def whole_parts(self, name: str) -> list[str]:
        """Return the paths of the parts in a folder that were written to their end."""
        parts = self.store.entries(*self.place(name))
        return [self.path(name, part) for part in parts if self.store.exists(*self.place(name, part, _WHOLE))]

    def entries(self, *parts: str) -> list[str]:
        """Return the names of what lies in a folder in here."""
        return self.store.entries(*self.place(*parts))

    def clear(self, *parts: str) -> None:
        """Delete what is here, or a part of it."""
        self.store.delete_tree(*self.place(*parts))


def clear_abandoned(store: Store) -> list[str]:
    """Delete what runs that are gone have left in the staging place, and return which encoding was given up.

    Only the holder of the folder's lock may. An encoding that was stopped is kept for two weeks.
    """
    given_up = []
    for name in store.entries(STAGING):
        if name.startswith(_LEFT):
            store.delete_tree(STAGING, name)
        elif name.startswith(ENCODING) and min(store.ages(STAGING, name).values(), default=0.0) > _ABANDONED_SECONDS:
            store.delete_tree(STAGING, name)
            given_up.append(name)
    return given_up
