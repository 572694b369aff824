"""Duplicate maps, connected groups, what to keep and what to remove."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from dedup_core.pairs import Pairs

Node = TypeVar("Node", str, int)


def duplicate_map(names: Sequence[str], pairs: Pairs, smaller_is_closer: bool, scores: bool) -> dict[str, list[Any]]:
    """Return every name with its duplicates, best first, ties by name.

    Args:
        names: the name at each position.
        pairs: which positions are duplicates of each other.
        smaller_is_closer: whether scores are distances; otherwise they are similarities.
        scores: whether to give (name, score) tuples instead of names.
    """
    duplicates: dict[str, list[Any]] = {name: [] for name in names}
    ends = np.concatenate([pairs.left, pairs.right]), np.concatenate([pairs.right, pairs.left])
    values = np.concatenate([pairs.score, pairs.score])
    name_rank = np.empty(len(names), np.int64)
    name_rank[np.argsort(np.asarray(names, dtype=object), kind="stable")] = np.arange(len(names))
    rank = values if smaller_is_closer else -values
    order = np.lexsort((name_rank[ends[1]], rank))
    for one, other, score in zip(ends[0][order].tolist(), ends[1][order].tolist(), values[order].tolist(), strict=True):
        duplicates[names[one]].append((names[other], score) if scores else names[other])
    return duplicates


def components(left: np.ndarray, right: np.ndarray, size: int) -> np.ndarray:
    """Return the connected component of each node.

    Args:
        left: int64 (m,), one end of each edge, as a position below ``size``.
        right: int64 (m,), the other end.
        size: how many nodes there are.

    Returns:
        int64 (size,): for each node the smallest node of its component.
    """
    edges = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(size, size))
    count, labels = connected_components(edges, directed=False)
    smallest = np.full(count, size, np.int64)
    np.minimum.at(smallest, labels, np.arange(size))
    return smallest[labels]


def removals(edges: Iterable[tuple[Node, Node]]) -> Iterator[tuple[Node, Node]]:
    """Yield (removed, keeper) by the greedy pass: keep the first node, remove its neighbours, go on.

    Of a chain a-b-c the ends stay: once b is removed, it removes nobody itself.

    Args:
        edges: (smaller, larger) in ascending order. Every edge that could remove a node then comes before
            the edges in which that node could remove others, so one pass decides, and only the removed nodes
            are remembered.
    """
    removed: set[Node] = set()
    for smaller, larger in edges:
        if smaller not in removed and larger not in removed:
            removed.add(larger)
            yield larger, smaller
