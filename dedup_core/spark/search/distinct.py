"""Distinct codes: a search compares each hash or embedding once, however many images have it.

A thousand copies of a picture cost a search no more than one: images count again when it is known which are in groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.spark.copies import listed_of, listed_pairs_of
from dedup_core.spark.staging import Staging

CODE_PAIRS = "code_a BIGINT, code_b BIGINT, score DOUBLE"
IMAGES = "id BIGINT, digest STRING, code BIGINT"


@dataclass(frozen=True)
class DistinctCodes:
    """The distinct codes of one method's images. A code is the hash itself, or the id of an embedding.

    Attributes:
        images: ``IMAGES``: every image with its code.
        table: code, first_id (the smallest of its images), images (how many), listed: how many of them are listed in
            pairs with every other image, which is one of a crowd of copies.
        compared: what a search compares: code, or code and vector.
        count: how many codes there are.
        n_images: how many images there are.
        n_listed: the sum of ``listed``.
        equal_pairs: how many pairs of images that share a code are listed.
        counts: what else is known of them, by name, for the run's record.
    """

    images: DataFrame
    table: DataFrame
    compared: DataFrame
    count: int
    n_images: int
    n_listed: int
    equal_pairs: float
    counts: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, images: DataFrame, steps: Staging, most_copies: int, vectors: DataFrame | None = None) -> DistinctCodes:
        """Group images by their code.

        Args:
            images: ``IMAGES``.
            steps: where the codes are written.
            most_copies: of how many images of a code each is listed with each. Of more, it isn't known yet whether they
                are copies, of which one is listed: they count as such.
            vectors: code, vector, where the codes stand for these.
        """
        by_code = images.groupBy("code").agg(F.min("id").alias("first_id"), F.count("*").alias("images"))
        table = steps.write("codes", by_code.withColumn("listed", listed_of(F.col("images"), most_copies)))
        equal = F.sum(listed_pairs_of(F.col("images"), most_copies)).alias("equal")
        sums = F.sum("images").alias("images"), F.sum("listed").alias("listed")
        row = table.agg(F.count("*").alias("codes"), *sums, equal).collect()[0]
        compared = table.select("code") if vectors is None else vectors
        counts = row["images"] or 0, row["listed"] or 0, row["equal"] or 0.0
        return cls(images, table, compared, row["codes"], *counts)
