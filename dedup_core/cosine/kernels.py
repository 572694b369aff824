"""Compiled loops of the cosine search: propose candidates by a float32 bound, multiply them out in float64.

The sums of `dot` are added in one fixed order, whatever tile a pair stands in and whatever the processor: that is what
makes a score a property of its two vectors alone. The sums of `propose` need no such care.
"""

from __future__ import annotations

import numpy as np

from dedup_core.cosine.integers import PANEL_ROWS, TILE_COLUMNS
from dedup_core.cosine.tile import DENSE_COLUMNS, DENSE_ROWS, LANES, STEP, SUMS, dense_steps, dot_steps
from dedup_core.jit.compiled import compiled

Both = tuple[np.ndarray, np.ndarray]
CELL_PAIRS = PANEL_ROWS * TILE_COLUMNS * 2 // 5  # from so many pairs on the whole cell is multiplied out


@compiled
def dot(left: np.ndarray, right: np.ndarray) -> float:
    """Return the float64 dot product of two vectors, added in an order that only their length decides."""
    return with_tail(dot_steps(left, right), left, right)


@compiled
def with_tail(total: float, left: np.ndarray, right: np.ndarray) -> float:
    """Return the sum with the products of what is after the whole STEPs."""
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
def scored(sides: Both, squares: Both, ids: Both, pairs: np.ndarray, least: float) -> tuple:
    """Return the pairs whose similarity is at least that, as int64 left and right ids and float64 scores (p,).

    A cell is PANEL_ROWS left and TILE_COLUMNS right rows. Where many of its pairs stand together, all of it is
    multiplied out: that takes a third of the time a pair, and gives the same to the last bit.

    Args:
        sides: the vectors, float32 (n, d) and (m, d).
        squares: their `squared_lengths`.
        ids: integers, for every left and right row of the pairs which vector it is.
        pairs: int32 or int64 (2, p), left over right rows; fastest cell by cell.
        least: the least similarity of a pair.
    """
    found = np.empty(pairs.shape[1], np.int64), np.empty(pairs.shape[1], np.int64)
    scores, count = np.empty(pairs.shape[1]), 0
    whole = sides[0].shape[1] // STEP * LANES
    rows, columns = np.empty((PANEL_ROWS, SUMS, whole)), np.empty((TILE_COLUMNS, SUMS, whole))
    table = np.empty((PANEL_ROWS, TILE_COLUMNS))
    at = 0
    while at < pairs.shape[1]:
        top, first, end = cell_of(pairs, at)
        is_dense = end - at >= CELL_PAIRS
        if is_dense:
            spread(sides[0], ids[0][top : top + PANEL_ROWS], rows)
            spread(sides[1], ids[1][first : first + TILE_COLUMNS], columns)
            multiply_cell(rows, columns, table)
        for pair in range(at, end):
            i, j = ids[0][pairs[0, pair]], ids[1][pairs[1, pair]]
            left, right = sides[0][i], sides[1][j]
            steps = table[pairs[0, pair] - top, pairs[1, pair] - first] if is_dense else dot_steps(left, right)
            # One root over both: the similarity of a vector to itself is then 1.0 to the last bit.
            length = np.sqrt(squares[0][i] * squares[1][j])
            score = min(max(with_tail(steps, left, right) / length, -1.0), 1.0) if length > 0.0 else 0.0
            if score >= least:
                found[0][count], found[1][count], scores[count] = i, j, score
                count += 1
        at = end
    return found[0][:count].copy(), found[1][:count].copy(), scores[:count].copy()


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
def spread(vectors: np.ndarray, ids: np.ndarray, rows: np.ndarray) -> None:
    """Write those of the float32 vectors as `dense_steps` reads them, float64 (m, SUMS, k), zeros after the last."""
    rows[len(ids) :] = 0.0
    for row in range(len(ids)):
        vector = vectors[ids[row]]
        for step in range(rows.shape[2] // LANES):
            for part in range(SUMS):
                for lane in range(LANES):
                    rows[row, part, step * LANES + lane] = vector[step * STEP + part * LANES + lane]


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
def ordered(left: np.ndarray, right: np.ndarray, scores: np.ndarray, rows: tuple[int, int]) -> tuple:
    """Return the pairs ordered by (left, right): two counting sorts, by right and then by left.

    Args:
        left: int64 (p,), below ``rows[0]``.
        right: int64 (p,), below ``rows[1]``.
        scores: float64 (p,).
        rows: how many there are of each.
    """
    for _ in range(2):
        after = np.zeros(rows[1] + 1, np.int64)
        for at in range(len(right)):
            after[right[at] + 1] += 1
        after = np.cumsum(after)
        by, other, moved = np.empty_like(right), np.empty_like(left), np.empty_like(scores)
        for at in range(len(right)):
            place = after[right[at]]
            after[right[at]] += 1
            by[place], other[place], moved[place] = right[at], left[at], scores[at]
        left, right, scores = by, other, moved
        rows = rows[1], rows[0]
    return left, right, scores
