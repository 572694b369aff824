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
        rows, columns = SIDE // 2, SIDE
        while True:
            columns //= 2
            for row in range(rows):
                for column in range(columns):
                    numbers[row, column] = share * numbers[row, 2 * column] + share * numbers[row, 2 * column + 1]
            if columns == LEAST:
                break
            rows //= 2
            for row in range(rows):
                for column in range(columns):
                    numbers[row, column] = share * numbers[2 * row, column] + share * numbers[2 * row + 1, column]
        found[k] = numbers[:LEAST, :LEAST]
    return found
