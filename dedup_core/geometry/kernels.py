"""The compiled loops of geometry: which keypoints of two pictures match, and which transform most matches agree on."""

from __future__ import annotations

import math

import numpy as np

from dedup_core.jit.bits import popcount
from dedup_core.jit.compiled import compiled

X, Y, SCALE, ANGLE = 0, 1, 2, 3
"""Columns of keypoints: pixels of the frame, 1 for the finest scale, degrees."""

NEAR = 14.0
"""Pixels by which a match may be off what another one alone says: its angle and scale are rough."""

TURNED, SCALED = 30.0, 1.8
"""By how many degrees and times two matches of one transform may differ in angle and scale."""

REFINED = (9.0, 6.0, 4.5, 3.5, 3.0, 3.0)
"""Pixels by which a match may be off, step by step, where the transform is fitted to all that agree."""

HYPOTHESES = 6

HEARD = 128


@compiled
def mutual_matches(one: np.ndarray, other: np.ndarray, most: int) -> np.ndarray:
    """Return the pairs of descriptors that are nearest to each other, the first of equals: int64 (k, 2).

    Args:
        one: uint64 (n, 4).
        other: uint64 (m, 4).
        most: in how many of the 256 bits two may differ.
    """
    w_0, w_1, w_2, w_3 = other[:, 0].copy(), other[:, 1].copy(), other[:, 2].copy(), other[:, 3].copy()
    of_one, of_other = np.full(len(one), -1, np.int64), np.full(len(other), -1, np.int64)
    near_other = np.full(len(other), most + 1, np.int64)
    apart = np.empty(len(other), np.int64)
    for i in range(len(one)):
        first, second, third, fourth = one[i, 0], one[i, 1], one[i, 2], one[i, 3]
        for j in range(len(other)):
            apart[j] = (
                popcount(first ^ w_0[j])
                + popcount(second ^ w_1[j])
                + popcount(third ^ w_2[j])
                + popcount(fourth ^ w_3[j])
            )
        nearest = most + 1
        for j in range(len(other)):
            if apart[j] < nearest:
                nearest, of_one[i] = apart[j], j
            if apart[j] < near_other[j]:
                near_other[j], of_other[j] = apart[j], i
    found = np.empty((min(len(one), len(other)), 2), np.int64)
    count = 0
    for i in range(len(one)):
        if of_one[i] >= 0 and of_other[of_one[i]] == i:
            found[count, 0], found[count, 1] = i, of_one[i]
            count += 1
    return found[:count]


@compiled
def said_by(one: np.ndarray, other: np.ndarray, match: int) -> np.ndarray:
    """Return the transform that one match alone says, by its scales and angles: 6 numbers, row by row."""
    scale = other[match, SCALE] / one[match, SCALE]
    turn = math.radians(other[match, ANGLE] - one[match, ANGLE])
    cosine, sine = scale * math.cos(turn), scale * math.sin(turn)
    x, y = one[match, X], one[match, Y]
    left, top = other[match, X] - (cosine * x - sine * y), other[match, Y] - (sine * x + cosine * y)
    return np.array([cosine, -sine, left, sine, cosine, top])


@compiled
def agreeing(transform: np.ndarray, one: np.ndarray, other: np.ndarray, off: float, like: int) -> np.ndarray:
    """Return which matches a transform explains, bool (k,).

    Args:
        transform: 6 numbers, row by row.
        one: float64 (k, 4), the matched keypoints of one picture.
        other: those of the other one.
        off: pixels by which the place may be off, of the coarser of the two pictures.
        like: a match with which they must agree in scale and angle, roughly.
    """
    size = math.sqrt(abs(transform[0] * transform[4] - transform[1] * transform[3]))
    most = (off * max(1.0, size)) ** 2
    scale = other[like, SCALE] / one[like, SCALE]
    turn = other[like, ANGLE] - one[like, ANGLE]
    found = np.zeros(len(one), np.bool_)
    for match in range(len(one)):
        x, y = one[match, X], one[match, Y]
        across = transform[0] * x + transform[1] * y + transform[2] - other[match, X]
        down = transform[3] * x + transform[4] * y + transform[5] - other[match, Y]
        if across * across + down * down <= most:
            ratio = other[match, SCALE] / one[match, SCALE] / scale
            bend = (other[match, ANGLE] - one[match, ANGLE] - turn + 180.0) % 360.0 - 180.0
            found[match] = abs(bend) <= TURNED and 1.0 / SCALED <= ratio <= SCALED
    return found


@compiled
def fitted(one: np.ndarray, other: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the affine transform of least squares over the chosen matches; NaN where they lie on a line."""
    count = 0.0
    mean = np.zeros(4)
    for match in range(len(one)):
        if chosen[match]:
            count += 1.0
            mean += np.array([one[match, X], one[match, Y], other[match, X], other[match, Y]])
    mean /= max(count, 1.0)
    xx, xy, yy = 0.0, 0.0, 0.0
    ux, uy, vx, vy = 0.0, 0.0, 0.0, 0.0
    for match in range(len(one)):
        if chosen[match]:
            x, y = one[match, X] - mean[0], one[match, Y] - mean[1]
            u, v = other[match, X] - mean[2], other[match, Y] - mean[3]
            xx, xy, yy = xx + x * x, xy + x * y, yy + y * y
            ux, uy, vx, vy = ux + u * x, uy + u * y, vx + v * x, vy + v * y
    area = xx * yy - xy * xy
    if area <= 1e-4 * (xx + yy) * (xx + yy):
        return np.full(6, np.nan)
    a, b = (ux * yy - uy * xy) / area, (uy * xx - ux * xy) / area
    c, d = (vx * yy - vy * xy) / area, (vy * xx - vx * xy) / area
    return np.array([a, b, mean[2] - a * mean[0] - b * mean[1], c, d, mean[3] - c * mean[0] - d * mean[1]])


@compiled
def best_transform(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the affine transform that most matches agree on, and which: 6 numbers (NaN if there is none), bool (k,).

    The first ``HEARD`` matches, of the strongest keypoints, are all heard: scale and angle of each say a transform by
    themselves, so that nothing is drawn by chance. Those that most others agree with are fitted to these, step by step
    more closely.
    """
    nothing = np.full(6, np.nan), np.zeros(len(one), np.bool_)
    heard = np.zeros(min(len(one), HEARD), np.int64)
    for match in range(len(heard)):
        heard[match] = agreeing(said_by(one, other, match), one, other, NEAR, match).sum()
    best, chosen, most = nothing[0], nothing[1], 0
    is_done = np.zeros(len(one), np.bool_)
    for _ in range(HYPOTHESES):
        like = -1
        for match in range(len(heard)):
            if not is_done[match] and (like < 0 or heard[match] > heard[like]):
                like = match
        if like < 0 or heard[like] < 3:
            break
        transform = said_by(one, other, like)
        inside = agreeing(transform, one, other, NEAR, like)
        is_done |= inside
        for off in REFINED:
            transform = fitted(one, other, inside)
            if np.isnan(transform[0]):
                break
            inside = agreeing(transform, one, other, off, like)
            if inside.sum() < 3:
                break
        if not np.isnan(transform[0]) and inside.sum() > most:
            best, chosen, most = transform, inside, inside.sum()
    return best, chosen
