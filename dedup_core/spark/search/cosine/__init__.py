"""The cosine searches in Spark: a bound proposes candidates, and float64 verifies them."""

from dedup_core.spark.search.cosine.cells import ClusteredSearch
from dedup_core.spark.search.cosine.search import CosineSearch

__all__ = ["ClusteredSearch", "CosineSearch"]
