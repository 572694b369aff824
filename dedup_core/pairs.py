"""Pairs: the one currency between search, groups and evaluation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pairs:
    """Pairs of positions that lie within a threshold of each other, as three arrays of one length.

    Attributes:
        left: int64 (n,), positions in the left (or only) array. In a self-join ``left < right``.
        right: int64 (n,), positions in the right (or only) array.
        score: (n,) the Hamming distance as int16, or the cosine similarity as float64.

    Raises:
        ValueError: if the three arrays differ in length.
    """

    left: np.ndarray
    right: np.ndarray
    score: np.ndarray

    def __post_init__(self) -> None:
        if not len(self.left) == len(self.right) == len(self.score):
            raise ValueError(
                f"left, right and score differ in length: {len(self.left)}, {len(self.right)}, {len(self.score)}"
            )

    def __len__(self) -> int:
        return len(self.left)

    def sorted(self) -> Pairs:
        """Return the same pairs ordered by (left, right): one order whatever block found them first.

        Pairs that are in order already are returned themselves.
        """
        least = min(self.left.min(initial=0), self.right.min(initial=0))
        left_bits, right_bits = (int(column.max(initial=0)).bit_length() for column in (self.left, self.right))
        if least < 0 or left_bits + right_bits > 64:
            order = np.lexsort((self.right, self.left))
            return Pairs(self.left[order], self.right[order], self.score[order])
        return self._sorted_as_words(np.uint64(right_bits))

    def _sorted_as_words(self, right_bits: np.uint64) -> Pairs:
        """Sort pairs whose two positions fit one word: in linear time, where an index would take many times as long."""
        words = self.left.astype(np.uint64)
        words <<= right_bits
        words |= self.right.astype(np.uint64)
        if (words[:-1] <= words[1:]).all():
            return self
        from dedup_core.jit.radix_sort import radix_sort  # takes numba, which loads when it is first used

        words, score = radix_sort(words, self.score)
        right = words & ((np.uint64(1) << right_bits) - np.uint64(1))
        words >>= right_bits
        return Pairs(words.view(np.int64), right.view(np.int64), score)

    @classmethod
    def empty(cls, score_dtype: type[np.generic]) -> Pairs:
        """Return no pairs, with scores of the given dtype."""
        return cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, score_dtype))

    @classmethod
    def concatenate(cls, blocks: Iterable[Pairs], score_dtype: type[np.generic]) -> Pairs:
        """Return the blocks as one, in the order given."""
        parts = [cls.empty(score_dtype), *blocks]
        return cls(
            np.concatenate([part.left for part in parts]),
            np.concatenate([part.right for part in parts]),
            np.concatenate([part.score for part in parts]),
        )
