"""What a search has found and a verifier judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.spark.verify.contents import Contents
from dedup_core.verify.verdict import SAME


@dataclass(frozen=True)
class Found:
    """What is known of one method's duplicates before it is chosen which of them stay.

    Attributes:
        method: its name.
        features: the ``features`` table of that method.
        contents: of the images that have duplicates, or may have.
        verdicts: on the pairs of contents.
        is_judged: whether verdicts come with what geometry says, the columns of ``tables.EVIDENCE``.
        n_images: how many images have features, where that is known.
    """

    method: str
    features: DataFrame
    contents: Contents
    verdicts: DataFrame
    is_judged: bool = False
    n_images: int | None = None

    @property
    def enlarged(self) -> DataFrame:
        """Pictures that show no more than another one that was made larger: content, source_pixels."""
        told = self.verdicts.where(F.col("enlarged").isNotNull())
        source = F.when(F.col("enlarged") == F.col("code_a"), F.col("code_b")).otherwise(F.col("code_a"))
        pixels = (F.col("width").cast("double") * F.col("height")).alias("pixels")
        of_content = self.contents.first_members.select(F.col("content").alias("source"), pixels)
        named = told.select(F.col("enlarged").alias("content"), source.alias("source"))
        found = named.join(of_content, on="source", how="inner")
        return found.groupBy("content").agg(F.min("pixels").alias("source_pixels"))

    def derived(self, relations: Sequence[str]) -> DataFrame:
        """Return the pictures that were made from others, in some of these ways: content, derived_as (the first)."""
        told = self.verdicts.where(F.col("relation").isin(list(relations)) & F.col("derived").isNotNull())
        content = F.when(F.col("derived") == F.lit("a"), F.col("code_a")).otherwise(F.col("code_b"))
        return told.groupBy(content.alias("content")).agg(F.min("relation").alias("derived_as"))

    def count_verdicts(self) -> dict[str, int]:
        """Return how many pairs of images are the same, are only similar, and of these could not be compared."""
        pairs, unseen = F.sum("image_pairs"), F.sum(F.when(F.col("unseen"), F.col("image_pairs")))
        rows = self.verdicts.groupBy("verdict").agg(pairs.alias("pairs"), unseen.alias("unseen")).collect()
        counted = {row["verdict"]: row["pairs"] for row in rows}
        same = self.contents.equal_pairs + counted.pop(SAME, 0)
        return {"same": same, "similar": sum(counted.values()), "unseen": sum(row["unseen"] or 0 for row in rows)}

    def count_relations(self) -> dict[str, int]:
        """Return how many pairs of images have each relation, the most first; none where geometry was not asked.

        Images whose files are equal are not among them.
        """
        if not self.is_judged:
            return {}
        counted = self.verdicts.groupBy("relation").agg(F.sum("image_pairs").alias("pairs")).collect()
        pairs = {row["relation"]: row["pairs"] for row in counted if row["relation"] is not None}
        return dict(sorted(pairs.items(), key=lambda each: (-each[1], each[0])))
