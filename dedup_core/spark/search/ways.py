"""The ways to search: which search finds the pairs of a method."""

from __future__ import annotations

from collections.abc import Callable

from dedup_core.encoders.registry import ENCODERS
from dedup_core.metric import COSINE, HAMMING, INLIERS, Metric
from dedup_core.settings.settings import SearchSettings
from dedup_core.spark.search.cosine.cells import ClusteredSearch
from dedup_core.spark.search.cosine.search import CosineSearch
from dedup_core.spark.search.hamming import HammingSearch
from dedup_core.spark.search.local.search import LocalSearch
from dedup_core.spark.search.proposal import Search

SEARCHES: dict[tuple[Metric, str], Callable[[SearchSettings], Search]] = {
    (HAMMING, "exact"): HammingSearch.of,
    (COSINE, "exact"): CosineSearch.of,
    (COSINE, "clustered"): ClusteredSearch.of,
    (INLIERS, "exact"): LocalSearch.of,
}
"""What searches, by metric and way: those that `Metric.searches` names."""


def search_of(settings: SearchSettings, method: str) -> Search:
    """Return the search that finds the pairs of a method, as the settings ask for it.

    Args:
        settings: of the search.
        method: one that has features.
    """
    metric = ENCODERS[method].metric
    way = settings.search if settings.search in metric.searches else "exact"
    return SEARCHES[metric, way](settings)
