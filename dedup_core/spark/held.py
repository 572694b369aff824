"""Steps that the executors hold: for whoever has no folder to leave them in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from dedup_core.errors import SettingsError
from dedup_core.spark.batches import FEW_STEP_ROWS
from dedup_core.spark.staging import Staging
from dedup_core.spark.store import Store


@dataclass(frozen=True)
class HeldSteps(Staging):
    """A place like `Staging` in no folder: each step is computed once, and lies in the executors' storage.

    That is their memory and, where it does not suffice, their disks (``DataFrame.localCheckpoint``). No cache or view
    of the session knows of a step, and Spark frees it when nobody has a DataFrame any more that was made of it. What
    an executor held is lost with it, and then a job fails that needs it.

    Attributes:
        kept: the steps by their names.
        counts: how many rows those have that were counted.
    """

    kept: dict[str, DataFrame] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    @classmethod
    def by(cls, spark: SparkSession, holds_few: bool = False) -> HeldSteps:
        """Return an empty place in a session."""
        return cls(spark, cast(Store, None), "held", holds_few)  # there is no folder, and nothing here asks for one

    def write(self, name: str, frame: DataFrame) -> DataFrame:
        """Compute a step's result, and return it as it is held.

        Raises:
            SettingsError: if this Spark can hold none.
        """
        self.clear(name)
        try:
            self.kept[self._key(name)] = frame.localCheckpoint(eager=True)
        except PySparkException as error:
            if "NOT_IMPLEMENTED" not in str(error):
                raise
            raise SettingsError(
                "Spark Connect holds no steps before Spark 4: name a folder for them by folder="
            ) from error
        return self.read(name, frame.schema)

    def read(self, name: str, schema: StructType | str) -> DataFrame:  # noqa: ARG002 - what is held has its schema
        """Return a step's result."""
        rows = self.kept[self._key(name)]
        return self.together(rows) if self.holds_few and self.count(name) <= FEW_STEP_ROWS else rows

    def count(self, name: str) -> int:
        """Return how many rows a step's result has."""
        key = self._key(name)
        if key not in self.counts:
            self.counts[key] = self.kept[key].count()
        return self.counts[key]

    def clear(self, *parts: str) -> None:
        """Forget what is here, or a part of it."""
        here = self._key(*parts)
        for key in [key for key in list(self.kept) if key == here or key.startswith(f"{here}/")]:
            del self.kept[key]
            self.counts.pop(key, None)

    def _key(self, *parts: str) -> str:
        return "/".join([self.name, *parts])
