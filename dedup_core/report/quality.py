"""What the report says of an evaluation: the thresholds that stand out, in a sentence, and the metrics as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dedup_core.report.charts import CurveChart, precision_recall_chart, sweep_chart
from dedup_core.report.model import Evaluation

_METRICS = {
    "precision": "Precision", "recall": "Recall", "f1-score": "F1", "map": "MAP", "ndcg": "NDCG", "jaccard": "Jaccard"
}  # fmt: skip


@dataclass(frozen=True)
class QualitySection:
    """The page's section on quality.

    Attributes:
        advice: method to sentences on its thresholds.
        head: the titles of the table of metrics.
        metrics: its rows, as text.
        charts: the figures.
        outdated: methods whose tables have changed since.
    """

    advice: tuple[tuple[str, str], ...]
    head: tuple[str, ...]
    metrics: tuple[tuple[str, ...], ...]
    charts: tuple[CurveChart, ...]
    outdated: tuple[str, ...]


def quality_section(evaluations: Sequence[Evaluation]) -> QualitySection | None:
    """Return the section, or None where nothing was held against a ground truth."""
    known = [evaluation for evaluation in evaluations if evaluation.has_truth]
    if not known:
        return None
    return QualitySection(
        advice=tuple((evaluation.method, " ".join(_advice(evaluation))) for evaluation in known),
        head=("Method", "Threshold", *_METRICS.values(), "True pairs"),
        metrics=tuple(_metrics_row(evaluation) for evaluation in known),
        charts=(precision_recall_chart(known), *map(sweep_chart, known)),
        outdated=tuple(evaluation.method for evaluation in known if not evaluation.is_current),
    )


def _advice(evaluation: Evaluation) -> Iterator[str]:
    """Yield sentences on the thresholds that stand out."""
    best = evaluation.chosen.get("best_f1")
    if not best or not best["f1"]:
        yield "no threshold finds a true pair."
        return
    yield f"the best F1, {best['f1']:.3f}, is at {_limit(evaluation, best)}, with {_rates(best)}."
    if best["threshold"] == evaluation.rows[-1].threshold and len(evaluation.rows) > 1:
        yield "That is the loosest threshold that was searched: a looser one may be better still."
    at_precision = evaluation.chosen.get("best_at_precision") or {}
    if "target" in at_precision:
        least, reached = f"{100 * at_precision['target']:.6g}%", at_precision.get("reached")
        if reached is None:
            yield f"No threshold has a precision of {least} or more."
        elif reached["threshold"] == best["threshold"]:
            yield f"It also finds most of all thresholds with a precision of {least} or more."
        else:
            yield f"With a precision of {least} or more, {_limit(evaluation, reached)} finds most: {_rates(reached)}."


def _limit(evaluation: Evaluation, at: Mapping[str, float]) -> str:
    return f"{evaluation.metric.label} {evaluation.metric.sign}\u00a0{at['threshold']:g}"


def _rates(at: Mapping[str, float]) -> str:
    return f"precision {at['precision']:.1%} and recall {at['recall']:.1%}"


def _metrics_row(evaluation: Evaluation) -> tuple[str, ...]:
    metrics = evaluation.metrics
    numbers = (f"{metrics[name]:.4f}" if name in metrics else "" for name in _METRICS)
    searched = _limit(evaluation, {"threshold": evaluation.rows[-1].threshold})
    return (evaluation.method, searched, *numbers, f"{metrics.get('support', 0):,.0f}")
