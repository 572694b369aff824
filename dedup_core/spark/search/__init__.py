"""Features to pairs, duplicates, groups and removals: a search proposes pairs, and nothing after it knows which."""

from dedup_core.spark.search.find import check_features, find_method
from dedup_core.spark.search.given_features import read_features
from dedup_core.spark.search.proposal import Proposal, Recall, Search
from dedup_core.spark.search.ways import SEARCHES

__all__ = ["SEARCHES", "Proposal", "Recall", "Search", "check_features", "find_method", "read_features"]
