"""Features of one method to pairs, duplicates, groups and removals."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.config import FindSettings
from dedup_core.spark import groups, joins
from dedup_core.spark.estimates import check_estimate, estimate_search
from dedup_core.spark.runs import Run
from dedup_core.spark.schemas import GROUPS, conform
from dedup_core.spark.store import Staging

_CODES_A_TASK = 2_000_000


def find_method(run: Run, settings: FindSettings, features: DataFrame, staging: Staging) -> None:
    """Make one method's tables ready in the staging place, and count what was found."""
    method = features.select("method").limit(1).collect()[0]["method"]
    steps = Staging(run.spark, run.store, f"{staging.name}/{method}")
    with run.stage("search"):
        nodes = steps.write("nodes", joins.nodes(features))
        codes = nodes.count()
        estimate = estimate_search(nodes, codes, settings.max_distance_threshold)
        check_estimate(run, settings, method, estimate)
        found = joins.node_pairs(nodes, codes, settings.max_distance_threshold, settings.chunk_codes)
        node_pairs = steps.write("node_pairs", found)
    with run.stage("group"):
        labels = steps.write("labels", groups.components(node_pairs, steps))
        grouped = steps.write("grouped", groups.node_groups(nodes, labels))
        members = steps.write("members", groups.node_members(features, grouped))
        removed = groups.node_removals(node_pairs, grouped, tasks=-(-codes // _CODES_A_TASK))
        table = steps.write("groups", groups.group_table(members, removed))
    with run.stage("write"):
        pairs = staging.finish("pairs", method, joins.path_pairs(members, node_pairs))
        staging.finish("groups", method, conform(table, GROUPS))
        staging.finish("removals", method, groups.removal_table(table))
        staging.finish("duplicates", method, groups.duplicate_table(features, pairs, smaller_is_closer=True))
    run.counts.setdefault("found", {})[method] = {"codes": codes, "pairs": pairs.count(), **_grouped(table)}


def _grouped(groups: DataFrame) -> dict[str, int]:
    images, removals = F.count("path").alias("in_groups"), F.count("kept_path").alias("removals")
    return groups.agg(F.countDistinct("group_id").alias("groups"), images, removals).collect()[0].asDict()
