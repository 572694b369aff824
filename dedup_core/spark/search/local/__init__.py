"""The search by local features in Spark: codes of keypoints that are close vote for pairs of images."""

from dedup_core.spark.search.local.search import LocalSearch

__all__ = ["LocalSearch"]
