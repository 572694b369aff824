"""Figures of scores and thresholds, for choosing a method and a threshold by looking.

Every function returns a figure that pyplot doesn't know of: it needs no display and vanishes with its last
reference. Colours are told apart by colour-blind eyes too (source: Okabe and Ito, https://jfly.uni-koeln.de/color/).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter, StrMethodFormatter

from dedup_core.evaluation.metrics import Sweep
from dedup_core.metric import HAMMING, Metric

BLUE, ORANGE, GREEN, PURPLE, RED, SKY = "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9"
INK, FAINT, LIGHT = "#222222", "#707070", "#bbbbbb"
_METHOD_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, RED, SKY, INK)
_MARKERS = "osD^vPX"
_FLOAT_BINS = 50


def score_histogram(
    scores: np.ndarray, counts: np.ndarray | None = None, threshold: float | None = None, *, metric: Metric = HAMMING
) -> Figure:
    """Draw how many pairs have which score, those within the threshold in colour.

    The count's axis is logarithmic: a duplicate is one pair in a million, and both must be seen.

    Args:
        scores: (n,) the score of each pair, or distinct scores where ``counts`` are given.
        counts: (n,) how many pairs have each score; one each when left out.
        threshold: where to draw the line, if anywhere.
        metric: what the scores are.

    Raises:
        ValueError: if there are no scores.
    """
    scores = np.asarray(scores)
    if not len(scores):
        raise ValueError("there are no scores to draw")
    counts = np.ones(len(scores), np.int64) if counts is None else np.asarray(counts)
    edges = _bin_edges(scores)
    figure = plain_figure(7, 3.6, layout="constrained")
    axes = figure.add_subplot(xlabel=metric.label, ylabel="pairs", yscale="log")
    axes.hist(scores, edges, weights=counts, color=BLUE if threshold is None else LIGHT)
    axes.set_title(f"{counts.sum():,} pairs")
    if threshold is not None:
        within = metric.within(scores, threshold)
        axes.hist(scores[within], edges, weights=counts[within], color=BLUE)
        side = metric.rank(0.5)  # the far edge of a whole number's bar, that the line must not cut
        axes.axvline(threshold + side * _are_whole(scores), color=INK, linewidth=1, linestyle="--")
        axes.set_title(f"{counts[within].sum():,} of {counts.sum():,} pairs have a {metric.written(threshold)}")
    axes.set_ylim(bottom=0.7)  # a bar of one pair must be seen
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    whole_ticks(axes, scores)
    _tidy(axes)
    return figure


def sweep_figure(sweep: Sweep, *, metric: Metric = HAMMING) -> Figure:
    """Draw precision, recall and F1 over the thresholds, with the best F1 marked, and the number of pairs below.

    Args:
        sweep: what each threshold finds.
        metric: what the thresholds are of.
    """
    order = np.argsort(sweep.thresholds)
    thresholds = sweep.thresholds[order]
    figure = plain_figure(7, 5.2, layout="constrained")
    rates, pairs = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    lines = {"precision": (sweep.precision, BLUE), "recall": (sweep.recall, ORANGE), "F1": (sweep.f1, GREEN)}
    for name, (values, colour) in lines.items():
        marker = "." if len(thresholds) <= 80 else None
        rates.plot(thresholds, values[order], color=colour, label=name, marker=marker)
    best = sweep.best_f1()
    rates.axvline(sweep.thresholds[best], color=FAINT, linewidth=1, linestyle="--")
    rates.plot(sweep.thresholds[best], sweep.f1[best], "o", color=GREEN, markersize=9)
    rates.set(ylim=(-0.02, 1.04), title=f"best F1 {sweep.f1[best]:.3f} at {sweep.thresholds[best]:g}")
    rates.yaxis.set_major_formatter(PercentFormatter(1))
    rates.legend(framealpha=0.9, edgecolor="none")
    pairs.plot(thresholds, sweep.pairs[order], color=INK)
    pairs.set(xlabel=f"{metric.label} threshold", ylabel="pairs", yscale="symlog", ylim=(0, None))
    whole_ticks(pairs, thresholds)
    for axes in (rates, pairs):
        _tidy(axes)
    return figure


def precision_recall(sweeps: Mapping[str, Sweep]) -> Figure:
    """Draw precision against recall, one curve a method, each with its best F1 marked by its threshold.

    Args:
        sweeps: method to what each of its thresholds finds. Thresholds that find nothing have no precision
            and are left out.
    """
    figure = plain_figure(6.4, 5, layout="constrained")
    axes = figure.add_subplot(xlabel="recall", ylabel="precision", xlim=(-0.02, 1.1), ylim=(-0.02, 1.04))
    _draw_equal_f1(axes)
    for index, (method, sweep) in enumerate(sweeps.items()):
        drawn = np.flatnonzero(sweep.pairs)
        drawn = drawn[np.argsort(sweep.pairs[drawn])]
        colour = _METHOD_COLOURS[index % len(_METHOD_COLOURS)]
        axes.plot(sweep.recall[drawn], sweep.precision[drawn], color=colour, linewidth=1.8)
        best = [sweep.best_f1()] if len(drawn) else []
        figures = "".join(f"best F1 {sweep.f1[at]:.3f} at {sweep.thresholds[at]:g}" for at in best)
        (point,) = axes.plot(sweep.recall[best], sweep.precision[best], label=f"{method}, {figures or 'finds nothing'}")
        point.set(marker=_MARKERS[index % len(_MARKERS)], markersize=8, linestyle="", color=colour)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    if sweeps:
        axes.legend(loc="lower left", framealpha=0.9, edgecolor="none")
    _tidy(axes)
    return figure


def removed_figure(thresholds: np.ndarray, removals: np.ndarray, in_groups: np.ndarray, n_images: int) -> Figure:
    """Draw the share of images that each threshold puts into groups, and the share that it would remove.

    Args:
        thresholds: (n,) distances or similarities.
        removals: (n,) images that each would remove.
        in_groups: (n,) images in its groups.
        n_images: how many images there are.
    """
    order = np.argsort(thresholds)
    figure = plain_figure(7, 3.6, layout="constrained")
    axes = figure.add_subplot(xlabel="threshold", ylabel="share of the images")
    axes.plot(thresholds[order], in_groups[order] / n_images, color=ORANGE, marker=".", label="in groups")
    axes.plot(thresholds[order], removals[order] / n_images, color=BLUE, marker=".", label="could be removed")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    whole_ticks(axes, thresholds)
    axes.grid(color=LIGHT, linewidth=0.4)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(framealpha=0.9, edgecolor="none")
    return figure


def group_sizes_figure(sizes: np.ndarray, counts: np.ndarray) -> Figure:
    """Draw how many groups have how many images; both axes are logarithmic, because few groups are large.

    Args:
        sizes: (n,) images in a group.
        counts: (n,) groups of that size.
    """
    figure = plain_figure(7, 3.6, layout="constrained")
    axes = figure.add_subplot(xlabel="images in a group", ylabel="groups", xscale="log", yscale="log")
    axes.vlines(sizes, 0.5, counts, color=LIGHT, linewidth=1)
    axes.plot(sizes, counts, "o", color=BLUE, markersize=5)
    axes.set_ylim(bottom=0.7)
    axes.set_title(f"{counts.sum():,} groups, the largest of {sizes.max():,} images", size=10.5)
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def recall_heat_map(recalls: Mapping[str, Mapping[str, float]]) -> Figure:
    """Draw the share of copies found, by what was done to them and by who looked.

    Args:
        recalls: edit ("rotation 2°") to {method and threshold ("phash ≤ 10"): recall from 0 to 1}. A column
            that an edit lacks stays empty.

    Raises:
        ValueError: if there is nothing to draw.
    """
    columns = list(dict.fromkeys(column for row in recalls.values() for column in row))
    if not columns:
        raise ValueError("there are no recalls to draw")
    table = np.array([[row.get(column, np.nan) for column in columns] for row in recalls.values()], float)
    figure = plain_figure(2.2 + 0.62 * len(columns), 1.6 + 0.3 * len(recalls), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(table, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(columns)), columns, rotation=40, ha="left", rotation_mode="anchor")
    axes.set_yticks(range(len(recalls)), list(recalls))
    axes.set_xticks(np.arange(1, len(columns)) - 0.5, minor=True)
    axes.set_yticks(np.arange(1, len(recalls)) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    for (row, column), recall in np.ndenumerate(table):
        if np.isfinite(recall):
            colour = "white" if recall > 0.62 else INK
            axes.text(column, row, f"{recall:.0%}", ha="center", va="center", size=8.5, color=colour)
    return figure


def plain_figure(width: float, height: float, **options: Any) -> Figure:
    """Return a figure of so many inches that pyplot doesn't know of."""
    if in_notebook():
        # A fresh kernel doesn't draw figures until this module is loaded, which pyplot does with its first figure.
        with suppress(ImportError):
            importlib.import_module("matplotlib_inline.backend_inline")
    return Figure(figsize=(width, height), **options)


