"""What a search has found and a verifier judged, and the flat pictures that no search compares."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.spark.staging import Staging
from dedup_core.spark.tables import PAIRS, conform
from dedup_core.spark.verify.contents import Contents
from dedup_core.verify.verdict import SAME

_MEMBERS = (
    "method STRING, path STRING, is_unseen BOOLEAN, digest STRING, code BIGINT, first_path STRING, group_id STRING, "
    "group_size BIGINT"
)


@dataclass(frozen=True)
class FlatPictures:
    """Pictures on which nothing is seen: a hash of them is noise, and only equal pixels make two of them duplicates.

    Attributes:
        members: those that have duplicates, as members of groups.
        images: how many there are.
        equal_pairs: how many pairs of them are equal.
    """

    members: DataFrame
    images: int
    equal_pairs: int

    @classmethod
    def of(cls, features: DataFrame, steps: Staging) -> FlatPictures:
        """Group them by their pixels.

        Args:
            features: of the flat pictures.
            steps: where they are written.
        """
        images = steps.write("flat", features.select("method", "path", "is_unseen", "digest"))
        count, first = F.count("*").alias("group_size"), F.min("path").alias("group_id")
        equal = images.where(F.col("digest").isNotNull()).groupBy("digest").agg(count, first)
        equal = equal.where(F.col("group_size") > F.lit(1))
        members = images.join(equal, on="digest", how="inner").withColumn("first_path", F.col("group_id"))
        pairs = F.sum(F.col("group_size") * (F.col("group_size") - F.lit(1)) / F.lit(2)).alias("pairs")
        n_images = images.count()
        n_pairs = int(equal.agg(pairs).collect()[0]["pairs"] or 0) if n_images else 0
        return cls(conform(members, _MEMBERS), n_images, n_pairs)


@dataclass(frozen=True)
class Found:
    """What is known of one method's duplicates before they are grouped.

    Attributes:
        method: its name.
        features: the ``features`` table of that method.
        contents: of the images that have duplicates, or may have.
        verdicts: on the pairs of contents.
    """

    method: str
    features: DataFrame
    contents: Contents
    verdicts: DataFrame

    @property
    def enlarged(self) -> DataFrame:
        """Pictures that show no more than another one that was made larger: content, source_pixels."""
        told = self.verdicts.where(F.col("enlarged").isNotNull())
        source = F.when(F.col("enlarged") == F.col("code_a"), F.col("code_b")).otherwise(F.col("code_a"))
        pixels = (F.col("width").cast("double") * F.col("height")).alias("pixels")
        of_path = self.features.select("path", pixels)
        of_content = self.contents.table.join(of_path, on="path", how="inner").select(
            F.col("content").alias("source"), "pixels"
        )
        named = told.select(F.col("enlarged").alias("content"), source.alias("source"))
        found = named.join(of_content, on="source", how="inner")
        return found.groupBy("content").agg(F.min("pixels").alias("source_pixels"))


def path_pairs(found: Found, same_score: float) -> DataFrame:
    """Return the ``pairs`` table: pairs of images of two contents with the verdict on these, and equal images.

    Args:
        found: what was found.
        same_score: the score of two equal images.
    """
    members = found.contents.members
    a = members.select("method", F.col("path").alias("one"), F.col("content").alias("code_a"))
    b = members.select(F.col("path").alias("other"), F.col("content").alias("code_b"))
    across = found.verdicts.join(a, on="code_a", how="inner").join(b, on="code_b", how="inner")
    is_ordered_pair = (F.col("code_a") == F.col("code_b")) & (F.col("one") < F.col("other"))
    equal = a.join(b, on=is_ordered_pair, how="inner").withColumns(
        {"score": F.lit(same_score), "verdict": F.lit(SAME), "difference": F.lit(0.0)}
    )
    named = {"path_a": F.least("one", "other"), "path_b": F.greatest("one", "other")}
    return conform(across.withColumns(named), PAIRS).unionByName(conform(equal.withColumns(named), PAIRS))
