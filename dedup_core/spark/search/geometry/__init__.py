"""What searches propose, judged by geometry: how the keypoints and the small pictures of two images lie on each other."""

from dedup_core.spark.search.geometry.search import judged_pairs

__all__ = ["judged_pairs"]
