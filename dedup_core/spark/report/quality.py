"""What ``evaluation/`` says, for the report: a row a threshold, and a few numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import Row, SparkSession

from dedup_core.filesystems import literal
from dedup_core.report.model import Evaluation, MethodResult, SweepRow
from dedup_core.spark.store import Store

_FOLDER = "evaluation"
_OF_PAIRS = ("precision", "recall", "f1-score", "support")


def evaluations(
    spark: SparkSession, store: Store, results: Sequence[MethodResult], records: Sequence[Mapping[str, Any]]
) -> tuple[Evaluation, ...]:
    """Return what the evaluation of an output folder says of each method; nothing where there was none.

    Args:
        spark: the session.
        store: the output folder.
        results: the methods on the page.
        records: of all runs, newest first.
    """
    if not store.exists(_FOLDER, "sweep.parquet"):
        return ()
    chosen = store.read_json(_FOLDER, "thresholds.json") if store.exists(_FOLDER, "thresholds.json") else {}
    metrics = store.read_json(_FOLDER, "metrics.json") if store.exists(_FOLDER, "metrics.json") else {}
    swept: dict[str, list[SweepRow]] = defaultdict(list)
    for row in spark.read.parquet(literal(store.path(_FOLDER, "sweep.parquet"))).collect():  # a row a threshold
        swept[row["method"]].append(_sweep_row(row))
    return tuple(
        Evaluation(
            method=result.name,
            metric=result.metric,
            rows=tuple(sorted(swept[result.name], key=lambda row: result.metric.rank(row.threshold))),
            metrics=_numbers(metrics.get(result.name, {})),
            chosen=chosen.get(result.name, {}),
            is_current=_is_newest(result.name, records)
            and max(row.pairs for row in swept[result.name]) == result.pairs,
        )
        for result in results
        if swept.get(result.name)
    )


def _sweep_row(row: Row) -> SweepRow:
    rates = None if row["f1"] is None else (row["precision"], row["recall"], row["f1"])
    return SweepRow(row["threshold"], row["pairs"], rates, row["removed_share"])


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return each metric as one number: of two classes of pairs, that of the duplicates."""
    return {name: float(value[1] if name in _OF_PAIRS else value) for name, value in metrics.items()}


def _is_newest(method: str, records: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether no run has searched since the method was evaluated."""
    for record in records:
        counts = record.get("counts", {})
        if method in counts.get("evaluated", {}):
            return not record.get("settings", {}).get("duplicates")  # another folder's tables may have been evaluated
        if method in counts.get("found", {}):
            return False
    return True  # tables without records: the number of pairs has to do
