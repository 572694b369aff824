"""The approximations of Haar wavelets, compiled."""

from __future__ import annotations

import numpy as np

from dedup_core.jit.compiled import compiled

SIDE, LEAST = 256, 8


@compiled
def approximated(gray: np.ndarray, share: float) -> np.ndarray:
    """Return float64 (n, 8, 8) of uint8 (n, 256, 256): at each level two rows become one, then two columns."""
    found = np.empty((len(gray), LEAST, LEAST))
    numbers = np.empty((SIDE // 2, SIDE))
    for k in range(len(gray)):
        for row in range(SIDE // 2):
            for column in range(SIDE):
                numbers[row, column] = share * gray[k, 2 * row, column] + share * gray[k, 2 * row + 1, column]
        side = SIDE // 2
        _add_columns(numbers, side, share)
        while side > LEAST:
            side //= 2
            _add_rows(numbers, side, share)
            _add_columns(numbers, side, share)
        for row in range(LEAST):
            for column in range(LEAST):
                found[k, row, column] = numbers[row, column]
    return found


@compiled
def _add_rows(numbers: np.ndarray, side: int, share: float) -> None:
    """Make ``side`` rows of twice as many."""
    for row in range(side):
        for column in range(2 * side):
            numbers[row, column] = share * numbers[2 * row, column] + share * numbers[2 * row + 1, column]


@compiled
def _add_columns(numbers: np.ndarray, side: int, share: float) -> None:
    """Make ``side`` columns of twice as many."""
    for row in range(side):
        for column in range(side):
            numbers[row, column] = share * numbers[row, 2 * column] + share * numbers[row, 2 * column + 1]