def whole_ticks(axes: Axes, values: np.ndarray) -> None:
    """Keep the x axis free of fractions where the values, such as Hamming distances, have none."""
    if _are_whole(values):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")  # that ipykernel is loaded says nothing: whoever starts kernels has it too
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def _bin_edges(scores: np.ndarray) -> list[float]:
    """Return edges around every whole number, where scores are whole; else of bins of one width."""
    if _are_whole(scores):
        return (np.arange(int(scores.min()), int(scores.max()) + 2) - 0.5).tolist()
    return np.histogram_bin_edges(scores, _FLOAT_BINS).tolist()


def _are_whole(scores: np.ndarray) -> bool:
    return bool(np.all(np.mod(scores, 1) == 0))


def _draw_equal_f1(axes: Axes) -> None:
    """Draw faint lines along which F1 stays the same, so that curves compare across the figure."""
    for f1 in (0.2, 0.4, 0.6, 0.8):
        recall = np.geomspace(f1 / (2 - f1), 1, 100)
        axes.plot(recall, f1 * recall / (2 * recall - f1), color=LIGHT, linewidth=0.8, zorder=0)
        axes.text(1.01, f1 / (2 - f1), f"F1 {f1:g}", color=FAINT, size=7, va="center")


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(color="#e6e6e6", linewidth=0.6)
    axes.title.set(size=10.5, color=INK)
