"""The tables that duplicates are shown from, as the report reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from dedup_core.metric import Metric


@dataclass(frozen=True)
class Tables:
    """The tables that duplicates are shown from, of the methods to show alone.

    Attributes:
        pairs: the ``pairs`` table.
        groups: the ``groups`` table.
        removals: the ``removals`` table.
        metrics: method to how it compares, of the methods to show.
    """

    pairs: DataFrame
    groups: DataFrame
    removals: DataFrame
    metrics: Mapping[str, Metric]

    def heads(self) -> DataFrame:
        """Return one row a group: its id is the path of one of its images."""
        return self.groups.where(F.col("path") == F.col("group_id"))

    def level(self) -> Column:
        """Return the bin of a pair's score: the strictest threshold at a whole step of its metric that finds it."""
        return self._by_method(_level)

    def rank(self, column: str = "score") -> Column:
        """Return what grows the less alike a pair is; of a column of ranks, the scores again."""
        return self._by_method(lambda metric: metric.rank(F.col(column)))

    def closest(self) -> Column:
        """Return the score of two equal images."""
        return self._by_method(lambda metric: F.lit(metric.closest))

    def score(self, rank: float | None, method: str) -> float | None:
        """Return the score that has such a rank."""
        return None if rank is None else self.metrics[method].rank(rank)

    def _by_method(self, of_metric: Callable[[Metric], Column]) -> Column:
        """Return a column that is computed as the metric of a row's method has it."""
        cases = (F.when(F.col("method") == F.lit(name), of_metric(metric)) for name, metric in self.metrics.items())
        return F.coalesce(F.lit(None).cast("double"), *cases)


def _level(metric: Metric) -> Column:
    # The product may lie a little beside the whole number that it stands for.
    steps: Column = metric.rank(F.ceil(metric.rank(F.col("score")) * F.lit(metric.steps) - F.lit(1e-9)))
    return steps / F.lit(metric.steps)
