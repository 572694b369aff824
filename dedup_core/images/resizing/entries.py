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


@entry(*_WINDOWS, "float64*", "float64", "int64*", keeps_gil=True)
def weigh(starts: Any, counts: Any, weights: Any, row: Any, scale: float, sizes: Any) -> int:
    """See `windows.weigh`; sizes are what there is, what is made, the most in a window, the filter."""
    sizes = carray(sizes, (4,))
    n_in, n, most, reach = sizes[0], sizes[1], sizes[2], sizes[3]
    made = carray(starts, (n,)), carray(counts, (n,)), carray(weights, (n, most))
    windows.weigh((n_in, n), scale, reach, made, carray(row, (most,)))
    return 0


@entry(*_WINDOWS, "int64*", keeps_gil=True)
def count(starts: Any, counts: Any, weights: Any, sizes: Any) -> int:
    """See `windows.count`; sizes are what there is, what is made, the most in a window, how many become one."""
    sizes = carray(sizes, (4,))
    n_in, n, most, factor = sizes[0], sizes[1], sizes[2], sizes[3]
    windows.count(n_in, factor, most, (carray(starts, (n,)), carray(counts, (n,)), carray(weights, (n, most))))
    return 0


@entry(*_WINDOWS, "int32*", "int32*", "int64*", keeps_gil=True)
def pack(starts: Any, counts: Any, weights: Any, rows: Any, taps: Any, sizes: Any) -> int:
    """See `windows.pack`; sizes are how many windows, the most in one, and how many taps there is room for."""
    sizes = carray(sizes, (3,))
    n, most, room = sizes[0], sizes[1], sizes[2]
    packed = carray(starts, (n,)), carray(counts, (n,)), carray(weights, (n, most))
    return windows.pack(packed, carray(rows, (n, WINDOW)), carray(taps, (room,)))


@entry("uint8*", "int32*", "int32*", "int32*", "int64*", "int32*")
def passed(pixels: Any, across: Any, down: Any, taps: Any, sizes: Any, room: Any) -> int:
    """See `passes.passed`; sizes are those of `plan.Plan.sizes`."""
    sizes = carray(sizes, (13,))
    height, width, n_across, n_down, n_taps, n_weighted, n_woven, a, b, c, d, e, f = (
        sizes[0],
        sizes[1],
        sizes[2],
        sizes[3],
        sizes[4],
        sizes[5],
        sizes[6],
        sizes[7],
        sizes[8],
        sizes[9],
        sizes[10],
        sizes[11],
        sizes[12],
    )
    plan = (carray(across, (n_across, WINDOW)), carray(down, (n_down, WINDOW + 3)), carray(taps, (n_taps,)),
            n_weighted, n_woven)  # fmt: skip
    rooms = carray(room, (f,))
    aside = rooms[d:e].view(np.int64), rooms[e:f].view(np.uint8)
    parts = rooms[:a], rooms[a:b], rooms[b:c], rooms[c:d], aside
    passes.passed(carray(pixels, (height * width * CHANNELS,)), width, plan, parts)
    return 0


@entry("int32*", "uint8*", "int64*", keeps_gil=True)
def rounded(made: Any, pixels: Any, sizes: Any) -> int:
    """See `passes.rounded`; sizes are width, height and lanes."""
    sizes = carray(sizes, (3,))
    width, height, lanes = sizes[0], sizes[1], sizes[2]
    passes.rounded(carray(made, (height * lanes,)), lanes, carray(pixels, (height, width * CHANNELS)))
    return 0


@entry("int32*", "int64*", "int64*", "uint8*", "int64*", keeps_gil=True)
def averaged(made: Any, cells: Any, shares: Any, pixels: Any, sizes: Any) -> int:
    """See `passes.averaged`; sizes are width, height and lanes."""
    sizes = carray(sizes, (3,))
    width, height, lanes = sizes[0], sizes[1], sizes[2]
    sums, means = carray(made, (height * lanes,)), carray(pixels, (height, width * CHANNELS))
    passes.averaged(sums, lanes, carray(cells, (5,)), carray(shares, (2, 2)), means)
    return 0


@entry("uint8*", "uint8*", "int64", keeps_gil=True)
def gray(pixels: Any, luma: Any, n: int) -> int:
    """See `passes.gray`."""
    passes.gray(carray(pixels, (CHANNELS * n,)), carray(luma, (n,)))
    return 0
