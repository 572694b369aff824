"""Compiled loops of the cosine search: propose candidates by a float32 bound, multiply them out in float64.

The sums of `dot` are added in one fixed order, whatever tile a pair stands in and whatever the processor: that is what
makes a score a property of its two vectors alone. The sums of `propose` need no such care.
"""

from __future__ import annotations

import numpy as np

from dedup_core.cosine.tile import LANES, STEP, TILE_COLUMNS, TILE_ROWS, dot_steps, tile_reaches
from dedup_core.jit.compiled import compiled

ROWS = 8 * TILE_ROWS  # rows that are compared with a strip of columns while it is in the first-level cache


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
def keep_marked(masks: np.ndarray, corner: tuple[int, int], wanted: tuple[int, int, int], pairs: np.ndarray) -> int:
    """Write the pairs that `tile_reaches` marked, where they are wanted, into ``pairs`` (2, room); return how many.

    Args:
        masks: uint8 (TILE_ROWS * 2,).
        corner: the tile's first row and first column.
        wanted: (rows, columns, diagonal) as in `propose`.
        pairs: int32 (2, room), written from its start.
    """
    count = 0
    for at in range(len(masks)):
        mask = np.int64(masks[at])
        i = corner[0] + at // 2
        j = corner[1] + at % 2 * LANES
        while mask:
            if mask & 1 and i < wanted[0] and j < wanted[1] and j - i > wanted[2]:
                pairs[0, count] = i
                pairs[1, count] = j
                count += 1
            mask >>= 1
            j += 1
    return count


@compiled
def propose(left: np.ndarray, strips: np.ndarray, wanted: tuple[int, int, int], threshold: float) -> np.ndarray:
    """Return the candidates, pairs of rows whose products reach the threshold, as int32 (2, p).

    For any left row the right rows ascend; the left rows don't.

    Args:
        left: float32 (n, k), zeros after the last row up to whole TILE_ROWS.
        strips: float32 (strips, k, TILE_COLUMNS): the right side, transposed and cut, zeros after its last row.
        wanted: (rows, columns, diagonal): how many rows the two sides really have; only pairs with
            ``right row - left row > diagonal`` are wanted.
        threshold: the least product to report, a float32.
    """
    masks = np.empty(2 * TILE_ROWS, np.uint8)
    pairs, total = np.empty((2, ROWS * TILE_COLUMNS), np.int32), 0
    for top in range(0, len(left), ROWS):
        for strip in range(len(strips)):
            start = strip * TILE_COLUMNS
            if start + TILE_COLUMNS - 1 - top <= wanted[2]:
                continue  # none of these pairs is wanted
            if total + ROWS * TILE_COLUMNS > pairs.shape[1]:
                larger = np.empty((2, 2 * pairs.shape[1]), np.int32)
                larger[:, :total] = pairs[:, :total]
                pairs = larger
            for i in range(top, min(top + ROWS, len(left)), TILE_ROWS):
                if tile_reaches(left[i : i + TILE_ROWS], strips[strip], threshold, masks):
                    total += keep_marked(masks, (i, start), wanted, pairs[:, total:])
    return pairs[:, :total].copy()


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
