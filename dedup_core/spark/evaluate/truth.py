"""Which images are duplicates of each other, said by pairs or by labels: two forms of one `Truth`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


class Truth(Protocol):
    """What evaluation asks of the truth, in either form.

    Attributes:
        images: path of every image that the truth knows, each once.
        is_complete: whether these are all images there are, those without duplicates too.
    """

    @property
    def images(self) -> DataFrame: ...  # noqa: D102 - told above
    @property
    def is_complete(self) -> bool: ...  # noqa: D102

    def among(self, images: DataFrame) -> Truth:
        """Return the truth about some images (path) alone. Rankings and counts are right over those compared alone."""

    def marked(self, pairs: DataFrame) -> DataFrame:
        """Return pairs (path_a, path_b) with one more column, is_true."""

    def rankings(self, pairs: DataFrame) -> DataFrame:
        """Return rows for images, as `_rankings` describes them, of all that are in a pair that was predicted."""

    def counts(self, n_images: int, with_duplicates: int) -> tuple[int, int]:
        """Return how many true pairs there are, and how many images have no duplicate.

        Args:
            n_images: how many images there are.
            with_duplicates: how many rankings are of an image with duplicates.
        """


@dataclass(frozen=True)
class TruePairs:
    """All pairs of duplicates.

    Attributes:
        pairs: path_a, path_b.
        images: path.
        is_complete: True for a map; a table of pairs names no image without a duplicate.
    """

    pairs: DataFrame
    images: DataFrame
    is_complete: bool

    def among(self, images: DataFrame) -> TruePairs:
        """Return the truth about some images (path) alone."""
        pairs = self.pairs
        for side in ("path_a", "path_b"):
            pairs = pairs.join(images.withColumnRenamed("path", side), on=side, how="left_semi")
        known = self.images.join(images, on="path", how="left_semi")
        return TruePairs(pairs.select("path_a", "path_b"), known, self.is_complete)

    def marked(self, pairs: DataFrame) -> DataFrame:
        """Return pairs (path_a, path_b) with one more column, is_true."""
        both = pairs.join(self.pairs.withColumn("is_true", F.lit(True)), on=["path_a", "path_b"], how="left")
        return both.withColumn("is_true", F.coalesce("is_true", F.lit(False)))

    def rankings(self, pairs: DataFrame) -> DataFrame:
        """Return a row for every image of a pair that was predicted or is true, as `_rankings` describes it."""
        both = self.pairs.withColumn("is_true", F.lit(True)).join(pairs, on=["path_a", "path_b"], how="full")
        flagged = both.withColumn("is_true", F.coalesce("is_true", F.lit(False)))
        # A pair adds one duplicate to both of its images, or none.
        ends = _ends(flagged.withColumn("n_relevant", F.col("is_true").cast("bigint")), "n_relevant", "n_relevant")
        return _rankings(ends, F.sum("n_relevant"))

    def counts(self, n_images: int, with_duplicates: int) -> tuple[int, int]:
        """Return how many true pairs there are, and how many images have no duplicate."""
        return self.pairs.count(), n_images - with_duplicates


@dataclass(frozen=True)
class TrueLabels:
    """Images with one label are duplicates of each other, those with none of nobody.

    Labels are never expanded to pairs: a thousand images of one label are half a million.

    Attributes:
        labels: path, label; each path once.
    """

    labels: DataFrame
    is_complete: ClassVar[bool] = True

    @property
    def images(self) -> DataFrame:
        """Return path."""
        return self.labels.select("path")

    def among(self, images: DataFrame) -> TrueLabels:
        """Return the truth about some images (path) alone."""
        return TrueLabels(self.labels.join(images, on="path", how="left_semi"))

    def marked(self, pairs: DataFrame) -> DataFrame:
        """Return pairs (path_a, path_b) with one more column, is_true."""
        a, b = (_renamed(self.labels, side) for side in ("a", "b"))
        labelled = pairs.join(a, on="path_a", how="left").join(b, on="path_b", how="left")
        return labelled.withColumn("is_true", _same_label()).drop("label_a", "label_b")

    def rankings(self, pairs: DataFrame) -> DataFrame:
        """Return a row for every image of a pair that was predicted, as `_rankings` describes it."""
        a, b = (_renamed(self._sizes(), side) for side in ("a", "b"))
        labelled = pairs.join(a, on="path_a", how="inner").join(b, on="path_b", how="inner")
        # An image has all of its duplicates at each of its pairs.
        ends = _ends(labelled.withColumn("is_true", _same_label()), "n_relevant_a", "n_relevant_b")
        return _rankings(ends, F.max("n_relevant"))

    def counts(self, n_images: int, with_duplicates: int) -> tuple[int, int]:  # noqa: ARG002 - labels say both
        """Return how many true pairs there are, and how many images have no duplicate."""
        listed = F.coalesce(F.sum("n_relevant"), F.lit(0)).alias("listed")
        alone = F.count_if(F.col("n_relevant") == F.lit(0)).alias("alone")
        row = self._sizes().agg(listed, alone).collect()[0]
        return row["listed"] // 2, row["alone"]

    def _sizes(self) -> DataFrame:
        """Return path, label, n_relevant: how many other images have the label."""
        labelled = self.labels.where(F.col("label").isNotNull())
        others = labelled.groupBy("label").agg((F.count("*") - F.lit(1)).alias("others"))
        sized = self.labels.join(others, on="label", how="left")
        return sized.select("path", "label", F.coalesce("others", F.lit(0)).alias("n_relevant"))


def _renamed(table: DataFrame, side: str) -> DataFrame:
    """Return every column with the name of a side of a pair."""
    return table.select(*(F.col(name).alias(f"{name}_{side}") for name in table.columns))


def _same_label() -> Column:
    return F.coalesce(F.col("label_a") == F.col("label_b"), F.lit(False))


def _ends(pairs: DataFrame, relevant_a: str, relevant_b: str) -> DataFrame:
    """Return both ends of each pair: path, entry (null if the pair was not predicted), n_relevant.

    Args:
        pairs: path_a, path_b, rank_a, rank_b, threshold, is_true.
        relevant_a: the column that says how many duplicates of a this pair tells of.
        relevant_b: that of b.
    """

    def end(path: str, other: str, rank: str, relevant: str) -> Column:
        entry = F.struct(F.col(rank).alias("rank"), F.col(other).alias("other"), "threshold", "is_true")
        listed = F.when(F.col("threshold").isNotNull(), entry)
        return F.struct(F.col(path).alias("path"), listed.alias("entry"), F.col(relevant).alias("n_relevant"))

    two = F.array(end("path_a", "path_b", "rank_a", relevant_a), end("path_b", "path_a", "rank_b", relevant_b))
    return pairs.select(F.inline(two))


def _rankings(ends: DataFrame, n_relevant: Column) -> DataFrame:
    """Return a row an image: its ranking (threshold, is_true), best first, and how many duplicates it has."""
    # Nulls, which stand for pairs that were not predicted, are not collected.
    gathered = ends.groupBy("path").agg(
        F.array_sort(F.collect_list("entry")).alias("ranking"), n_relevant.alias("n_relevant")
    )
    scored = F.transform("ranking", lambda entry: F.struct(entry["threshold"], entry["is_true"]))
    return gathered.select(scored.alias("ranking"), "n_relevant")
