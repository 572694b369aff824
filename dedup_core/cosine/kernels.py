"""Compiled loops of the cosine search in float64: products, axes at right angles, the order of pairs.

The sums of `dot` are added in one fixed order, whatever tile a pair stands in and whatever the processor: that is what
makes a score a property of its two vectors alone.
"""

from __future__ import annotations

import numpy as np

from dedup_core.cosine.tile import STEP, dot_steps
from dedup_core.jit.bits import lowest_bit
from dedup_core.jit.compiled import compiled

Triple = tuple[np.ndarray, np.ndarray, np.ndarray]
FEW, SPARSE = 24, 512  # pairs of a row that are sorted by insertion; how far apart those that are laid out may lie


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


def ordered(blocks: list[Triple], rows: tuple[int, int]) -> Triple:
    """Return the pairs ordered by (left, right): a counting sort by left, then each left row's by right.

    Args:
        blocks: integers, left positions below ``rows[0]`` and right ones below ``rows[1]``, and float64 scores, each
            (p,); no pair twice. The list is emptied: what is laid out is not held twice.
        rows: how many there are of each.
    """
    starts = np.zeros(rows[0] + 1, np.int64)
    for left, _, _ in blocks:
        count_lefts(left, starts)
    starts = np.cumsum(starts)
    total = int(starts[-1])
    # numpy asks for pages of 2 MB where an array is large, numba does not: pages of 4 KB took longer than the order.
    found = np.empty(total, np.int64), np.empty(total, np.int64), np.empty(total)
    after = starts.copy()
    blocks.reverse()
    while blocks:
        lay_out(blocks.pop(), after, found)
    order_rows(starts, rows[1], found)
    return found


@compiled
def count_lefts(left: np.ndarray, after: np.ndarray) -> None:
    """Add to ``after[k + 1]`` how often k occurs."""
    for at in range(len(left)):
        after[left[at] + 1] += 1


@compiled
def lay_out(block: Triple, after: np.ndarray, found: Triple) -> None:
    """Move a block's pairs to where ``after`` says that those of each left row go on."""
    left, right, scores = block
    for at in range(len(left)):
        place = after[left[at]]
        after[left[at]] += 1
        found[1][place], found[2][place] = right[at], scores[at]


@compiled
def order_rows(starts: np.ndarray, columns: int, found: Triple) -> None:
    """Sort every left row's pairs by right, and write the left column."""
    is_there, held = np.zeros(columns // 64 + 1, np.uint64), np.empty(columns)
    for row in range(len(starts) - 1):
        part = slice(starts[row], starts[row + 1])
        found[0][part] = row
        order_row(found[1][part], found[2][part], is_there, held)


@compiled
def order_row(right: np.ndarray, scores: np.ndarray, is_there: np.ndarray, held: np.ndarray) -> None:
    """Sort a row's pairs by right in place: many are laid out in ``held``, at their places, and taken up again.

    Args:
        right: int64 (p,).
        scores: float64 (p,).
        is_there: uint64 (m // 64 + 1,), zeros, and zeros again after: a bit for each right row.
        held: float64 (m,), anything.
    """
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
        is_there[right[at] >> 6] |= np.uint64(1) << np.uint64(right[at] & 63)
        held[right[at]] = scores[at]
    at = 0
    for word in range(first >> 6, (last >> 6) + 1):
        bits, is_there[word] = is_there[word], np.uint64(0)
        while bits:
            key = 64 * word + np.int64(lowest_bit(bits))
            right[at], scores[at] = key, held[key]
            bits &= bits - np.uint64(1)
            at += 1
