"""The compiled loop of the descriptors: 256 comparisons of brightness about each keypoint.

A test compares two places about a keypoint, turned as the keypoint is. Mirroring a picture turns a test into the one
whose places are mirrored at the keypoint's own axis: of these the second half of the bits of each word is made.
"""

from __future__ import annotations

import math

import numpy as np

from dedup_core.jit.compiled import compiled

WORDS = 4
REACH = 16
"""Pixels from a keypoint beyond which no test lies."""

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
    wide = level.shape[1] + 2 * REACH
    padded = _padded(level).ravel()
    descriptors = np.zeros((len(places), WORDS), np.uint64)
    for row in range(len(places)):
        turn = math.radians(angles[row])
        cosine, sine = math.cos(turn), math.sin(turn)
        # Half a pixel more: what follows is cut, not rounded.
        left, top = places[row, 0] + REACH + 0.5, places[row, 1] + REACH + 0.5
        for word in range(WORDS):
            straight, turned = np.uint64(0), np.uint64(0)
            for number in range(HALF):
                test = tests[word * HALF + number]
                x_c, x_s, y_c, y_s = test[0] * cosine, test[0] * sine, test[1] * cosine, test[1] * sine
                one = padded[int(top + x_s + y_c) * wide + int(left + x_c - y_s)]
                mirror = padded[int(top + x_s - y_c) * wide + int(left + x_c + y_s)]
                x_c, x_s, y_c, y_s = test[2] * cosine, test[2] * sine, test[3] * cosine, test[3] * sine
                straight |= np.uint64(one < padded[int(top + x_s + y_c) * wide + int(left + x_c - y_s)]) << np.uint64(
                    number
                )
                turned |= np.uint64(mirror < padded[int(top + x_s - y_c) * wide + int(left + x_c + y_s)]) << np.uint64(
                    number
                )
            descriptors[row, word] = straight | turned << np.uint64(HALF)
    return descriptors


@compiled
def _padded(level: np.ndarray) -> np.ndarray:
    """Return a picture with its edges drawn out as far as tests reach."""
    height, width = level.shape
    padded = np.empty((height + 2 * REACH, width + 2 * REACH), level.dtype)
    for row in range(len(padded)):
        source = min(max(row - REACH, 0), height - 1)
        padded[row, :REACH] = level[source, 0]
        padded[row, REACH : REACH + width] = level[source]
        padded[row, REACH + width :] = level[source, width - 1]
    return padded
