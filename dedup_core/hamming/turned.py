"""Exact joins of pictures by the hashes of their turns: the least distance over the eight ways that one can lie.

The hash of a picture that was turned is only nearly that of its turned small picture, so that two pictures have two
distances for each turn: that of the one turned to the other as it lies, and the other way round. The distance of a pair
is the least of all fifteen, which is the same from either side.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from dedup_core.hamming.join import cross_join_blocks, self_join_blocks
from dedup_core.hamming.popcount import popcount
from dedup_core.jit.compiled import compiled
from dedup_core.pairs import Pairs
from dedup_core.turns import INVERSE, TURNS

WAYS = 2 * len(TURNS) - 1
"""How many distances a pair has. A way to look at it: 0 as both lie, 1 to 7 the one turned, 8 to 14 the other."""

_OTHERS = range(1, len(TURNS))
_BEYOND = len(TURNS) - 1
_TURN_OF = np.array([*range(len(TURNS)), *INVERSE[1:]], np.int8)


class TurnedCodes(NamedTuple):
    """Pictures with the hashes of all their turns.

    Attributes:
        codes: int64 (n,), what each is known by, all different on both sides of a join.
        hashes: uint64 (n, 8), as it lies and turned, in the order of ``TURNS``.
    """

    codes: np.ndarray
    hashes: np.ndarray


class TurnedPairs(NamedTuple):
    """Pairs, and which turn brings them together.

    Attributes:
        pairs: of positions, by the least distance.
        turn: int8 (n,), the turn after which the picture of the smaller code is like the other; 0 where none brings
            them closer than they are as they lie. Of several as good, the first.
    """

    pairs: Pairs
    turn: np.ndarray


def turned_self_join_blocks(side: TurnedCodes, max_distance: int) -> Iterator[TurnedPairs]:
    """Yield every pair within a distance once, in blocks of bounded size.

    Args:
        side: the pictures.
        max_distance: 0 to 64.

    Yields:
        Pairs with ``left < right``.
    """
    upright = _column(side, 0)
    for block in self_join_blocks(upright, max_distance):
        yield from _found(block.left, block.right, 0, (side, side))
    for turn in _OTHERS:
        for block in cross_join_blocks(_column(side, turn), upright, max_distance):
            ways = np.where(block.left < block.right, turn, turn + _BEYOND)
            left, right = np.minimum(block.left, block.right), np.maximum(block.left, block.right)
            others = left < right
            yield from _found(left[others], right[others], ways[others], (side, side))


def turned_cross_join_blocks(left: TurnedCodes, right: TurnedCodes, max_distance: int) -> Iterator[TurnedPairs]:
    """Yield every pair of a left and a right picture within a distance once, in blocks of bounded size.

    Args:
        left: the pictures on the left.
        right: those on the right. One with the code of a left one is that one, and no pair with it.
        max_distance: 0 to 64.
    """
    for block in cross_join_blocks(_column(left, 0), _column(right, 0), max_distance):
        yield from _found(block.left, block.right, 0, (left, right))
    for turn in _OTHERS:
        for block in cross_join_blocks(_column(left, turn), _column(right, 0), max_distance):
            yield from _found(block.left, block.right, turn, (left, right))
        for block in cross_join_blocks(_column(left, 0), _column(right, turn), max_distance):
            yield from _found(block.left, block.right, turn + _BEYOND, (left, right))


def turned_partners(sample: TurnedCodes, others: TurnedCodes, images: np.ndarray, max_distance: int) -> np.ndarray:
    """Count what lies at each distance from each of a sample, as `dedup_core.hamming.estimate.partners`.

    Args:
        sample: the pictures of a sample.
        others: a part of all; a sampled one among them is no partner of itself.
        images: int64 (n,), how many images stand behind each of the others.
        max_distance: 0 to 64.

    Returns:
        float64 (2, m, max_distance + 1): how many of the others, and how many images, at exactly that distance.
    """
    counts = np.zeros((2, len(sample.codes) * (max_distance + 1)))
    for found, _ in turned_cross_join_blocks(sample, others, max_distance):
        place = found.left * (max_distance + 1) + found.score
        for counted, weight in zip(counts, (None, images[found.right]), strict=True):
            counted += np.bincount(place, weight, counts.shape[1])
    return counts.reshape(2, len(sample.codes), max_distance + 1)


def closest_turns(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances of pairs, int16 (n,), and after which turn the one is like the other, int8 (n,).

    Args:
        one: uint64 (n, 8), hashes of the turns of pictures.
        other: uint64 (n, 8), those of as many others.
    """
    distance, way = _closest(np.ascontiguousarray(one), np.ascontiguousarray(other))
    return distance, _TURN_OF[way]


def _column(side: TurnedCodes, turn: int) -> np.ndarray:
    return np.ascontiguousarray(side.hashes[:, turn])


def _found(
    left: np.ndarray, right: np.ndarray, way: np.ndarray | int, sides: tuple[TurnedCodes, TurnedCodes]
) -> Iterator[TurnedPairs]:
    """Yield those of pairs that were found by the first of their closest ways: so each comes once.

    Args:
        left: int64 (n,), positions on the left.
        right: int64 (n,), positions on the right.
        way: by which each pair was found, seen from the left.
        sides: the two sides.
    """
    codes = sides[0].codes[left], sides[1].codes[right]
    is_swapped = (codes[0] > codes[1])[:, None]
    hashes = sides[0].hashes[left], sides[1].hashes[right]
    one, other = np.where(is_swapped, hashes[1], hashes[0]), np.where(is_swapped, hashes[0], hashes[1])
    distance, closest = _closest(one, other)
    seen = np.where(is_swapped[:, 0], _from_the_other(np.asarray(way)), way)
    first = (closest == seen) & (codes[0] != codes[1])
    if first.any():
        yield TurnedPairs(Pairs(left[first], right[first], distance[first]), _TURN_OF[closest[first]])


def _from_the_other(way: np.ndarray) -> np.ndarray:
    """Return the same ways to look at pairs, seen from the other side."""
    return np.where(way == 0, 0, np.where(way > _BEYOND, way - _BEYOND, way + _BEYOND))


@compiled
def _closest(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the least distance of each pair, int16 (n,), and the first way by which it is reached, int8 (n,)."""
    distance, way = np.empty(len(one), np.int16), np.zeros(len(one), np.int8)
    for pair in range(len(one)):
        least = popcount(one[pair, 0] ^ other[pair, 0])
        for number in range(1, WAYS):
            turn = number if number < 8 else number - 7
            turned = one[pair, turn] ^ other[pair, 0] if number < 8 else one[pair, 0] ^ other[pair, turn]
            bits = popcount(turned)
            if bits < least:
                least = bits
                way[pair] = number
        distance[pair] = least
    return distance, way
