"""What the report shows of tables of any size: counts made by Spark, and samples no larger than a page.

A draw at random goes by a hash of what is drawn, so that every report of the same tables draws the same.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Row, Window
from pyspark.sql import functions as F

from dedup_core.metric import Metric
from dedup_core.report.model import FailureKind, Group, Member, MethodResult, PairExample
from dedup_core.spark.report.searches import SearchFacts

_PAIR_LEVELS = 8
_PAIRS_A_LEVEL, _PAIRS_DRAWN = 6, 36
_FAILURE_EXAMPLES = 5


@dataclass(frozen=True)
class Tables:
    """The tables that duplicates are shown from, of the methods to show alone.

    Attributes:
        pairs: the ``pairs`` table.
        groups: the ``groups`` table.
        removals: the ``removals`` table.
        metrics: method to how it compares, of the methods to show.
    """

    pairs: DataFrame
    groups: DataFrame
    removals: DataFrame
    metrics: Mapping[str, Metric]

    def level(self) -> Column:
        """Return the bin of a pair's score: the strictest threshold at a whole step of its metric that finds it."""
        return self._by_method(_level)

    def rank(self, column: str = "score") -> Column:
        """Return what grows the less alike a pair is; of a column of ranks, the scores again."""
        return self._by_method(lambda metric: metric.rank(F.col(column)))

    def score(self, rank: float | None, method: str) -> float | None:
        """Return the score that has such a rank."""
        return None if rank is None else self.metrics[method].rank(rank)

    def _by_method(self, of_metric: Callable[[Metric], Column]) -> Column:
        """Return a column that is computed as the metric of a row's method has it."""
        cases = (F.when(F.col("method") == F.lit(name), of_metric(metric)) for name, metric in self.metrics.items())
        return F.coalesce(F.lit(None).cast("double"), *cases)


def _level(metric: Metric) -> Column:
    # The product may lie a little beside the whole number that it stands for.
    steps: Column = metric.rank(F.ceil(metric.rank(F.col("score")) * F.lit(metric.steps) - F.lit(1e-9)))
    return steps / F.lit(metric.steps)


def method_results(
    tables: Tables, images: Mapping[str, int], searches: Mapping[str, SearchFacts]
) -> tuple[MethodResult, ...]:
    """Return what each method found, counted by Spark over whole tables.

    Args:
        tables: what was found.
        images: method to number of images compared, of the methods to show.
        searches: method to what is known of its search.
    """
    scores = _counts(tables.pairs.groupBy("method", tables.level().alias("key")).count())
    closest = tables.pairs.groupBy("method", F.col("path_b").alias("path")).agg(F.min(tables.rank()).alias("rank"))
    scored = closest.withColumn("score", tables.rank("rank"))
    earlier = _counts(scored.groupBy("method", tables.level().alias("key")).count())
    power = F.pow(F.lit(2.0), F.ceil(F.log2("group_size") - F.lit(1e-9))).cast("long")
    bin_of_size = F.when(F.col("group_size") <= F.lit(4), F.col("group_size")).otherwise(power)
    sizes = _counts(_heads(tables).groupBy("method", bin_of_size.alias("key")).count())
    in_groups, removals = rows_by_method(tables.groups), rows_by_method(tables.removals)
    return tuple(
        MethodResult(
            name=method, metric=tables.metrics[method], threshold=search.threshold, images=images[method],
            pairs=sum(scores[method].values()) if search.lists_pairs else search.pairs,
            groups=sum(sizes[method].values()), in_groups=in_groups.get(method, 0), removals=removals.get(method, 0),
            scores=dict(scores[method]), sizes={int(size): count for size, count in sizes[method].items()},
            earlier=dict(earlier[method]), lists_pairs=search.lists_pairs, is_exact=search.is_exact,
            recall=search.recall,
        )
        for method, search in searches.items()
    )  # fmt: skip


def group_sample(tables: Tables, max_groups: int, max_images: int) -> tuple[Group, ...]:
    """Return the groups to show: half of them the largest, the rest drawn at random.

    Args:
        tables: what was found.
        max_groups: how many to show at most; methods share them.
        max_images: how many images of a group to show at most.
    """
    chosen = _choose(tables, max_groups)
    if not chosen:
        return ()
    spark = tables.groups.sparkSession
    wanted = F.broadcast(spark.createDataFrame(list(chosen), "method STRING, group_id STRING"))
    all_members = tables.groups.join(wanted, on=["method", "group_id"], how="inner")
    removed = all_members.join(tables.removals, on=["method", "path"], how="left")
    shown = _first_members(removed, max_images)
    scores = _scores_with_kept(tables, shown)
    spans = {(row["method"], row["group_id"]): row for row in _spans(tables, all_members).collect()}
    rows = sorted(shown, key=lambda row: (row["method"], row["group_id"], row["place"]))
    groups = {}
    for key, members in itertools.groupby(rows, key=lambda row: (row["method"], row["group_id"])):
        shown_members = list(members)
        groups[key] = _group(tables, shown_members, spans.get(key), scores, chosen[key])
    return tuple(groups[key] for key in chosen if key in groups)


