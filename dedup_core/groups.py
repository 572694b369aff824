"""Duplicate maps, connected groups, what to keep and what to remove."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from dedup_core.metric import Metric
from dedup_core.pairs import Pairs

Image = TypeVar("Image", str, int)  # by its path or its number
_LISTED_AT_A_TIME = 1 << 20  # entries of a map: as Python numbers they take ten times the memory


def duplicate_map(names: Sequence[str], pairs: Pairs, metric: Metric, scores: bool) -> dict[str, list[Any]]:
    """Return every name with its duplicates, best first, ties by name.

    Args:
        names: the name at each position.
        pairs: which positions are duplicates of each other.
        metric: what a score says.
        scores: whether to give (name, score) tuples instead of names.
    """
    duplicates: dict[str, list[Any]] = {name: [] for name in names}
    ends = np.concatenate([pairs.left, pairs.right]), np.concatenate([pairs.right, pairs.left])
    values = np.concatenate([pairs.score, pairs.score])
    name_rank = np.empty(len(names), np.int64)
    name_rank[np.argsort(np.asarray(names, dtype=object), kind="stable")] = np.arange(len(names))
    order = np.lexsort((name_rank[ends[1]], metric.rank(values)))
    for start in range(0, len(order), _LISTED_AT_A_TIME):
        some = order[start : start + _LISTED_AT_A_TIME]
        for one, other, score in zip(*(column[some].tolist() for column in (*ends, values)), strict=True):
            duplicates[names[one]].append((names[other], score) if scores else names[other])
    return duplicates


def components(left: np.ndarray, right: np.ndarray, size: int) -> np.ndarray:
    """Return the connected component of each position.

    Args:
        left: int64 (m,), one end of each edge, as a position below ``size``.
        right: int64 (m,), the other end.
        size: how many positions there are.

    Returns:
        int64 (size,): for each position the smallest one of its component.
    """
    from scipy.sparse import coo_array  # takes long to load, and features are made and compared without
    from scipy.sparse.csgraph import connected_components

    edges = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(size, size))
    count, labels = connected_components(edges, directed=False)
    smallest = np.full(count, size, np.int64)
    np.minimum.at(smallest, labels, np.arange(size))
    return smallest[labels]


def removals(edges: Iterable[tuple[Image, Image]]) -> Iterator[tuple[Image, Image]]:
    """Yield (removed, keeper) by the greedy pass: keep the first image, remove its duplicates, go on.

    Of a chain a-b-c the ends stay: once b is removed, it removes nobody itself.

    Args:
        edges: (smaller, larger) in ascending order. Every edge that could remove an image then comes before
            those in which that image could remove others, so one pass is enough, and only the removed images
            are remembered.
    """
    removed: set[Image] = set()
    for smaller, larger in edges:
        if smaller not in removed and larger not in removed:
            removed.add(larger)
            yield larger, smaller


def removed_positions(pairs: Pairs, size: int) -> np.ndarray:
    """Return what `removals` removes, for pairs that are held as arrays.

    Args:
        pairs: pairs of positions, sorted by (left, right).
        size: how many positions there are.

    Returns:
        bool (size,).
    """
    removed = np.zeros(size, bool)
    bounds = np.flatnonzero(np.diff(pairs.left, prepend=-1, append=-1)).tolist()
    for (start, end), one in zip(pairwise(bounds), pairs.left[bounds[:-1]].tolist(), strict=True):
        if not removed[one]:
            removed[pairs.right[start:end]] = True
    return removed


@dataclass(frozen=True)
class Distinct:
    """Which of many values are different ones, numbered in the order in which they first come.

    Attributes:
        first: int64 (k,), the position of the first of each, ascending.
        number: int64 (n,), which of the k each value is.
    """

    first: np.ndarray
    number: np.ndarray

    @classmethod
    def of(cls, first_equal: np.ndarray) -> Distinct:
        """Return them from the position of the first value that equals each, int64 (n,): its own for the first."""
        is_first = first_equal == np.arange(len(first_equal))
        return cls(np.flatnonzero(is_first), (np.cumsum(is_first) - 1)[first_equal])

    @cached_property
    def counts(self) -> np.ndarray:
        """How often each occurs, int64 (k,)."""
        return np.bincount(self.number, minlength=len(self.first))

    @cached_property
    def members(self) -> np.ndarray:
        """The positions that hold the first, in order, then those of the second, and so on, int64 (n,)."""
        return np.argsort(self.number, kind="stable")

    @cached_property
    def starts(self) -> np.ndarray:
        """Where the positions of each begin in ``members``, int64 (k,)."""
        return np.cumsum(self.counts) - self.counts

    @property
    def pairs_of_copies(self) -> int:
        """How many pairs of positions hold the same value."""
        return int((self.counts * (self.counts - 1) // 2).sum())

    def copies(self, score: np.generic) -> Pairs:
        """Return the pairs of positions that hold the same value, ``left < right``, each with this score."""
        before = np.arange(len(self.members)) - np.repeat(self.starts, self.counts)  # of the same value
        right, nth = _repeated(before)
        left = self.members[(np.arange(len(self.members)) - before)[right] + nth]
        return Pairs(left, self.members[right], np.full(len(left), score))


def expand(pairs: Pairs, left: Distinct, right: Distinct) -> Pairs:
    """Return the pairs of positions that hold pairs of different values.

    Args:
        pairs: pairs of numbers of values.
        left: the values on the left.
        right: the values on the right; those on the left again where pairs are among themselves: a pair then has its
            positions in any order.
    """
    times = right.counts[pairs.right]
    pair, nth = _repeated(left.counts[pairs.left] * times)
    of_left, of_right = np.divmod(nth, times[pair])
    return Pairs(
        left.members[left.starts[pairs.left[pair]] + of_left],
        right.members[right.starts[pairs.right[pair]] + of_right],
        pairs.score[pair],
    )


def _repeated(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each index as often as told, and which of its repetitions each is, counted from 0."""
    index = np.repeat(np.arange(len(times)), times)
    return index, np.arange(len(index)) - np.repeat(np.cumsum(times) - times, times)
