"""The ways to search: which search finds the pairs of a method."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import DataFrame

from dedup_core.encoders.registry import TURNED, metric_of
from dedup_core.metric import COSINE, HAMMING, INLIERS, Metric
from dedup_core.settings.settings import SearchSettings
from dedup_core.spark.search.cosine.cells import ClusteredSearch
from dedup_core.spark.search.cosine.search import CosineSearch
from dedup_core.spark.search.hamming import HammingSearch
from dedup_core.spark.search.local.search import LocalSearch
from dedup_core.spark.search.proposal import Search
from dedup_core.spark.search.turned import TurnedSearch

SEARCHES: dict[tuple[Metric, str], Callable[[SearchSettings], Search]] = {
    (HAMMING, "exact"): HammingSearch.of,
    (COSINE, "exact"): CosineSearch.of,
    (COSINE, "clustered"): ClusteredSearch.of,
    (INLIERS, "exact"): LocalSearch.of,
}
"""What searches, by metric and way: those that `Metric.searches` names."""


def search_of(settings: SearchSettings, method: str, features: DataFrame) -> Search:
    """Return the search that finds the pairs of a method, as the settings ask for it.

    Args:
        settings: of the search.
        method: one that has features.
        features: of that method; the first one's fingerprint tells whether all have those of turned pictures.
    """
    metric = metric_of(method)
    first = features.select("fingerprint").first() if metric is HAMMING else None
    if first is not None and TURNED in first["fingerprint"]:
        return TurnedSearch.of(settings)
    way = settings.search if settings.search in metric.searches else "exact"
    return SEARCHES[metric, way](settings)
