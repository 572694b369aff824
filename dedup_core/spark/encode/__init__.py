"""Images to features: what there is, what is still to do, and what workers make of it."""

from dedup_core.spark.encode.features import EncodeCounts, FeatureWork, encode_all, finish_tables
from dedup_core.spark.encode.listing import Listing, Source, list_images
from dedup_core.spark.encode.sources import open_source

__all__ = [
    "EncodeCounts", "FeatureWork", "Listing", "Source", "encode_all", "finish_tables", "list_images", "open_source",
]  # fmt: skip
