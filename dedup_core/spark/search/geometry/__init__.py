"""What searches propose, judged by geometry: by how the keypoints and the small pictures of two images agree."""

from dedup_core.spark.search.geometry.search import judged_pairs

__all__ = ["judged_pairs"]
