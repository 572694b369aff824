"""Exact joins of pictures by the hashes of their turns: the least distance over the eight ways that one can lie.

By a turn two pictures have two distances: of the one turned to the other as it lies, and of the one as it lies to the
other turned back. These are two measurements of one thing, and where they see different parts of the pictures, as
difference hashes do by a quarter turn, a copy is close by both and a stranger by one at most. So the larger is the
distance by that turn, and the least over all turns that of the pair, the same from either side.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from dedup_core.hamming.join import cross_join_blocks, self_join_blocks
from dedup_core.jit.bits import popcount
from dedup_core.jit.compiled import compiled
from dedup_core.pairs import Pairs
from dedup_core.turns import INVERSE, TURNS

_INVERSE = np.array(INVERSE, np.int8)


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
        pairs: of positions, by their distance.
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
        yield from _found(block, 0, (side, side), max_distance)
    for turn in range(1, len(TURNS)):
        for block in cross_join_blocks(_column(side, turn), upright, max_distance):
            yield from _found(_forward(block), turn, (side, side), max_distance)


def turned_cross_join_blocks(left: TurnedCodes, right: TurnedCodes, max_distance: int) -> Iterator[TurnedPairs]:
    """Yield every pair of a left and a right picture within a distance once, in blocks of bounded size.

    Args:
        left: the pictures on the left.
        right: those on the right. One with the code of a left one is that one, and no pair with it.
        max_distance: 0 to 64.
    """
    upright = _column(right, 0)
    for turn in range(len(TURNS)):
        for block in cross_join_blocks(_column(left, turn), upright, max_distance):
            yield from _found(block, turn, (left, right), max_distance)


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
    return _closest(np.ascontiguousarray(one), np.ascontiguousarray(other), _INVERSE)


def _column(side: TurnedCodes, turn: int) -> np.ndarray:
    return np.ascontiguousarray(side.hashes[:, turn])


def _forward(block: Pairs) -> Pairs:
    """Return the pairs whose left one comes first: a side that is joined with itself has each both ways."""
    first = block.left < block.right
    return Pairs(block.left[first], block.right[first], block.score[first])


def _found(block: Pairs, turn: int, sides: tuple[TurnedCodes, TurnedCodes], max_distance: int) -> Iterator[TurnedPairs]:
    """Yield those pairs that the turn brings closest, the first of several: so each comes once.

    Args:
        block: pairs of positions.
        turn: after which the picture on the left is near the right one.
        sides: the two sides.
        max_distance: the largest distance of a pair.
    """
    ends = (sides[0], block.left), (sides[1], block.right)
    codes, hashes = ([getattr(side, name)[places] for side, places in ends] for name in TurnedCodes._fields)
    is_swapped = codes[0] > codes[1]
    one, other = (np.where(is_swapped[:, None], *pair) for pair in (hashes[::-1], hashes))
    distance, closest = _closest(one, other, _INVERSE)
    seen = np.where(is_swapped, INVERSE[turn], turn)
    chosen = (closest == seen) & (distance <= max_distance) & (codes[0] != codes[1])
    if chosen.any():
        yield TurnedPairs(Pairs(block.left[chosen], block.right[chosen], distance[chosen]), closest[chosen])


@compiled
def _closest(one: np.ndarray, other: np.ndarray, inverse: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance of each pair, int16 (n,), and the first turn by which it is reached, int8 (n,)."""
    distance, closest = np.full(len(one), 65, np.int16), np.zeros(len(one), np.int8)
    for pair in range(len(one)):
        for turn in range(one.shape[1]):
            there = popcount(one[pair, turn] ^ other[pair, 0])
            back = popcount(one[pair, 0] ^ other[pair, inverse[turn]])
            if max(there, back) < distance[pair]:
                distance[pair] = max(there, back)
                closest[pair] = turn
    return distance, closest
