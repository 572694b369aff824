"""An upper bound on the cosine similarity from a few numbers a vector, and the candidates that it leaves.

Turn unit vectors onto orthonormal axes. With ``h`` the first k coordinates and ``t`` the length of all the others,
the inequality of Cauchy and Schwarz gives ``x . y <= h . h' + t * t'``. The axes along which vectors vary most leave
the shortest rests, so the sharpest bound. `sketches` says how it is computed in whole numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from dedup_core.cosine.integers import COORDINATE_COST
from dedup_core.cosine.kernels import orthonormalise, squared_lengths
from dedup_core.cosine.sketches import (
    LEAST_SCALE,
    MOST,
    REST_MARGIN,
    TAIL,
    mark,
    narrow,
    narrow_marks,
    propose,
    quantise,
    reach,
    tile_rows,
    tile_strips,
    words_of,
)

SAMPLE = 1024  # vectors that a basis is fitted to
MEASURED = 512  # of them, whose pairs the bounds are measured on
CHUNK = 512  # vectors turned at a time: what is made of them stays in the cache
PIECE = 256  # products that are added up in float32: each adds its rounding to the bound
SMALLEST = 2.0**-40  # vectors shorter than this, or longer than its inverse, could be lost in float32
HEADS = (13, 17, 25, 33, 49, 65, 97, 129)  # the first coordinate has a place of its own, the others come by fours
WIDTHS = (65, 129, 193)
PLAIN_SHARES = (0.25, 0.375, 0.5, 0.625, 0.75, 0.875)  # of all coordinates, for the coarse bound of vectors as they are
# What a pair costs, in nanoseconds: to be tested, to be found by the coarse bound, and what the fine one and `scored`
# cost once and for each number.
PAIR_COST, FOUND_COST, FINE_COST, FINE_NUMBER_COST, EXACT_COST, EXACT_NUMBER_COST = 0.1, 3.0, 8.0, 0.02, 20.0, 0.08
GUIDES = 16  # axes: on which side of their medians a vector lies says what it is like
_SCALES = 2.0 ** (-0.5 * np.arange(9))  # what is tried, in shares of the scale at which nothing is cut off
_SCALED = 128  # vectors that it is tried on


@dataclass(frozen=True)
class Basis:
    """Axes to turn vectors onto, and how many coordinates to keep. Fitted once, shared by all who compare sketches.

    A sketch is int32 (words,): see `project`. The choice of a basis never changes the pairs, only how fast they come.

    Attributes:
        axes: float64 (d, width), orthonormal columns or zeros, those of most energy first; None for the d as they are.
        head: coordinates of the coarse bound, tested for every pair: 1 and a multiple of four, or ``width``.
        width: coordinates of the fine bound, tested where the coarse one left a pair; equal to ``head`` for none.
        scale: what a unit of the coordinates stands for, 2**-11 to 1.
        guide: float32 (d, GUIDES), the axes by which like vectors are told, where there are no ``axes``; None for none.
        zero: how many units a byte of 0 stands for, 0 to 127: more than 0 where no coordinate is negative.
    """

    axes: np.ndarray | None
    head: int
    width: int
    scale: float = 1.0 / MOST
    guide: np.ndarray | None = None
    zero: int = 0

    @classmethod
    def plain(cls, length: int) -> Basis:
        """Return the basis that keeps vectors of that length as they are, all coordinates in both bounds."""
        return cls(None, length, length)

    @classmethod
    def whole(cls, sample: np.ndarray) -> Basis:
        """Return `plain` with the scale that suits a sample, float32 (n, d): for few vectors, that repay no more."""
        scale, zero = _steps(unit(np.ascontiguousarray(sample[:_SCALED])))
        return replace(cls.plain(sample.shape[1]), scale=scale, zero=zero)

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
        measured = units[:: max(1, len(units) // MEASURED)].astype(np.float32)
        plans = list(_plans(axes, measured @ axes.astype(np.float32), HEADS, WIDTHS, min_similarity, length))
        if most == length:
            heads = [1 + int(share * length) // 4 * 4 for share in PLAIN_SHARES]
            plans += _plans(None, measured, [*heads, length], [length], min_similarity, length)
        best = min(plans, key=lambda plan: plan[0])[1]
        if best.axes is not None:
            return best
        guide = np.zeros((length, GUIDES), np.float32)
        guide[:, : axes.shape[1] - 1] = axes[:, 1 : 1 + GUIDES]
        return replace(best, guide=guide)

    def project(self, vectors: np.ndarray) -> np.ndarray:
        """Return the sketches of the vectors, int32 (n, words): bytes of coordinates, and what the bounds need.

        Args:
            vectors: float32 (n, d), of any lengths.
        """
        sketches = np.zeros((len(vectors), self.words), np.int32)
        for start in range(0, len(vectors), CHUNK):
            part = np.ascontiguousarray(vectors[start : start + CHUNK])
            squares = squared_lengths(part)
            lengths = np.sqrt(squares)
            turned, error = (part, 0.0) if self.axes is None else _turned(part, lengths, self.axes)
            quantise(turned, lengths, (self.scale, self.zero, self.head, error), sketches[start : start + CHUNK])
        return sketches

    def order(self, vectors: np.ndarray, sketches: np.ndarray) -> np.ndarray:
        """Return an order that brings like vectors together, int64 (n,): where they are many, cells are dense.

        Args:
            vectors: float32 (n, d).
            sketches: int32 (n, words), theirs.
        """
        if self.axes is None and self.guide is None:
            return np.arange(len(vectors))
        levels = sketches.view(np.int8)[:, :GUIDES] if self.guide is None else vectors @ self.guide
        sides = levels > np.median(levels, axis=0) if len(levels) else levels > 0
        return np.argsort(np.packbits(sides, axis=1).view(">u2")[:, 0].astype(np.uint16), kind="stable")

    @property
    def words(self) -> int:
        """Numbers of 32 bits in a sketch."""
        return words_of(self.width) + TAIL

    def candidates(
        self, left: np.ndarray, right: np.ndarray, min_similarity: float, diagonal: int | None = None
    ) -> np.ndarray:
        """Return every pair of rows that may reach the threshold, as int32 (2, p) in no promised order.

        Args:
            left: int32 (n, words), sketches of this basis.
            right: int32 (m, words), sketches of this basis.
            min_similarity: the threshold.
            diagonal: only pairs with ``right row - left row > diagonal``: 0 for a block against itself.
        """
        least = reach(min_similarity, self.scale)
        wanted = -len(left) if diagonal is None else diagonal
        pairs = propose(tile_rows(left, self.head, least), tile_strips(right, self.head), wanted)
        return self.refined(left, right, min_similarity, pairs) if self.head < self.width else pairs

    def strips(self, right: np.ndarray) -> np.ndarray:
        """Return the sketches of right rows as `marks` reads them."""
        return tile_strips(right, self.head)

    def marks(
        self, left: np.ndarray, right: np.ndarray, strips: np.ndarray, min_similarity: float, diagonal: int | None
    ) -> np.ndarray:
        """Return `candidates` as marks, uint64 (strips, rows): see `sketches.mark`. A bit for each pair of rows.

        Args:
            left: int32 (n, words), sketches of this basis.
            right: int32 (m, words), sketches of this basis.
            strips: of the right rows, by `strips`.
            min_similarity: the threshold.
            diagonal: only pairs with ``right row - left row > diagonal``; None for all.
        """
        least = reach(min_similarity, self.scale)
        wanted = -len(left) if diagonal is None else diagonal
        found = mark(tile_rows(left, self.head, least), strips, wanted)
        if self.head < self.width:
            narrow_marks(left, right, least, found)
        return found

    def refined(self, left: np.ndarray, right: np.ndarray, min_similarity: float, pairs: np.ndarray) -> np.ndarray:
        """Return those of the pairs that the fine bound leaves, in their order.

        Args:
            left: int32 (n, words), sketches of this basis.
            right: int32 (m, words), sketches of this basis.
            min_similarity: the threshold.
            pairs: int32 (2, p), changed.
        """
        return pairs[:, : narrow(left, right, reach(min_similarity, self.scale), pairs)]


def _turned(vectors: np.ndarray, lengths: np.ndarray, axes: np.ndarray) -> tuple[np.ndarray, float]:
    """The coordinates along the axes, float64 (n, width), and how far a unit vector's may lie from the true ones."""
    usual = (lengths > SMALLEST) & (lengths < 1.0 / SMALLEST)
    if not (usual | (lengths == 0.0)).all():
        lengths = np.where(lengths > 0.0, lengths, 1.0)[:, None]
        return ((vectors / lengths) @ axes) * lengths, 0.0
    turned = np.zeros((len(vectors), axes.shape[1]))
    rounded = axes.astype(np.float32)
    for start in range(0, len(axes), PIECE):
        turned += vectors[:, start : start + PIECE] @ rounded[start : start + PIECE]
    return turned, (PIECE + 4) * 2.0**-24 * np.sqrt(axes.shape[1])


