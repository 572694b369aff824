"""Compiled loops that multiply candidates out in float64, pair by pair or, where many stand together, in tiles.

A cell is PANEL_ROWS left and TILE_COLUMNS right rows; its candidates are marks, a word for each left row. Of a cell
with many, DENSE_ROWS rows at a time are multiplied with all columns that any of them wants: that takes a fifth of the
time a pair, and gives the same to the last bit.
"""

from __future__ import annotations

import numpy as np

from dedup_core.cosine.integers import PANEL_ROWS, TILE_COLUMNS
from dedup_core.cosine.kernels import with_tail
from dedup_core.cosine.tile import (
    DENSE_COLUMNS,
    DENSE_ROWS,
    LANES,
    STEP,
    SUMS,
    dot_steps,
    fold_sums,
    gathered_sums,
    widen,
)
from dedup_core.jit.bits import lowest_bit, popcount
from dedup_core.jit.compiled import compiled

Both = tuple[np.ndarray, np.ndarray]
CELL_PAIRS = 128  # of a cell: from so many on its columns are laid out
ROW_PAIRS = 6  # of DENSE_ROWS rows: from so many on they are multiplied in tiles, even if no two share a column
TILES = -(-TILE_COLUMNS // DENSE_COLUMNS)
ROOM = -(-TILES * DENSE_ROWS * DENSE_COLUMNS // LANES) * LANES
ONE = np.uint64(1)


@compiled
def workspace(length: int) -> tuple:
    """Return what cells of vectors of that length are multiplied in.

    Rows and columns as `widen` writes them, running sums, the products of tiles, those of a cell; and marks of the
    columns that are written: who goes on to other columns clears them.
    """
    whole = length // STEP * LANES
    rows, columns = np.zeros((SUMS, DENSE_ROWS, whole)), np.zeros((SUMS, TILE_COLUMNS, whole))
    sums, products = np.zeros((SUMS, ROOM, LANES)), np.empty(ROOM)
    return rows, columns, sums, products, np.empty((PANEL_ROWS, TILE_COLUMNS)), np.zeros(1, np.uint64)


@compiled
def score_marked(sides: Both, squares: Both, ids: Both, marks: np.ndarray, rule: tuple, found: tuple) -> int:
    """Write the marked pairs whose similarity is at least the least, and return how many they are.

    Args:
        sides: the vectors, float32 (n, d) and (m, d).
        squares: their `squared_lengths`.
        ids: integers, for every left and right row of the marks which vector it is.
        marks: uint64 (strips, rows), of `mark`.
        rule: the least similarity; and whether the lower id of a pair goes left.
        found: left and right ids, integers, and float64 scores, each (p,) for p marks.
    """
    least, upper = rule
    work = workspace(sides[0].shape[1])
    table, places, count = work[4], np.empty(TILE_COLUMNS, np.int64), 0
    others, line = np.zeros(TILE_COLUMNS), np.empty(TILE_COLUMNS)
    for strip in range(len(marks)):
        first = strip * TILE_COLUMNS
        columns = ids[1][first : first + TILE_COLUMNS]
        for at in range(len(columns)):
            others[at] = squares[1][columns[at]]
        work[5][0] = 0
        for top in range(0, marks.shape[1], PANEL_ROWS):
            cell = marks[strip, top : top + PANEL_ROWS]
            if not multiply_cell(sides, ids, (top, first), cell, work):
                continue
            for row in range(PANEL_ROWS):
                wanted = places_of(cell[row], places)
                if not wanted:
                    continue
                i = ids[0][top + row]
                add_tails(sides[0][i], sides[1], columns, places[:wanted], table[row])
                similarities(table[row], squares[0][i], others, places[:wanted], line)
                for at in range(wanted):
                    j = columns[places[at]]
                    found[0][count] = min(i, j) if upper else i
                    found[1][count] = max(i, j) if upper else j
                    found[2][count] = line[places[at]]
                    count += line[places[at]] >= least  # no branch: near the threshold none could be foretold
    return count


@compiled
def add_tails(one: np.ndarray, others: np.ndarray, ids: np.ndarray, places: np.ndarray, products: np.ndarray) -> None:
    """Add the products of what is after the whole STEPs of the vectors, if there is anything."""
    if len(one) % STEP:
        for place in places:
            products[place] = with_tail(products[place], one, others[ids[place]])


@compiled
def similarities(products: np.ndarray, one: float, others: np.ndarray, places: np.ndarray, found: np.ndarray) -> None:
    """Write the `similarity` of a vector to the others at those places, or to all: whatever is faster."""
    if len(places) < len(found) // 4:
        for place in places:
            found[place] = similarity(products[place], one, others[place])
        return
    for at in range(len(found)):
        lengths = np.sqrt(one * others[at])
        score = np.divide(products[at], lengths if lengths > 0.0 else 1.0)  # unlike / it has no branch
        score = 1.0 if score > 1.0 else score
        score = -1.0 if score < -1.0 else score
        found[at] = score if lengths > 0.0 else 0.0


@compiled
def scored(sides: Both, squares: Both, ids: Both, pairs: np.ndarray, least: float) -> tuple:
    """Return the pairs whose similarity is at least that, as int64 left and right ids and float64 scores (p,).

    Args:
        sides: the vectors, float32 (n, d) and (m, d).
        squares: their `squared_lengths`.
        ids: integers, for every left and right row of the pairs which vector it is.
        pairs: int32 or int64 (2, p), left over right rows; fastest cell by cell.
        least: the least similarity of a pair.
    """
    found = np.empty(pairs.shape[1], np.int64), np.empty(pairs.shape[1], np.int64)
    scores, count = np.empty(pairs.shape[1]), 0
    work = workspace(sides[0].shape[1])
    table, cell = work[4], np.zeros(PANEL_ROWS, np.uint64)
    at = 0
    while at < pairs.shape[1]:
        top, first, end = cell_of(pairs, at)
        dense = end - at >= CELL_PAIRS
        if dense:
            cell[:] = 0
            for pair in range(at, end):
                cell[pairs[0, pair] - top] |= ONE << np.uint64(pairs[1, pair] - first)
            work[5][0] = 0
            multiply_cell(sides, ids, (top, first), cell, work)
        for pair in range(at, end):
            i, j = ids[0][pairs[0, pair]], ids[1][pairs[1, pair]]
            row, column = pairs[0, pair] - top, pairs[1, pair] - first
            product = table[row, column] if dense else dot_steps(sides[0][i], sides[1][j])
            score = similarity(with_tail(product, sides[0][i], sides[1][j]), squares[0][i], squares[1][j])
            found[0][count], found[1][count], scores[count] = i, j, score
            count += score >= least
        at = end
    return found[0][:count].copy(), found[1][:count].copy(), scores[:count].copy()


@compiled
def similarity(product: float, one: float, other: float) -> float:
    """Return the cosine similarity of two vectors of that product and those squared lengths."""
    # One root over both: the similarity of a vector to itself is then 1.0 to the last bit.
    lengths = np.sqrt(one * other)
    return min(max(product / lengths, -1.0), 1.0) if lengths > 0.0 else 0.0


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
def places_of(mask: int, places: np.ndarray) -> int:
    """Write the places of a uint64's set bits, ascending, int64; return how many."""
    count = 0
    while mask:
        places[count] = np.int64(lowest_bit(mask))
        mask &= mask - ONE
        count += 1
    return count


@compiled
def multiply_cell(sides: Both, ids: Both, corner: tuple[int, int], cell: np.ndarray, work: tuple) -> bool:
    """Write what `dot_steps` returns for each marked pair into the table; say whether there is any.

    Args:
        sides: the vectors, float32 (n, d) and (m, d).
        ids: which vector each row and column is.
        corner: the first row and the first column.
        cell: uint64 (PANEL_ROWS,), marks: bit ``b`` of word ``k`` is row ``k`` and column ``b``.
        work: of `workspace`; the table is float64 (PANEL_ROWS, TILE_COLUMNS).
    """
    columns, table, ready = work[1], work[4], work[5]
    pairs, union = 0, np.uint64(0)
    for row in range(PANEL_ROWS):
        pairs += popcount(cell[row])
        union |= cell[row]
    places = np.empty(TILE_COLUMNS + DENSE_COLUMNS, np.int64)
    dense = pairs >= CELL_PAIRS
    if dense:
        missing = union & ~ready[0]
        ready[0] |= union
        for at in range(places_of(missing, places)):
            for part in range(SUMS):
                widen(sides[1][ids[1][corner[1] + places[at]]], part, columns[part, places[at]])
    for row in range(0, PANEL_ROWS if pairs else 0, DENSE_ROWS):
        wanted, union = 0, np.uint64(0)
        for k in range(row, row + DENSE_ROWS):
            wanted += popcount(cell[k])
            union |= cell[k]
        count = popcount(union)
        tiles = -(-count // DENSE_COLUMNS)
        if dense and wanted >= ROW_PAIRS:
            places_of(union, places)
            places[count : tiles * DENSE_COLUMNS] = places[0]
            multiply_rows(sides[0], ids[0], (corner[0], row), places[: tiles * DENSE_COLUMNS], work)
            continue
        for k in range(row, row + DENSE_ROWS):
            for at in range(places_of(cell[k], places)):
                i, j = ids[0][corner[0] + k], ids[1][corner[1] + places[at]]
                table[k, places[at]] = dot_steps(sides[0][i], sides[1][j])
    return pairs > 0


@compiled
def multiply_rows(
    vectors: np.ndarray, ids: np.ndarray, start: tuple[int, int], places: np.ndarray, work: tuple
) -> None:
    """Write what `dot_steps` returns for DENSE_ROWS rows and some columns into the table.

    A part of the coordinates after the other: of that part, the rows stay in the first-level cache.

    Args:
        vectors: float32 (n, d).
        ids: which of them each row is.
        start: the cell's first row, and that of these within the cell.
        places: int64, whole DENSE_COLUMNS of them: which columns.
        work: of `workspace`, the columns filled in.
    """
    rows, columns, sums, products, table, _ = work
    top, first = start
    pairs = DENSE_ROWS * DENSE_COLUMNS
    for part in range(SUMS):
        for row in range(DENSE_ROWS):
            widen(vectors[ids[min(top + first + row, len(ids) - 1)]], part, rows[part, row])
    for part in range(SUMS):
        for tile in range(len(places) // DENSE_COLUMNS):
            which = places[tile * DENSE_COLUMNS : (tile + 1) * DENSE_COLUMNS]
            gathered_sums(rows[part], columns[part], which, sums[part, tile * pairs : (tile + 1) * pairs])
    for at in range(0, len(places) * DENSE_ROWS, LANES):
        fold_sums(sums, at, products)
    for tile in range(len(places) // DENSE_COLUMNS):
        for row in range(DENSE_ROWS):
            for column in range(DENSE_COLUMNS):
                at = (tile * DENSE_ROWS + row) * DENSE_COLUMNS + column
                table[first + row, places[tile * DENSE_COLUMNS + column]] = products[at]
