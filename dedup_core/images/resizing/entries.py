"""This room's kernels as entries, which are given arrays by their addresses.

This file loads numba: whoever calls the entries (`native`) doesn't import it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from dedup_core.images.resizing import passes, windows
from dedup_core.images.resizing.layout import CHANNELS
from dedup_core.images.resizing.weights import WINDOW
from dedup_core.jit.entry import entry

_WINDOWS = "int64*", "int64*", "int32*"


@entry(*_WINDOWS, "float64*", "float64", "int64*")
def weigh(starts: Any, counts: Any, weights: Any, row: Any, scale: float, sizes: Any) -> int:
    """See `windows.weigh`; sizes are what there is, what is made, the most in a window, the filter."""
    of = carray(sizes, (4,))
    n_in, n, most, reach = of[0], of[1], of[2], of[3]
    made = carray(starts, (n,)), carray(counts, (n,)), carray(weights, (n, most))
    windows.weigh((n_in, n), scale, reach, made, carray(row, (most,)))
    return 0


@entry(*_WINDOWS, "int64*")
def count(starts: Any, counts: Any, weights: Any, sizes: Any) -> int:
    """See `windows.count`; sizes are what there is, what is made, the most in a window, how many become one."""
    of = carray(sizes, (4,))
    n_in, n, most, factor = of[0], of[1], of[2], of[3]
    windows.count(n_in, factor, most, (carray(starts, (n,)), carray(counts, (n,)), carray(weights, (n, most))))
    return 0


@entry(*_WINDOWS, "int32*", "int32*", "int64*")
def pack(starts: Any, counts: Any, weights: Any, rows: Any, taps: Any, sizes: Any) -> int:
    """See `windows.pack`; sizes are how many windows, the most in one, and how many taps there is room for."""
    of = carray(sizes, (3,))
    n, most, room = of[0], of[1], of[2]
    packed = carray(starts, (n,)), carray(counts, (n,)), carray(weights, (n, most))
    return windows.pack(packed, carray(rows, (n, WINDOW)), carray(taps, (room,)))


@entry("uint8*", "int32*", "int32*", "int32*", "int64*", "int32*")
def passed(pixels: Any, across: Any, down: Any, taps: Any, sizes: Any, room: Any) -> int:
    """See `passes.passed`; sizes are those of a `plan.Plan`."""
    of = carray(sizes, (14,))
    ends = of[8:]
    arrays = carray(across, (of[2], WINDOW)), carray(down, (of[3], WINDOW + 3)), carray(taps, (of[4],))
    rooms = carray(room, (ends[5],))
    aside = rooms[ends[3] : ends[4]].view(np.int64), rooms[ends[4] : ends[5]].view(np.uint8)
    parts = rooms[: ends[0]], rooms[ends[0] : ends[1]], rooms[ends[1] : ends[2]], rooms[ends[2] : ends[3]], aside
    rows = carray(pixels, (of[0] * of[1] * CHANNELS,))
    passes.passed(rows, of[1], (*arrays, of[5], of[6]), parts, of[7])
    return 0


@entry("int32*", "uint8*", "int64*", keeps_gil=True)
def rounded(made: Any, pixels: Any, sizes: Any) -> int:
    """See `passes.rounded`; sizes are width, height and lanes."""
    of = carray(sizes, (3,))
    width, height, lanes = of[0], of[1], of[2]
    passes.rounded(carray(made, (height * lanes,)), lanes, carray(pixels, (height, width * CHANNELS)))
    return 0


@entry("int32*", "int64*", "int64*", "uint8*", "int64*", keeps_gil=True)
def averaged(made: Any, cells: Any, shares: Any, pixels: Any, sizes: Any) -> int:
    """See `passes.averaged`; sizes are width, height and lanes."""
    of = carray(sizes, (3,))
    width, height, lanes = of[0], of[1], of[2]
    sums, means = carray(made, (height * lanes,)), carray(pixels, (height, width * CHANNELS))
    passes.averaged(sums, lanes, carray(cells, (5,)), carray(shares, (2, 2)), means)
    return 0


@entry("uint8*", "uint8*", "int64", keeps_gil=True)
def gray(pixels: Any, luma: Any, n: int) -> int:
    """See `passes.gray`."""
    passes.gray(carray(pixels, (CHANNELS * n,)), carray(luma, (n,)))
    return 0
