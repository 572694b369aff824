"""The report's figures, as numbers and texts: the page's template draws them, in colours for light, dark and phone.

There are two kinds. Columns show what a method found: pairs by score, groups by size, images removed by threshold.
Curves show what an evaluation says: precision, recall and F1 by threshold, and precision against recall.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dedup_core.metric import Metric
from dedup_core.report.model import Evaluation, MethodResult, SweepRow

_LABELS, _MOST_COLUMNS, _FEWER_COLUMNS = 12, 65, 25
_EVERY_SECOND = 2
_MOST_TICKS, _MOST_POINTS = 7, 80
_SHARES = tuple((f"{percent}%", float(percent)) for percent in (0, 25, 50, 75, 100))
_RATES = ("Precision", "Recall", "F1")


@dataclass(frozen=True)
class Column:
    """A column of a figure.

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
class ColumnChart:
    """A figure of columns: its title, what the columns are, a sentence on how to read it, and the columns."""

    title: str
    axis: str
    note: str
    columns: tuple[Column, ...]


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


# Texts


def level_text(level: float, metric: Metric) -> str:
    """Return a score level as the page writes it: a whole distance, or a similarity with two decimals."""
    return f"{level:.0f}" if metric.is_whole else f"{level:.2f}"


def bin_text(level: float, metric: Metric) -> str:
    """Return what the pairs of a score level have: "distance 10", or "similarity 0.91 and up"."""
    text = metric.scored(level_text(level, metric))
    if metric.is_whole:
        return text
    return f"{text} and up" if metric.within(level + 1, level) else f"{text} and down"


