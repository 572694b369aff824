"""Features of one method to pairs, duplicates, groups and removals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.encoders.registry import is_hash
from dedup_core.errors import SettingsError
from dedup_core.settings.settings import MAX_CELLS, SearchSettings
from dedup_core.spark.runs import Run
from dedup_core.spark.search import cosine_estimates, groups, hamming_estimates
from dedup_core.spark.search import hamming as joins
from dedup_core.spark.search.cosine import join as cosine_joins
from dedup_core.spark.search.cosine import vectors
from dedup_core.spark.search.cosine.cells import Recall, clustered_node_pairs
from dedup_core.spark.search.estimates import check_estimate, check_pairs
from dedup_core.spark.staging import Staging
from dedup_core.spark.tables import GROUPS, conform

_NODES_A_TASK = 2_000_000


@dataclass(frozen=True)
class Found:
    """What a search found among nodes, which are distinct hashes or distinct embeddings.

    Attributes:
        features: the features searched, with the node of each image as its hash.
        nodes: node, first_path, images.
        images: how many images have features.
        count: how many nodes there are.
        node_pairs: node_a, node_b, score.
        same_score: the score of two images that share a node.
        recall: of a clustered search; None for an exact one, which misses nothing.
    """

    features: DataFrame
    nodes: DataFrame
    images: int
    count: int
    node_pairs: DataFrame
    same_score: float
    recall: Recall | None = None


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


def find_method(run: Run, settings: SearchSettings, method: str, features: DataFrame, staging: Staging) -> None:
    """Make one method's tables ready in the staging place, and count what was found."""
    steps = Staging(run.spark, run.store, f"{staging.name}/{method}")
    search = _search_hashes if is_hash(method) else _search_embeddings
    with run.stage("search"):
        found = search(run, settings, method, features, steps)
        expected = check_pairs(settings, method, found.nodes, found.node_pairs)
    run.say(f"  {expected:,} pairs found; grouping them")
    with run.stage("group"):
        labels = steps.write("labels", groups.components(found.node_pairs, steps))
        grouped = steps.write("grouped", groups.node_groups(found.nodes, labels))
        members = steps.write("members", groups.node_members(found.features, grouped))
        removed = groups.node_removals(found.node_pairs, grouped, tasks=-(-found.count // _NODES_A_TASK))
        table = steps.write("groups", groups.group_table(members, removed))
    run.say("  writing the tables")
    with run.stage("write"), ThreadPoolExecutor(1) as beside:
        # Small tables leave cores idle: these two are written while the other two are.
        grouping = beside.submit(_write_groups, staging, method, features, table)
        if settings.list_pairs:
            pairs = staging.finish("pairs", method, joins.path_pairs(members, found.node_pairs, found.same_score))
            if grouping.done():
                grouping.result()  # an error of theirs ends the run now, not after the longest table
            staging.finish("duplicates", method, groups.duplicate_table(features, pairs, is_hash(method)))
        grouping.result()
    counts: dict[str, float | None] = {"images": found.images, "codes": found.count, "pairs": expected}
    counts |= _grouped(table)
    if found.recall is not None:
        counts |= {"recall": found.recall.share, "recall_pairs": found.recall.pairs}
    run.counts.setdefault("found", {})[method] = counts


def _write_groups(staging: Staging, method: str, features: DataFrame, table: DataFrame) -> None:
    staging.finish("groups", method, conform(table, GROUPS))
    staging.finish("removals", method, groups.removal_table(table, features))


def _search_hashes(run: Run, settings: SearchSettings, method: str, features: DataFrame, steps: Staging) -> Found:
    nodes = steps.write("nodes", joins.nodes(features))
    count, threshold = nodes.count(), settings.max_distance_threshold
    estimate = hamming_estimates.estimate_search(nodes, count, threshold)
    check_estimate(run, settings, method, estimate)
    pairs = joins.node_pairs(nodes, count, threshold, settings.chunk_codes)
    return Found(features, nodes, estimate.images, count, steps.write("node_pairs", pairs), same_score=0.0)


def _search_embeddings(run: Run, settings: SearchSettings, method: str, features: DataFrame, steps: Staging) -> Found:
    noded, distinct = vectors.with_nodes(features, steps)
    nodes = steps.write("nodes", joins.nodes(noded))
    count, threshold = nodes.count(), settings.min_similarity_threshold
    estimate = cosine_estimates.estimate_search(nodes, distinct, count, threshold)
    check_estimate(run, settings, method, estimate)
    if settings.search == "clustered":
        pairs, recall = _search_cells(run, settings, distinct, count, steps)
        return Found(noded, nodes, estimate.images, count, pairs, same_score=1.0, recall=recall)
    pairs = cosine_joins.node_pairs(distinct, count, threshold, steps, settings.chunk_vectors)
    return Found(noded, nodes, estimate.images, count, steps.write("node_pairs", pairs), same_score=1.0)


def _search_cells(
    run: Run, settings: SearchSettings, distinct: DataFrame, count: int, steps: Staging
) -> tuple[DataFrame, Recall]:
    cells, margin = _cells(settings, count), settings.margin
    run.say(f"  clustered search, {cells:,} cells, margin {margin:g}: it is not exact and may miss pairs")
    pairs, recall = clustered_node_pairs(distinct, count, settings.min_similarity_threshold, cells, margin, steps)
    if recall.share is None:
        run.say(f"  clustered search: recall unknown, a sample of {recall.embeddings:,} embeddings has no pair to miss")
    else:
        run.say(
            f"  clustered search: recall {recall.share:.4f}, {recall.found:,} of the {recall.pairs:,} pairs that a "
            f"sample of {recall.embeddings:,} embeddings has by the exact search"
        )
    return pairs, recall


def _cells(settings: SearchSettings, count: int) -> int:
    return min(settings.cells or max(1, math.isqrt(count)), count, MAX_CELLS)


def _grouped(groups: DataFrame) -> dict[str, int]:
    images, removals = F.count("path").alias("in_groups"), F.count("kept_path").alias("removals")
    return groups.agg(F.countDistinct("group_id").alias("groups"), images, removals).collect()[0].asDict()
