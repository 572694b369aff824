"""The seam between what proposes pairs and all that comes after: it knows pairs of distinct codes, and no search."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from pyspark.sql import DataFrame

from dedup_core.settings.settings import SearchSettings
from dedup_core.spark.search.distinct import CODE_PAIRS, DistinctCodes
from dedup_core.spark.search.estimates import SearchEstimate, check_estimate
from dedup_core.spark.staging import Staging
from dedup_core.spark.tables import conform


@dataclass(frozen=True)
class Recall:
    """How much of a sample's pairs a search found.

    Attributes:
        embeddings: how many are in the sample.
        pairs: how many pairs they have with all embeddings, by the exact kernel.
        hits: how many of these the search found.
    """

    embeddings: int
    pairs: int
    hits: int

    @property
    def share(self) -> float | None:
        """The recall, rounded down so that 1.0 says that nothing was missed; None if there was nothing to miss."""
        return self.hits * 10_000 // self.pairs / 10_000 if self.pairs else None

    def __str__(self) -> str:
        """Return it in words."""
        if self.share is None:
            return f"recall unknown, a sample of {self.embeddings:,} embeddings has no pair to miss"
        return (
            f"recall {self.share:.4f}, {self.hits:,} of the {self.pairs:,} pairs that a sample of {self.embeddings:,} "
            "embeddings has by the exact search"
        )


@dataclass(frozen=True)
class Proposal:
    """The pairs of distinct codes within the threshold.

    Attributes:
        pairs: code_a, code_b, score: each pair once.
        recall: of a search that may miss some; None for an exact one.
        counts: what else is known of the search, by name, for the run's record.
        decided: verdicts by pixels that the search asked for itself, ``VERDICTS``; None where it asked for none.
        count: how many pairs there are, where that is known.
    """

    pairs: DataFrame
    recall: Recall | None = None
    counts: Mapping[str, Any] = field(default_factory=dict)
    decided: DataFrame | None = None
    count: int | None = None

    @classmethod
    def written(cls, pairs: DataFrame, steps: Staging) -> Proposal:
        """Return the pairs of an exact search as they are written and counted."""
        return cls(steps.write("code_pairs", pairs), count=steps.count("code_pairs"))


class Search(Protocol):
    """A way to find the pairs of distinct codes within a threshold. Its steps are called in this order, once each."""

    def distinct(self, features: DataFrame, steps: Staging) -> DistinctCodes:
        """Return the distinct codes of one method's features.

        Args:
            features: the ``features`` table of one method.
            steps: where results of steps are written.
        """

    def estimate(self, codes: DistinctCodes) -> SearchEstimate:
        """Return how many pairs to expect, within the threshold and within stricter ones."""

    def note(self, codes: DistinctCodes) -> str:
        """Return what a person should know of the search before it starts; nothing of an exact one."""

    def propose(self, codes: DistinctCodes, steps: Staging) -> Proposal:
        """Find the pairs."""


class Watch(Protocol):
    """Who watches a run: takes a line to show, and times a stage."""

    @property
    def say(self) -> Callable[[str], None]:
        """What takes a line."""

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Time what is done inside."""


def proposed(
    settings: SearchSettings, method: str, search: Search, codes: DistinctCodes, steps: Staging, watch: Watch
) -> Proposal:
    """Say what to expect, and search; where all pictures are flat there is nothing to search.

    Raises:
        LimitError: if more pairs are to be expected than ``max_pairs``.
    """
    if not codes.count:
        return Proposal(conform(steps.spark.range(0), CODE_PAIRS))
    check_estimate(settings, method, search.estimate(codes), watch.say)
    if note := search.note(codes):
        watch.say(f"  {note}")
    proposal = search.propose(codes, steps)
    if proposal.recall is not None:
        watch.say(f"  {settings.search} search: {proposal.recall}")
    return proposal