def short(count: float) -> str:
    """Return a count in few letters: 1,234 is 1.2k."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= unit:
            return f"{count / unit:.3g}{letter}"
    return f"{count:.0f}"


# Columns


def column_charts(result: MethodResult, evaluation: Evaluation | None = None) -> list[ColumnChart]:
    """Return the figures of what one method found; none where no pair is listed.

    Args:
        result: what it found.
        evaluation: of these very pairs, if there is one: where pairs have no verdicts, it knows what each threshold
            removes, and not the most only.
    """
    if not result.scores:
        return []
    counted = {row.threshold: row.removed_share for row in evaluation.rows} if evaluation else {}
    exact = {threshold: share for threshold, share in counted.items() if share is not None}
    all_counted = bool(exact) and len(exact) == len(counted)
    if result.same is not None:
        removed = _going(result)
    else:
        removed = _removed(result, exact) if all_counted else _removable(result)
    return [_scores(result), _sizes(result), removed]


def _scores(result: MethodResult) -> ColumnChart:
    levels = _levels(result)
    labels = [level_text(level, result.metric) for level in levels]
    counts = _at(levels, result.scores, result.metric)
    note = "How many pairs have which score. Heights are logarithmic."
    metric = result.metric
    is_merged = metric.is_whole and len(levels) > 1 and levels[-1] - levels[-2] > _EVERY_SECOND
    bounds = ", up to" if metric.smaller_first else ", from"
    axis = f"{metric.label}{bounds if is_merged else ''}"
    return ColumnChart("Pairs by score", axis, note, _count_columns(labels, counts))


def _sizes(result: MethodResult) -> ColumnChart:
    largest = max(result.sizes, default=2)
    bins = [2, 3, 4, *(2**power for power in range(3, largest.bit_length()))]
    bins = [size for size in bins if size <= largest]
    labels = [str(size) if size <= 4 else f"{short(size // 2 + 1)}+" for size in bins]
    counts = [result.sizes.get(size, 0) for size in bins]
    note = "How many groups have how many images. Heights are logarithmic."
    return ColumnChart("Groups by size", "images in a group, from", note, _count_columns(labels, counts))


def _removed(result: MethodResult, exact: Mapping[float, float]) -> ColumnChart:
    """Return what each threshold removes, as an evaluation counted it."""
    levels = _strict_first(result)
    # A level of similarities is rounded down: that of the search may lie below its threshold.
    at_loosest = exact[result.metric.loosest(list(exact))]
    shares = [exact.get(level, at_loosest) for level in levels]
    return _share_chart(result, levels, shares, "The share of the images that each threshold would remove.")


def _removable(result: MethodResult) -> ColumnChart:
    """Return how much each threshold removes at most."""
    levels = _strict_first(result)
    images = max(result.images, 1)
    totals = itertools.accumulate(_at(levels, result.earlier, result.metric))
    note = (
        "At most this share can be removed at a stricter threshold: the images with a duplicate at an earlier path. "
        f"At the threshold of this run it is {result.removals / images:.1%}."
    )
    return _share_chart(result, levels, [total / images for total in totals], note)


def _going(result: MethodResult) -> ColumnChart:
    """Return how many images can be removed by their score with the one that stays, summed from the strictest on."""
    levels = _strict_first(result)
    totals = itertools.accumulate(_at(levels, result.going, result.metric))
    note = "Images that can be removed, by their score with the one that stays: about what each threshold would remove."
    return _share_chart(result, levels, [total / max(result.images, 1) for total in totals], note)


def _share_chart(result: MethodResult, levels: Sequence[float], shares: Sequence[float], note: str) -> ColumnChart:
    labels = [level_text(level, result.metric) for level in levels]
    values = [f"{share:.1%}" if share < 0.0995 else f"{share:.0%}" for share in shares]
    columns = _columns(labels, values, [f"{share:.2%}" for share in shares], shares)
    return ColumnChart("Images removed, by threshold", f"{result.metric.label} threshold", note, columns)


def _strict_first(result: MethodResult) -> list[float]:
    return sorted(_levels(result), key=result.metric.rank)


def _levels(result: MethodResult) -> list[float]:
    """Return every level, the smallest first, so that a gap is seen as one.

    Whole ones go from the closest that can be to the threshold, others from the closest listed to the loosest listed.
    The distances of phash are always even: where all are, odd ones would be no gap but noise. Of hundreds of whole ones
    there are round ones and the loosest, each for all up to the next.
    """
    metric, listed = result.metric, list(result.scores)
    if metric.is_whole:
        levels = metric.grid(metric.loosest(listed if result.threshold is None else [*listed, result.threshold]))
        if len(levels) > _MOST_COLUMNS:
            step = _round_step(len(levels) / _FEWER_COLUMNS)
            return sorted(level for level in levels.tolist() if level % step == 0 or level == levels[-1])
        every = _EVERY_SECOND if all(_from_closest(level, metric) % 2 == 0 for level in listed) else 1
        return sorted(levels[::every].tolist())
    closest = min(map(metric.rank, listed))
    return sorted(level for level in metric.grid(metric.loosest(listed)).tolist() if metric.rank(level) >= closest)


def _at(levels: Sequence[float], counts: Mapping[float, int], metric: Metric) -> list[int]:
    """Return how many there are at each level: what is counted at a score is at the strictest level that finds it."""
    ranks = sorted(map(metric.rank, levels))
    found = dict.fromkeys(ranks, 0)
    for score, count in counts.items():
        found[ranks[min(bisect.bisect_left(ranks, metric.rank(score)), len(ranks) - 1)]] += count
    return [found[metric.rank(level)] for level in levels]


def _from_closest(score: float, metric: Metric) -> float:
    """Return how far a score is from that of two equal features."""
    return float(metric.rank(score) - metric.rank(metric.closest))


def _count_columns(labels: Sequence[str], counts: Sequence[int]) -> tuple[Column, ...]:
    heights = [math.log1p(count) for count in counts]
    return _columns(labels, map(short, counts), [f"{count:,}" for count in counts], heights)


def _columns(
    labels: Sequence[str], values: Iterable[str], exact: Sequence[str], heights: Sequence[float]
) -> tuple[Column, ...]:
    tallest = max(heights, default=0.0) or 1.0
    every = -(-len(labels) // _LABELS)
    rows = enumerate(zip(labels, values, exact, heights, strict=True))
    return tuple(
        Column(label, value, full, round(100 * height / tallest, 1), index % every == 0)
        for index, (label, value, full, height) in rows
    )


# Curves


def sweep_chart(evaluation: Evaluation) -> CurveChart:
    """Return precision, recall and F1 of one method over the thresholds, strict ones to the left."""
    rows = _telling(evaluation)
    thresholds = [row.threshold for row in rows]
    across = _places(thresholds)
    best = _best_threshold(evaluation)
    lines = []
    for index, rate in enumerate(_RATES):
        dots = [(x, row.rates[index]) for x, row in zip(across, rows, strict=True) if row.rates]
        marked = [(x, row.rates[2]) for x, row in zip(across, rows, strict=True) if row.rates and row.threshold == best]
        lines.append(Line(rate, _way(dots), _dots(dots), _dots(marked) if rate == "F1" else ""))
    label = evaluation.metric.label
    return CurveChart(
        f"{evaluation.method}: precision, recall and F1, by threshold",
        "The large dot is the best F1. Precision at a threshold that finds no pair counts as 0.",
        f"{label} threshold",
        tuple(lines),
        _ticks(thresholds, across),
        (label, "Pairs", *_RATES),
        tuple((f"{row.threshold:g}", f"{row.pairs:,}", *_percents(row.rates or ())) for row in rows),
    )


def precision_recall_chart(evaluations: Sequence[Evaluation]) -> CurveChart:
    """Return precision against recall, a line a method. Thresholds that find nothing have no precision."""
    lines, table = [], []
    for evaluation in evaluations:
        points = [(row.threshold, row.rates) for row in _telling(evaluation) if row.pairs and row.rates]
        best = _best_threshold(evaluation)
        dots = [(100 * rates[1], rates[0]) for _, rates in points]
        marked = [dot for dot, (threshold, _) in zip(dots, points, strict=True) if threshold == best]
        lines.append(Line(evaluation.method, _way(dots), _dots(dots), _dots(marked)))
        table += [(evaluation.method, f"{threshold:g}", *_percents(rates[1::-1])) for threshold, rates in points]
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


def _best_threshold(evaluation: Evaluation) -> float | None:
    return (evaluation.chosen.get("best_f1") or {}).get("threshold")


def _telling(evaluation: Evaluation) -> Sequence[SweepRow]:
    """Return the thresholds to draw: without the odd ones, where these find no more, as with phash."""
    if not evaluation.metric.is_whole:
        return evaluation.rows
    places = [_from_closest(row.threshold, evaluation.metric) for row in evaluation.rows]
    pairs = {place: row.pairs for place, row in zip(places, evaluation.rows, strict=True)}
    if any(pairs[place] != pairs.get(place - 1) for place in places if place % 2 == 1):
        return evaluation.rows
    return [row for place, row in zip(places, evaluation.rows, strict=True) if place % 2 != 1]


def _places(thresholds: Sequence[float]) -> list[float]:
    """Return where each threshold stands, in percent from left to right; a single one in the middle."""
    first, last = thresholds[0], thresholds[-1]
    return [100 * (threshold - first) / (last - first) if last != first else 50.0 for threshold in thresholds]


def _ticks(thresholds: Sequence[float], across: Sequence[float]) -> tuple[tuple[str, float], ...]:
    """Return some of the thresholds at equal steps, the strictest first."""
    every = _round_step(len(thresholds) / _MOST_TICKS)
    marks = list(zip(thresholds, across, strict=True))[::every]
    return tuple((f"{threshold:g}", round(x, 2)) for threshold, x in marks)


def _round_step(least: float) -> int:
    """Return the first of 1, 2, 5, 10, 20 and so on that is no smaller."""
    return next(step * 10**power for power in itertools.count() for step in (1, 2, 5) if step * 10**power >= least)


def _way(dots: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.2f} {100 - 100 * y:.2f}" for x, y in dots) if len(dots) > 1 else ""


def _dots(dots: Sequence[tuple[float, float]]) -> str:
    """Return lines of no length: their round ends are dots, whichever way the box is stretched."""
    return "".join(f"M{x:.2f} {100 - 100 * y:.2f}h0" for x, y in dots) if len(dots) <= _MOST_POINTS else ""


def _percents(rates: Sequence[float]) -> tuple[str, ...]:
    return tuple(f"{rate:.1%}" for rate in rates)
