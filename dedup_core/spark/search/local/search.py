"""The search by local features as the jobs call it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.settings.settings import MOST_COPIES, SearchSettings
from dedup_core.spark.search.distinct import IMAGES, DistinctCodes
from dedup_core.spark.search.estimates import SearchEstimate
from dedup_core.spark.search.local.codes import coded, common_codes, without
from dedup_core.spark.search.local.estimate import estimate_candidates
from dedup_core.spark.search.local.join import candidates
from dedup_core.spark.search.proposal import Proposal
from dedup_core.spark.staging import Staging
from dedup_core.spark.tables import conform


@dataclass(frozen=True)
class LocalSearch:
    """An exact search by votes, among images of which each is its own code: its score is the number of votes.

    Attributes:
        max_distance: in how many of 64 bits two keypoints may differ that are partners.
        min_votes: how many keypoints of each of two images must have a partner in the other.
        max_images: codes that more images hold are left out.
        chunk_images: how many images a task compares with as many others; its memory and time follow from it.
        most_copies: of how many equal images each is listed with each.
    """

    max_distance: int
    min_votes: int
    max_images: int
    chunk_images: int
    most_copies: int = MOST_COPIES

    @classmethod
    def of(cls, settings: SearchSettings) -> LocalSearch:
        """Return the search that the settings ask for."""
        limits = settings.max_code_distance, settings.min_votes, settings.max_images_per_code
        return cls(*limits, settings.chunk_images, settings.most_copies)

    def distinct(self, features: DataFrame, steps: Staging) -> DistinctCodes:
        """Return the images with those codes of their keypoints that say something."""
        images = conform(features.withColumn("code", F.col("id")), IMAGES)
        every = steps.write("keypoint_codes", coded(features))
        found = DistinctCodes.of(images, steps, self.most_copies, every)
        counts = {"no_keypoints": every.where(F.length("codes") == F.lit(0)).count()}
        common = common_codes(every, found.count, self.max_images, steps)
        if len(common):
            every = steps.write("telling_codes", without(every, common))
        return replace(found, compared=every, counts=counts | {"common_codes": len(common)})

    def estimate(self, codes: DistinctCodes) -> SearchEstimate:
        """Compare some hundred images with all."""
        return estimate_candidates(codes, self.max_distance, self.min_votes)

    def note(self, codes: DistinctCodes) -> str:
        """Return how many codes are left out, and how many pictures have no keypoint."""
        common, none = codes.counts["common_codes"], codes.counts["no_keypoints"]
        told = [f"{common:,} codes that more than {self.max_images:,} images hold are left out"] if common else []
        told += [f"{none:,} pictures have no keypoints, and nothing in common with any"] if none else []
        return "; ".join(told)

    def propose(self, codes: DistinctCodes, steps: Staging) -> Proposal:
        """Find every pair of images with enough votes."""
        found = candidates(codes.compared, codes.count, self.max_distance, self.min_votes, self.chunk_images)
        written = steps.write("votes", found)
        return Proposal(written.select("code_a", "code_b", F.col("votes").cast("double").alias("score")))
