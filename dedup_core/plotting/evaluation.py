"""The figures of an evaluation: scores, groups and removals of each method, and with a truth how good it is."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.figure import Figure

from dedup_core.evaluation.results import FIGURE_KINDS, MethodEvaluation, Open
from dedup_core.plotting.thresholds import (
    group_sizes_figure,
    precision_recall,
    removed_figure,
    score_histogram,
    sweep_figure,
)


def write_figures(results: Sequence[MethodEvaluation], open_output: Open) -> None:
    """Write all figures, each in every kind of `FIGURE_KINDS`. A map has no thresholds to draw.

    Args:
        results: one entry a method.
        open_output: opens a file of that name for writing bytes.
    """
    for name, figure in _figures([result for result in results if result.has_thresholds]):
        for kind in FIGURE_KINDS:
            content = io.BytesIO()  # matplotlib seeks, which a stream to an object store can't
            figure.savefig(content, format=kind, dpi=150)
            with open_output(f"{name}.{kind}") as file:
                file.write(content.getvalue())


def _figures(results: Sequence[MethodEvaluation]) -> Iterator[tuple[str, Figure]]:
    """Yield each figure with its name."""
    for result in results:
        if result.pairs[-1]:
            each = np.diff(result.pairs, prepend=0)
            some = each > 0
            histogram = score_histogram(result.thresholds[some], each[some], metric=result.metric)
            yield f"scores_{result.method}", histogram
            yield f"group_sizes_{result.method}", group_sizes_figure(*np.asarray(result.sizes).T)
        if result.groups and (result.groups.groups >= 0).all():
            removed = removed_figure(
                result.thresholds, result.groups.removals, result.groups.in_groups, result.n_images
            )
            yield f"removed_{result.method}", removed
        if result.quality:
            yield f"sweep_{result.method}", sweep_figure(result.quality.sweep, metric=result.metric)
    sweeps = {result.method: result.quality.sweep for result in results if result.quality}
    if sweeps:
        yield "precision_recall", precision_recall(sweeps)