def pair_sample(tables: Tables) -> tuple[PairExample, ...]:
    """Return a few pairs of each of the score levels nearest to the threshold, the least alike first."""
    level_of = tables.pairs.withColumn("level", tables.level())
    drawn = Window.partitionBy("method", "level").orderBy(F.xxhash64("path_a", "path_b"), "path_a", "path_b")
    few = level_of.withColumn("place", F.row_number().over(drawn)).where(F.col("place") <= F.lit(_PAIRS_DRAWN))
    by_level: dict[tuple[str, float], list[Row]] = defaultdict(list)
    for row in sorted(few.collect(), key=lambda row: row["place"]):
        by_level[row["method"], row["level"]].append(row)
    examples: list[PairExample] = []
    for method, metric in tables.metrics.items():
        levels = sorted((level for name, level in by_level if name == method), key=metric.rank, reverse=True)
        rows = itertools.chain.from_iterable(_different(by_level[method, level]) for level in levels[:_PAIR_LEVELS])
        examples += [PairExample(method, row["level"], row["path_a"], row["path_b"], row["score"]) for row in rows]
    return tuple(examples)


def _different(rows: Sequence[Row]) -> list[Row]:
    """Return some of the pairs, those first that show images which no pair before them shows."""
    shown: set[str] = set()
    fresh: list[Row] = []
    others: list[Row] = []
    for row in rows:
        ends = {row["path_a"], row["path_b"]}
        (others if shown & ends else fresh).append(row)
        shown |= ends
    return [*fresh, *others][:_PAIRS_A_LEVEL]


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


def _heads(tables: Tables) -> DataFrame:
    """Return one row a group: its id is the path of one of its images."""
    return tables.groups.where(F.col("path") == F.col("group_id"))


def _choose(tables: Tables, max_groups: int) -> dict[tuple[str, str], bool]:
    """Return (method, group_id) to whether it was drawn at random, the methods' first choices first."""
    share = max(1, max_groups // max(1, len(tables.metrics)))
    columns = []
    for method in tables.metrics:
        heads = _heads(tables).where(F.col("method") == method).select("group_id", "group_size")
        largest = _ids(heads.orderBy(F.col("group_size").desc(), "group_id").limit(share - share // 2))
        drawn = _ids(heads.orderBy(F.xxhash64("group_id"), "group_id").limit(share + share // 2))
        rest = [name for name in drawn if name not in set(largest)][: share // 2]
        by_turns = itertools.chain.from_iterable(itertools.zip_longest(largest, rest))
        known = set(rest)
        columns.append([((method, name), name in known) for name in by_turns if name is not None])
    return dict(entry for row in itertools.zip_longest(*columns) for entry in row if entry is not None)


def _ids(heads: DataFrame) -> list[str]:
    return [row["group_id"] for row in heads.collect()]


def _first_members(removed: DataFrame, max_images: int) -> list[Row]:
    """Collect a group's first images: each kept image, and after it those that it stands for."""
    kept = F.coalesce("kept_path", "path")
    order = Window.partitionBy("method", "group_id").orderBy(kept, F.col("keep").desc(), "path")
    placed = removed.withColumn("place", F.row_number().over(order)).where(F.col("place") <= F.lit(max_images))
    return list(placed.collect())


def _scores_with_kept(tables: Tables, shown: Sequence[Row]) -> dict[tuple[str, str, str], float]:
    """Return the scores of the shown images that could go, each with the image kept in its place."""
    ends = [(row["method"], *sorted((row["path"], row["kept_path"]))) for row in shown if row["kept_path"] is not None]
    if not ends:
        return {}
    schema = "method STRING, path_a STRING, path_b STRING"
    wanted = F.broadcast(tables.pairs.sparkSession.createDataFrame(ends, schema))
    scored = tables.pairs.join(wanted, on=["method", "path_a", "path_b"], how="inner").collect()
    return {(row["method"], row["path_a"], row["path_b"]): row["score"] for row in scored}


def _spans(tables: Tables, members: DataFrame) -> DataFrame:
    """Return the best and the worst score in each group, and how many of its images could go."""
    ends = members.select("method", F.col("path").alias("path_a"), "group_id")
    of_pairs = tables.pairs.join(ends, on=["method", "path_a"], how="inner").withColumn("rank", tables.rank())
    spans = of_pairs.groupBy("method", "group_id").agg(F.min("rank").alias("best"), F.max("rank").alias("worst"))
    going = members.groupBy("method", "group_id").agg(F.sum((~F.col("keep")).cast("long")).alias("removals"))
    return going.join(spans, on=["method", "group_id"], how="left")


def _group(
    tables: Tables, rows: Sequence[Row], span: Row | None, scores: Mapping[tuple[str, str, str], float], at_random: bool
) -> Group:
    method, size = rows[0]["method"], rows[0]["group_size"]
    members = []
    for row in rows:
        a, b = sorted((row["path"], row["kept_path"] or row["path"]))
        members.append(Member(row["path"], row["keep"], scores.get((method, a, b))))
    best, worst = (span["best"], span["worst"]) if span else (None, None)
    closest, loosest = tables.score(best, method), tables.score(worst, method)
    return Group(method, size, span["removals"] if span else 0, closest, loosest, tuple(members), at_random)


def _counts(frame: DataFrame) -> dict[str, dict[float, int]]:
    counts: dict[str, dict[float, int]] = defaultdict(dict)
    for row in frame.collect():
        counts[row["method"]][round(float(row["key"]), 6)] = row["count"]
    return counts


def rows_by_method(frame: DataFrame) -> dict[str, int]:
    """Return method to number of rows."""
    return {row["method"]: row["count"] for row in frame.groupBy("method").count().collect()}


def paths_shown(groups: Iterable[Group], pairs: Iterable[PairExample]) -> list[str]:
    """Return the paths of all images on the page, each once."""
    in_groups = (member.path for group in groups for member in group.members)
    in_pairs = (path for pair in pairs for path in (pair.path_a, pair.path_b))
    return list(dict.fromkeys(itertools.chain(in_pairs, in_groups)))
