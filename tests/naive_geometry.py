"""Oracles of local features and geometry: the slow and obvious answer to what each kernel computes.

Nothing of ours is imported here, so that a mistake can't stand on both sides of a comparison.
"""

import math

import numpy as np


def bits(word):
    return np.array([int(word) >> number & 1 for number in range(64)], np.int64)


def all_bits(descriptors):
    """(n, 256), 0 or 1."""
    return np.array([np.concatenate([bits(word) for word in row]) for row in descriptors], np.int64).reshape(-1, 256)


def mutual_matches(one, other, most):
    """Return the pairs (i, j) of which each is the other's nearest, the first of equals, within so many bits."""
    if not len(one) or not len(other):
        return []
    apart = (all_bits(one)[:, None] != all_bits(other)[None]).sum(axis=2)
    nearest = apart.argmin(axis=1), apart.argmin(axis=0)
    return [(i, int(j)) for i, j in enumerate(nearest[0]) if nearest[1][j] == i and apart[i, j] <= most]


def said_by(a, b):
    """Return the 2 x 3 transform that one match of keypoints (x, y, scale, degrees) says by itself."""
    turn, scale = math.radians(b[3] - a[3]), b[2] / a[2]
    matrix = scale * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    return np.column_stack([matrix, b[:2] - matrix @ a[:2]])


def agrees(transform, a, b, off, like, turned, scaled):
    """Whether a match (a, b) is explained by a transform, and resembles the match ``like`` in scale and angle."""
    size = math.sqrt(abs(np.linalg.det(transform[:, :2])))
    is_near = np.linalg.norm(transform[:, :2] @ a[:2] + transform[:, 2] - b[:2]) <= off * max(1, size)
    bend = ((b[3] - a[3]) - (like[1][3] - like[0][3]) + 180) % 360 - 180
    ratio = (b[2] / a[2]) / (like[1][2] / like[0][2])
    return is_near and abs(bend) <= turned and 1 / scaled <= ratio <= scaled


def best_transform(one, other, rule):
    """Return the transform (2 x 3, or None) that most matches agree on, and the list of those that do.

    Args:
        one: keypoints of one picture, (k, 4).
        other: those of the other one that they match.
        rule: near, refined, hypotheses, heard, turned, scaled.
    """
    matches = list(zip(one, other, strict=True))

    def inside(transform, off, like):
        return [
            k
            for k, (a, b) in enumerate(matches)
            if agrees(transform, a, b, off, matches[like], rule["turned"], rule["scaled"])
        ]

    first = range(min(len(matches), rule["heard"]))
    heard = {k: len(inside(said_by(*matches[k]), rule["near"], k)) for k in first}
    best, chosen, done = None, [], set()
    for _ in range(rule["hypotheses"]):
        left = [k for k in heard if k not in done]
        like = max(left, key=lambda k: (heard[k], -k), default=None)
        if like is None or heard[like] < 3:
            break
        agreeing = inside(said_by(*matches[like]), rule["near"], like)
        done |= set(agreeing)
        transform, agreeing = refined(one, other, agreeing, lambda fit, off, like=like: inside(fit, off, like), rule)
        if transform is not None and len(agreeing) > len(chosen):
            best, chosen = transform, agreeing
    return best, chosen


def refined(one, other, agreeing, inside, rule):
    """Fit a transform to the matches that agree, and ask again which do, step by step more closely."""
    transform = None
    for off in rule["refined"]:
        transform = fitted(one[agreeing], other[agreeing])
        if transform is None:
            return None, agreeing
        agreeing = inside(transform, off)
        if len(agreeing) < 3:
            break
    return transform, agreeing


def fitted(one, other):
    """Return the affine transform of least squares, 2 x 3; None where the places lie on a line."""
    places = one[:, :2] - one[:, :2].mean(axis=0)
    if np.linalg.det(places.T @ places) <= 1e-4 * (places**2).sum() ** 2:
        return None
    rows = np.column_stack([one[:, :2], np.ones(len(one))])
    return np.linalg.lstsq(rows, other[:, :2], rcond=None)[0].T


def described(level, places, angles, tests):
    """Return the descriptors, a list of four integers each: 128 tests at turned places, and the same ones mirrored."""
    height, width = level.shape

    def brightness(place, turn, x, y):
        column = int(place[0] + 0.5 + x * math.cos(turn) - y * math.sin(turn))
        row = int(place[1] + 0.5 + x * math.sin(turn) + y * math.cos(turn))
        return level[min(max(row, 0), height - 1), min(max(column, 0), width - 1)]

    made = []
    for place, angle in zip(places.astype(float), angles.astype(float), strict=True):
        turn, words = math.radians(angle), [0, 0, 0, 0]
        for number, (x_a, y_a, x_b, y_b) in enumerate(tests.tolist()):
            for half, sign in enumerate((1, -1)):
                if brightness(place, turn, x_a, sign * y_a) < brightness(place, turn, x_b, sign * y_b):
                    words[number // 32] |= 1 << (number % 32 + 32 * half)
        made.append(words)
    return made


def sampled(plane, x, y):
    """Return what lies at a place, in pixels from the corner, between the centres of pixels; the edge goes on."""
    height, width = plane.shape
    x, y = min(max(x - 0.5, 0), width - 1), min(max(y - 0.5, 0), height - 1)
    left, top = math.floor(x), math.floor(y)
    right, below = min(left + 1, width - 1), min(top + 1, height - 1)
    u, v = x - left, y - top
    upper = (1 - u) * float(plane[top, left]) + u * float(plane[top, right])
    lower = (1 - u) * float(plane[below, left]) + u * float(plane[below, right])
    return (1 - v) * upper + v * lower


def tile_sums(one, other, transform, tile, margin):
    """Return {(row, column) of a tile: [(a's three planes, b's three planes) of each pixel that both show]}."""
    found = {}
    for row in range(one.shape[0] // tile * tile):
        for column in range(one.shape[1] // tile * tile):
            here = np.array([column + 0.5, row + 0.5])
            there = transform[:, :2] @ here + transform[:, 2]
            ends = ((here, one.shape), (there, other.shape))
            if all(margin <= x <= shape[1] - margin and margin <= y <= shape[0] - margin for (x, y), shape in ends):
                b = [sampled(other[:, :, plane], *there) for plane in range(3)]
                found.setdefault((row // tile, column // tile), []).append((one[row, column].astype(float), b))
    return found


def sums_of(pixels):
    """Return the two rows of sums of a tile: count, brightness, two colours, brightness squared, its product."""
    a, b = (np.array([pixel[side] for pixel in pixels]) for side in (0, 1))
    product = (a[:, 0] * b[:, 0]).sum()
    return [[len(plane), *plane.sum(axis=0), (plane[:, 0] ** 2).sum(), product] for plane in (a, b)]


def counts_beyond(luma, transform, wide, high, mixed):
    """Return how many pixels of each brightness a picture shows beyond another one, and clear of its edge."""
    edge = mixed * math.sqrt(abs(np.linalg.det(transform[:, :2])))
    counts = [0] * 256
    for row, column in np.ndindex(luma.shape):
        x, y = transform[:, :2] @ [column + 0.5, row + 0.5] + transform[:, 2]
        if not (-edge <= x <= wide + edge and -edge <= y <= high + edge):
            counts[min(max(int(luma[row, column]), 0), 255)] += 1
    return counts
