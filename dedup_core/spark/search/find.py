"""Features of one method to pairs, duplicates, groups and removals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Protocol

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.encoders.registry import metric_of
from dedup_core.errors import SettingsError
from dedup_core.metric import COSINE, HAMMING, Metric
from dedup_core.settings.settings import SearchSettings
from dedup_core.spark.search import groups
from dedup_core.spark.search.cosine.cells import ClusteredSearch
from dedup_core.spark.search.cosine.search import CosineSearch
from dedup_core.spark.search.distinct import DistinctCodes, path_pairs
from dedup_core.spark.search.estimates import check_estimate, check_pairs
from dedup_core.spark.search.exports import export_duplicates, export_removals, is_small_enough
from dedup_core.spark.search.hamming import HammingSearch
from dedup_core.spark.search.proposal import Proposal, Search
from dedup_core.spark.staging import Staging
from dedup_core.spark.tables import GROUPS, conform

SEARCHES: dict[tuple[Metric, str], Callable[[SearchSettings], Search]] = {
    (HAMMING, "exact"): HammingSearch.of,
    (COSINE, "exact"): CosineSearch.of,
    (COSINE, "clustered"): ClusteredSearch.of,
}
"""What searches, by metric and way: those that `Metric.searches` names."""

_CODES_A_TASK = 2_000_000


def check_features(features: DataFrame, methods: Sequence[str]) -> None:
    """Check that each method has features, and of one fingerprint: others can't be compared.

    Raises:
        SettingsError: says what there is, or how to make them alike.
    """
    ends = features.groupBy("method").agg(F.min("fingerprint").alias("first"), F.max("fingerprint").alias("last"))
    present = {row["method"]: (row["first"], row["last"]) for row in ends.collect()}
    for method in methods:
        if method not in present:
            raise SettingsError(f"no {method} features: the table has {', '.join(sorted(present)) or 'none'}")
        first, last = present[method]
        if first != last:
            raise SettingsError(
                f"the {method} features were made in different ways ({first}, {last}) and can't be compared: encode "
                "them again with one setting (--no-reuse)"
            )


class Watch(Protocol):
    """Who watches a run: takes a line to show, and times a stage."""

    @property
    def say(self) -> Callable[[str], None]:
        """What takes a line."""

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Time what is done inside."""


def find_method(
    settings: SearchSettings, method: str, features: DataFrame, staging: Staging, watch: Watch
) -> dict[str, float | None]:
    """Make one method's tables ready in the staging place, and return the counts of what was found.

    Args:
        settings: of the search.
        method: its name.
        features: the ``features`` table of that method.
        staging: where the tables are made ready.
        watch: who watches the run.

    Raises:
        LimitError: if there are more pairs than ``max_pairs``.
    """
    metric = metric_of(method)
    way = settings.search if settings.search in metric.searches else "exact"
    search = SEARCHES[metric, way](settings)
    steps = Staging(staging.spark, staging.store, f"{staging.name}/{method}")
    with watch.stage("search"):
        codes = search.distinct(features, steps)
        check_estimate(settings, method, search.estimate(codes), watch.say)
        if note := search.note(codes):
            watch.say(f"  {note}")
        proposal = search.propose(codes, steps)
        if proposal.recall is not None:
            watch.say(f"  {way} search: {proposal.recall}")
        expected = check_pairs(settings, method, codes, proposal.pairs)
    watch.say(f"  {expected:,} pairs found; grouping them")
    with watch.stage("group"):
        members, table = _grouped(codes, proposal.pairs, steps)
    counts = _counts(codes, expected, table, proposal)
    watch.say("  writing the tables")
    with watch.stage("write"), ThreadPoolExecutor(1) as beside:
        # Small tables leave cores idle: these two are written while the other two are.
        grouping = beside.submit(_write_groups, staging, method, features, table)
        is_exported = is_small_enough(settings, counts, watch.say)
        if settings.list_pairs:
            pairs = staging.finish("pairs", method, path_pairs(members, proposal.pairs, metric.closest))
            if grouping.done():
                grouping.result()  # an error of theirs ends the run now, not after the longest table
            duplicates = staging.finish("duplicates", method, groups.duplicate_table(codes.images, pairs, metric))
            if is_exported:
                export_duplicates(duplicates, settings, method, staging)
        removals = grouping.result()
        if is_exported:
            export_removals(removals, settings, method, staging)
    return counts


def _grouped(codes: DistinctCodes, code_pairs: DataFrame, steps: Staging) -> tuple[DataFrame, DataFrame]:
    """Return the images that share a group with others, and the ``groups`` table with what stays for each."""
    labels = steps.write("labels", groups.components(code_pairs, steps))
    grouped = steps.write("grouped", groups.code_groups(codes.table, labels))
    members = steps.write("members", groups.group_members(codes.images, grouped))
    removed = groups.code_removals(code_pairs, grouped, tasks=-(-codes.count // _CODES_A_TASK))
    return members, steps.write("groups", groups.group_table(members, removed))


def _write_groups(staging: Staging, method: str, features: DataFrame, table: DataFrame) -> DataFrame:
    """Make the ``groups`` and ``removals`` tables ready, and return the latter."""
    staging.finish("groups", method, conform(table, GROUPS))
    return staging.finish("removals", method, groups.removal_table(table, features))


def _counts(codes: DistinctCodes, pairs: int, table: DataFrame, proposal: Proposal) -> dict[str, float | None]:
    in_groups, removals = F.count("path").alias("in_groups"), F.count("kept_path").alias("removals")
    grouped = table.agg(F.countDistinct("group_id").alias("groups"), in_groups, removals).collect()[0].asDict()
    counts: dict[str, float | None] = {"images": codes.n_images, "codes": codes.count, "pairs": pairs} | grouped
    if proposal.recall is not None:
        counts |= {"recall": proposal.recall.share, "recall_pairs": proposal.recall.pairs}
    return counts
