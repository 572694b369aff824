"""The greedy pass, group by group: whole groups in a task, and those of very many pairs over all of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.greedy import keepers, remove
from dedup_core.spark.blocks import ends_of
from dedup_core.spark.staging import Staging
from dedup_core.spark.tables import conform

REMOVED = "root BIGINT, rank BIGINT, kept_rank BIGINT"
_ROWS = "root BIGINT, kind INT, one BIGINT, other BIGINT"
_GONE = "root BIGINT, b BIGINT"
_RANK, _EDGE = 0, 1
_GATHERED_ROWS = 200_000  # groups are small: a pass each would cost more than the pass
_EDGES_A_TASK = 5_000_000
_MOST_ROUNDS = 20


def removed(
    units: DataFrame, edges: DataFrame, steps: Staging, edges_a_task: int = _EDGES_A_TASK, at_most: int | None = None
) -> DataFrame:
    """Return what goes by the greedy pass, and for what: root, rank, kept_rank.

    Args:
        units: content, root, rank: where each content comes in its group.
        edges: root, code_a, code_b: contents of which one can be removed for the other.
        steps: where rounds are written.
        edges_a_task: how many edges one task walks; a group of more is thinned first.
        at_most: how many edges there are at most, where that is known.
    """
    if at_most is not None and at_most <= edges_a_task:
        return _by_group(units, edges, None if steps.holds_few else 1)
    sizes = edges.groupBy("root").count()
    of_all = sizes.agg(F.sum("count").alias("edges"), F.max("count").alias("most")).collect()[0]
    count, most = of_all["edges"] or 0, of_all["most"] or 0
    tasks = max(1, -(-count // edges_a_task))
    if most <= edges_a_task:
        return _by_group(units, edges, tasks)
    large = F.broadcast(sizes.where(F.col("count") > F.lit(edges_a_task)).select("root"))
    small = _by_group(units, edges.join(large, on="root", how="left_anti"), tasks)
    return small.unionByName(_over_tasks(units, edges.join(large, on="root", how="left_semi"), steps, edges_a_task))


def _by_group(units: DataFrame, edges: DataFrame, tasks: int | None) -> DataFrame:
    """Walk whole groups in a task each; all in one, where the rows are, if their number is None."""
    ends = ends_of(edges, "root").withColumnRenamed("code", "content").distinct()
    ranks = units.join(ends, on=["root", "content"], how="left_semi")
    told = ranks.select("root", F.lit(_RANK).alias("kind"), F.col("content").alias("one"), F.col("rank").alias("other"))
    pairs = edges.select(
        "root", F.lit(_EDGE).alias("kind"), F.col("code_a").alias("one"), F.col("code_b").alias("other")
    )
    rows = conform(told, _ROWS).unionByName(conform(pairs, _ROWS))
    together = rows.coalesce(1) if tasks is None else rows.repartition(tasks, "root")
    return together.sortWithinPartitions("root").mapInArrow(_walked, REMOVED)


def _over_tasks(units: DataFrame, edges: DataFrame, steps: Staging, edges_a_task: int) -> DataFrame:
    """Walk groups that are too large for a task: in rounds, all tasks find what goes for certain, whatever comes later.

    What rounds decide is what the pass over all would (Blelloch, Fineman, Shun: "Greedy sequential maximal independent
    set and matching are parallel on average", SPAA 2012). What they leave is walked by a task when it has become small,
    or after so many rounds: of a chain that lies in order each round decides one link.
    """
    every = steps.write("ranked_edges", _ranked(units, edges))
    left, gone = every, []
    for number in range(_MOST_ROUNDS):
        if left.count() <= edges_a_task:
            break
        goes, left = _round(left, steps, number)
        gone.append(goes)
    in_order = left.repartition("root").sortWithinPartitions("root", "a", "b")
    gone.append(in_order.mapInArrow(_walked_rest, _GONE))
    all_gone = steps.write("gone", reduce(DataFrame.unionByName, gone)).withColumnRenamed("b", "a")
    # The first image that stays and has an edge with one that goes is what the pass would remove that for.
    of_kept = every.join(all_gone, on=["root", "a"], how="left_anti")
    return of_kept.groupBy("root", F.col("b").alias("rank")).agg(F.min("a").alias("kept_rank"))


def _ranked(units: DataFrame, edges: DataFrame) -> DataFrame:
    """Return the edges by the ranks of their ends: root, a, b, with a before b."""
    for end, name in (("code_a", "one"), ("code_b", "other")):
        ranks = units.select("root", F.col("content").alias(end), F.col("rank").alias(name))
        edges = edges.join(ranks, on=["root", end], how="inner")
    return edges.select("root", F.least("one", "other").alias("a"), F.greatest("one", "other").alias("b"))


def _round(edges: DataFrame, steps: Staging, number: int) -> tuple[DataFrame, DataFrame]:
    """Return what goes for certain, root, b, and the edges between images that are not decided.

    What no image before it could remove stays, and what has an edge with that goes.
    """
    may_go = edges.select("root", F.col("b").alias("a")).distinct()
    of_staying = edges.join(may_go, on=["root", "a"], how="left_anti")
    goes = steps.write(f"goes-{number}", of_staying.select("root", "b").distinct())
    rest = edges.join(goes, on=["root", "b"], how="left_anti")
    rest = rest.join(goes.withColumnRenamed("b", "a"), on=["root", "a"], how="left_anti")
    return goes, steps.write(f"rest-{number}", rest)


def _walked(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Walk the groups of a task, many at a time."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        last = batch.column("root").to_numpy()
        whole = int(np.searchsorted(last, last[-1])) if len(last) else 0  # the last group may go on
        waiting.append(batch.slice(0, whole))
        if whole and sum(map(len, waiting)) >= _GATHERED_ROWS:
            yield _of_groups(waiting)
            waiting = []
        waiting.append(batch.slice(whole))
    if sum(map(len, waiting)):
        yield _of_groups(waiting)


def _of_groups(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    rows = pa.Table.from_batches(batches)
    root, kind, one, other = (rows.column(name).to_numpy() for name in ("root", "kind", "one", "other"))
    is_rank = kind == _RANK
    in_order = np.lexsort((other[is_rank], root[is_rank]))
    contents, roots, ranks = (values[is_rank][in_order] for values in (one, root, other))
    by_content = np.argsort(contents)
    left, right = (by_content[np.searchsorted(contents, end[~is_rank], sorter=by_content)] for end in (one, other))
    keeper = keepers(left, right, len(contents))
    goes = np.flatnonzero(keeper >= 0)
    return pa.RecordBatch.from_pydict({"root": roots[goes], "rank": ranks[goes], "kept_rank": ranks[keeper[goes]]})


def _walked_rest(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Walk edges that arrive in order, group after group; only what goes is remembered."""
    of_group, gone = None, np.zeros(0, bool)
    for batch in batches:
        roots, *ends = (batch.column(name).to_numpy() for name in ("root", "a", "b"))
        starts = np.flatnonzero(np.diff(roots, prepend=roots[0] - 1)).tolist() if len(roots) else []
        for start, end in zip(starts, [*starts[1:], len(roots)], strict=True):
            if roots[start] != of_group:
                of_group, gone = roots[start], np.zeros(0, bool)
            first, second = (np.ascontiguousarray(ranks[start:end]) for ranks in ends)
            if second.max() >= len(gone):
                gone = np.concatenate([gone, np.zeros(max(len(gone), int(second.max()) + 1 - len(gone)), bool)])
            goes = remove(first, second, gone)
            yield pa.RecordBatch.from_pydict({"root": np.full(len(goes), of_group), "b": goes})
