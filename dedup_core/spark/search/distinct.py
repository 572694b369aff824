"""Distinct codes: a search compares each hash or embedding once, however many images have it.

A thousand copies of a picture cost a search no more than one, and only the last step, which writes a row for every pair
of paths, sees them all.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.spark.staging import Staging

CODE_PAIRS = "code_a BIGINT, code_b BIGINT, score DOUBLE"
IMAGES = "method STRING, path STRING, is_unseen BOOLEAN, digest STRING, code BIGINT"


@dataclass(frozen=True)
class DistinctCodes:
    """The distinct codes of one method's images. A code is the hash itself, or the id of an embedding.

    Attributes:
        images: ``IMAGES``: every image with its code.
        table: code, first_path (the smallest of its images), images (how many).
        compared: what a search compares: code, or code and vector.
        count: how many codes there are.
        n_images: how many images there are.
        equal_pairs: how many pairs of images share a code.
    """

    images: DataFrame
    table: DataFrame
    compared: DataFrame
    count: int
    n_images: int
    equal_pairs: float

    @classmethod
    def of(cls, images: DataFrame, steps: Staging, vectors: DataFrame | None = None) -> DistinctCodes:
        """Group images by their code.

        Args:
            images: ``IMAGES``.
            steps: where the codes are written.
            vectors: code, vector, where the codes stand for these.
        """
        by_code = images.groupBy("code").agg(F.min("path").alias("first_path"), F.count("path").alias("images"))
        table = steps.write("codes", by_code)
        equal_pairs = F.sum(F.col("images") * (F.col("images") - F.lit(1)) / F.lit(2))
        counts = F.count("*").alias("codes"), F.sum("images").alias("images"), equal_pairs.alias("equal_pairs")
        row = table.agg(*counts).collect()[0]
        compared = table.select("code") if vectors is None else vectors
        return cls(images, table, compared, row["codes"], row["images"] or 0, row["equal_pairs"] or 0.0)
