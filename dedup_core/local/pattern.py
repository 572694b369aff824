"""The tests that make a descriptor, as ``benchmarks/descriptor_tests.py`` chose them.

Each compares the brightness at two places: x and y of the one, x and y of the other, in pixels from the keypoint, along
and across its own direction. With the mirrored ones (y negated) they are the 256 bits; the first 32 make the code.
"""

import numpy as np

_ROWS = """
    0 -2 1 9  -9 0 -8 -2  -6 6 -5 4  5 -3 5 0  -4 11 -3 8  10 4 10 0  4 9 3 5  -6 -7 -6 11
    4 -9 6 12  -2 6 -1 9  -10 1 -10 -9  4 -10 6 -11  7 4 10 3  -9 5 -6 5  -4 5 -2 -8  0 10 0 13
    -9 -4 -12 -5  -1 -10 -3 13  4 -4 6 -3  2 -6 8 8  -6 2 -4 3  3 -8 5 -6  0 7 3 8  -10 4 -3 -12
    2 -1 0 3  0 13 4 -5  -7 -9 -1 6  12 -4 4 12  2 -12 -5 10  -7 -6 2 9  -13 -3 5 12  -5 4 13 3
    10 9 5 1  1 -13 0 -5  -3 -9 -3 1  5 9 3 -2  -5 -3 -6 -12  6 0 8 3  -6 1 -6 -7  -2 12 -2 -6
    9 4 13 0  -13 -1 -9 -5  6 -5 10 7  2 10 2 -7  1 4 2 6  -4 -1 -4 3  5 -5 7 -6  -12 4 -10 -1
    3 -5 2 3  -1 1 0 -3  -11 7 -6 -8  -9 -3 -7 -9  0 -10 2 11  7 -10 7 -6  -2 4 -1 1  2 -8 5 -10
    -7 2 -10 6  4 -2 13 3  3 -4 4 -2  -5 9 -2 -12  -2 -6 -1 -4  -8 -2 -5 0  -8 5 -4 -5  -4 -7 -5 -3
    -2 7 0 -5  7 8 10 5  12 4 10 -9  -7 7 -4 8  5 12 6 -4  -4 10 -6 12  -2 -9 0 -6  6 -7 9 0
    -3 4 -1 7  -6 7 -2 12  -1 -13 -5 1  -3 13 2 11  -6 -3 -8 -1  5 -2 3 0  7 -5 2 -2  3 -2 1 -9
    -6 3 -2 -2  2 2 4 1  -7 5 -2 2  -2 7 1 7  -13 3 -3 2  -2 -4 4 9  1 13 7 -10  2 -12 -1 -10
    1 2 -4 -11  9 7 4 9  -2 2 1 4  7 -9 6 -11  3 12 7 2  0 4 2 3  4 12 -2 -8  -8 -9 0 -6
    -4 0 0 -2  4 7 -1 -8  -10 2 -1 10  11 5 1 5  1 -7 8 3  -7 -1 0 7  -2 -10 9 -10  1 -12 -9 -10
    -13 -2 -1 5  -4 -2 7 -10  -5 -5 2 -1  -1 2 10 -5  -8 2 2 -12  0 11 12 2  -3 9 5 4  -9 10 4 -12
    2 -7 -5 9  -6 -9 6 -10  -3 5 5 -4  -10 8 2 -6  -2 -11 8 5  -12 -5 4 -10  -12 3 2 2  8 -5 -3 -5
    -5 7 7 -10  -6 -2 5 7  10 1 -2 -5  -8 10 5 0  3 -6 -8 -4  -4 -10 10 -1  -5 -5 12 4  -10 7 7 5
"""

TESTS = np.array(_ROWS.split(), np.int8).reshape(-1, 4)
"""int8 (128, 4)."""


def mirrored(words: np.ndarray) -> np.ndarray:
    """Return the words of the mirrored picture's descriptors, uint64 (n,) or (n, k): each has its halves exchanged."""
    return words << np.uint64(32) | words >> np.uint64(32)
