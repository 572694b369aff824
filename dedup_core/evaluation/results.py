"""What an evaluation says: small tables, JSON and a few lines for a person. `dedup_core.plotting` draws its figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dedup_core.evaluation.metrics import Quality
from dedup_core.evaluation.sweep_groups import GroupCounts
from dedup_core.metric import Metric

Open = Callable[[str], BinaryIO]

_SWEEP = pa.schema(
    [("method", pa.string()), ("threshold", pa.float64()), ("pairs", pa.int64()), ("true_pairs", pa.int64())]
    + [(name, pa.float64()) for name in ("precision", "recall", "f1", "map")]
    + [(name, pa.int64()) for name in ("groups", "in_groups", "removals")]
    + [("removed_share", pa.float64())]
)
_SIZES = pa.schema([("method", pa.string()), ("group_size", pa.int64()), ("groups", pa.int64())])

FIGURE_KINDS = ("png", "svg")
SAMPLES = "samples.parquet"


@dataclass(frozen=True)
class MethodEvaluation:
    """All that is known of one method.

    Attributes:
        method: its name.
        n_images: how many images were compared.
        thresholds: float64 (n,), strict before loose; the last is the one of the search.
        metric: what the scores of its pairs are.
        pairs: int64 (n,), pairs within each.
        quality: the figures that need the truth; None without one.
        groups: groups and removals at each threshold, -1 where they were not counted; None for a map.
        sizes: int64 (m, 2), images in a group and how many groups have as many; None for a map.
        notes: what a reader should know of how the figures came about.
    """

    method: str
    n_images: int
    thresholds: np.ndarray
    metric: Metric
    pairs: np.ndarray
    quality: Quality | None = None
    groups: GroupCounts | None = None
    sizes: np.ndarray | None = None
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def figures(self) -> dict[str, Any]:
        """The metrics at the threshold of the search; none without a truth."""
        return self.quality.figures if self.quality else {}

    @property
    def has_thresholds(self) -> bool:
        """A map has no scores that a threshold could be laid at."""
        return self.groups is not None

    def counts(self) -> dict[str, Any]:
        """Return what goes into the record of the run."""
        stated = {"images": self.n_images, "pairs": int(self.pairs[-1])}
        return stated | ({"metrics": self.figures} if self.quality else {})

    def at(self, position: int | None) -> dict[str, float] | None:
        """Return the figures at one threshold."""
        if position is None or self.quality is None:
            return None
        sweep = self.quality.sweep
        names = ("precision", "recall", "f1")
        rates = {name: float(getattr(sweep, name)[position]) for name in names}
        return {"threshold": float(self.thresholds[position]), **rates, "pairs": int(self.pairs[position])}

    def chosen(self, target_precision: float) -> dict[str, Any]:
        """Return the thresholds that stand out."""
        stated: dict[str, Any] = {"searched": float(self.thresholds[-1]), "notes": list(self.notes)}
        if self.quality is None:
            return stated
        sweep = self.quality.sweep
        at_precision = {"target": target_precision, "reached": self.at(sweep.best_at_precision(target_precision))}
        return stated | {"best_f1": self.at(sweep.best_f1()), "best_at_precision": at_precision}


def write_results(results: Sequence[MethodEvaluation], target_precision: float, open_output: Open) -> None:
    """Write metrics.json, thresholds.json, sweep.parquet and group_sizes.parquet.

    Args:
        results: one entry a method.
        target_precision: the precision that a threshold is named for.
        open_output: opens a file of that name for writing bytes.
    """
    if any(result.quality for result in results):
        _write_json(open_output, "metrics.json", {result.method: result.figures for result in results})
    swept = [result for result in results if result.has_thresholds]
    if not swept:
        return
    _write_json(open_output, "thresholds.json", {result.method: result.chosen(target_precision) for result in swept})
    with open_output("sweep.parquet") as file:
        pq.write_table(pa.concat_tables([_sweep_table(result) for result in swept]), file)
    with open_output("group_sizes.parquet") as file:
        pq.write_table(pa.concat_tables([_sizes_table(result) for result in swept]), file)


def result_names(methods: Iterable[str]) -> list[str]:
    """Return the names of all files that results and their figures may have."""
    figures = [f"{kind}_{method}" for kind in ("scores", "group_sizes", "removed", "sweep") for method in methods]
    drawn = [f"{name}.{kind}" for name in ("precision_recall", *figures) for kind in FIGURE_KINDS]
    return ["metrics.json", "thresholds.json", "sweep.parquet", "group_sizes.parquet", *drawn]


def summary_lines(result: MethodEvaluation, target_precision: float) -> Iterator[str]:
    """Yield what a person wants to know first."""
    yield ""
    name = f"{result.method:<8}"
    if result.quality:
        figures = result.figures
        rates = "  ".join(f"{label} {figures[label][1]:.4f}" for label in ("precision", "recall", "f1-score"))
        yield f"{name} {rates}"
        yield f"         MAP {figures['map']:.4f}  NDCG {figures['ndcg']:.4f}  Jaccard {figures['jaccard']:.4f}"
        name = " " * 8
    limit = _limit(result, result.thresholds[-1])
    yield f"{name} {result.pairs[-1]:>10,}  pairs among {result.n_images:,} images{limit}"
    if result.quality and result.has_thresholds:
        chosen = result.chosen(target_precision)
        yield _advice(result, "best F1", chosen["best_f1"])
        yield _advice(result, f"most recall at precision {target_precision:g}", chosen["best_at_precision"]["reached"])
    yield from (f"         note: {note}" for note in result.notes)


def _advice(result: MethodEvaluation, what: str, best: dict[str, float] | None) -> str:
    if best is None:
        return f"         {what}: no threshold reaches it"
    rates = f"precision {best['precision']:.4f}, recall {best['recall']:.4f}, F1 {best['f1']:.4f}"
    return f"         {what}:{_limit(result, best['threshold'])} ({rates})"


def _limit(result: MethodEvaluation, threshold: float) -> str:
    return f" at {result.metric.written(threshold)}" if result.has_thresholds else ""


def _sweep_table(result: MethodEvaluation) -> pa.Table:
    n = len(result.thresholds)
    columns: dict[str, Any] = {"method": [result.method] * n, "threshold": result.thresholds, "pairs": result.pairs}
    if result.quality:
        sweep = result.quality.sweep
        columns |= {name: getattr(sweep, name) for name in ("true_pairs", "precision", "recall", "f1")}
        columns["map"] = result.quality.map
    if result.groups:
        counted = result.groups.groups >= 0
        for name in ("groups", "in_groups", "removals"):
            columns[name] = np.ma.array(getattr(result.groups, name), mask=~counted).tolist()
        shares = result.groups.removals / result.n_images
        columns["removed_share"] = np.ma.array(shares, mask=~counted).tolist()
    arrays = [pa.array(columns.get(column.name, [None] * n), column.type) for column in _SWEEP]
    return pa.Table.from_arrays(arrays, schema=_SWEEP)


def _sizes_table(result: MethodEvaluation) -> pa.Table:
    sizes, counts = np.asarray(result.sizes).T
    return pa.Table.from_arrays([pa.array([result.method] * len(sizes), pa.string()), sizes, counts], schema=_SIZES)


def _write_json(open_output: Open, name: str, content: object) -> None:
    with open_output(name) as file:
        file.write((json.dumps(content, indent=2) + "\n").encode())
