"""The searches among embeddings, as the jobs call them: what they share, and the exact one."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame

from dedup_core.settings.settings import SearchSettings
from dedup_core.spark.search.cosine.estimate import estimate_pairs_of
from dedup_core.spark.search.cosine.join import code_pairs
from dedup_core.spark.search.cosine.vectors import with_codes
from dedup_core.spark.search.distinct import DistinctCodes
from dedup_core.spark.search.estimates import SearchEstimate
from dedup_core.spark.search.proposal import Proposal
from dedup_core.spark.staging import Staging


@dataclass(frozen=True)
class EmbeddingSearch:
    """What searches among embeddings share: their codes are digests of them.

    Attributes:
        min_similarity: the least cosine similarity of a pair, -1.0 to 1.0.
        most_copies: of how many equal images each is listed with each.
    """

    min_similarity: float
    most_copies: int

    def distinct(self, features: DataFrame, steps: Staging) -> DistinctCodes:
        """Return the distinct embeddings."""
        images, vectors = with_codes(features, steps)
        return DistinctCodes.of(images, steps, self.most_copies, vectors)

    def estimate(self, codes: DistinctCodes) -> SearchEstimate:
        """Compare some hundred vectors with all."""
        return estimate_pairs_of(codes, self.min_similarity)


@dataclass(frozen=True)
class CosineSearch(EmbeddingSearch):
    """An exact search among embeddings.

    Attributes:
        chunk_vectors: how many vectors a task compares with as many others; its memory follows from it.
    """

    chunk_vectors: int

    @classmethod
    def of(cls, settings: SearchSettings) -> CosineSearch:
        """Return the search that the settings ask for."""
        return cls(settings.min_similarity_threshold, settings.most_copies, settings.chunk_vectors)

    def note(self, codes: DistinctCodes) -> str:  # noqa: ARG002 - there is nothing to know
        """Return nothing: the search is exact."""
        return ""

    def propose(self, codes: DistinctCodes, steps: Staging) -> Proposal:
        """Find every pair of distinct embeddings that are similar enough."""
        pairs = code_pairs(codes.compared, codes.count, self.min_similarity, steps, self.chunk_vectors)
        return Proposal.written(pairs, steps)
