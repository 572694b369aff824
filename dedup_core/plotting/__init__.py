"""Figures: an image with its duplicates, and scores and thresholds to choose a method by. This loads matplotlib."""

from dedup_core.plotting.duplicates import plot_duplicates
from dedup_core.plotting.evaluation import write_figures
from dedup_core.plotting.thresholds import (
    group_sizes_figure,
    precision_recall,
    recall_heat_map,
    removed_figure,
    score_histogram,
    sweep_figure,
)

__all__ = [
    "group_sizes_figure",
    "plot_duplicates",
    "precision_recall",
    "recall_heat_map",
    "removed_figure",
    "score_histogram",
    "sweep_figure",
    "write_figures",
]
