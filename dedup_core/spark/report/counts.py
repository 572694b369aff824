"""What the report counts: whole tables, by Spark."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from dedup_core.report.model import FailureKind, MethodResult
from dedup_core.report.verdicts import SAME
from dedup_core.spark.report.opened import Tables
from dedup_core.spark.report.searches import SearchFacts

_FAILURE_EXAMPLES = 5
_Levels = dict[str, dict[float, int]]


@dataclass
class _PairCounts:
    """Pairs counted by method and score level.

    Attributes:
        scores: all of them.
        same: those that are the same picture.
        unknown: methods some of whose pairs have no verdict.
    """

    scores: _Levels = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    same: _Levels = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    unknown: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, tables: Tables) -> _PairCounts:
        """Count the pairs of all methods."""
        found = cls()
        for row in tables.pairs.groupBy("method", tables.level().alias("key"), "verdict").count().collect():
            method, level = row["method"], round(float(row["key"]), 6)
            found.scores[method][level] += row["count"]
            if row["verdict"] == SAME:
                found.same[method][level] += row["count"]
            elif row["verdict"] is None:
                found.unknown.add(method)
        return found

    def of_verdicts(self, method: str, search: SearchFacts) -> tuple[int | None, int | None]:
        """Return how many pairs are the same, and how many similar: as the search says, if not all are listed."""
        if method in self.unknown:
            return None, None
        if not (self.scores[method] and search.lists_all):
            return search.same, search.similar
        same = sum(self.same[method].values())
        return same, sum(self.scores[method].values()) - same


def method_results(
    tables: Tables, images: Mapping[str, int], searches: Mapping[str, SearchFacts]
) -> tuple[MethodResult, ...]:
    """Return what each method found.

    Args:
        tables: what was found.
        images: method to number of images compared, of the methods to show.
        searches: method to what is known of its search.
    """
    counted = _PairCounts.of(tables)
    # Where pairs have verdicts, it is known what can be removed for what; else only how much at most.
    in_part = {method for method, search in searches.items() if not search.lists_all}
    going = _going(tables, set(counted.scores) - counted.unknown, in_part)
    earlier = _earlier(tables, counted.unknown)
    power = F.pow(F.lit(2.0), F.ceil(F.log2("group_size") - F.lit(1e-9))).cast("long")
    bin_of_size = F.when(F.col("group_size") <= F.lit(4), F.col("group_size")).otherwise(power)
    sizes = _counts(tables.heads().groupBy("method", bin_of_size.alias("key")).count())
    in_groups, removals = rows_by_method(tables.groups), rows_by_method(tables.removals)
    results = []
    for method, search in searches.items():
        scores = dict(counted.scores[method])
        same, similar = counted.of_verdicts(method, search)
        pairs = sum(scores.values()) if search.lists_pairs and search.lists_all else search.pairs
        results.append(MethodResult(
            name=method, metric=tables.metrics[method], threshold=search.threshold, images=images[method],
            pairs=pairs, groups=sum(sizes[method].values()),
            in_groups=in_groups.get(method, 0), removals=removals.get(method, 0), scores=scores,
            sizes={int(size): count for size, count in sizes[method].items()}, earlier=earlier.get(method, {}),
            lists_pairs=search.lists_pairs, is_exact=search.is_exact, recall=search.recall, same=same, similar=similar,
            unseen=search.unseen, same_scores=dict(counted.same[method]), going=going.get(method, {}), hubs=search.hubs,
            rule=search.rule, run_id=search.run_id,
        ))  # fmt: skip
    return tuple(results)


def _going(tables: Tables, methods: Collection[str], in_part: Collection[str]) -> _Levels:
    """Count the images that can be removed, by the level of their score with the one that stays in their place.

    Args:
        tables: what was found.
        methods: to count for.
        in_part: those whose pairs are not all listed: copies of a crowd count as equal to what stays. Of the others,
            what has no pair is a further name of a file.
    """
    if not methods:
        return {}
    ends = [F.least("path", "kept_path").alias("path_a"), F.greatest("path", "kept_path").alias("path_b")]
    going = tables.removals.where(F.col("method").isin(list(methods))).select("method", *ends)
    scored = going.join(tables.pairs, on=["method", "path_a", "path_b"], how="left")
    scored = scored.where(F.col("score").isNotNull() | F.col("method").isin(list(in_part)))
    scored = scored.withColumn("score", F.coalesce("score", tables.closest()))
    return _counts(scored.groupBy("method", tables.level().alias("key")).count())


def _earlier(tables: Tables, methods: Collection[str]) -> _Levels:
    """Count the images that have duplicates at earlier paths, by the level of the closest."""
    if not methods:
        return {}
    pairs = tables.pairs.where(F.col("method").isin(list(methods)))
    closest = pairs.groupBy("method", F.col("path_b").alias("path")).agg(F.min(tables.rank()).alias("rank"))
    scored = closest.withColumn("score", tables.rank("rank"))
    return _counts(scored.groupBy("method", tables.level().alias("key")).count())


def failure_kinds(failures: DataFrame) -> tuple[FailureKind, ...]:
    """Return the reasons of failures, the most frequent first, each with a few examples."""
    counts = {row["reason"]: row["count"] for row in failures.groupBy("reason").count().collect()}
    drawn = Window.partitionBy("reason").orderBy(F.xxhash64("path"), "path")
    few = failures.withColumn("place", F.row_number().over(drawn)).where(F.col("place") <= F.lit(_FAILURE_EXAMPLES))
    examples: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in sorted(few.select("reason", "path", "message").collect(), key=lambda row: row["path"]):
        examples[row["reason"]].append((row["path"], row["message"] or ""))
    ordered = sorted(counts, key=lambda reason: (-counts[reason], reason))
    return tuple(FailureKind(reason, counts[reason], tuple(examples[reason])) for reason in ordered)


def _counts(frame: DataFrame) -> _Levels:
    counts: _Levels = defaultdict(dict)
    for row in frame.collect():
        counts[row["method"]][round(float(row["key"]), 6)] = row["count"]
    return counts


def rows_by_method(frame: DataFrame) -> dict[str, int]:
    """Return method to number of rows."""
    return {row["method"]: row["count"] for row in frame.groupBy("method").count().collect()}
