"""The report's figures: columns that the page draws with its own colours, so that they suit light, dark and phone."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dedup_core.report.model import Evaluation, MethodResult, SweepRow

LEVEL_STEP = 0.01
"""How finely similarities are counted. Distances are whole numbers."""

_LABELS = 12


@dataclass(frozen=True)
class Column:
    """A column of a chart.

    Attributes:
        label: what it stands for.
        value: what it counts, in few letters.
        exact: the same in full.
        height: its height in percent of the tallest.
        show_label: whether the label is drawn; of many columns, every few are.
    """

    label: str
    value: str
    exact: str
    height: float
    show_label: bool


@dataclass(frozen=True)
class Chart:
    """A figure: its title, what its columns are, a sentence on how to read it, and the columns."""

    title: str
    axis: str
    note: str
    columns: tuple[Column, ...]


def charts(result: MethodResult, evaluation: Evaluation | None = None) -> list[Chart]:
    """Return the figures of one method; none if it found no pairs.

    Args:
        result: what it found.
        evaluation: of these very pairs, if there is one: it knows what each threshold removes, and not the most only.
    """
    if not result.scores:
        return []
    counted = {row.threshold: row.removed_share for row in evaluation.rows} if evaluation else {}
    exact = {threshold: share for threshold, share in counted.items() if share is not None}
    is_whole = bool(exact) and len(exact) == len(counted)
    return [_scores(result), _sizes(result), _removed(result, exact) if is_whole else _removable(result)]


def level_text(level: float, ascending: bool) -> str:
    """Return a score level as the page writes it: a whole distance, or a similarity with two decimals."""
    return f"{level:.0f}" if ascending else f"{level:.2f}"


def short(count: float) -> str:
    """Return a count in few letters: 1,234 is 1.2k."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= unit:
            return f"{count / unit:.3g}{letter}"
    return f"{count:.0f}"


def _scores(result: MethodResult) -> Chart:
    levels = _levels(result)
    labels = [level_text(level, result.ascending) for level in levels]
    counts = [result.scores.get(level, 0) for level in levels]
    return Chart(
        "Pairs by score",
        _score_name(result),
        "How many pairs have which score. Heights are logarithmic.",
        _count_columns(labels, counts),
    )


def _sizes(result: MethodResult) -> Chart:
    largest = max(result.sizes, default=2)
    bins = [2, 3, 4, *(2**power for power in range(3, largest.bit_length()))]
    bins = [size for size in bins if size <= largest]
    labels = [str(size) if size <= 4 else f"{short(size // 2 + 1)}+" for size in bins]
    counts = [result.sizes.get(size, 0) for size in bins]
    return Chart(
        "Groups by size",
        "images in a group, from",
        "How many groups have how many images. Heights are logarithmic.",
        _count_columns(labels, counts),
    )


def _removable(result: MethodResult) -> Chart:
    levels = _strict_first(result)
    total, shares = 0, []
    for level in levels:
        total += result.earlier.get(level, 0)
        shares.append(total / result.images if result.images else 0.0)
    note = (
        "At most this share could go at a stricter threshold: the images with a duplicate at an earlier path. "
        f"At the threshold of this run {result.removals / max(result.images, 1):.1%} could."
    )
    return _share_chart(result, levels, shares, note)


def _removed(result: MethodResult, exact: Mapping[float, float]) -> Chart:
    levels = _strict_first(result)
    # A level of similarities is rounded down: that of the search may lie below its threshold.
    loosest = (max if result.ascending else min)(exact)
    shares = [exact.get(level, exact[loosest]) for level in levels]
    return _share_chart(result, levels, shares, "The share of the images that each threshold would remove.")


def _share_chart(result: MethodResult, levels: Sequence[float], shares: Sequence[float], note: str) -> Chart:
    labels = [level_text(level, result.ascending) for level in levels]
    values = [f"{share:.1%}" if share < 0.0995 else f"{share:.0%}" for share in shares]
    columns = _columns(labels, values, [f"{share:.2%}" for share in shares], shares)
    return Chart("Images removed, by threshold", f"{_score_name(result)} threshold", note, columns)


def _strict_first(result: MethodResult) -> list[float]:
    return _levels(result) if result.ascending else _levels(result)[::-1]


def _levels(result: MethodResult) -> list[float]:
    """Return every level from the first to the last, so that a gap is seen as one.

    The distances of phash are always even: where all are, odd ones would be no gap but noise.
    """
    found = sorted(result.scores)
    if not result.ascending:
        first, last = round(found[0] / LEVEL_STEP), round(found[-1] / LEVEL_STEP)
        return [round(step * LEVEL_STEP, 6) for step in range(first, last + 1)]
    last = max(int(found[-1]), int(result.threshold or 0))
    step = 2 if all(level % 2 == 0 for level in found) else 1
    return [float(level) for level in range(0, last + 1, step)]


def _score_name(result: MethodResult) -> str:
    return "distance" if result.ascending else "similarity"


def _count_columns(labels: Sequence[str], counts: Sequence[int]) -> tuple[Column, ...]:
    return _columns(
        labels,
        [short(count) for count in counts],
        [f"{count:,}" for count in counts],
        [math.log1p(count) for count in counts],
    )


def _columns(
    labels: Sequence[str], values: Sequence[str], exact: Sequence[str], heights: Sequence[float]
) -> tuple[Column, ...]:
    tallest = max(heights, default=0.0) or 1.0
    every = -(-len(labels) // _LABELS)
    rows = enumerate(zip(labels, values, exact, heights, strict=True))
    return tuple(
        Column(label, value, full, round(100 * height / tallest, 1), index % every == 0)
        for index, (label, value, full, height) in rows
    )


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
