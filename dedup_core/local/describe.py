"""The compiled loop of the descriptors: 256 comparisons of brightness about each keypoint.

A test compares two places about a keypoint, turned as the keypoint is. Mirroring a picture turns a test into the one
whose places are mirrored at the keypoint's own axis: of these the second half of the bits of each word is made.
"""

from __future__ import annotations

import math

import numpy as np

from dedup_core.jit.compiled import compiled

WORDS = 4
HALF = 32
"""Tests of a word; its other half are the mirrored ones."""


@compiled
def described(level: np.ndarray, places: np.ndarray, angles: np.ndarray, tests: np.ndarray) -> np.ndarray:
    """Return the descriptors of keypoints of one level of a pyramid: uint64 (n, 4).

    Args:
        level: uint8 (h, w), smoothed.
        places: float32 (n, 2), x and y in pixels of the level.
        angles: float32 (n,), in degrees.
        tests: int8 (128, 4): of each test the two places, x and y from the keypoint.
    """
    height, width = level.shape
    descriptors = np.zeros((len(places), WORDS), np.uint64)
    for row in range(len(places)):
        turn = math.radians(angles[row])
        cosine, sine = math.cos(turn), math.sin(turn)
        left, top = places[row, 0] + 0.5, places[row, 1] + 0.5  # half a pixel: what follows is cut, not rounded
        for word in range(WORDS):
            bits = np.uint64(0)
            for number in range(HALF):
                test = tests[word * HALF + number]
                x_a, y_a, x_b, y_b = float(test[0]), float(test[1]), float(test[2]), float(test[3])
                for side in range(2):
                    column_a = min(max(int(left + x_a * cosine - y_a * sine), 0), width - 1)
                    row_a = min(max(int(top + x_a * sine + y_a * cosine), 0), height - 1)
                    column_b = min(max(int(left + x_b * cosine - y_b * sine), 0), width - 1)
                    row_b = min(max(int(top + x_b * sine + y_b * cosine), 0), height - 1)
                    if level[row_a, column_a] < level[row_b, column_b]:
                        bits |= np.uint64(1) << np.uint64(number + HALF * side)
                    y_a, y_b = -y_a, -y_b
            descriptors[row, word] = bits
    return descriptors
