"""Compiled loops of the cosine search: propose candidates by a float32 bound, multiply them out in float64.

The sums of `dot` are added in one fixed order, whatever tile a pair stands in and whatever the processor: that is what
makes a score a property of its two vectors alone. The sums of `propose` need no such care.
"""

from __future__ import annotations

import numpy as np

from dedup_core.cosine.integers import PANEL_ROWS, TILE_COLUMNS
from dedup_core.cosine.tile import DENSE_COLUMNS, DENSE_ROWS, LANES, STEP, SUMS, dense_sums, dot_steps
from dedup_core.jit.compiled import compiled

Both = tuple[np.ndarray, np.ndarray]
FEW, SPARSE = 24, 64  # pairs of a row that are sorted by insertion; how far apart those that are laid out may lie
CELL_PAIRS = PANEL_ROWS * TILE_COLUMNS // 24  # of a cell: from so many on its rows are laid out
TILE_PAIRS = DENSE_ROWS * DENSE_COLUMNS // 5 + 1  # of a tile: from so many on all of it is multiplied out


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

    A cell is PANEL_ROWS left and TILE_COLUMNS right rows. Where many of its pairs stand together, whole tiles of it are
    multiplied out: that takes a fifth of the time a pair, and gives the same to the last bit.

    Args:
        sides: the vectors, float32 (n, d) and (m, d).
        squares: their `squared_lengths`.
        ids: integers, for every left and right row of the pairs which vector it is.
        pairs: int32 or int64 (2, p), left over right rows; fastest cell by cell.
        least: the least similarity of a pair.
    """
    found = np.empty(pairs.shape[1], np.int64), np.empty(pairs.shape[1], np.int64)
    scores, count = np.empty(pairs.shape[1]), 0
    length = sides[0].shape[1]
    whole = length // STEP * LANES
    rows, columns = np.empty((SUMS, PANEL_ROWS, whole)), np.empty((SUMS, TILE_COLUMNS, whole))
    table = np.empty((PANEL_ROWS, TILE_COLUMNS))
    wanted = np.zeros((PANEL_ROWS // DENSE_ROWS, TILE_COLUMNS // DENSE_COLUMNS), np.int64)
    at, held = 0, -1
    while at < pairs.shape[1]:
        top, first, end = cell_of(pairs, at)
        wanted[:] = 0
        if end - at >= CELL_PAIRS:
            for pair in range(at, end):
                wanted[(pairs[0, pair] - top) // DENSE_ROWS, (pairs[1, pair] - first) // DENSE_COLUMNS] += 1
            if top != held:
                spread(sides[0], ids[0][top : top + PANEL_ROWS], rows)
                held = top
            spread(sides[1], ids[1][first : first + TILE_COLUMNS], columns)
            multiply_cell(rows, columns, wanted, table)
        for pair in range(at, end):
            i, j = ids[0][pairs[0, pair]], ids[1][pairs[1, pair]]
            row, column = pairs[0, pair] - top, pairs[1, pair] - first
            if wanted[row // DENSE_ROWS, column // DENSE_COLUMNS] < TILE_PAIRS:
                product = dot(sides[0][i], sides[1][j])
            else:
                product = table[row, column]
                if STEP * whole < LANES * length:
                    product = with_tail(product, sides[0][i], sides[1][j])
            # One root over both: the similarity of a vector to itself is then 1.0 to the last bit.
            lengths = np.sqrt(squares[0][i] * squares[1][j])
            score = min(max(product / lengths, -1.0), 1.0) if lengths > 0.0 else 0.0
            found[0][count], found[1][count], scores[count] = i, j, score
            count += score >= least  # no branch: near the threshold none could be foretold
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
    """Write those of the float32 vectors as `dense_sums` reads them, float64 (SUMS, m, k), zeros after the last."""
    rows[:, len(ids) :] = 0.0
    for row in range(len(ids)):
        vector = vectors[ids[row]]
        for part in range(SUMS):
            wide = rows[part, row]
            for step in range(len(wide) // LANES):
                for lane in range(LANES):
                    wide[step * LANES + lane] = vector[step * STEP + part * LANES + lane]


@compiled
def multiply_cell(rows: np.ndarray, columns: np.ndarray, wanted: np.ndarray, table: np.ndarray) -> None:
    """Write what `dot_steps` returns for rows and columns of `spread`, tile by tile, where TILE_PAIRS are wanted.

    A part of the coordinates after the other: of that part, the rows stay in the first-level cache.

    Args:
        rows: float64 (SUMS, PANEL_ROWS, k).
        columns: float64 (SUMS, TILE_COLUMNS, k).
        wanted: int64, how many pairs are wanted of each tile of DENSE_ROWS x DENSE_COLUMNS.
        table: float64 (PANEL_ROWS, TILE_COLUMNS), written.
    """
    tiles = TILE_COLUMNS // DENSE_COLUMNS
    sums = np.empty((SUMS, tiles, DENSE_ROWS * DENSE_COLUMNS, LANES))
    for i in range(0, PANEL_ROWS, DENSE_ROWS):
        for part in range(SUMS):
            for tile in range(tiles):
                j = tile * DENSE_COLUMNS
                if wanted[i // DENSE_ROWS, tile] >= TILE_PAIRS:
                    dense_sums(rows[part, i : i + DENSE_ROWS], columns[part, j : j + DENSE_COLUMNS], sums[part, tile])
        for tile in range(tiles):
            if wanted[i // DENSE_ROWS, tile] < TILE_PAIRS:
                continue
            for at in range(DENSE_ROWS * DENSE_COLUMNS):
                place = i + at // DENSE_COLUMNS, tile * DENSE_COLUMNS + at % DENSE_COLUMNS
                table[place] = folded(sums[0, tile, at], sums[1, tile, at], sums[2, tile, at], sums[3, tile, at])


@compiled
def folded(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> float:
    """Return the sum of four vectors of running sums, in the order of `dot_steps`."""
    first = (((a[0] + b[0]) + (c[0] + d[0])) + ((a[1] + b[1]) + (c[1] + d[1]))) + (
        ((a[2] + b[2]) + (c[2] + d[2])) + ((a[3] + b[3]) + (c[3] + d[3]))
    )
    last = (((a[4] + b[4]) + (c[4] + d[4])) + ((a[5] + b[5]) + (c[5] + d[5]))) + (
        ((a[6] + b[6]) + (c[6] + d[6])) + ((a[7] + b[7]) + (c[7] + d[7]))
    )
    return first + last


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
    """Return the pairs ordered by (left, right): a counting sort by left, then each left row's by right.

    Args:
        left: int64 (p,), below ``rows[0]``.
        right: int64 (p,), below ``rows[1]``; no pair twice.
        scores: float64 (p,).
        rows: how many there are of each.
    """
    after = np.zeros(rows[0] + 1, np.int64)
    for at in range(len(left)):
        after[left[at] + 1] += 1
    after = np.cumsum(after)
    starts = after.copy()
    other, moved, by = np.empty_like(right), np.empty_like(scores), np.empty_like(left)
    for at in range(len(left)):
        place = after[left[at]]
        after[left[at]] += 1
        other[place], moved[place] = right[at], scores[at]
    is_there, held = np.zeros(rows[1], np.bool_), np.empty(rows[1])
    for row in range(rows[0]):
        part = slice(starts[row], starts[row + 1])
        by[part] = row
        order_row(other[part], moved[part], is_there, held)
    return by, other, moved


@compiled
def order_row(right: np.ndarray, scores: np.ndarray, is_there: np.ndarray, held: np.ndarray) -> None:
    """Sort a row's pairs by right in place: many are laid out in ``held``, at their places, and taken up again."""
    if len(right) < FEW:
        for at in range(1, len(right)):
            key, score, to = right[at], scores[at], at
            while to and right[to - 1] > key:
                right[to], scores[to] = right[to - 1], scores[to - 1]
                to -= 1
            right[to], scores[to] = key, score
        return
    first, last = right.min(), right.max()
    if last - first > SPARSE * len(right):
        order = np.argsort(right)
        right[:], scores[:] = right[order], scores[order]
        return
    for at in range(len(right)):
        is_there[right[at]], held[right[at]] = True, scores[at]
    at = 0
    for key in range(first, last + 1):
        if is_there[key]:
            right[at], scores[at], is_there[key] = key, held[key], False
            at += 1
