"""Groups and removals at every threshold, against a count of each threshold alone."""

import doctest

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup_core.evaluation import sweep_groups
from dedup_core.evaluation.sweep_groups import group_counts
from dedup_core.plotting import group_sizes_figure, removed_figure

EDGES = st.dictionaries(st.tuples(st.integers(0, 11), st.integers(0, 11)), st.integers(0, 4), max_size=30)


@given(EDGES)
@settings(deadline=None)  # the first call compiles
def test_every_level_counts_what_it_would_alone(drawn):
    edges = {pair: level for pair, level in drawn.items() if pair[0] < pair[1]}
    left, right = np.array([*edges], np.int64).reshape(-1, 2).T
    counts = group_counts(left, right, np.array([*edges.values()], np.int64), n_images=12, n_levels=5)
    for level in range(5):
        within = [pair for pair, strictest in edges.items() if strictest <= level]
        roots = naive.connected(within)
        assert counts.groups[level] == len(set(roots.values()))
        assert counts.in_groups[level] == len(roots)
        assert counts.removals[level] == len(naive.greedy_removals(range(12), within))


def test_the_examples_in_the_documentation_run():
    assert doctest.testmod(sweep_groups).failed == 0


@pytest.mark.parametrize("thresholds", [np.arange(5.0), np.array([1.0, 0.95, 0.9])])
def test_the_figures_show_what_they_are_given(thresholds):
    counts = np.arange(len(thresholds)) + 1
    axes = removed_figure(thresholds, counts, 2 * counts, 100).axes[0]
    assert axes.lines[1].get_xdata().tolist() == sorted(thresholds)
    assert max(axes.lines[1].get_ydata()) == len(thresholds) / 100
    assert (
        "3 groups, the largest of 7 images"
        in group_sizes_figure(np.array([2, 7]), np.array([2, 1])).axes[0].get_title()
    )
