"""Every pair of vectors whose cosine similarity reaches a threshold, exactly.

A bound in whole numbers on a few coordinates proposes candidates, a float64 product of the whole vectors verifies them,
always added in the same order: the pairs and their scores are the same to the last bit for any block size, number of
threads, order of rows and number of vectors.

    >>> import numpy as np
    >>> self_join(np.float32([[1, 0], [2, 0], [0, 3], [4, 3]]), min_similarity=0.8)
    Pairs(left=array([0, 0, 1]), right=array([1, 3, 3]), score=array([1. , 0.8, 0.8]))

The similarity of a zero vector to anything, itself included, is 0.
"""

from __future__ import annotations

import functools
import numbers
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from dedup_core.cosine.bounds import SAMPLE, Basis
from dedup_core.cosine.kernels import Triple, ordered, squared_lengths
from dedup_core.cosine.scores import score_marked, scored
from dedup_core.cosine.sketches import marked
from dedup_core.pairs import Pairs

MAX_DIMENSION = 4096
BLOCK_ROWS = 2048  # BLOCK_ROWS x BLOCK_COLUMNS pairs at a time: 200 MB of results were all of them similar
BLOCK_COLUMNS = 4096
PLAIN_ROWS = 5000  # up to so many vectors, fitting a basis costs more than it saves

Start = tuple[int, int]  # a block's first left and first right row


def self_join(vectors: np.ndarray, min_similarity: float, threads: int = 1) -> Pairs:
    """Return every pair of different rows whose cosine similarity is at least the threshold.

    Args:
        vectors: float32 (n, d) with d from 1 to 4096, of any lengths.
        min_similarity: the least similarity, -1.0 to 1.0.
        threads: how many cores to use.

    Returns:
        The pairs with ``left < right``, ordered by (left, right), and float64 scores in [-1, 1].

    Raises:
        TypeError: if the vectors are not float32, the threshold is not a real number, or threads not an integer.
        ValueError: if the threshold or threads is out of range, a value is not finite, or the shape is not as above.
    """
    return _ordered(_self_blocks(vectors, min_similarity, threads, None), (len(vectors), len(vectors)))


def cross_join(left: np.ndarray, right: np.ndarray, min_similarity: float, threads: int = 1) -> Pairs:
    """Return every pair of a left and a right row whose cosine similarity is at least the threshold.

    Args:
        left: float32 (n, d), of any lengths.
        right: float32 (m, d), of any lengths.
        min_similarity: the least similarity, -1.0 to 1.0.
        threads: how many cores to use.

    Returns:
        The pairs ordered by (left, right), with float64 scores in [-1, 1].

    Raises:
        TypeError, ValueError: as `self_join`, and ValueError if the two differ in dimension.
    """
    return _ordered(_cross_blocks(left, right, min_similarity, threads, None), (len(left), len(right)))


def self_join_blocks(
    vectors: np.ndarray, min_similarity: float, threads: int = 1, basis: Basis | None = None
) -> Iterator[Pairs]:
    """Return the pairs of `self_join` block by block: no more than ``threads`` blocks and a few are held at a time.

    Args:
        vectors: float32 (n, d).
        min_similarity: the least similarity, -1.0 to 1.0.
        threads: how many cores to use.
        basis: the bound to use; None to fit one here.
    """
    return map(_pairs, _self_blocks(vectors, min_similarity, threads, basis))


def cross_join_blocks(
    left: np.ndarray, right: np.ndarray, min_similarity: float, threads: int = 1, basis: Basis | None = None
) -> Iterator[Pairs]:
    """Return the pairs of `cross_join` block by block; see `self_join_blocks`."""
    return map(_pairs, _cross_blocks(left, right, min_similarity, threads, basis))


def verify(left: np.ndarray, right: np.ndarray, pairs: np.ndarray, min_similarity: float) -> Pairs:
    """Return those of the candidate pairs that reach the threshold, in the order given.

    After `Basis.candidates` this is the whole search, for who keeps sketches in one place and vectors in another.

    Args:
        left: float32 (n, d), the vectors of the left candidates.
        right: float32 (m, d), those of the right ones.
        pairs: integers (2, p), rows of ``left`` over rows of ``right``; fastest where equal left rows stand together.
        min_similarity: the least similarity, -1.0 to 1.0.
    """
    left, right = np.ascontiguousarray(left), np.ascontiguousarray(right)
    squares = squared_lengths(left), squared_lengths(right)
    ids = np.arange(len(left)), np.arange(len(right))
    return Pairs(*scored((left, right), squares, ids, pairs, float(min_similarity)))


def check_threshold(min_similarity: float) -> None:
    """Raise TypeError or ValueError unless the threshold is a real number from -1 to 1."""
    if isinstance(min_similarity, bool) or not isinstance(min_similarity, numbers.Real):
        raise TypeError(f"min_similarity must be a number from -1.0 to 1.0, not {min_similarity!r}")
    if not -1.0 <= min_similarity <= 1.0:
        raise ValueError(f"min_similarity must lie between -1.0 and 1.0, not {min_similarity!r}")


def check_threads(threads: int) -> None:
    """Raise TypeError or ValueError unless the number of threads is a whole number from 1."""
    if isinstance(threads, bool) or not isinstance(threads, numbers.Integral):
        raise TypeError(f"threads must be an integer, not {threads!r}")
    if threads < 1:
        raise ValueError(f"threads must be at least 1, not {threads}")


