"""The compiled loops that read of a JPEG's tiles the averages alone: an eighth of the picture a side.

Huffman's codes can't be skipped, but what they tell can: one look into a table passes over as many of them as it holds.
"""

from __future__ import annotations

import numpy as np

from dedup_core.jit.compiled import compiled

SPARE_WORDS = 64
"""How many words of zeros must follow the last: the codes of no tile are longer."""

CODE_BITS, CHAIN_BITS = 16, 12
"""How many bits are looked at for one code, and for several."""

_VALUES = 64  # in a tile: its average, and those that are passed over
_LOOKS, _MOST_BITS = 4, 16  # looks that can be taken at 64 bits, as each passes over so few
_BROKEN = 1 << 62


@compiled
def plain_bytes(data: np.ndarray, start: int, plain: np.ndarray, starts: np.ndarray) -> int:
    """Copy a scan without the zeros that are put in behind bytes of 255; return where it ends, or -1.

    Args:
        data: uint8, the whole file.
        start: where the scan begins.
        plain: uint8, filled.
        starts: int64 (n + 1,), filled with where in ``plain`` each part between restarts begins, and the last one ends.

    Returns:
        Where the marker stands that ends the scan; -1 if none does, or if there are not ``n`` parts.
    """
    at, n, part, n_parts = start, 0, 0, len(starts) - 1
    starts[0] = 0
    while at < len(data) - 1:
        value = data[at]
        if value == 0xFF:
            behind = data[at + 1]
            if behind != 0:
                part += 1
                starts[min(part, n_parts)] = n
                if 0xD0 <= behind <= 0xD7:
                    at += 2
                    continue
                return at if part == n_parts else -1
            at += 1
        plain[n] = value
        n += 1
        at += 1
    return -1


@compiled
def fill_codes(lengths: np.ndarray, symbols: np.ndarray, codes: np.ndarray) -> None:
    """Tell by the next 16 bits which code they begin with: its number of bits, and from the 8th on its symbol.

    Args:
        lengths: int64 (n,), the bits of each code, in their order.
        symbols: uint8 (n,), what each stands for.
        codes: uint16 (2 ** 16,), filled; 0 where the bits begin with no code.
    """
    first = 0
    for place in range(len(lengths)):
        stop = first + (1 << (CODE_BITS - lengths[place]))
        codes[first:stop] = lengths[place] | np.int64(symbols[place]) << 8
        first = stop
    codes[first:] = 0


@compiled
def fill_chains(codes: np.ndarray, chains: np.ndarray) -> None:
    """Tell by the next bits what can be passed over at once: codes with the values behind them.

    Args:
        codes: as `fill_codes` fills them.
        chains: uint32 (2 ** ``CHAIN_BITS``,), filled with the number of bits, from the 8th on how many values the tile
            must have left, and from the 16th how many are passed over: so many that none are left where the tile ends.
    """
    for window in range(1 << CHAIN_BITS):
        bits, steps = 0, 0
        chains[window] = _VALUES << 8
        while bits < CHAIN_BITS:
            entry = np.int64(codes[(window << (bits + CODE_BITS - CHAIN_BITS)) & 0xFFFF])
            length, symbol = entry & 0xFF, entry >> 8
            if length == 0 or bits + length > CHAIN_BITS or (symbol & 15 == 0 and symbol != 0xF0 and symbol != 0):
                break
            bits += length + (symbol & 15)
            if bits > _MOST_BITS:
                break
            if symbol == 0:
                chains[window] = bits | steps + 1 << 8 | steps + _VALUES << 16
                break
            steps += (symbol >> 4) + 1
            if steps >= _VALUES:
                break
            chains[window] = bits | steps << 8 | steps << 16


@compiled
def _next(words: np.ndarray, at: int) -> np.uint64:
    """Return the 64 bits from a place on."""
    word, shift = np.uint64(at) >> np.uint64(6), np.uint64(at) & np.uint64(63)
    return (words[word] << shift) | ((words[word + np.uint64(1)] >> np.uint64(1)) >> (np.uint64(63) - shift))


@compiled
def _difference(words: np.ndarray, at: int, codes: np.ndarray, table: int) -> tuple[int, int]:
    """Return by how much an average differs from the one before, and where its bits end."""
    bits = _next(words, at)
    entry = np.int64(codes[table, bits >> np.uint64(64 - CODE_BITS)])
    length, size = entry & 0xFF, entry >> 8
    if length == 0 or size > 11:
        return 0, _BROKEN
    value = np.int64(((bits << np.uint64(length)) >> np.uint64(1)) >> np.uint64(63 - size))
    if size > 0 and value < 1 << (size - 1):
        value -= (1 << size) - 1
    return value, at + length + size


