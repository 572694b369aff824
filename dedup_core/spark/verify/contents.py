"""Contents: images whose files are equal are one, and compared once. Flat pictures are one where their pixels are."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from dedup_core.spark.batches import FEW_ROWS
from dedup_core.spark.copies import are_many, listed_of, listed_pairs_of, pairs_of
from dedup_core.spark.sieve import Sieve
from dedup_core.spark.staging import Staging
from dedup_core.spark.tables import conform

_SLIM = (
    "id BIGINT, content BIGINT, copies BIGINT, code BIGINT, siblings BIGINT, is_paired BOOLEAN, root BIGINT, "
    "group_size BIGINT"
)
_FACTS = (
    "id", "path", "is_unseen", "digest", "look", "size", "width", "height", "format", "frames", "modified_at",
    "caution", "other_names",
)  # fmt: skip


@dataclass(frozen=True)
class Contents:
    """The images that have duplicates, or may have, and their contents.

    Attributes:
        members: the images: id; content, the smallest id of those with equal files; copies, how many these are; code,
            null for flat pictures; siblings, how many contents its code has; is_paired, whether its code has pairs;
            root, the smallest id of its group; group_size; and what ``features`` says of it.
        slim: the same without the latter.
        images: how many images these are.
        count: how many contents there are.
        most_copies: how many images the content has that has most.
        equal_pairs: how many pairs of images have one content.
    """

    members: DataFrame
    slim: DataFrame
    images: int
    count: int
    most_copies: int
    equal_pairs: int

    @classmethod
    def of(cls, coded: DataFrame, flat: DataFrame, features: DataFrame, steps: Staging) -> Contents:
        """Group images by their content.

        Args:
            coded: id, code, digest (null where it is not known), is_paired, root, group_size: of images in groups.
            flat: id, digest: of all flat pictures.
            features: of all images.
            steps: where the contents are written.
        """
        of_code = Window.partitionBy("code")
        told = coded.withColumn("same_file", same_file())
        told = _with_content(told, "code", "same_file")
        told = told.withColumn("siblings", F.count_if(_is_first()).over(of_code))
        alike = _with_content(flat.where(F.col("digest").isNotNull()), "digest").where(F.col("copies") > F.lit(1))
        alike = alike.withColumns(
            {"siblings": F.lit(1), "is_paired": F.lit(False), "root": F.col("content"), "group_size": F.col("copies")}
        )
        slim = steps.write("contents", conform(told, _SLIM).unionByName(conform(alike, _SLIM)))
        equal = F.sum(pairs_of(F.col("copies"))).alias("equal")
        counts = F.count("*").alias("contents"), F.sum("copies").alias("images"), F.max("copies").alias("most")
        row = slim.where(_is_first()).agg(*counts, equal).collect()[0]
        images = row["images"] or 0
        rows = FEW_ROWS if steps.holds_few else None
        wanted = Sieve.of(slim.select("id"), images, rows).sifted(features.select(*_FACTS))
        # A look is compared only where a content has others to be compared with, and it is that of its first image.
        compared = slim.where(_is_first() & _is_compared()).select("id")
        wanted = Sieve.of(compared, row["contents"], rows).marked(wanted, "is_seen")
        wanted = wanted.withColumn("look", F.when(F.col("is_seen"), F.col("look"))).drop("is_seen")
        members = wanted.join(slim, on="id", how="inner")
        equal_pairs = int(row["equal"] or 0)
        return cls(steps.write("members", members), slim, images, row["contents"], row["most"] or 0, equal_pairs)

    @property
    def first_members(self) -> DataFrame:
        """The first image of each content, which stands for it."""
        return self.members.where(_is_first())

    @property
    def compared(self) -> DataFrame:
        """Those of contents that are compared with others."""
        return self.first_members.where(_is_compared())

    def weights(self, most_copies: int) -> DataFrame:
        """Return of each code with several images: code, images, contents, and listed.

        Args:
            most_copies: images of contents that have more are listed as one, by the first of them.
        """
        listed = F.when(are_many(F.col("copies"), most_copies), _is_first().cast("int")).otherwise(F.lit(1))
        counts = F.count("*").alias("images"), F.first("siblings").alias("contents"), F.sum(listed).alias("listed")
        several = self.slim.where(F.col("code").isNotNull()).groupBy("code").agg(*counts)
        return several.where(F.col("images") > F.lit(1))

    def pairs_within(self, most_copies: int) -> dict[str, float]:
        """Return how many pairs share a code: of images, of contents, and of images that are listed.

        Args:
            most_copies: as for `weights`; those that are not listed with all others are listed with the first.
        """
        listed = listed_of(F.col("copies"), most_copies).cast("double")
        own = listed_pairs_of(F.col("copies"), most_copies)
        firsts = self.slim.where(_is_first())
        of_code = firsts.groupBy(F.coalesce("code", "content"), F.col("code").isNull()).agg(
            F.count("*").alias("contents"), F.sum("copies").alias("images"), F.sum(listed).alias("listed"),
            F.sum(listed * listed).alias("squares"), F.sum(own).alias("own"),
        )  # fmt: skip
        counts = of_code.agg(
            F.sum(pairs_of(F.col("images"))).alias("images"),
            F.sum(pairs_of(F.col("contents"))).alias("contents"),
            F.sum((F.col("listed") * F.col("listed") - F.col("squares")) / F.lit(2) + F.col("own")).alias("listed"),
        )
        return {name: float(pairs or 0) for name, pairs in counts.collect()[0].asDict().items()}


def same_file() -> Column:
    """Return what equal files have in common, from digest and id: one without a digest is like no other."""
    return F.coalesce("digest", F.concat(F.lit("id:"), F.col("id").cast("string")))


def _with_content(images: DataFrame, *keys: str) -> DataFrame:
    """Return images with the smallest id of those that are alike, and how many these are."""
    alike = Window.partitionBy(*keys)
    return images.withColumns({"content": F.min("id").over(alike), "copies": F.count("*").over(alike)})


def _is_compared() -> Column:
    return F.col("code").isNotNull() & (F.col("is_paired") | (F.col("siblings") > F.lit(1)))


def _is_first() -> Column:
    return F.col("id") == F.col("content")