def checked(vectors: np.ndarray) -> np.ndarray:
    """Return the vectors, contiguous, or raise TypeError or ValueError unless they are finite float32 (n, d)."""
    if not isinstance(vectors, np.ndarray) or vectors.dtype != np.float32:
        raise TypeError(f"vectors must be a float32 array, not {getattr(vectors, 'dtype', type(vectors).__name__)}")
    if vectors.ndim != 2 or not 1 <= vectors.shape[1] <= MAX_DIMENSION:
        raise ValueError(f"vectors must be of shape (n, d) with d from 1 to {MAX_DIMENSION}, not {vectors.shape}")
    vectors = np.ascontiguousarray(vectors)
    bad = np.flatnonzero(~np.isfinite(squared_lengths(vectors)))
    if len(bad):
        named = ", ".join(map(str, bad[:10])) + (", ..." if len(bad) > 10 else "")
        raise ValueError(f"vectors hold NaN or infinity in {len(bad)} row(s): {named}")
    return vectors


@dataclass(frozen=True)
class _Side:
    """One side of a join: the vectors, what is known of each, and their sketches, like ones near to each other."""

    vectors: np.ndarray
    squares: np.ndarray
    ids: np.ndarray
    sketches: np.ndarray

    @classmethod
    def of(cls, vectors: np.ndarray, basis: Basis) -> _Side:
        sketches = basis.project(vectors)
        # 32 bits are enough but for billions, and halve what is held of pairs until they are in order.
        ids = basis.order(vectors, sketches).astype(np.int32 if len(vectors) < 2**31 else np.int64)
        return cls(vectors, squared_lengths(vectors), ids, sketches[ids])

    def rows(self, first: int, count: int) -> _Side:
        part = slice(first, first + count)
        return _Side(self.vectors, self.squares, self.ids[part], self.sketches[part])


def _fitted(vectors: np.ndarray, min_similarity: float) -> Basis:
    spread = np.linspace(0, len(vectors) - 1, min(len(vectors), SAMPLE)).astype(np.int64)
    if len(vectors) <= PLAIN_ROWS:
        return Basis.whole(vectors[spread])
    return Basis.fit(vectors[spread], min_similarity)


def _self_blocks(vectors: np.ndarray, min_similarity: float, threads: int, basis: Basis | None) -> Iterator[Triple]:
    check_threshold(min_similarity)
    check_threads(threads)
    vectors = checked(vectors)
    basis = basis or _fitted(vectors, min_similarity)
    side = _Side.of(vectors, basis)
    starts = [
        (top, first)
        for first in range(0, len(vectors), BLOCK_COLUMNS)
        for top in range(0, min(first + BLOCK_COLUMNS, len(vectors)), BLOCK_ROWS)
    ]
    return _in_order(_Blocks(side, side, basis, min_similarity, True).of, starts, threads)


def _cross_blocks(
    left: np.ndarray, right: np.ndarray, min_similarity: float, threads: int, basis: Basis | None
) -> Iterator[Triple]:
    check_threshold(min_similarity)
    check_threads(threads)
    left, right = checked(left), checked(right)
    if left.shape[1] != right.shape[1]:
        raise ValueError(f"left and right vectors differ in dimension: {left.shape[1]} and {right.shape[1]}")
    basis = basis or _fitted(max(left, right, key=len), min_similarity)
    sides = _Side.of(left, basis), _Side.of(right, basis)
    starts = [(top, first) for first in range(0, len(right), BLOCK_COLUMNS) for top in range(0, len(left), BLOCK_ROWS)]
    return _in_order(_Blocks(*sides, basis, min_similarity, False).of, starts, threads)


class _Blocks:
    """The blocks of a join; with ``upper`` each pair once, the lower id left."""

    def __init__(self, left: _Side, right: _Side, basis: Basis, min_similarity: float, upper: bool) -> None:
        self.left, self.right, self.basis = left, right, basis
        self.rule = float(min_similarity), upper
        # Blocks that share their columns follow each other.
        self.columns = functools.lru_cache(maxsize=1)(self._columns)

    def _columns(self, first: int) -> tuple[_Side, np.ndarray]:
        right = self.right.rows(first, BLOCK_COLUMNS)
        return right, self.basis.strips(right.sketches)

    def of(self, start: Start) -> Triple:
        """Return left and right ids, int32 or wider, and float64 scores of the pairs of one block."""
        top, first = start
        least, upper = self.rule
        left, (right, strips) = self.left.rows(top, BLOCK_ROWS), self.columns(first)
        marks = self.basis.marks(left.sketches, right.sketches, strips, least, top - first if upper else None)
        room = marked(marks)
        found = np.empty(room, left.ids.dtype), np.empty(room, right.ids.dtype), np.empty(room)
        sides = (left.vectors, right.vectors), (left.squares, right.squares), (left.ids, right.ids)
        count = score_marked(*sides, marks, self.rule, found)
        few = 2 * count < room  # a part holds all of its array
        one, other, scores = (column[:count].copy() if few else column[:count] for column in found)
        return one, other, scores


def _pairs(block: Triple) -> Pairs:
    return Pairs(block[0].astype(np.int64, copy=False), block[1].astype(np.int64, copy=False), block[2])


def _in_order(block: Callable[[Start], Triple], starts: Iterable[Start], threads: int) -> Iterator[Triple]:
    """Yield each block's pairs in the order of the starts, computed by so many threads a few blocks ahead."""
    with ThreadPoolExecutor(threads) as pool:
        ahead: deque[Future[Triple]] = deque()
        for start in starts:
            ahead.append(pool.submit(block, start))
            if len(ahead) > 2 * threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _ordered(blocks: Iterable[Triple], rows: tuple[int, int]) -> Pairs:
    """The blocks as one, ordered by (left, right)."""
    return Pairs(*ordered(list(blocks), rows))
