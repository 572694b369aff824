"""Both passes of a resize over a picture, block after block, for all sizes at a time.

A block is ROWS rows, and as many columns as fit a cache near to the core. Its rows are laid into lanes, so that every
size's horizontal pass reads it from there; what they make of all its columns is laid down again, so that the vertical
passes have columns in their lanes. Between the passes numbers have 8 bits, as in Pillow.
"""

from __future__ import annotations

import numpy as np

from dedup_core.images.resizing.lanes import add_products, lay_across, lay_down
from dedup_core.images.resizing.layout import CHANNELS, GROUP, GROUP_BYTES, LANES, PAIRS, ROWS, SEGMENT, TURN
from dedup_core.images.resizing.weights import BITS, WINDOW
from dedup_core.jit.compiled import compiled

_HALF, _BITS = np.int32(1 << (BITS - 1)), np.int32(BITS)
_LEAST, _MOST, _MOST_SUMMED = np.int32(0), np.int32(255), np.int32(32767)
Aside = tuple[np.ndarray, np.ndarray]
Rooms = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, Aside]


@compiled
def passed(pixels: np.ndarray, width: int, plan: tuple, rooms: Rooms, first: int) -> None:
    """Pass over a picture, or some rows of it, and leave the sums of all that is made of it so far.

    Args:
        pixels: uint8 (height * width * 3,).
        width: of the picture.
        plan: int32 (n, WINDOW), int32 (m, WINDOW + 3) and int32 (k,): what is made of each row, what of each column,
            and the weights of both; how many of the lanes that are made have weights of 22 bits, for the others are
            sums; and how many lanes after them are the picture's own columns.
        rooms: int32 arrays to work in, the fourth for the sums; and aside int64 (ROWS,), uint8 (ROWS * GROUP_BYTES,).
        first: the number of the first row, a multiple of ROWS; the rows before it have been passed over.
    """
    across, down, taps, n_weighted, n_woven = plan
    pairs, sums, laid, made, aside = rooms
    height = len(pixels) // (width * CHANNELS)
    columns = len(across) * CHANNELS
    stride = columns + n_woven
    for top in range(0, height, ROWS):
        for left in range(0, width if columns else 0, SEGMENT):
            stop = min(left + SEGMENT, width)
            _lay_block(pixels, width, (top, height, left, stop), pairs, aside)
            _add_block(across, taps, left // 2, (stop + 1) // 2, pairs, sums)
        for column in range(0, columns, TURN):
            weighted = column < n_weighted
            rounding = (_HALF, _BITS, _MOST) if weighted else (_LEAST, _LEAST, _MOST_SUMMED)
            lay_down(sums, column * ROWS, laid, (column, stride), rounding)
        if n_woven:
            _weave(pixels, width, (top, height), (columns, stride), laid)
        begin, stop_row = first + top, first + min(top + ROWS, height + 1)
        _add_rows(down, taps, begin // 2, (stop_row // 2, stride), laid, made)


@compiled
def _weave(pixels: np.ndarray, width: int, span: tuple[int, int], to: tuple[int, int], laid: np.ndarray) -> None:
    """Lay a block's rows down as they are: of each two of them the columns, as pairs."""
    top, height = span
    n = width * CHANNELS
    for pair in range(PAIRS):
        upper = min(top + 2 * pair, height - 1) * n
        lower = min(top + 2 * pair + 1, height - 1) * n
        begin = to[0] + pair * to[1]
        above, below, both = pixels[upper : upper + n], pixels[lower : lower + n], laid[begin : begin + n]
        for k in range(n):
            both[k] = np.int32(above[k]) | np.int32(below[k]) << 16


@compiled
def _lay_block(
    pixels: np.ndarray, width: int, block: tuple[int, int, int, int], pairs: np.ndarray, aside: Aside
) -> None:
    """Lay a block's rows across: columns ``left`` to ``stop`` of the rows from ``top`` on."""
    starts, rest = aside
    top, height, left, stop = block
    n_whole, n_rest = divmod(stop - left, GROUP)
    for row in range(ROWS):
        starts[row] = (min(top + row, height - 1) * width + left) * CHANNELS
    for group in range(n_whole + (1 if n_rest else 0)):
        if group == n_whole:
            _copy_rest(pixels, starts, n_rest * CHANNELS, rest)
        source = rest if group == n_whole else pixels
        lay_across(source, starts, pairs, group * (GROUP // 2 * LANES))
        for row in range(ROWS):
            starts[row] += GROUP_BYTES


@compiled
def _copy_rest(pixels: np.ndarray, starts: np.ndarray, n: int, rest: np.ndarray) -> None:
    """Copy the last bytes of each row to where a whole group can be read, and have the rows start there."""
    for row in range(ROWS):
        for byte in range(n):
            rest[row * GROUP_BYTES + byte] = pixels[starts[row] + byte]
        starts[row] = row * GROUP_BYTES


@compiled
def _add_block(
    across: np.ndarray, taps: np.ndarray, first: int, stop: int, pairs: np.ndarray, sums: np.ndarray
) -> None:
    """Add to the sums of each column that is made what the block's columns give: pairs ``first`` to ``stop``."""
    for column in range(len(across)):
        for part in range(0, WINDOW, WINDOW // 2):  # low parts of weights, then high ones
            start = across[column, part]
            begin, end = max(start, first), min(start + across[column, part + 1], stop)
            if begin < end:
                how = across[column, part + 3], 1 if part or begin > start else 0
                tap = across[column, part + 2] + begin - start
                add_products(sums, pairs, taps, (column * LANES, (begin - first) * LANES, LANES, tap, end - begin), how)


@compiled
def _add_rows(
    down: np.ndarray, taps: np.ndarray, first: int, span: tuple[int, int], laid: np.ndarray, made: np.ndarray
) -> None:
    """Add to the sums of each row that is made what the block's rows give: pairs ``first`` to ``stop``."""
    stop, stride = span
    for row in range(len(down)):
        for part in range(0, WINDOW, WINDOW // 2):
            start = down[row, part]
            begin, end = max(start, first), min(start + down[row, part + 1], stop)
            if begin < end:
                how = down[row, part + 3], 1 if part or begin > start else 0
                tap, place = down[row, part + 2] + begin - start, (begin - first) * stride + down[row, WINDOW]
                to, n = down[row, WINDOW + 2], end - begin
                for lane in range(0, down[row, WINDOW + 1], LANES):
                    add_products(made, laid, taps, (to + lane, place + lane, stride, tap, n), how)


@compiled
def rounded(made: np.ndarray, lanes: int, pixels: np.ndarray) -> None:
    """Round sums with 22 bits behind the point to pixels.

    Args:
        made: int32 (n,).
        lanes: how far apart its rows lie.
        pixels: uint8 (height, width * 3), written.
    """
    n = pixels.shape[1]
    for row in range(len(pixels)):
        sums, line = made[row * lanes : row * lanes + n], pixels[row]
        for lane in range(n):
            line[lane] = min(max(np.int32(sums[lane] + _HALF) >> _BITS, _LEAST), _MOST)


@compiled
def averaged(made: np.ndarray, lanes: int, cells: np.ndarray, shares: np.ndarray, pixels: np.ndarray) -> None:
    """Divide sums of whole cells by how many pixels they have.

    Args:
        made: int32 (n,), of each cell one sum or several, the first of which are added up in place.
        lanes: how far apart its rows lie.
        cells: int64 (5,): how many pixels a cell has across and down, those of the last column and of the last row,
            and how many sums a cell has.
        shares: int64 (2, 2): by what a sum is multiplied to be divided by a cell's pixels, in 24 bits; last are those
            of the last row and of the last column.
        pixels: uint8 (height, width * 3), written.
    """
    n = pixels.shape[1]
    for row in range(len(pixels)):
        last = 1 if row == len(pixels) - 1 else 0
        sums, line, height = made[row * lanes : row * lanes + n * cells[4]], pixels[row], cells[1 + 2 * last]
        if cells[4] > 1:
            _add_parts(sums, cells[4])
        _divided(sums[: n - CHANNELS], cells[0] * height, shares[last, 0], line[: n - CHANNELS])
        _divided(sums[n - CHANNELS : n], cells[2] * height, shares[last, 1], line[n - CHANNELS :])


@compiled
def _divided(sums: np.ndarray, pixels: int, share: int, means: np.ndarray) -> None:
    half, factor = np.uint32(pixels // 2), np.uint32(share)
    for lane in range(len(sums)):
        means[lane] = np.uint32(np.uint32(np.uint32(sums[lane]) + half) * factor) >> np.uint32(24)


@compiled
def _add_parts(sums: np.ndarray, parts: int) -> None:
    """Add up each cell's sums, and leave them side by side at the front."""
    for lane in range(len(sums) // parts):
        first = lane // CHANNELS * parts * CHANNELS + lane % CHANNELS
        total = np.int32(0)
        for part in range(parts):
            total += sums[first + part * CHANNELS]
        sums[lane] = total


@compiled
def gray(pixels: np.ndarray, luma: np.ndarray) -> None:
    """Fill in the luma, uint8 (n,), of pixels, uint8 (3 * n,), as Pillow rounds it."""
    for k in range(len(luma)):
        red, green, blue = np.int32(pixels[3 * k]), np.int32(pixels[3 * k + 1]), np.int32(pixels[3 * k + 2])
        luma[k] = (19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16
