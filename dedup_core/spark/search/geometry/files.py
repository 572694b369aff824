"""Distinct files: of images whose bytes are equal the first is searched and judged, and stands for all."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from dedup_core.spark.search.distinct import IMAGES
from dedup_core.spark.sieve import Sieve
from dedup_core.spark.staging import Staging
from dedup_core.spark.tables import conform
from dedup_core.spark.verify.contents import same_file


@dataclass(frozen=True)
class DistinctFiles:
    """The images that are searched, by what their files hold.

    Attributes:
        images: ``IMAGES``: the code of an image is the smallest id of those with equal files.
        copies: id of the images that are not the first with their file.
        n_copies: how many these are.
    """

    images: DataFrame
    copies: DataFrame
    n_copies: int

    @classmethod
    def of(cls, features: DataFrame, steps: Staging) -> DistinctFiles:
        """Group images by their file.

        Args:
            features: id, digest (null where it is not known: then a file is like no other).
            steps: where the images are written.
        """
        told = features.select("id", "digest", same_file().alias("same_file"))
        named = told.withColumn("code", F.min("id").over(Window.partitionBy("same_file")))
        images = steps.write("files", conform(named, IMAGES))
        copies = images.where(F.col("id") != F.col("code")).select("id")
        return cls(images, copies, copies.count())

    def firsts(self, features: DataFrame) -> DataFrame:
        """Return the features of the first image of each file. No feature is sent anywhere for it."""
        if not self.n_copies:
            return features
        return Sieve.of(self.copies, self.n_copies).others(features, self.copies)
