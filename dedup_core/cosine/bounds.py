"""An upper bound on the cosine similarity from a few numbers a vector, and the candidates that it leaves.

Turn unit vectors onto orthonormal axes. With ``h`` the first k coordinates and ``t`` the length of all the others,
the inequality of Cauchy and Schwarz gives ``x . y <= h . h' + t * t'``, which is itself one dot product of k + 1
numbers. The axes along which vectors vary most leave the shortest rests, so the sharpest bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dedup_core.cosine.kernels import orthonormalise, products, propose, squared_lengths
from dedup_core.cosine.tile import STEP, TILE_COLUMNS, TILE_ROWS

SAMPLE = 1024  # vectors that a basis is fitted to: half a million pairs to measure the bounds on
CHUNK = 512  # vectors turned at a time: their float64 copies stay in the cache
HEADS = (11, 15, 23, 31, 39, 47, 63, 95)
WIDTHS = tuple(STEP * steps - 1 for steps in (2, 3, 4))  # with the rest, whole STEPs: fast in `products`
# What a pair costs in `products`, in units of one number of the coarse bound: once, and for each number.
PAIR_COST, NUMBER_COST = 2000.0, 14.0
# Keeps a rest's length above its true value, whatever was rounded while it was computed as ``sqrt(1 - h . h)``.
REST_MARGIN = 2.0**-36


@dataclass(frozen=True)
class Basis:
    """Axes to turn vectors onto, and how many coordinates to keep. Fitted once, shared by all who compare sketches.

    A sketch is float32 (width + 2,): the first ``width`` coordinates, the length of the rest after them, and the
    length of the rest after the first ``head``. The choice of a basis never changes the pairs, only how fast they come.

    Attributes:
        axes: float64 (d, width), orthonormal columns or zeros, those of most energy first; None for the d as they are.
        head: coordinates of the coarse bound, tested for every pair.
        width: coordinates of the fine bound, tested where the coarse one left a pair; equal to ``head`` for none.
    """

    axes: np.ndarray | None
    head: int
    width: int

    @classmethod
    def plain(cls, length: int) -> Basis:
        """Return the basis that keeps vectors of that length as they are: its bound is the similarity itself."""
        return cls(None, length, length)

    @classmethod
    def fit(cls, sample: np.ndarray, min_similarity: float, max_width: int | None = None) -> Basis:
        """Return the basis that should tell fastest which pairs reach the threshold.

        Args:
            sample: float32 (n, d), a fair sample of the vectors; ``SAMPLE`` of them are enough.
            min_similarity: the threshold to plan for; the basis is right at any other.
            max_width: the most coordinates a sketch may keep, where its size matters; None for as many as pay.
        """
        units = unit(np.ascontiguousarray(sample))
        length = units.shape[1]
        most = min(length, max_width or length)
        axes = _principal_axes(units, min(most, WIDTHS[-1]))
        turned = units @ axes
        widths = sorted({min(width, axes.shape[1]) for width in WIDTHS})
        heads = sorted({min(head, widths[0]) for head in HEADS})
        kept = {k: _share(_bounds(turned[:, :k]), min_similarity) for k in {*heads, *widths}}
        exact = PAIR_COST + NUMBER_COST * length
        cost = {
            (head, width): head + kept[head] * (PAIR_COST + NUMBER_COST * width) + kept[width] * exact
            for head in heads
            for width in widths
        }
        if most == length:
            cost[length, length] = length + _share(units @ units.T, min_similarity) * exact
        head, width = min(cost, key=lambda plan: (cost[plan], plan))
        return cls.plain(length) if width == length else cls(np.ascontiguousarray(axes[:, :width]), head, width)

    def project(self, vectors: np.ndarray) -> np.ndarray:
        """Return the sketches of the vectors, float32 (n, width + 2); all zeros for a zero vector.

        Args:
            vectors: float32 (n, d), of any lengths.
        """
        sketches = np.zeros((len(vectors), self.width + 2), np.float32)
        for start in range(0, len(vectors), CHUNK):
            part, sketch = np.ascontiguousarray(vectors[start : start + CHUNK]), sketches[start : start + CHUNK]
            squares = squared_lengths(part)
            lengths = np.sqrt(np.where(squares > 0.0, squares, 1.0))[:, None]
            if self.axes is None:
                sketch[:, :-2] = part / lengths
                continue
            turned = (part @ self.axes) / lengths
            sketch[:, :-2] = turned
            sketch[:, -2] = _rest(turned)
            sketch[:, -1] = _rest(turned[:, : self.head])
            sketch[squares == 0.0] = 0.0
        return sketches

    def candidates(
        self, left: np.ndarray, right: np.ndarray, min_similarity: float, diagonal: int | None = None
    ) -> np.ndarray:
        """Return every pair of rows that may reach the threshold, as int32 (2, p) in no promised order.

        Args:
            left: float32 (n, width + 2), sketches of this basis.
            right: float32 (m, width + 2), sketches of this basis.
            min_similarity: the threshold.
            diagonal: only pairs with ``right row - left row > diagonal``: 0 for a block against itself.
        """
        wanted = len(left), len(right), -len(left) if diagonal is None else diagonal
        threshold = np.float32(min_similarity - margin(self.head + 1))
        pairs = propose(self._coarse(left, TILE_ROWS), self._strips(right), wanted, threshold)
        if self.head == self.width:
            return pairs
        fine = products(*(np.ascontiguousarray(side[:, : self.width + 1]) for side in (left, right)), pairs)
        return pairs[:, fine >= min_similarity - margin(self.width + 1)]

    def _coarse(self, sketches: np.ndarray, multiple: int) -> np.ndarray:
        """The coarse bound's vectors, with zeros after the last up to whole multiples."""
        coarse = np.zeros((-(-len(sketches) // multiple) * multiple, self.head + 1), np.float32)
        coarse[: len(sketches), : self.head] = sketches[:, : self.head]
        coarse[: len(sketches), self.head] = sketches[:, -1]
        return coarse

    def _strips(self, sketches: np.ndarray) -> np.ndarray:
        """The coarse bound's vectors, cut into strips of TILE_COLUMNS and transposed."""
        coarse = self._coarse(sketches, TILE_COLUMNS)
        return np.ascontiguousarray(coarse.reshape(-1, TILE_COLUMNS, self.head + 1).transpose(0, 2, 1))


def margin(length: int) -> float:
    """Return what a float32 product of that many numbers of unit vectors may fall short by: twice the worst case."""
    return (length + 8) * 2.0**-23


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return the vectors at length 1, as float64 (n, d); a zero vector stays zero."""
    squares = squared_lengths(vectors)
    return vectors / np.sqrt(np.where(squares > 0.0, squares, 1.0))[:, None]


def _rest(coordinates: np.ndarray) -> np.ndarray:
    """The length of what the float64 coordinates leave of a unit vector, never too short."""
    energy = np.einsum("ij,ij->i", coordinates, coordinates)
    return np.sqrt(np.maximum(1.0 - energy, 0.0) + REST_MARGIN)


def _bounds(coordinates: np.ndarray) -> np.ndarray:
    rest = _rest(coordinates)
    return coordinates @ coordinates.T + np.outer(rest, rest)


def _share(similarities: np.ndarray, threshold: float) -> float:
    """The share of pairs that reach the threshold, of a square matrix of all of them."""
    rows = len(similarities)
    above = np.count_nonzero(similarities >= threshold) - np.count_nonzero(similarities.diagonal() >= threshold)
    return above / max(1, rows * (rows - 1))


def _principal_axes(units: np.ndarray, count: int) -> np.ndarray:
    """The axes of most energy, float64 (d, count), by subspace iteration: a full decomposition costs d * d * d.

    Halko, Martinsson, Tropp: Finding structure with randomness (2011), algorithm 4.4.
    """
    axes = np.random.default_rng(0).standard_normal((units.shape[1], count))
    for _ in range(2):
        rows = np.ascontiguousarray((units.T @ (units @ axes)).T)
        orthonormalise(rows)
        axes = rows.T
    turn = np.linalg.eigh((units @ axes).T @ (units @ axes))[1]  # least energy first
    return axes @ turn[:, ::-1]
