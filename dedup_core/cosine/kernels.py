"""Compiled loops of the cosine search: propose candidates by a float32 bound, multiply them out in float64.

The sums of `dot` are added in one fixed order, whatever tile a pair stands in and whatever the processor: that is what
makes a score a property of its two vectors alone. The sums of `propose` need no such care.
"""

from __future__ import annotations

import numpy as np

from dedup_core.cosine.tile import STEP, dot_steps
from dedup_core.jit.compiled import compiled


@compiled
def dot(left: np.ndarray, right: np.ndarray) -> float:
    """Return the float64 dot product of two float32 vectors, added in an order that only their length decides."""
    total = dot_steps(left, right)
    for at in range(len(left) - len(left) % STEP, len(left)):
        total += np.float64(left[at]) * np.float64(right[at])
    return total


@compiled
def squared_lengths(vectors: np.ndarray) -> np.ndarray:
    """Return the `dot` of each float32 vector with itself, float64 (n,): not finite where a coordinate is not."""
    squares = np.empty(len(vectors))
    for row in range(len(vectors)):
        squares[row] = dot(vectors[row], vectors[row])
    return squares


@compiled
def products(left: np.ndarray, right: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return the `dot` of each pair of rows, float64 (p,).

    Args:
        left: float32 (n, d).
        right: float32 (m, d).
        pairs: int32 or int64 (2, p), rows of ``left`` over rows of ``right``.
    """
    dots = np.empty(pairs.shape[1])
    for at in range(pairs.shape[1]):
        dots[at] = dot(left[pairs[0, at]], right[pairs[1, at]])
    return dots


@compiled
def orthonormalise(rows: np.ndarray) -> None:
    """Make the float64 rows (k, d) orthonormal in place; a row that depends on those before it becomes zero.

    Gram and Schmidt's, twice, which is enough (Parlett). LAPACK's would wake a thread a core for a task this small.
    """
    for at in range(len(rows)):
        row = rows[at]
        for _ in range(2):
            before = np.sqrt((row * row).sum())
            for other in rows[:at]:
                row -= (row * other).sum() * other
            length = np.sqrt((row * row).sum())
            if length <= 1e-9 * before:
                row[:] = 0.0
            else:
                row /= length


@compiled
def order_by_left(left: np.ndarray, rows: int) -> np.ndarray:
    """Return the stable order, int64 (p,), that sorts rows ``0 <= left < rows``: a counting sort."""
    after = np.zeros(rows + 1, np.int64)
    for at in range(len(left)):
        after[left[at] + 1] += 1
    after = np.cumsum(after)
    order = np.empty(len(left), np.int64)
    for at in range(len(left)):
        order[after[left[at]]] = at
        after[left[at]] += 1
    return order
