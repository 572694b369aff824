"""The report's curves: lines in a box that the page stretches to any width, and colours as it likes.

A line is drawn in an SVG of 100 by 100 units, whatever its size on the page; letters stand beside it, so that they
keep theirs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from dedup_core.report.model import Evaluation, SweepRow

_MOST_TICKS, _MOST_POINTS = 7, 80
_SHARES = tuple((f"{percent}%", float(percent)) for percent in (0, 25, 50, 75, 100))
_RATES = ("Precision", "Recall", "F1")


@dataclass(frozen=True)
class Line:
    """One line of a figure.

    Attributes:
        name: what the legend calls it.
        path: its way, in the words of an SVG path.
        points: a path of dots at its points; empty where they would run into each other.
        best: a path of the one dot that stands out; empty where none does.
    """

    name: str
    path: str
    points: str = ""
    best: str = ""


@dataclass(frozen=True)
class CurveChart:
    """A figure of lines over an axis, and the same as a table.

    Attributes:
        title: what it is.
        note: how to read it.
        axis: what stands below it.
        lines: its lines.
        ticks: label and place of each mark below it, in percent of the width.
        head: the titles of the table's columns.
        rows: the table, as text.
        heights: label and place of each mark beside it, in percent of the height.
    """

    title: str
    note: str
    axis: str
    lines: tuple[Line, ...]
    ticks: tuple[tuple[str, float], ...]
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    heights: tuple[tuple[str, float], ...] = _SHARES


def sweep_chart(evaluation: Evaluation) -> CurveChart:
    """Return precision, recall and F1 of one method over the thresholds, strict ones to the left."""
    rows = _telling(evaluation)
    thresholds = [row.threshold for row in rows]
    across = _places(thresholds)
    best = (evaluation.chosen.get("best_f1") or {}).get("threshold")
    lines = []
    for index, name in enumerate(_RATES):
        dots = [(x, row.rates[index]) for x, row in zip(across, rows, strict=True) if row.rates]
        marked = [(x, row.rates[2]) for x, row in zip(across, rows, strict=True) if row.rates and row.threshold == best]
        lines.append(Line(name, _way(dots), _dots(dots), _dots(marked) if name == "F1" else ""))
    name = score_name(evaluation)
    return CurveChart(
        f"{evaluation.method}: precision, recall and F1, by threshold",
        "The large dot is the best F1. Precision at a threshold that finds no pair counts as 0.",
        f"{name} threshold",
        tuple(lines),
        _ticks(thresholds, across),
        (name, "Pairs", *_RATES),
        tuple((f"{row.threshold:g}", f"{row.pairs:,}", *_percents(row.rates or ())) for row in rows),
    )


def precision_recall_chart(evaluations: Sequence[Evaluation]) -> CurveChart:
    """Return precision against recall, a line a method. Thresholds that find nothing have no precision."""
    lines, table = [], []
    for evaluation in evaluations:
        found = [(row.threshold, row.rates) for row in _telling(evaluation) if row.pairs and row.rates]
        best = (evaluation.chosen.get("best_f1") or {}).get("threshold")
        dots = [(100 * rates[1], rates[0]) for _, rates in found]
        marked = [dot for dot, (threshold, _) in zip(dots, found, strict=True) if threshold == best]
        lines.append(Line(evaluation.method, _way(dots), _dots(dots), _dots(marked)))
        table += [(evaluation.method, f"{threshold:g}", *_percents(rates[1::-1])) for threshold, rates in found]
    return CurveChart(
        "Precision and recall",
        "Each dot is a threshold, loose ones to the right; the large dot is the best F1. The higher and the farther to "
        "the right, the better.",
        "recall across, precision upwards",
        tuple(lines),
        _SHARES,
        ("Method", "Threshold", "Recall", "Precision"),
        tuple(table),
    )


def score_name(evaluation: Evaluation) -> str:
    """Return what the thresholds are."""
    return "distance" if evaluation.ascending else "similarity"


def _telling(evaluation: Evaluation) -> Sequence[SweepRow]:
    """Return the thresholds to draw: without the odd ones, where these find no more, as with phash."""
    rows = evaluation.rows
    pairs = {row.threshold: row.pairs for row in rows}
    odd = [row.threshold for row in rows if row.threshold % 2 == 1]
    if evaluation.ascending and all(pairs[threshold] == pairs.get(threshold - 1) for threshold in odd):
        return [row for row in rows if row.threshold % 2 != 1]
    return rows


def _places(thresholds: Sequence[float]) -> list[float]:
    """Return where each threshold stands, in percent from left to right; a single one in the middle."""
    first, last = thresholds[0], thresholds[-1]
    return [100 * (threshold - first) / (last - first) if last != first else 50.0 for threshold in thresholds]


def _ticks(thresholds: Sequence[float], across: Sequence[float]) -> tuple[tuple[str, float], ...]:
    """Return some of the thresholds at equal steps, the strictest first."""
    steps = (step * 10**power for power in range(4) for step in (1, 2, 5))
    every = next(step for step in steps if math.ceil(len(thresholds) / step) <= _MOST_TICKS)
    return tuple((f"{threshold:g}", round(x, 2)) for threshold, x in itertools.islice(
        zip(thresholds, across, strict=True), 0, None, every))  # fmt: skip


def _way(dots: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.2f} {100 - 100 * y:.2f}" for x, y in dots) if len(dots) > 1 else ""


def _dots(dots: Sequence[tuple[float, float]]) -> str:
    """Return lines of no length: their round ends are dots, whichever way the box is stretched."""
    return "".join(f"M{x:.2f} {100 - 100 * y:.2f}h0" for x, y in dots) if len(dots) <= _MOST_POINTS else ""


def _percents(rates: Sequence[float]) -> tuple[str, ...]:
    return tuple(f"{rate:.1%}" for rate in rates)