def _plans(
    axes: np.ndarray | None,
    turned: np.ndarray,
    heads: Iterable[int],
    widths: Iterable[int],
    min_similarity: float,
    length: int,
) -> Iterator[tuple[float, Basis]]:
    """Yield what may be done with those coordinates, and what a pair of vectors then costs."""
    most = turned.shape[1]
    scale, zero = _steps(turned)
    widths = sorted({min(width, most) for width in widths})
    heads = sorted({min(head, widths[-1]) for head in heads})
    kept = {k: _share(_bounds(turned[:, :k], scale), min_similarity) for k in {*heads, *widths}}
    exact = EXACT_COST + EXACT_NUMBER_COST * length
    for head in heads:
        for width in widths:
            if head <= width:
                fine = FINE_COST + FINE_NUMBER_COST * width if head < width else 0.0
                cost = PAIR_COST + COORDINATE_COST * head + kept[head] * (FOUND_COST + fine) + kept[width] * exact
                kept_axes = None if axes is None else np.ascontiguousarray(axes[:, :width])
                yield cost, Basis(kept_axes, head, width, scale, zero=zero)


def _steps(turned: np.ndarray) -> tuple[float, int]:
    """The scale and the zero at which least is rounded away and cut off of all coordinates but the first."""
    some = turned[:: max(1, len(turned) // _SCALED), 1:]
    widest = np.maximum(np.abs(some).max(initial=0.0) / MOST * _SCALES, LEAST_SCALE)
    tried = [(float(scale), zero) for zero in (0, int(MOST)) for scale in widest]
    lost = [
        np.linalg.norm(some - scale * np.rint(some / scale).clip(zero - MOST, zero + MOST), axis=1).sum()
        for scale, zero in tried
    ]
    return tried[int(np.argmin(lost))]


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return the vectors at length 1, as float64 (n, d); a zero vector stays zero."""
    squares = squared_lengths(vectors)
    return vectors / np.sqrt(np.where(squares > 0.0, squares, 1.0))[:, None]


def _bounds(coordinates: np.ndarray, scale: float) -> np.ndarray:
    """What the bound of so many coordinates says of every pair, with the rounding that is to be expected."""
    energy = np.einsum("ij,ij->i", coordinates, coordinates)
    rounded = scale * np.sqrt(coordinates.shape[1] / 12.0)
    rest = np.sqrt(np.maximum(1.0 - energy, 0.0) + REST_MARGIN + rounded**2)
    return coordinates @ coordinates.T + np.outer(rest, rest) + 2.0 * rounded


def _share(similarities: np.ndarray, threshold: float) -> float:
    """The share of pairs that reach the threshold, of a square matrix of all of them."""
    rows = len(similarities)
    above = np.count_nonzero(similarities >= threshold) - np.count_nonzero(similarities.diagonal() >= threshold)
    return above / max(1, rows * (rows - 1))


def _principal_axes(units: np.ndarray, count: int) -> np.ndarray:
    """The axes of most energy, float64 (d, count), by subspace iteration: a full decomposition costs d * d * d.

    Halko, Martinsson, Tropp: Finding structure with randomness (2011), algorithm 4.4.
    """
    few = units.astype(np.float32)  # how good the axes are need not be exact, only that they are orthonormal
    axes = np.random.default_rng(0).standard_normal((units.shape[1], count))
    for _ in range(2):
        rows = np.ascontiguousarray((few.T @ (few @ axes.astype(np.float32))).T, np.float64)
        orthonormalise(rows)
        axes = rows.T
    turned = few @ axes.astype(np.float32)
    turn = np.linalg.eigh((turned.T @ turned).astype(np.float64))[1]  # least energy first
    return axes @ turn[:, ::-1]
