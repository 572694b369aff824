"""Sketches in whole numbers: bytes for a vector's coordinates, and how far they are from the truth.

With a unit vector ``x = s * q + w``, where ``q`` are whole numbers, ``s`` the scale and ``w`` all that is left,

    x . y = s * s * (q . q') + s * q . w' + w . s * q' + w . w'

Only the rounding of the coordinates, of length ``e``, meets the other's coordinates, and ``|s * q| <= 1 + e``. By
Cauchy and Schwarz, with ``|w|`` the length of what is rounded away and of what lies along other axes,

    x . y <= s * s * (q . q') + e + e * e + e' + e' * e' + |w| * |w'|

All of it is counted in units of ``s * s``, rounded up: the test of a pair is one sum of whole numbers.

A byte is ``q - z``. Where no coordinate is negative a zero ``z`` of 127 gives them 254 steps instead of 127. What that
changes in a product, ``z`` times the sums of both sides' bytes and ``z * z`` a coordinate, is added to the slacks.
"""

from __future__ import annotations

import numpy as np

from dedup_core.cosine.integers import (
    ADDED,
    OFFSET,
    PANEL_ROWS,
    ROW_WORDS,
    TILE_COLUMNS,
    TILE_ROWS,
    WORD_BYTES,
    dot_words,
    sums_reach,
)
from dedup_core.cosine.kernels import dot
from dedup_core.jit.bits import lowest_bit, popcount
from dedup_core.jit.compiled import compiled

MOST, MOST_FIRST = 127.0, 32767.0  # of a coordinate, and of the first one, which has 16 bits
LEAST_SCALE = 2.0**-11  # at this one a length of 1, and any sum of 4,096 products, has room
TAIL = 6  # words after the coordinates: FIRST, SLACK and SUM of the coarse bound, then of the fine one
FIRST, SLACK, SUM = 0, 2, 4
NEVER = np.int32(-(2**30))  # what is added to rows that stand in for none
FLOAT_MARGIN = 1e-9  # above whatever float64 rounds in coordinates, lengths and scores
# Keeps a rest's length above its true value, whatever was rounded while it was computed as ``sqrt(1 - h . h)``.
REST_MARGIN = 2.0**-36
_SIGNS = np.uint32(0x80808080)
ONE = np.uint64(1)


