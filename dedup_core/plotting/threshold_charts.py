"""Figures of what a threshold does to a collection: what it would remove, and how large its groups are."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter, StrMethodFormatter

from dedup_core.plotting.thresholds import BLUE, LIGHT, ORANGE, plain_figure, whole_ticks


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
