"""Compiled loops of the cosine search: propose candidates by a float32 bound, multiply them out in float64.

The sums of `dot` are added in one fixed order, whatever tile a pair stands in and whatever the processor: that is what
makes a score a property of its two vectors alone. The sums of `propose` need no such care.
"""

from __future__ import annotations

import numpy as np

from dedup_core.cosine.integers import PANEL_ROWS, TILE_COLUMNS
from dedup_core.cosine.tile import DENSE_COLUMNS, DENSE_ROWS, LANES, STEP, SUMS, dense_steps, dot_steps
from dedup_core.jit.compiled import compiled

CELL_PAIRS = PANEL_ROWS * TILE_COLUMNS * 2 // 5  # from so many pairs on the whole cell is multiplied out


@compiled
def dot(left: np.ndarray, right: np.ndarray) -> float:
    """Return the float64 dot product of two vectors, added in an order that only their length decides."""
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

    A cell is PANEL_ROWS left and TILE_COLUMNS right rows. Where many of its pairs stand together, all of it is
    multiplied out: that takes a third of the time a pair, and gives the same to the last bit.

    Args:
        left: float32 (n, d).
        right: float32 (m, d).
        pairs: int32 or int64 (2, p), rows of ``left`` over rows of ``right``; fastest cell by cell.
    """
    dots = np.empty(pairs.shape[1])
    length = left.shape[1]
    whole = length - length % STEP
    rows, columns = np.empty((PANEL_ROWS, SUMS, whole // SUMS)), np.empty((TILE_COLUMNS, SUMS, whole // SUMS))
    table = np.empty((PANEL_ROWS, TILE_COLUMNS))
    at = 0
    while at < pairs.shape[1]:
        top, first, end = cell_of(pairs, at)
        if end - at < CELL_PAIRS:
            for pair in range(at, end):
                dots[pair] = dot(left[pairs[0, pair]], right[pairs[1, pair]])
        else:
            spread(left[top : top + PANEL_ROWS], rows)
            spread(right[first : first + TILE_COLUMNS], columns)
            multiply_cell(rows, columns, table)
            for pair in range(at, end):
                i, j = pairs[0, pair], pairs[1, pair]
                total = table[i - top, j - first]
                for place in range(whole, length):
                    total += np.float64(left[i, place]) * np.float64(right[j, place])
                dots[pair] = total
        at = end
    return dots


@compiled
def cell_of(pairs: np.ndarray, at: int) -> tuple[int, int, int]:
    """Return the first left and right row of the pair's cell, and where the pairs of that cell end that follow it."""
    top = pairs[0, at] // PANEL_ROWS * PANEL_ROWS
    first = pairs[1, at] // TILE_COLUMNS * TILE_COLUMNS
    end = at + 1
    while end < pairs.shape[1]:
        if not (0 <= pairs[0, end] - top < PANEL_ROWS and 0 <= pairs[1, end] - first < TILE_COLUMNS):
            break
        end += 1
    return top, first, end


@compiled
def spread(vectors: np.ndarray, rows: np.ndarray) -> None:
    """Write float32 (n, d) vectors as `dense_steps` reads them, float64 (m, SUMS, k) with m >= n, zeros after the last."""
    rows[len(vectors) :] = 0.0
    for row in range(len(vectors)):
        for step in range(rows.shape[2] // LANES):
            for part in range(SUMS):
                for lane in range(LANES):
                    rows[row, part, step * LANES + lane] = vectors[row, step * STEP + part * LANES + lane]


@compiled
def multiply_cell(rows: np.ndarray, columns: np.ndarray, table: np.ndarray) -> None:
    """Write the products of every row and column, all of whole STEPs, into ``table`` (PANEL_ROWS, TILE_COLUMNS)."""
    out = np.empty((DENSE_ROWS, DENSE_COLUMNS))
    for i in range(0, PANEL_ROWS, DENSE_ROWS):
        for j in range(0, TILE_COLUMNS, DENSE_COLUMNS):
            dense_steps(rows[i : i + DENSE_ROWS], columns[j : j + DENSE_COLUMNS], out)
            table[i : i + DENSE_ROWS, j : j + DENSE_COLUMNS] = out


@compiled
def orthonormalise(rows: np.ndarray) -> None:
    """Make the float64 rows (k, d) orthonormal in place; a row that depends on those before it becomes zero.

    Gram and Schmidt's, twice, which is enough (Parlett). LAPACK's would wake a thread a core for a task this small.
    """
    for at in range(len(rows)):
        row = rows[at]
        for _ in range(2):
            before = np.sqrt(dot(row, row))
            for earlier in range(at):
                share = dot(row, rows[earlier])
                for place in range(len(row)):
                    row[place] -= share * rows[earlier, place]
            length = np.sqrt(dot(row, row))
            for place in range(len(row)):
                row[place] = row[place] / length if length > 1e-9 * before else 0.0


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