def words_of(width: int) -> int:
    """Return how many words hold that many coordinates; the first one lies elsewhere."""
    return -(-(width - 1) // (WORD_BYTES * ROW_WORDS)) * ROW_WORDS


def head_words(head: int) -> int:
    """Return how many words of coordinates the coarse bound reads."""
    return -(-(head - 1) // WORD_BYTES)


def reach(min_similarity: float, scale: float) -> int:
    """Return the least sum of a pair that may reach the similarity."""
    return int(np.floor((min_similarity - FLOAT_MARGIN) / scale**2))


@compiled
def quantise(coordinates: np.ndarray, lengths: np.ndarray, plan: tuple, sketches: np.ndarray) -> None:
    """Write the sketches of vectors.

    Args:
        coordinates: float32 or float64 (n, width), of the vectors along orthonormal axes.
        lengths: float64 (n,), of the whole vectors; zero vectors have bytes that stand for zeros.
        plan: (scale, zero, head, error): what one unit of a coordinate stands for; how many units a byte of 0 stands
            for; coordinates of the coarse bound; how far the coordinates of a unit vector may lie from the true ones,
            all together.
        sketches: int32 (n, words + TAIL), zeros.
    """
    width = coordinates.shape[1]
    words = sketches.shape[1] - TAIL
    scale, zero, head, error = plan
    levels_of_one = 1.0 / scale
    values, lost = np.empty(width), np.empty(width)
    for row in range(len(coordinates)):
        is_none = lengths[row] == 0.0
        if is_none and zero == 0:
            continue
        levels, tail = sketches[row, :words].view(np.int8), sketches[row, words:]
        inverse = 0.0 if is_none else 1.0 / lengths[row]
        for at in range(width):
            values[at] = np.float64(coordinates[row, at]) * inverse
        first = min(max(np.rint(values[0] * levels_of_one), -MOST_FIRST), MOST_FIRST)
        lost[0] = values[0] - scale * first
        for at in range(1, width):
            level = min(max(np.rint(values[at] * levels_of_one), zero - MOST), zero + MOST)
            lost[at] = values[at] - scale * level
            levels[at - 1] = np.int8(level - zero)
        for which, count in enumerate((head, width)):
            rounded = np.sqrt(dot(lost[:count], lost[:count])) + error
            known = max(np.sqrt(dot(values[:count], values[:count])) - error, 0.0)
            rest = np.sqrt(max(1.0 - known * known, 0.0) + REST_MARGIN + rounded * rounded)
            if is_none:
                rounded, rest = 0.0, 0.0
            tail[FIRST + which] = (np.int64(np.ceil(rest / scale)) << 16) | (np.int64(first) & 0xFFFF)
            slack = (rounded + rounded * rounded) / (scale * scale)
            total = np.int64(levels[: count - 1].sum())
            moved = zero * total + (zero * zero * (count - 1) + 1) // 2
            tail[SLACK + which] = np.int64(np.ceil(slack * (1.0 + FLOAT_MARGIN))) + moved
            tail[SUM + which] = total


@compiled
def narrow(left: np.ndarray, right: np.ndarray, least: int, pairs: np.ndarray) -> int:
    """Keep the pairs that the fine bound leaves, at the front of ``pairs``, in their order; return how many.

    Args:
        left: int32 (n, words + TAIL), sketches.
        right: int32 (m, words + TAIL).
        least: the least sum of a pair to keep, of `reach`.
        pairs: int32 (2, p), changed.
    """
    kept = 0
    for at in range(pairs.shape[1]):
        i, j = pairs[0, at], pairs[1, at]
        if fine_sum(left[i], right[j]) >= least:
            pairs[0, kept], pairs[1, kept] = i, j
            kept += 1
    return kept


@compiled
def narrow_marks(left: np.ndarray, right: np.ndarray, least: int, marks: np.ndarray) -> None:
    """Take away the marks of `mark` that the fine bound doesn't leave; otherwise as `narrow`."""
    for strip in range(len(marks)):
        for i in range(len(left)):
            mask = marks[strip, i]
            while mask:
                bit = mask & (~mask + ONE)
                if fine_sum(left[i], right[strip * TILE_COLUMNS + np.int64(lowest_bit(mask))]) < least:
                    marks[strip, i] ^= bit
                mask ^= bit


@compiled
def fine_sum(left: np.ndarray, right: np.ndarray) -> int:
    """Return the sum of whole numbers by which the fine bound tests two sketches."""
    words = len(left) - TAIL
    a, b = np.int64(left[words + FIRST + 1]), np.int64(right[words + FIRST + 1])
    firsts = (((a & 0xFFFF) ^ 0x8000) - 0x8000) * (((b & 0xFFFF) ^ 0x8000) - 0x8000)
    slack = np.int64(left[words + SLACK + 1]) + np.int64(right[words + SLACK + 1])
    return dot_words(left[:words], right[:words]) + firsts + (a >> 16) * (b >> 16) + slack


def tile_rows(sketches: np.ndarray, head: int, least: int) -> np.ndarray:
    """Return the left side of `propose`, int32 (n up to whole TILE_ROWS, words + ADDED)."""
    rows = _tile_words(sketches, head, TILE_ROWS)
    rows[: len(sketches), -1] -= OFFSET * sketches[:, SUM - TAIL] + least
    return rows


def tile_strips(sketches: np.ndarray, head: int) -> np.ndarray:
    """Return the right side of `propose`, int32 (strips, words + ADDED, TILE_COLUMNS)."""
    rows = _tile_words(sketches, head, TILE_COLUMNS)
    rows[:, :-ADDED].view(np.uint32)[...] ^= _SIGNS
    return np.ascontiguousarray(rows.reshape(-1, TILE_COLUMNS, rows.shape[1]).transpose(0, 2, 1))


def _tile_words(sketches: np.ndarray, head: int, multiple: int) -> np.ndarray:
    """Return what the coarse bound reads of sketches, and rows that stand in for none up to a whole multiple."""
    words = head_words(head)
    rows = np.zeros((-(-len(sketches) // multiple) * multiple, words + ADDED), np.int32)
    rows[:, -1] = NEVER
    tail = sketches[:, -TAIL:]
    rows[: len(sketches), :words] = sketches[:, :words]
    rows[: len(sketches), -2] = tail[:, FIRST]
    rows[: len(sketches), -1] = tail[:, SLACK]
    return _head_only(rows, head)


def _head_only(rows: np.ndarray, head: int) -> np.ndarray:
    """Clear what the last word holds of further coordinates."""
    rows.view(np.int8)[:, head - 1 : WORD_BYTES * (rows.shape[1] - ADDED)] = 0
    return rows


@compiled
def keep_marked(masks: np.ndarray, corner: tuple[int, int], diagonal: int, pairs: np.ndarray) -> int:
    """Write the pairs that `sums_reach` marked and that are wanted into ``pairs`` (2, room); return how many.

    Args:
        masks: uint64 (TILE_ROWS,).
        corner: the tile's first row and first column.
        diagonal: as in `propose`.
        pairs: int32 (2, room), written from its start.
    """
    count = 0
    for row in range(len(masks)):
        mask = masks[row]
        i, j = corner[0] + row, corner[1]
        while mask:
            if mask & np.uint64(0xFF) == 0:
                mask >>= np.uint64(8)
                j += 8
                continue
            if mask & np.uint64(1) and j - i > diagonal:
                pairs[0, count] = i
                pairs[1, count] = j
                count += 1
            mask >>= np.uint64(1)
            j += 1
    return count


@compiled
def propose(rows: np.ndarray, strips: np.ndarray, diagonal: int) -> np.ndarray:
    """Return the candidates of the coarse bound, pairs of rows, as int32 (2, p).

    For any left row the right rows ascend; the left rows don't: pairs come panel by panel, strip by strip.

    Args:
        rows: int32 (n, k), of `tile_rows`.
        strips: int32 (strips, k, TILE_COLUMNS), of `tile_strips`.
        diagonal: only pairs with ``right row - left row > diagonal`` are wanted.
    """
    masks = np.zeros(TILE_ROWS, np.uint64)
    pairs, total = np.empty((2, PANEL_ROWS * TILE_COLUMNS), np.int32), 0
    for top in range(0, len(rows), PANEL_ROWS):
        for strip in range(len(strips)):
            start = strip * TILE_COLUMNS
            if start + TILE_COLUMNS - 1 - top <= diagonal:
                continue  # none of these pairs is wanted
            if total + PANEL_ROWS * TILE_COLUMNS > pairs.shape[1]:
                larger = np.empty((2, 2 * pairs.shape[1]), np.int32)
                larger[:, :total] = pairs[:, :total]
                pairs = larger
            for i in range(top, min(top + PANEL_ROWS, len(rows)), TILE_ROWS):
                if sums_reach(rows[i : i + TILE_ROWS], strips[strip], masks):
                    total += keep_marked(masks, (i, start), diagonal, pairs[:, total:])
    return pairs[:, :total].copy()


@compiled
def mark(rows: np.ndarray, strips: np.ndarray, diagonal: int) -> np.ndarray:
    """Return the candidates of the coarse bound as marks, uint64 (strips, n up to whole PANEL_ROWS).

    Bit ``b`` of ``marks[s, i]`` is left row ``i`` and right row ``s * TILE_COLUMNS + b``.

    Args:
        rows: int32 (n, k), of `tile_rows`.
        strips: int32 (strips, k, TILE_COLUMNS), of `tile_strips`.
        diagonal: only pairs with ``right row - left row > diagonal`` are wanted.
    """
    marks = np.zeros((len(strips), -(-len(rows) // PANEL_ROWS) * PANEL_ROWS), np.uint64)
    for top in range(0, len(rows), PANEL_ROWS):
        for strip in range(len(strips)):
            start = strip * TILE_COLUMNS
            if start + TILE_COLUMNS - 1 - top <= diagonal:
                continue  # none of these pairs is wanted
            for i in range(top, min(top + PANEL_ROWS, len(rows)), TILE_ROWS):
                masks = marks[strip, i : i + TILE_ROWS]
                if sums_reach(rows[i : i + TILE_ROWS], strips[strip], masks):
                    unmark(masks, diagonal + i - start)
    return marks


@compiled
def unmark(masks: np.ndarray, last: int) -> None:
    """Take away the bits of ``masks[k]`` up to place ``last + k``."""
    for row in range(len(masks)):
        if last + row >= 63:
            masks[row] = 0
        elif last + row >= 0:
            masks[row] &= ~((ONE << np.uint64(last + row + 1)) - ONE)


@compiled
def marked(marks: np.ndarray) -> int:
    """Return how many pairs are marked."""
    count = 0
    for strip in range(len(marks)):
        for row in range(marks.shape[1]):
            count += popcount(marks[strip, row])
    return count
