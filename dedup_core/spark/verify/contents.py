"""Contents: images whose files are equal are one, and compared once. Flat pictures are one where their pixels are."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.spark.staging import Staging
from dedup_core.verify.verdict import SAME, SIMILAR

CONTENT_PAIRS = "code_a BIGINT, code_b BIGINT, score DOUBLE"
_KEY = ["code", "digest"]


@dataclass(frozen=True)
class Contents:
    """The contents of the images that have duplicates, or may have.

    Attributes:
        members: the images, each with its ``content``: a number that is good for this run alone.
        table: content, code (null for flat pictures), path (the smallest of its images), images (how many).
        count: how many contents there are.
        equal_pairs: how many pairs of images have one content.
    """

    members: DataFrame
    table: DataFrame
    count: int
    equal_pairs: int

    @classmethod
    def of(cls, members: DataFrame, steps: Staging) -> Contents:
        """Group images by their content.

        Args:
            members: path, code, digest (null where it is not known), and more.
            steps: where the contents are written.
        """
        alone = F.concat(F.lit("path:"), F.col("path"))
        keyed = members.withColumn("digest", F.coalesce("digest", alone))
        grouped = keyed.groupBy(_KEY).agg(F.min("path").alias("path"), F.count("*").alias("images"))
        table = steps.write("contents", grouped.withColumn("content", F.monotonically_increasing_id()))
        # Of flat pictures the code is null, and null is no key of a join.
        of_image = [F.coalesce("code", F.lit(0)).alias("code_0"), F.col("code").isNull().alias("is_flat"), "digest"]
        known = table.select("content", *of_image)
        wanted = keyed.withColumns({"code_0": F.coalesce("code", F.lit(0)), "is_flat": F.col("code").isNull()})
        named = wanted.join(known, on=["code_0", "is_flat", "digest"], how="inner").drop("code_0", "is_flat")
        equal = F.sum(F.col("images") * (F.col("images") - F.lit(1)) / F.lit(2)).alias("equal")
        row = table.agg(F.count("*").alias("contents"), equal).collect()[0]
        return cls(steps.write("members_with_content", named), table, row["contents"], int(row["equal"] or 0))

    def counts_of(self, verdicts: DataFrame) -> dict[str, int]:
        """Return how many pairs of images are the same, and how many are only similar.

        Args:
            verdicts: code_a, code_b (two contents), verdict.
        """
        images = self.table.select(F.col("content").alias("code_a"), F.col("images").alias("images_a"))
        others = self.table.select(F.col("content").alias("code_b"), F.col("images").alias("images_b"))
        weighed = verdicts.join(images, on="code_a", how="inner").join(others, on="code_b", how="inner")
        pairs = F.sum(F.col("images_a") * F.col("images_b")).alias("pairs")
        found = {row["verdict"]: row["pairs"] for row in weighed.groupBy("verdict").agg(pairs).collect()}
        return {"same": self.equal_pairs + found.get(SAME, 0), "similar": found.get(SIMILAR, 0)}

    def count_pairs(self, code_pairs: DataFrame) -> int:
        """Return how many pairs of contents `pairs` gives.

        Args:
            code_pairs: code_a, code_b.
        """
        of_code = self.table.where(F.col("code").isNotNull()).groupBy("code").agg(F.count("*").alias("n"))
        a, b = (of_code.select(F.col("code").alias(f"code_{end}"), F.col("n").alias(f"n_{end}")) for end in "ab")
        across = code_pairs.join(a, on="code_a", how="inner").join(b, on="code_b", how="inner")
        within = of_code.select((F.col("n") * (F.col("n") - F.lit(1)) / F.lit(2)).alias("pairs"))
        both = across.select((F.col("n_a") * F.col("n_b")).cast("double").alias("pairs")).unionByName(within)
        return int(both.agg(F.sum("pairs").alias("pairs")).collect()[0]["pairs"] or 0)

    def pairs(self, code_pairs: DataFrame, same_score: float) -> DataFrame:
        """Return the pairs of contents that pairs of codes stand for, and those that share a code: ``CONTENT_PAIRS``.

        Args:
            code_pairs: code_a, code_b, score.
            same_score: the score of two that share a code.
        """
        a = self.table.select(F.col("code").alias("code_a"), F.col("content").alias("one"))
        b = self.table.select(F.col("code").alias("code_b"), F.col("content").alias("other"))
        across = code_pairs.join(a, on="code_a", how="inner").join(b, on="code_b", how="inner")
        is_ordered = (F.col("code_a") == F.col("code_b")) & (F.col("one") < F.col("other"))
        within = a.join(b, on=is_ordered, how="inner").withColumn("score", F.lit(same_score))
        columns = "one", "other", "score"
        both = across.select(*columns).unionByName(within.select(*columns))
        ends = F.least("one", "other").alias("code_a"), F.greatest("one", "other").alias("code_b")
        return both.select(*ends, F.col("score").cast("double").alias("score"))
