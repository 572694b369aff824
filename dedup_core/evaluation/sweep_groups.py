"""Groups and removals at every threshold, from pairs that were found at a loose one."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from dedup_core.groups import components
from dedup_core.jit.compiled import compiled


@dataclass(frozen=True)
class GroupCounts:
    """What each threshold groups and removes; all int64 (n_levels,), strict before loose.

    Attributes:
        groups: connected groups of two images or more.
        in_groups: images in them.
        removals: images that the greedy pass in the order of positions removes.
    """

    groups: np.ndarray
    in_groups: np.ndarray
    removals: np.ndarray


def group_counts(left: np.ndarray, right: np.ndarray, level: np.ndarray, n_images: int, n_levels: int) -> GroupCounts:
    """Count groups and removals at each level, where a level takes in the pairs of all stricter ones.

    Groups only ever merge from strict to loose, so every pair is looked at once. Removals do not grow in such an
    order: each level is a pass of its own, over flags of one byte.

    Args:
        left: int64 (n_pairs,), the smaller position of each pair.
        right: int64 (n_pairs,), the larger one.
        level: int64 (n_pairs,), the strictest level that holds the pair, 0 to n_levels - 1.
        n_images: positions are below this.
        n_levels: how many levels there are.

    Example:
        >>> left, right, level = np.array([0, 1]), np.array([1, 2]), np.array([0, 1])
        >>> counts = group_counts(left, right, level, n_images=3, n_levels=2)
        >>> counts.groups.tolist(), counts.in_groups.tolist(), counts.removals.tolist()
        ([1, 1], [2, 3], [1, 1])
    """
    order = np.lexsort((right, left, level))
    bounds = np.searchsorted(level[order], np.arange(n_levels + 1))
    root = np.arange(n_images)
    seen = np.zeros(n_images, bool)
    grouped, in_groups = np.zeros(n_levels, np.int64), np.zeros(n_levels, np.int64)
    for number, (start, end) in enumerate(itertools.pairwise(bounds)):
        if end > start:
            a, b = left[order[start:end]], right[order[start:end]]
            seen[a] = seen[b] = True
            # Two roots that a pair connects get one; every image follows its root there.
            root = components(root[a], root[b], n_images)[root]
        in_groups[number] = seen.sum()
        grouped[number] = (seen & (root == np.arange(n_images))).sum()
    in_order = np.lexsort((right, left))
    passes = _removals(left[in_order], right[in_order], level[in_order], n_images, n_levels)
    return GroupCounts(grouped, in_groups, passes)


@compiled
def _removals(left, right, level, n_images, n_levels):  # type: ignore[no-untyped-def]  # numba infers the types
    counts = np.zeros(n_levels, np.int64)
    removed = np.zeros(n_images, np.bool_)
    for threshold in range(n_levels):
        removed[:] = False
        for pair in range(len(left)):
            if level[pair] <= threshold and not removed[left[pair]] and not removed[right[pair]]:
                removed[right[pair]] = True
                counts[threshold] += 1
    return counts
