"""Pairs of keys written out as the pairs of their members, so many at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_PAIRS_AT_A_TIME = 1 << 18


@dataclass(frozen=True)
class Members:
    """Members by their keys.

    Attributes:
        keys: int64 (n,), ascending.
        positions: int64 (n,), where the member with each of these keys stands.
    """

    keys: np.ndarray
    positions: np.ndarray

    @classmethod
    def of(cls, keys: np.ndarray, positions: np.ndarray) -> Members:
        """Sort them.

        Args:
            keys: int64 (n,).
            positions: int64 (n,), where the member with each key stands.
        """
        order = np.argsort(keys, kind="stable")
        return cls(keys[order], positions[order])

    def runs(self, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return where the members of each wanted key begin, and how many there are: int64 (m,) each."""
        first = np.searchsorted(self.keys, wanted, side="left")
        return first, np.searchsorted(self.keys, wanted, side="right") - first


def expanded(
    left: Members, right: Members, key_a: np.ndarray, key_b: np.ndarray, at_a_time: int = _PAIRS_AT_A_TIME
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield the pairs of members that pairs of keys stand for, block by block: memory doesn't grow with their number.

    Args:
        left: members of the first keys.
        right: members of the second ones; the same object where they are: a key with itself then stands for each two of
            its members once.
        key_a: int64 (m,), the first key of each pair.
        key_b: int64 (m,), the second one.
        at_a_time: how many pairs a block holds.

    Yields:
        Three int64 arrays of one length: which of the m pairs, and the positions of two members.
    """
    first_a, count_a = left.runs(key_a)
    first_b, count_b = right.runs(key_b)
    products = count_a * count_b
    ends = np.cumsum(products)
    for start in range(0, int(ends[-1]) if len(ends) else 0, at_a_time):
        flat = np.arange(start, min(start + at_a_time, ends[-1]))
        pair = np.searchsorted(ends, flat, side="right")
        of_a, of_b = np.divmod(flat - (ends - products)[pair], count_b[pair])
        if left is right:
            once = (key_a[pair] != key_b[pair]) | (of_a < of_b)
            pair, of_a, of_b = pair[once], of_a[once], of_b[once]
        yield pair, left.positions[first_a[pair] + of_a], right.positions[first_b[pair] + of_b]