@compiled
def _behind(words: np.ndarray, at: int, codes: np.ndarray, chains: np.ndarray, table: int) -> int:
    """Return where the values of a tile end, of which the average is read."""
    place, number = 1, np.uint64(table)
    while True:
        bits = _next(words, at)
        for _ in range(_LOOKS):
            entry = np.int64(chains[number, bits >> np.uint64(64 - CHAIN_BITS)])
            if place + (entry >> 8 & 0xFF) > _VALUES:
                entry = _one(np.int64(codes[number, bits >> np.uint64(64 - CODE_BITS)]))
                if place + (entry >> 8 & 0xFF) > _VALUES:
                    return _BROKEN
                at += entry & 0xFF
                place += entry >> 16
                break
            passed = entry & 0xFF
            at += passed
            place += entry >> 16
            if place >= _VALUES:
                break
            bits <<= np.uint64(passed)
        if place >= _VALUES:
            return at


@compiled
def _one(entry: int) -> int:
    """Return a code's entry in the form of those of several."""
    length, symbol = entry & 0xFF, entry >> 8
    if symbol == 0 and length > 0:
        return length | 1 << 8 | _VALUES << 16
    if length == 0 or (symbol & 15 == 0 and symbol != 0xF0):
        return _VALUES << 8
    steps = (symbol >> 4) + 1
    return length + (symbol & 15) | steps << 8 | steps << 16


@compiled
def read_averages(
    words: np.ndarray, starts: np.ndarray, tiles: np.ndarray, tables: tuple, shape: tuple, planes: np.ndarray
) -> bool:
    """Read the averages of all tiles into ``planes``; say whether the bits are as they should be, to the last.

    Args:
        words: uint64, the bits in their order, and ``SPARE_WORDS`` of zeros.
        starts: int64 (n + 1,), at which bit each part between restarts begins, and where the last one ends.
        tiles: int64 (n, 7), the tiles of a unit in their order: plane, row and column in the unit, how many rows and
            columns of that plane it has, and the numbers of the tables for its average and for all else.
        tables: uint16 (n, 2 ** 16) and uint32 (n, 2 ** ``CHAIN_BITS``), as `fill_codes` and `fill_chains` fill them.
        shape: rows of units, units in a row, units between restarts, and whether there is anything but averages.
        planes: int32 (3, rows, columns).
    """
    rows, columns, per_part, has_values = shape
    codes, chains = tables
    last = np.zeros(3, np.int64)
    at, part = starts[0], 0
    for unit in range(rows * columns):
        if unit % per_part == 0:
            if part >= len(starts) - 1 or starts[part] - at >= 8:
                return False
            at, part = starts[part], part + 1
            last[:] = 0
        down, across = unit // columns, unit % columns
        for number in range(len(tiles)):
            plane, row, column = tiles[number, 0], tiles[number, 1], tiles[number, 2]
            difference, at = _difference(words, at, codes, tiles[number, 5])
            last[plane] += difference
            planes[plane, down * tiles[number, 3] + row, across * tiles[number, 4] + column] = last[plane]
            if has_values and at < _BROKEN:
                at = _behind(words, at, codes, chains, tiles[number, 6])
            if at > starts[part]:
                return False
    return part == len(starts) - 1 and starts[part] - at < 8


@compiled
def colours_of(planes: np.ndarray, smaller: np.ndarray, steps: np.ndarray, pixels: np.ndarray) -> None:
    """Turn averages of brightness and colours into RGB.

    Args:
        planes: int32 (3, rows, columns).
        smaller: int64 (3, 2), how often the rows and the columns of each plane are halved.
        steps: int64 (3,), what each average is to be multiplied by, in eighths of a level; the second 0 for grey.
        pixels: uint8 (height, width, 3), filled.
    """
    levels = np.zeros(3, np.int64)
    for row in range(pixels.shape[0]):
        for column in range(pixels.shape[1]):
            for plane in range(3):
                value = planes[plane, row >> smaller[plane, 0], column >> smaller[plane, 1]] * steps[plane] + 4 >> 3
                levels[plane] = min(max(value, -128), 127)
            luma, blue, red = levels[0] + 128, levels[1], levels[2]
            green = luma - (22554 * blue + 46802 * red + 32768 >> 16)
            pixels[row, column, 0] = min(max(luma + (91881 * red + 32768 >> 16), 0), 255)
            pixels[row, column, 1] = min(max(green, 0), 255)
            pixels[row, column, 2] = min(max(luma + (116130 * blue + 32768 >> 16), 0), 255)
